// Finding things in WSDL documents: definitions by kind and name over all imports, references, children.
import { GatewayError } from 'dragoman'
import { attribute, childElements, resolveQName, type XmlElement } from '../xml/tree.ts'
import { clark, ns, type QName, type Version } from './names.ts'

/** Top-level WSDL definitions by kind and expanded name, over all imported documents (WSDL 1.1 §2.1.1). */
export class WsdlIndex {
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

/** The QName an attribute refers to. Throws `DECODE_FAILED` where it is missing or its prefix is not declared. */
export function reference(element: XmlElement, name: string): QName {
  const value = attribute(element, name)
  if (value === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      `wsdl:${element.local} "${attribute(element, 'name') ?? ''}" lacks its ${name}`,
    )
  return qname(element, value)
}

/** A QName of the WSDL. Throws `DECODE_FAILED`. */
export function qname(scope: XmlElement, value: string): QName {
  const name = resolveQName(scope, value)
  if (name === undefined)
    throw new GatewayError('DECODE_FAILED', `the WSDL uses "${value}", whose prefix it does not declare`)
  return name
}

/** The first child of WSDL's own namespace by that name. */
export function wsdlChild(element: XmlElement, local: string): XmlElement | undefined {
  return childElements(element).find((child) => child.local === local && child.uri === ns.wsdl)
}

/** The SOAP version of a binding extension's namespace (WSDL 1.1 §3, WSDL 1.1 binding extension for SOAP 1.2). */
export function soapVersion(uri: string | undefined): Version | undefined {
  if (uri === ns.wsdlSoap11) return '1.1'
  return uri === ns.wsdlSoap12 ? '1.2' : undefined
}
