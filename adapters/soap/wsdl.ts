// WSDL 1.1 as a model: which operations there are, how each is bound, and which one a body means.
import { GatewayError } from 'dragoman'
import { didYouMean } from '../data/nearest.ts'
import { compileSchemas, type XmlSchemas } from '../xml/schema.ts'
import { attribute, childElements, type XmlElement } from '../xml/tree.ts'
import { isRemote, type Documents } from './documents.ts'
import { ns, type Version } from './names.ts'
import { reference, soapVersion, wsdlChild, WsdlIndex } from './wsdl-index.ts'
import { declaredFaults, wireMessage, type BlockPart, type WireMessage } from './wsdl-messages.ts'

export interface WsdlOperation {
  readonly name: string
  readonly portType: string
  readonly style: 'document' | 'rpc'
  readonly input: WireMessage
  /** Absent: one-way (WSDL 1.1 §2.4.1). */
  readonly output?: WireMessage
  /** Declared faults by their element's full name. */
  readonly faults: ReadonlyMap<string, BlockPart>
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
  /** Names that several operations have, each with where they stand: nothing may be run by such a name. */
  readonly ambiguous: ReadonlyMap<string, string>
  /** Why an operation of the WSDL cannot be had. */
  readonly left: readonly string[]
  /** Every operation that is bound, those that cannot be had among them. */
  readonly names: ReadonlySet<string>
}

export interface WsdlOptions {
  /** Only this service, only this port. */
  readonly service?: string
  readonly port?: string
}

/** Reads the model from loaded documents. Throws `DECODE_FAILED` where a reference leads nowhere; `detail.at` is the option that is to blame. */
export function readWsdl(documents: Documents, options: WsdlOptions = {}): Wsdl {
  const index = new WsdlIndex(documents.definitions)
  const left: string[] = []
  const operations: WsdlOperation[] = []
  const meanings = new Map<string, Meanings>()
  const names = new Set<string>()
  for (const { service, port } of index.ports()) {
    const serviceName = attribute(service, 'name') ?? ''
    const name = attribute(port, 'name') ?? ''
    if (options.service !== undefined && options.service !== serviceName) continue
    if (options.port !== undefined && options.port !== name) continue
    const binding = index.find('binding', reference(port, 'binding'))
    const address = childElements(port).find((child) => child.local === 'address')
    const version = soapVersion(childElements(binding).find((child) => child.local === 'binding')?.uri)
    // ASMX also binds HTTP GET and POST
    if (version === undefined || (address !== undefined && soapVersion(address.uri) === undefined)) continue
    const where = {
      service: serviceName,
      name,
      version,
      location: address === undefined ? '' : (attribute(address, 'location') ?? ''),
    }
    operations.push(...boundOperations(index, binding, { port: where, left, meanings, names }))
  }
  if (operations.length === 0)
    throw (
      absent(documents, index, options) ??
      new GatewayError(
        'DECODE_FAILED',
        `"${documents.main.location}" has no SOAP port${options.port === undefined ? '' : ` named "${options.port}"`} with an operation${left.map((why) => `; ${why}`).join('')}`,
      )
    )
  const ambiguous = ambiguities(meanings)
  return {
    documents,
    schemas: compileSchemas(documents.schemas, { resolve: documents.resolve }),
    targetNamespace: attribute(documents.main.root, 'targetNamespace') ?? '',
    operations,
    ambiguous,
    left: [...left, ...ambiguous.values()],
    names,
  }
}

/** The service or the port that is named and not there, with those that are; `detail.at` is the key that names it. */
function absent(documents: Documents, index: WsdlIndex, options: WsdlOptions): GatewayError | undefined {
  const ports = [...index.ports()].map(({ service, port }) => ({
    service: attribute(service, 'name') ?? '',
    port: attribute(port, 'name') ?? '',
    isSoap: childElements(port).some(
      ({ local, uri }) => local === 'address' && soapVersion(uri) !== undefined,
    ),
  }))
  const refusal = (key: 'service' | 'port', problem: string, there: readonly string[]): GatewayError => {
    const known = there.length === 0 ? '' : `: there is ${[...new Set(there)].join(', ')}`
    const message = `"${documents.main.location}" has no ${problem}${known}`
    return new GatewayError('DECODE_FAILED', message, { detail: { at: [key] } })
  }
  const soap = ports.filter(({ isSoap }) => isSoap)
  const { service, port } = options
  const isMeant = (each: { readonly service: string }): boolean =>
    service === undefined || each.service === service
  if (service !== undefined && !ports.some(isMeant))
    return refusal(
      'service',
      `service "${service}"`,
      soap.map((each) => each.service),
    )
  if (port === undefined || ports.some((each) => isMeant(each) && each.port === port)) return undefined
  const where = service === undefined ? '' : ` in the service "${service}"`
  const there = soap.filter(isMeant).map((each) => each.port)
  return refusal('port', `SOAP port named "${port}"${where}`, there)
}

/** What a name stands for: operations of port types, each with the first port that has it. */
type Meanings = Map<XmlElement, Port>

/** However often it is bound, one operation of one port type is one operation. */
function ambiguities(meanings: ReadonlyMap<string, Meanings>): Map<string, string> {
  const found = new Map<string, string>()
  for (const [name, meant] of meanings) {
    if (meant.size === 1) continue
    const ports = [...meant.values()]
    const services = new Set(ports.map(({ service }) => service))
    const names = new Set(ports.map((port) => port.name))
    const where =
      services.size > 1
        ? `in the services ${[...services].join(' and ')}: name one as \`service\``
        : names.size > 1
          ? `in the ports ${[...names].join(' and ')}: name one as \`port\``
          : `several times in port "${[...names].join()}", and its overloads cannot be told apart`
    found.set(name, `operation "${name}" stands ${where}`)
  }
  return found
}

/** Of an operation whose input has a part that is never there: why that is so. */
export function lackOfInput({ name, input }: WsdlOperation): string | undefined {
  return input.beside === undefined
    ? undefined
    : `operation "${name}": part "${input.beside}" of its input travels as an attachment of its own (mime:content), which is not supported`
}

/**
 * Refuses settings for operations that the WSDL does not have: throws `DECODE_FAILED`, `detail.at` is the key to blame. What is fetched
 * changes without us, and `check` does not read it: then it ends no start, and is told to `warn`.
 */
export function refuseStrangers(
  { documents, names }: Wsdl,
  named: readonly string[],
  warn: (problem: string) => void,
): void {
  const strangers = named.filter((name) => !names.has(name))
  if (strangers.length === 0) return
  const problem = strangers
    .map((name) => `the WSDL has no operation "${name}"${didYouMean(name, names)}`)
    .join('; ')
  if (documents.all.some(({ location }) => isRemote(location))) return warn(problem)
  const at = ['operations', ...(strangers.length === 1 ? strangers : [])]
  throw new GatewayError('DECODE_FAILED', problem, { detail: { at } })
}

interface BindingContext {
  readonly port: Port
  readonly left: string[]
  readonly meanings: Map<string, Meanings>
  readonly names: Set<string>
}

function boundOperations(index: WsdlIndex, binding: XmlElement, context: BindingContext): WsdlOperation[] {
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
    context.names.add(name)
    const signatures = abstract.filter((one) => attribute(one, 'name') === name && sameMessages(one, bound))
    const [signature] = signatures
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
        faults: declaredFaults(index, signature, bound),
        soapAction: operation?.action ?? '',
        port: context.port,
      })
      const meant = context.meanings.get(name) ?? new Map<XmlElement, Port>()
      for (const one of signatures) if (!meant.has(one)) meant.set(one, context.port)
      context.meanings.set(name, meant)
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      context.left.push(`operation "${name}": ${error.message}`)
    }
  }
  return found
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

function soapChild(element: XmlElement, local: string): { style?: string; action?: string } | undefined {
  const child = childElements(element).find(
    (one) => one.local === local && soapVersion(one.uri) !== undefined,
  )
  if (child === undefined) return undefined
  const style = attribute(child, 'style')
  const action = attribute(child, 'soapAction')
  return { ...(style === undefined ? {} : { style }), ...(action === undefined ? {} : { action }) }
}
