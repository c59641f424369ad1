// What a binding puts on the wire for one direction of an operation: body, parts, headers, action.
import { GatewayError } from 'dragoman'
import { attribute, childElements, type XmlElement } from '../xml/tree.ts'
import { clark, ns, type QName } from './names.ts'
import { qname, reference, soapVersion, type WsdlIndex } from './wsdl-index.ts'

/** A message part: an element of the schema (document) or a type (rpc). */
export interface Part {
  readonly name: string
  readonly element?: QName
  readonly type?: QName
}

/** A part that stands for itself: a header block, or the detail of a fault. */
export interface BlockPart {
  /** The element it is: one of the schema, or (WSDL 1.1 §3.6, §3.7) named by the part in the binding's namespace. */
  readonly name: QName
  /** The type of one that is named by the part. */
  readonly type?: QName
  readonly use: 'literal' | 'encoded'
}

/** One direction of an operation as its binding puts it on the wire. */
export interface WireMessage {
  readonly use: 'literal' | 'encoded'
  /** What stands in the Body; absent: nothing does. document: the part's element; rpc: the wrapper. */
  readonly body?: QName
  /** rpc: the parts inside the wrapper, in order. document: the one in the Body, or none. */
  readonly parts: readonly Part[]
  readonly headers: readonly BlockPart[]
  /** A part that travels as an attachment of its own (mime:content, WSDL 1.1 §5), which we neither read nor write. */
  readonly beside?: string
  /** wsa:Action (WS-Addressing 1.0 Metadata §4.4). */
  readonly action: string
}

/** One direction of one operation, as port type and binding have it. */
export interface Wire {
  readonly side: 'input' | 'output'
  readonly style: 'document' | 'rpc'
  readonly name: string
  readonly portType: string
  readonly home: string
  readonly message: XmlElement
  readonly bound: XmlElement | undefined
  readonly soapAction: string
  readonly oneWay: boolean
}

/** Reads one direction. Throws `DECODE_FAILED` for what no Body can carry. */
export function wireMessage(index: WsdlIndex, wire: Wire): WireMessage {
  const { side, style, name, bound } = wire
  // soap:body may stand inside mime:multipartRelated (WSDL 1.1 §5.11)
  const body = bound === undefined ? undefined : deep(bound, 'body')
  const use = body !== undefined && attribute(body, 'use') === 'encoded' ? 'encoded' : 'literal'
  const listed =
    body === undefined
      ? undefined
      : attribute(body, 'parts')
          ?.split(/\s+/)
          .filter((part) => part !== '')
  const headers = bound === undefined ? [] : boundHeaders(index, bound)
  const message = index.find('message', reference(wire.message, 'message'))
  const attachments = new Set(bound === undefined ? [] : mimeParts(bound))
  const attached = parts(message).find((part) => attachments.has(part.name))
  const beside = attached === undefined ? {} : { beside: attached.name }
  const all = parts(message).filter((part) => listed === undefined || listed.includes(part.name))
  const inBody = all.filter((part) => !attachments.has(part.name))
  const action = addressingAction(wire)
  if (style === 'rpc') {
    const uri = (body === undefined ? undefined : attribute(body, 'namespace')) ?? ''
    // SOAP 1.1 §7.1: the response's name is the request's with "Response" appended; WSDL 1.1 §3.5
    return {
      use,
      body: { uri, local: side === 'input' ? name : `${name}Response` },
      parts: inBody,
      headers,
      ...beside,
      action,
    }
  }
  // a header part may share the message with the body part (WSDL 1.1 §3.7): the body then lists its own
  const own =
    inBody.length > 1 && listed === undefined ? inBody.filter((part) => !isHeader(part, headers)) : inBody
  if (own.length > 1)
    throw new GatewayError(
      'DECODE_FAILED',
      `a document body has one part, not ${own.length} (WS-I BP 1.1 R2201)`,
    )
  const [part] = own
  if (part === undefined) return { use, parts: [], headers, ...beside, action }
  if (part.element === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      `part "${part.name}" of a document body names no element (WS-I BP 1.1 R2204)`,
    )
  return { use, body: part.element, parts: own, headers, ...beside, action }
}

function isHeader(part: Part, headers: readonly BlockPart[]): boolean {
  const { element, type } = part
  return headers.some((header) =>
    header.type === undefined
      ? element !== undefined && clark(header.name) === clark(element)
      : type !== undefined && header.name.local === part.name && clark(header.type) === clark(type),
  )
}

function parts(message: XmlElement): Part[] {
  return childElements(message)
    .filter((child) => child.local === 'part' && child.uri === ns.wsdl)
    .map((part) => {
      const element = attribute(part, 'element')
      const type = attribute(part, 'type')
      return {
        name: attribute(part, 'name') ?? '',
        ...(element === undefined ? {} : { element: qname(part, element) }),
        ...(type === undefined ? {} : { type: qname(part, type) }),
      }
    })
}

function boundHeaders(index: WsdlIndex, bound: XmlElement): BlockPart[] {
  return allDeep(bound, 'header').flatMap((header) => {
    const message = index.find('message', reference(header, 'message'))
    const part = parts(message).find(({ name }) => name === attribute(header, 'part'))
    return part === undefined ? [] : (blockPart(part, header) ?? [])
  })
}

/** `bound`: its soap:header or soap:fault, where the binding has one. */
function blockPart({ name, element, type }: Part, bound: XmlElement | undefined): BlockPart | undefined {
  const said = (attributeName: string): string | undefined =>
    bound === undefined ? undefined : attribute(bound, attributeName)
  const use = said('use') === 'encoded' ? 'encoded' : 'literal'
  if (element !== undefined) return { name: element, use }
  return type === undefined ? undefined : { name: { uri: said('namespace') ?? '', local: name }, type, use }
}

/** Parts that travel as MIME attachments (WSDL 1.1 §5.11), not in the Body. */
function mimeParts(bound: XmlElement): string[] {
  return allDeep(bound, 'content', 'http://schemas.xmlsoap.org/wsdl/mime/').flatMap(
    (content) => attribute(content, 'part') ?? [],
  )
}

/** Declared faults by the full name of their element. `bound` is the operation in the binding. */
export function declaredFaults(
  index: WsdlIndex,
  signature: XmlElement,
  bound: XmlElement,
): Map<string, BlockPart> {
  const faults = new Map<string, BlockPart>()
  for (const fault of faultsIn(signature)) {
    const [part] = parts(index.find('message', reference(fault, 'message')))
    const same = faultsIn(bound).find((one) => attribute(one, 'name') === attribute(fault, 'name'))
    const block = part && blockPart(part, same && deep(same, 'fault'))
    if (block !== undefined) faults.set(clark(block.name), block)
  }
  return faults
}

function faultsIn(operation: XmlElement): XmlElement[] {
  return childElements(operation).filter(({ local, uri }) => local === 'fault' && uri === ns.wsdl)
}

/** WS-Addressing 1.0 Metadata §4.4.1 (explicit), §4.4.4 (default pattern); a soapAction goes before the pattern (SOAP binding §5.1). */
function addressingAction(wire: Wire): string {
  const explicit = wire.message.attributes.find(
    ({ uri, local }) => local === 'Action' && /addressing/.test(uri),
  )
  if (explicit !== undefined) return explicit.value
  if (wire.side === 'input' && wire.soapAction !== '') return wire.soapAction
  const delimiter = wire.home.startsWith('urn:') ? ':' : '/'
  const home = wire.home.endsWith(delimiter) ? wire.home.slice(0, -1) : wire.home
  // WSDL 1.1 §2.4.5: the names messages have by default
  const suffix = wire.oneWay ? '' : wire.side === 'input' ? 'Request' : 'Response'
  const name = attribute(wire.message, 'name') ?? wire.name + suffix
  return [home, wire.portType, name].join(delimiter)
}

function deep(element: XmlElement, local: string): XmlElement | undefined {
  return allDeep(element, local)[0]
}

function allDeep(element: XmlElement, local: string, uri?: string): XmlElement[] {
  return childElements(element).flatMap((child) => [
    ...(child.local === local &&
    (uri === undefined ? soapVersion(child.uri) !== undefined : child.uri === uri)
      ? [child]
      : []),
    ...allDeep(child, local, uri),
  ])
}
