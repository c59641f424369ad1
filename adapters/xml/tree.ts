// The tree every XML document becomes: expanded names, attributes in a list, nothing keyed by a name from the wire.

/** An expanded name (Namespaces in XML 1.0 §2.1). `uri` is `''` without a namespace. */
export interface XmlName {
  readonly uri: string
  readonly local: string
}

export interface XmlAttribute extends XmlName {
  readonly value: string
  /** As it was read, for canonical forms; the writer chooses its own. */
  readonly prefix?: string
}

export type XmlNode = XmlElement | string

/** Namespace declarations are not among the attributes. Neighbouring texts and CDATA sections are one string. */
export interface XmlElement extends XmlName {
  readonly attributes: readonly XmlAttribute[]
  readonly children: readonly XmlNode[]
  /**
   * Prefixes in scope, `''` the default namespace, without `xml`: what prefixed names in text and values mean here. The
   * same object as the parent's where nothing was declared. Empty on elements that were made and hold no such names.
   */
  readonly namespaces: ReadonlyMap<string, string>
  /** As it was read, for canonical forms; the writer chooses its own. */
  readonly prefix?: string
}

const noNamespaces: ReadonlyMap<string, string> = new Map()

/** Makes an element. Give it `namespaces` by `withParts` where a value names a prefix. */
export function element(
  uri: string,
  local: string,
  attributes: readonly XmlAttribute[] = [],
  children: readonly XmlNode[] = [],
): XmlElement {
  return { uri, local, attributes, children, namespaces: noNamespaces }
}

/** An element with other parts. Those that were read cannot be spread: they have only what somebody asked for. */
export function withParts(
  { uri, local, attributes, children, namespaces, prefix }: XmlElement,
  parts: Partial<XmlElement>,
): XmlElement {
  const own = { uri, local, attributes, children, namespaces }
  return prefix === undefined ? { ...own, ...parts } : { ...own, prefix, ...parts }
}

/** An attribute without a namespace, or with one. */
export function attributeOf(local: string, value: string, uri = ''): XmlAttribute {
  return { uri, local, value }
}

/** The child elements, all or those of one expanded name. */
export function childElements(parent: XmlElement, name?: XmlName): XmlElement[] {
  const found: XmlElement[] = []
  for (const child of parent.children)
    if (typeof child !== 'string' && (name === undefined || isNamed(child, name))) found.push(child)
  return found
}

/** The first child element of that name. */
export function childElement(parent: XmlElement, uri: string, local: string): XmlElement | undefined {
  for (const child of parent.children)
    if (typeof child !== 'string' && child.local === local && child.uri === uri) return child
  return undefined
}

/** The text directly inside, without that of child elements. */
export function textOf(parent: XmlElement): string {
  const [first] = parent.children
  if (parent.children.length === 1 && typeof first === 'string') return first
  let text = ''
  for (const child of parent.children) if (typeof child === 'string') text += child
  return text
}

/** Whether a text is nothing but white space as XML has it (XML 1.0 §2.3 [3]): `trim` would take a wide space or a BOM for that too. */
export function isBlank(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return false
  }
  return true
}

/** The value of an attribute; `uri` is `''` for an unprefixed one. */
export function attribute(owner: XmlElement, local: string, uri = ''): string | undefined {
  for (const candidate of owner.attributes)
    if (candidate.local === local && candidate.uri === uri) return candidate.value
  return undefined
}

export function isNamed(candidate: XmlName, name: XmlName): boolean {
  return candidate.local === name.local && candidate.uri === name.uri
}

/**
 * What a QName in text or in a value means where it stands (XSD 1.0 Part 2 §3.2.18): white space around it is ignored, no
 * prefix means the default namespace. Undefined if the prefix is not declared or it is no QName.
 */
export function resolveQName(scope: XmlElement, qname: string): XmlName | undefined {
  const name = qname.trim()
  const colon = name.indexOf(':')
  if (colon === -1) return name === '' ? undefined : { uri: scope.namespaces.get('') ?? '', local: name }
  const prefix = name.slice(0, colon)
  const local = name.slice(colon + 1)
  const uri = prefix === 'xml' ? 'http://www.w3.org/XML/1998/namespace' : scope.namespaces.get(prefix)
  if (uri === undefined || prefix === '' || local === '' || local.includes(':')) return undefined
  return { uri, local }
}
