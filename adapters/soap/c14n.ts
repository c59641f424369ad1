// Exclusive XML Canonicalization 1.0 without comments, over the tree the one reader made: what is verified is what is used.
import type { XmlAttribute, XmlElement } from '../xml/tree.ts'

export const exclusiveC14n = 'http://www.w3.org/2001/10/xml-exc-c14n#'

/**
 * The canonical form of an element that was read (its prefixes are kept by the reader). `inclusive` is the PrefixList of
 * InclusiveNamespaces (Exclusive XML Canonicalization 1.0 §3), `#default` as `''`; `without` leaves one descendant out
 * (XML Signature §6.6.4, enveloped signature).
 */
export function canonicalize(
  apex: XmlElement,
  options: { readonly inclusive?: readonly string[]; readonly without?: XmlElement } = {},
): string {
  const { inclusive = [], without } = options
  const parts: string[] = []
  const write = (element: XmlElement, rendered: ReadonlyMap<string, string>): void => {
    const name = qualified(element.prefix, element.local)
    const declared = declarations(element, rendered, inclusive)
    parts.push('<', name)
    for (const [prefix, uri] of declared)
      parts.push(prefix === '' ? ' xmlns="' : ` xmlns:${prefix}="`, escapeValue(uri), '"')
    for (const attribute of element.attributes.toSorted(byExpandedName))
      parts.push(' ', qualified(attribute.prefix, attribute.local), '="', escapeValue(attribute.value), '"')
    parts.push('>')
    const inner = declared.length === 0 ? rendered : new Map([...rendered, ...declared])
    for (const child of element.children)
      if (typeof child === 'string') parts.push(escapeText(child))
      else if (child !== without) write(child, inner)
    parts.push('</', name, '>')
  }
  write(apex, new Map())
  return parts.join('')
}

/** §3: what is visibly utilized here, and what the list names, unless an ancestor in the output says the same. */
function declarations(
  element: XmlElement,
  rendered: ReadonlyMap<string, string>,
  inclusive: readonly string[],
): [string, string][] {
  const needed = new Set<string>([element.prefix ?? ''])
  for (const { prefix = '' } of element.attributes) if (prefix !== '') needed.add(prefix)
  for (const prefix of inclusive) if (prefix === '' || element.namespaces.has(prefix)) needed.add(prefix)
  needed.delete('xml')
  return [...needed]
    .map((prefix): [string, string] => [prefix, element.namespaces.get(prefix) ?? ''])
    .filter(([prefix, uri]) => (rendered.get(prefix) ?? '') !== uri)
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

/** Canonical XML 1.0 §2.2: by namespace, then local name, in code points; those without a namespace first. */
function byExpandedName(a: XmlAttribute, b: XmlAttribute): number {
  return compare(a.uri, b.uri) || compare(a.local, b.local)
}

/** UTF-16 order differs from that of code points beyond the basic plane. */
function compare(a: string, b: string): number {
  return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function qualified(prefix: string | undefined, local: string): string {
  return prefix === undefined || prefix === '' ? local : `${prefix}:${local}`
}

// Canonical XML 1.0 §2.3
const textEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\r': '&#xD;',
}
const valueEscapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '"': '&quot;',
  '\t': '&#x9;',
  '\n': '&#xA;',
  '\r': '&#xD;',
}

function escapeText(text: string): string {
  return text.replaceAll(/[&<>\r]/g, (character) => textEscapes[character] ?? character)
}

function escapeValue(text: string): string {
  return text.replaceAll(/[&<"\t\n\r]/g, (character) => valueEscapes[character] ?? character)
}
