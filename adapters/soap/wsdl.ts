// WSDL 1.1 as a model: which operations there are, how each is bound, and which one a body means.
import { GatewayError } from 'dragoman'
import { compileSchemas, type XmlSchemas } from '../xml/schema.ts'
import { attribute, childElements, resolveQName, type XmlElement } from '../xml/tree.ts'
import type { Documents } from './documents.ts'
import { clark, ns, type QName, type Version } from './names.ts'

/** A message part: an element of the schema (document) or a type (rpc). */
export interface Part {
  readonly name: string
  readonly element?: QName
  readonly type?: QName
}

export interface HeaderPart {
  readonly element: QName
}

/** One direction of an operation as its binding puts it on the wire. */
export interface WireMessage {
  readonly use: 'literal' | 'encoded'
  /** What stands in the Body; absent: nothing does. document: the part's element; rpc: the wrapper. */
  readonly body?: QName
  /** rpc: the parts inside the wrapper, in order. document: the one in the Body, or none. */
  readonly parts: readonly Part[]
  readonly headers: readonly HeaderPart[]
  /** wsa:Action (WS-Addressing 1.0 Metadata §4.4). */
  readonly action: string
}

export interface WsdlOperation {
  readonly name: string
  readonly portType: string
  readonly style: 'document' | 'rpc'
  readonly input: WireMessage
  /** Absent: one-way (WSDL 1.1 §2.4.1). */
  readonly output?: WireMessage
  /** Declared faults by their element's local name. */
  readonly faults: ReadonlyMap<string, QName>
  /** SOAPAction or `action` as the binding says it; `""` where it says none. */
  readonly soapAction: string
  readonly port: Port
}

export interface Port {
  readonly service: string
  readonly name: string
  readonly version: Version
  readonly location: string
}

export interface Wsdl {
  readonly documents: Documents
  readonly schemas: XmlSchemas
  readonly targetNamespace: string
  /** Every operation of every SOAP port, in order; one name may be bound several times. */
  readonly operations: readonly WsdlOperation[]
  /** Why an operation of the WSDL is not among them. */
  readonly left: readonly string[]
}

export interface WsdlOptions {
  /** Only this service, only this port. */
  readonly service?: string
  readonly port?: string
}

/** Reads the model from loaded documents. Throws `DECODE_FAILED` where a reference leads nowhere. */
export function readWsdl(documents: Documents, options: WsdlOptions = {}): Wsdl {
  const index = new Index(documents.definitions)
  const left: string[] = []
  const operations: WsdlOperation[] = []
  for (const { definitions, service, port } of index.ports()) {
    const serviceName = attribute(service, 'name') ?? ''
    const name = attribute(port, 'name') ?? ''
    if (options.service !== undefined && options.service !== serviceName) continue
    if (options.port !== undefined && options.port !== name) continue
    const binding = index.find('binding', reference(port, 'binding'))
    const address = childElements(port).find((child) => child.local === 'address')
    const version = soapVersion(childElements(binding).find((child) => child.local === 'binding')?.uri)
    if (version === undefined) continue // ASMX also binds HTTP GET and POST
    const where = {
      service: serviceName,
      name,
      version,
      location: address === undefined ? '' : (attribute(address, 'location') ?? ''),
    }
    operations.push(...boundOperations(index, binding, { port: where, left, fallback: definitions }))
  }
  if (operations.length === 0)
    throw new GatewayError(
      'DECODE_FAILED',
      `"${documents.main.location}" has no SOAP port${options.port === undefined ? '' : ` named "${options.port}"`} with an operation${left.map((why) => `; ${why}`).join('')}`,
    )
  return {
    documents,
    schemas: compileSchemas(documents.schemas, { resolve: documents.resolve }),
    targetNamespace: attribute(documents.main.root, 'targetNamespace') ?? '',
    operations,
    left,
  }
}

/** The operations whose request has this element in its Body; those of the caller's SOAP version first. */
export function operationsByBody(wsdl: Wsdl, body: QName | undefined, version: Version): WsdlOperation[] {
  const key = body === undefined ? undefined : clark(body)
  return wsdl.operations
    .filter(({ input }) => (input.body === undefined ? undefined : clark(input.body)) === key)
    .sort((a, b) => Number(b.port.version === version) - Number(a.port.version === version))
}

function soapVersion(uri: string | undefined): Version | undefined {
  if (uri === ns.wsdlSoap11) return '1.1'
  return uri === ns.wsdlSoap12 ? '1.2' : undefined
}

interface BindingContext {
  readonly port: Port
  readonly left: string[]
  readonly fallback: XmlElement
}

function boundOperations(index: Index, binding: XmlElement, context: BindingContext): WsdlOperation[] {
  const portType = index.find('portType', reference(binding, 'type'))
  const home = index.targetNamespace(portType)
  const defaultStyle = soapChild(binding, 'binding')?.style ?? 'document'
  const abstract = childElements(portType).filter(
    (child) => child.local === 'operation' && child.uri === ns.wsdl,
  )
  const found: WsdlOperation[] = []
  for (const bound of childElements(binding)) {
    if (bound.local !== 'operation' || bound.uri !== ns.wsdl) continue
    const name = attribute(bound, 'name') ?? ''
    const signature = abstract.find((one) => attribute(one, 'name') === name && sameMessages(one, bound))
    const input = signature === undefined ? undefined : wsdlChild(signature, 'input')
    if (signature === undefined || input === undefined) {
      context.left.push(`operation "${name}" has no input in its port type`)
      continue
    }
    const operation = soapChild(bound, 'operation')
    const style = (operation?.style ?? defaultStyle) === 'rpc' ? 'rpc' : 'document'
    const portTypeName = attribute(portType, 'name') ?? ''
    const output = wsdlChild(signature, 'output')
    const make = (side: 'input' | 'output', message: XmlElement): WireMessage =>
      wireMessage(index, {
        side,
        style,
        name,
        portType: portTypeName,
        home,
        message,
        bound: wsdlChild(bound, side),
        soapAction: operation?.action ?? '',
        oneWay: output === undefined,
      })
    try {
      found.push({
        name,
        portType: portTypeName,
        style,
        input: make('input', input),
        ...(output === undefined ? {} : { output: make('output', output) }),
        faults: declaredFaults(index, signature),
        soapAction: operation?.action ?? '',
        port: context.port,
      })
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      context.left.push(`operation "${name}": ${error.message}`)
    }
  }
  return found
}

interface Wire {
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

function wireMessage(index: Index, wire: Wire): WireMessage {
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
  const all = parts(message).filter((part) => listed === undefined || listed.includes(part.name))
  const attachments = new Set(bound === undefined ? [] : mimeParts(bound))
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
  if (part === undefined) return { use, parts: [], headers, action }
  if (part.element === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      `part "${part.name}" of a document body names no element (WS-I BP 1.1 R2204)`,
    )
  return { use, body: part.element, parts: own, headers, action }
}

function isHeader(part: Part, headers: readonly HeaderPart[]): boolean {
  return (
    part.element !== undefined &&
    headers.some(({ element }) => part.element !== undefined && clark(element) === clark(part.element))
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

function boundHeaders(index: Index, bound: XmlElement): HeaderPart[] {
  const headers: HeaderPart[] = []
  for (const header of allDeep(bound, 'header')) {
    const message = index.find('message', reference(header, 'message'))
    const part = parts(message).find(({ name }) => name === attribute(header, 'part'))
    if (part?.element !== undefined) headers.push({ element: part.element })
  }
  return headers
}

/** Parts that travel as MIME attachments (WSDL 1.1 §5.11), not in the Body. */
function mimeParts(bound: XmlElement): string[] {
  return allDeep(bound, 'content', 'http://schemas.xmlsoap.org/wsdl/mime/').flatMap(
    (content) => attribute(content, 'part') ?? [],
  )
}

function declaredFaults(index: Index, signature: XmlElement): Map<string, QName> {
  const faults = new Map<string, QName>()
  for (const fault of childElements(signature)) {
    if (fault.local !== 'fault' || fault.uri !== ns.wsdl) continue
    const [part] = parts(index.find('message', reference(fault, 'message')))
    if (part?.element !== undefined) faults.set(part.element.local, part.element)
  }
  return faults
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

/** Overloaded operations (WSDL 1.1 §2.4.5) are told apart by the names of their messages. */
function sameMessages(signature: XmlElement, bound: XmlElement): boolean {
  return (['input', 'output'] as const).every((side) => {
    const wanted = wsdlChild(bound, side)
    const name = wanted === undefined ? undefined : attribute(wanted, 'name')
    const offered = wsdlChild(signature, side)
    const own = offered === undefined ? undefined : attribute(offered, 'name')
    return name === undefined || own === undefined || name === own
  })
}

function wsdlChild(element: XmlElement, local: string): XmlElement | undefined {
  return childElements(element).find((child) => child.local === local && child.uri === ns.wsdl)
}

function soapChild(element: XmlElement, local: string): { style?: string; action?: string } | undefined {
  const child = childElements(element).find(
    (one) => one.local === local && soapVersion(one.uri) !== undefined,
  )
  if (child === undefined) return undefined
  const style = attribute(child, 'style')
  const action = attribute(child, 'soapAction')
  return { ...(style === undefined ? {} : { style }), ...(action === undefined ? {} : { action }) }
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

function reference(element: XmlElement, name: string): QName {
  const value = attribute(element, name)
  if (value === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      `wsdl:${element.local} "${attribute(element, 'name') ?? ''}" lacks its ${name}`,
    )
  return qname(element, value)
}

function qname(scope: XmlElement, value: string): QName {
  const name = resolveQName(scope, value)
  if (name === undefined)
    throw new GatewayError('DECODE_FAILED', `the WSDL uses "${value}", whose prefix it does not declare`)
  return name
}

/** Top-level WSDL definitions by kind and expanded name, over all imported documents (WSDL 1.1 §2.1.1). */
class Index {
  readonly #byName = new Map<string, XmlElement>()
  readonly #home = new Map<XmlElement, string>()
  readonly #definitions: readonly XmlElement[]

  constructor(definitions: readonly XmlElement[]) {
    this.#definitions = definitions
    for (const root of definitions) {
      const uri = attribute(root, 'targetNamespace') ?? ''
      for (const child of childElements(root)) {
        const key = `${child.local} ${clark({ uri, local: attribute(child, 'name') ?? '' })}`
        if (child.uri !== ns.wsdl || this.#byName.has(key)) continue
        this.#byName.set(key, child)
        this.#home.set(child, uri)
      }
    }
  }

  find(kind: 'message' | 'portType' | 'binding', name: QName): XmlElement {
    // unprefixed where the default namespace is WSDL's own: its own target namespace is meant
    const own = name.uri === ns.wsdl || name.uri === '' ? this.#definitions : []
    const found =
      this.#byName.get(`${kind} ${clark(name)}`) ??
      own
        .map((root) =>
          this.#byName.get(
            `${kind} ${clark({ uri: attribute(root, 'targetNamespace') ?? '', local: name.local })}`,
          ),
        )
        .find((candidate) => candidate !== undefined)
    if (found !== undefined) return found
    throw new GatewayError('DECODE_FAILED', `the WSDL refers to ${kind} ${clark(name)}, which is not in it`)
  }

  targetNamespace(element: XmlElement): string {
    return this.#home.get(element) ?? ''
  }

  *ports(): Generator<{ definitions: XmlElement; service: XmlElement; port: XmlElement }> {
    for (const definitions of this.#definitions)
      for (const service of childElements(definitions)) {
        if (service.local !== 'service' || service.uri !== ns.wsdl) continue
        for (const port of childElements(service))
          if (port.local === 'port' && port.uri === ns.wsdl) yield { definitions, service, port }
      }
  }
}
