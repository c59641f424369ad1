// Shows a WSDL to callers: our own address in every SOAP port, our own locations in every import.
import { isXsd } from '../xml/names.ts'
import { attribute, attributeOf, childElements, type XmlElement, withParts } from '../xml/tree.ts'
import { writeXml } from '../xml/write.ts'
import type { Document, Documents } from './documents.ts'
import { ns } from './names.ts'

/** Which document a query asks for: `?wsdl`, `?WSDL`, `?singleWsdl`, `?wsdl=NAME`, `?xsd=NAME`. Undefined: none of them. */
export function askedDocument(query: string): { readonly name?: string } | undefined {
  for (const pair of query.split('&')) {
    const [key = '', value] = pair.split('=', 2)
    if (!/^(?:wsdl|singlewsdl|xsd)$/i.test(key)) continue
    return value === undefined || value === '' ? {} : { name: decode(value) }
  }
  return undefined
}

/** The bytes of one document as callers at `address` see it; undefined if there is none of that name. */
export function publish(documents: Documents, address: string, name?: string): Uint8Array | undefined {
  const document =
    name === undefined
      ? documents.main
      : documents.all.find((one) => one.name.toLowerCase() === name.toLowerCase())
  return document === undefined ? undefined : writeXml(rewrite(document.root, { documents, address }))
}

interface Context {
  readonly documents: Documents
  readonly address: string
}

function rewrite(source: XmlElement, context: Context): XmlElement {
  const attributes = rewriteAttributes(source, context)
  const isPort = source.uri === ns.wsdl && source.local === 'port'
  const children = source.children
    .filter((child) => typeof child === 'string' || !isForeignPort(child))
    .map((child) => {
      if (typeof child === 'string') return child
      return isPort && isReference(child) ? readdressed(child, context) : rewrite(child, context)
    })
  return withParts(source, { attributes, children })
}

/** WS-Addressing 1.0 WSDL Binding §4.1: in a port it says where the port is. */
function isReference({ uri, local }: XmlElement): boolean {
  return uri === ns.wsa && local === 'EndpointReference'
}

/** The old address leads past us, and who stands at it (WCF's Identity) is not who answers here. */
function readdressed(reference: XmlElement, { address }: Context): XmlElement {
  const children = reference.children
    .filter((child) => typeof child === 'string' || child.uri !== identityNs)
    .map((child) => {
      const isAddress = typeof child !== 'string' && child.uri === ns.wsa && child.local === 'Address'
      return isAddress ? withParts(child, { children: [address] }) : child
    })
  return withParts(reference, { children })
}

const identityNs = 'http://schemas.xmlsoap.org/ws/2006/02/addressingidentity'

function rewriteAttributes(source: XmlElement, { documents, address }: Context): XmlElement['attributes'] {
  if (isSoapAddress(source)) return replaced(source, 'location', address)
  const isImport =
    (source.uri === ns.wsdl && source.local === 'import') ||
    (isXsd(source.uri) && /^(?:import|include|redefine)$/.test(source.local))
  if (!isImport) return source.attributes
  const key = source.uri === ns.wsdl ? 'location' : 'schemaLocation'
  const target = documents.target.get(source)
  // what we do not serve must not send anybody to the Internet (built-in namespaces)
  if (target === undefined) return source.attributes.filter(({ local, uri }) => local !== key || uri !== '')
  return replaced(source, key, `${address}?${queryOf(target, documents)}`)
}

/** One address for each document: the main one has that by which everybody asks for it. */
function queryOf(document: Document, { main }: Documents): string {
  if (document === main) return 'wsdl'
  const { root, name } = document
  return `${isXsd(root.uri) ? 'xsd' : 'wsdl'}=${encodeURIComponent(name)}`
}

function replaced(source: XmlElement, local: string, value: string): XmlElement['attributes'] {
  return [
    ...source.attributes.filter((one) => one.local !== local || one.uri !== ''),
    attributeOf(local, value),
  ]
}

function isSoapAddress({ uri, local }: XmlElement): boolean {
  return local === 'address' && (uri === ns.wsdlSoap11 || uri === ns.wsdlSoap12)
}

/** A port that is not SOAP leads to the old address, where nobody is any more. */
function isForeignPort(child: XmlElement): boolean {
  if (child.uri !== ns.wsdl || child.local !== 'port' || attribute(child, 'binding') === undefined)
    return false
  return !childElements(child).some(isSoapAddress)
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // a stray % names no document of ours
  }
}
