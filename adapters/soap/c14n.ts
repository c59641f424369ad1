// Canonical XML 1.0, exclusive and inclusive, without comments, over the tree the one reader made: what is verified is what is used.
import { NamespaceScope } from '../xml/scope.ts'
import { childElements, type XmlAttribute, type XmlElement } from '../xml/tree.ts'
import { ns } from './names.ts'

export const exclusiveC14n = 'http://www.w3.org/2001/10/xml-exc-c14n#'
export const inclusiveC14n = 'http://www.w3.org/TR/2001/REC-xml-c14n-20010315'

type Declarations = readonly (readonly [prefix: string, uri: string])[]

/**
 * The exclusive canonical form of an element that was read (its prefixes are kept by the reader). `inclusive` is the
 * PrefixList of InclusiveNamespaces (Exclusive XML Canonicalization 1.0 §3), `#default` as `''`; `without` leaves one
 * descendant out (XML Signature §6.6.4, enveloped signature).
 */
export function canonicalize(
  apex: XmlElement,
  options: { readonly inclusive?: readonly string[]; readonly without?: XmlElement | undefined } = {},
): string {
  const { inclusive = [], without } = options
  const parts: string[] = []
  const write = (element: XmlElement, rendered: ReadonlyMap<string, string>): void => {
    const declared = needed(element, rendered, inclusive)
    openTag(parts, element, { declared, attributes: element.attributes })
    const inner = declared.length === 0 ? rendered : new Map([...rendered, ...declared])
    writeContent(parts, element, { without, each: (child) => write(child, inner) })
  }
  write(apex, new Map())
  return parts.join('')
}

/**
 * The inclusive canonical form of an element of the document `root`: every declaration in scope, and the `xml:` attributes
 * of the elements around it (Canonical XML 1.0 §2.4), whether it uses them or not.
 */
export function canonicalizeInclusive(
  apex: XmlElement,
  options: { readonly root: XmlElement; readonly without?: XmlElement | undefined },
): string {
  const { root, without } = options
  const parts: string[] = []
  const write = (element: XmlElement, outer: XmlElement | undefined): void => {
    const declared = outer === undefined ? [...element.namespaces] : changed(element, outer)
    const attributes = outer === undefined ? withInherited(element, root) : element.attributes
    openTag(parts, element, { declared: declared.toSorted(byPrefix), attributes })
    writeContent(parts, element, { without, each: (child) => write(child, element) })
  }
  write(apex, undefined)
  return parts.join('')
}

function openTag(
  parts: string[],
  element: XmlElement,
  { declared, attributes }: { declared: Declarations; attributes: readonly XmlAttribute[] },
): void {
  parts.push('<', qualified(element.prefix, element.local))
  for (const [prefix, uri] of declared)
    parts.push(prefix === '' ? ' xmlns="' : ` xmlns:${prefix}="`, escapeValue(uri), '"')
  for (const attribute of attributes.toSorted(byExpandedName))
    parts.push(' ', qualified(attribute.prefix, attribute.local), '="', escapeValue(attribute.value), '"')
  parts.push('>')
}

function writeContent(
  parts: string[],
  element: XmlElement,
  { without, each }: { without: XmlElement | undefined; each: (child: XmlElement) => void },
): void {
  for (const child of element.children)
    if (typeof child === 'string') parts.push(escapeText(child))
    else if (child !== without) each(child)
  parts.push('</', qualified(element.prefix, element.local), '>')
}

/** Exclusive §3: what is visibly utilized here, and what the list names, unless an ancestor in the output says the same. */
function needed(
  element: XmlElement,
  rendered: ReadonlyMap<string, string>,
  inclusive: readonly string[],
): Declarations {
  const used = new Set<string>([element.prefix ?? ''])
  for (const { prefix = '' } of element.attributes) if (prefix !== '') used.add(prefix)
  for (const prefix of inclusive) if (prefix === '' || element.namespaces.has(prefix)) used.add(prefix)
  used.delete('xml')
  return [...used]
    .map((prefix) => [prefix, element.namespaces.get(prefix) ?? ''] as const)
    .filter(([prefix, uri]) => (rendered.get(prefix) ?? '') !== uri)
    .toSorted(byPrefix)
}

/** Inclusive, below the apex: its parent has written all that is in scope there, so only what was said here can differ. */
function changed({ namespaces }: XmlElement, outer: XmlElement): Declarations {
  if (namespaces === outer.namespaces) return []
  const own = namespaces instanceof NamespaceScope ? namespaces.own : namespaces
  return [...own].filter(([prefix, uri]) => (outer.namespaces.get(prefix) ?? '') !== uri)
}

/** The nearest of each `xml:` attribute around it, which it does not have itself. */
function withInherited(apex: XmlElement, root: XmlElement): readonly XmlAttribute[] {
  const found = [...apex.attributes]
  for (const ancestor of ancestorsOf(apex, root))
    for (const attribute of ancestor.attributes)
      if (
        attribute.uri === ns.xml &&
        !found.some((one) => one.uri === ns.xml && one.local === attribute.local)
      )
        found.push(attribute)
  return found
}

/** The innermost first. */
function ancestorsOf(target: XmlElement, root: XmlElement): XmlElement[] {
  const parents = new Map<XmlElement, XmlElement>()
  const waiting = [root]
  for (let at = waiting.pop(); at !== undefined && at !== target; at = waiting.pop())
    for (const child of childElements(at)) {
      parents.set(child, at)
      waiting.push(child)
    }
  const ancestors: XmlElement[] = []
  for (let at = parents.get(target); at !== undefined; at = parents.get(at)) ancestors.push(at)
  return ancestors
}

function byPrefix([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1
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
