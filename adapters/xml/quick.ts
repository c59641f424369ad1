// The short way through documents as programs write them: exact where it answers, silent where anything is out of the ordinary.
import type { ReadOptions } from './read.ts'
import { NamespaceScope } from './scope.ts'
import type { XmlElement, XmlNode } from './tree.ts'

export type QuickLimits = Required<
  Pick<ReadOptions, 'maxDepth' | 'maxAttributes' | 'maxNameLength' | 'maxNodes' | 'maxText'>
>

/**
 * The tree of a document that holds nothing but elements, attributes, text and the references every document has, with
 * names in ASCII. Undefined for all others, ill-formed ones and those beyond a limit among them: saxes reads or refuses
 * these. What it answers is what saxes would have made of it; its tests hold that over whole suites and by chance.
 */
export function quickTree(text: string, limits: QuickLimits): XmlElement | undefined {
  // XML 1.0 §2.2 [2] Char, §2.4 [14]: "]]>" is no text
  if (unusual.test(text) && (notCharacters.test(text) || !text.isWellFormed())) return undefined
  if (text.includes(']]>')) return undefined
  if (hasTooMany(text, limits.maxNodes)) return undefined
  // XML 1.0 §2.11: what a reader sees are line feeds
  return new QuickReader(text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text, limits).read()
}

/** What saxes will refuse for its elements is not to be read twice: each begins with two characters of its own and has four. */
function hasTooMany(text: string, maxNodes: number): boolean {
  if (text.length <= 4 * maxNodes) return false
  let count = 0
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at + 1))
    if (text.charCodeAt(at + 1) !== SLASH && ++count > maxNodes) return true
  return false
}

// oxlint-disable-next-line no-control-regex -- these are looked for
const notCharacters = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/
// oxlint-disable-next-line no-control-regex -- these, or surrogates, which mostly are pairs
const unusual = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/
const declaration =
  /^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[A-Za-z][A-Za-z0-9._-]*"|'[A-Za-z][A-Za-z0-9._-]*'))?(?: standalone=(?:"(?:yes|no)"|'(?:yes|no)'))? ?\?>/
const XML_NS = 'http://www.w3.org/XML/1998/namespace'
const XMLNS_NS = 'http://www.w3.org/2000/xmlns/'
/** More attributes than this would be compared with each other for too long. */
const FEW = 16

const [SLASH, COLON, LESS, EQUALS, GREATER, QUOTE, APOSTROPHE] = [47, 58, 60, 61, 62, 34, 39]

/** Of the ASCII characters: 1 begins a name, 2 may go on with one (Namespaces in XML 1.0 §3 [4] NCName). */
const nameClass = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  if (/[A-Za-z_]/.test(character)) return 1
  return /[0-9.-]/.test(character) ? 2 : 0
})

interface MutableAttribute {
  uri: string
  readonly local: string
  readonly value: string
  readonly prefix: string
}
interface OpenElement extends XmlElement {
  children: readonly XmlNode[]
  readonly namespaces: NamespaceScope
}

const noAttributes: readonly MutableAttribute[] = Object.freeze([])
const noChildren: readonly XmlNode[] = Object.freeze([])
const noDeclarations: ReadonlyMap<string, string> = new Map()

class QuickReader {
  readonly #text: string
  readonly #limits: QuickLimits
  readonly #hasReferences: boolean
  readonly #outermost = new NamespaceScope(noDeclarations)
  readonly #open: OpenElement[] = []
  /** As they were written, for their end tags. */
  readonly #names: string[] = []
  /** Children of all open elements, one after the other, and where those of each begin. */
  readonly #pending: XmlNode[] = []
  readonly #starts: number[] = []
  #count = 0
  #nodes = 0
  #root: XmlElement | undefined
  /** The tag that is read. */
  #attributes: MutableAttribute[] | undefined
  #declarations: Map<string, string> | undefined
  #isEmpty = false
  /** What was looked up last: neighbours are mostly of one namespace. */
  #knownScope: NamespaceScope | undefined
  #knownPrefix = ''
  #knownUri: string | undefined

  constructor(text: string, limits: QuickLimits) {
    this.#text = text
    this.#limits = limits
    this.#hasReferences = text.includes('&')
  }

  read(): XmlElement | undefined {
    const text = this.#text
    let at = text.charCodeAt(1) === 63 ? (declaration.exec(text)?.[0].length ?? -1) : 0
    if (at < 0) return undefined
    at = afterSpace(text, at)
    while (text.charCodeAt(at) === LESS) {
      at = text.charCodeAt(at + 1) === SLASH ? this.#endTag(at + 2) : this.#startTag(at + 1)
      if (at >= 0) at = this.#open.length === 0 ? afterSpace(text, at) : this.#content(at)
      if (at < 0) return undefined
      if (this.#open.length === 0) return at === text.length ? this.#root : undefined
    }
    return undefined
  }

  /** From behind `<`; where the tag ends, or -1 for anything unusual, as all of these do. */
  #startTag(from: number): number {
    const text = this.#text
    const colon = nameEnd(text, from)
    let end = colon
    let prefix = ''
    if (text.charCodeAt(colon) === COLON) {
      prefix = text.slice(from, colon)
      end = nameEnd(text, colon + 1)
      if (prefix === '' || prefix === 'xml' || prefix === 'xmlns' || end === colon + 1) return -1
    }
    if (end === from || end - from > this.#limits.maxNameLength) return -1
    this.#attributes = undefined
    this.#declarations = undefined
    const after = this.#attributesFrom(end)
    if (after < 0) return -1
    const opened = this.#make(prefix, prefix === '' ? text.slice(from, end) : text.slice(colon + 1, end))
    if (opened === undefined) return -1
    if (this.#open.length > 0) this.#pending[this.#count++] = opened
    else this.#root = opened
    if (this.#isEmpty) return after
    this.#names.push(prefix === '' ? opened.local : text.slice(from, end))
    this.#open.push(opened)
    this.#starts.push(this.#count)
    return after
  }

  #make(prefix: string, local: string): OpenElement | undefined {
    const { maxDepth, maxNodes } = this.#limits
    if (this.#open.length >= maxDepth || ++this.#nodes > maxNodes) return undefined
    const outer = this.#open.at(-1)?.namespaces ?? this.#outermost
    const scope = this.#declarations === undefined ? outer : outer.inner(this.#declarations)
    const uri = this.#uriOf(scope, prefix)
    const attributes = this.#attributes ?? noAttributes
    if (uri === undefined || (attributes !== noAttributes && !this.#resolve(attributes, scope)))
      return undefined
    return { uri, local, attributes, children: noChildren, namespaces: scope, prefix }
  }

  #uriOf(scope: NamespaceScope, prefix: string): string | undefined {
    if (scope === this.#knownScope && prefix === this.#knownPrefix) return this.#knownUri
    const uri = scope.get(prefix) ?? (prefix === '' ? '' : undefined)
    this.#knownScope = scope
    this.#knownPrefix = prefix
    this.#knownUri = uri
    return uri
  }

  /** Namespaces in XML 1.0 §6.2, §6.3: unprefixed ones have none, no two have one expanded name. */
  #resolve(attributes: readonly MutableAttribute[], scope: NamespaceScope): boolean {
    for (const attribute of attributes) {
      if (attribute.prefix === '') continue
      const uri = attribute.prefix === 'xml' ? XML_NS : scope.get(attribute.prefix)
      if (uri === undefined) return false
      attribute.uri = uri
    }
    for (let later = 1; later < attributes.length; later++)
      for (let earlier = 0; earlier < later; earlier++) {
        const [one, other] = [attributes[earlier], attributes[later]]
        if (one?.local === other?.local && one?.uri === other?.uri) return false
      }
    return true
  }

  /** From behind the name of an element to behind its tag. */
  #attributesFrom(from: number): number {
    const text = this.#text
    const most = Math.min(FEW, this.#limits.maxAttributes)
    let at = from
    for (let count = 0; ; count++) {
      const begun = afterSpace(text, at)
      const code = text.charCodeAt(begun)
      if (code === GREATER) {
        this.#isEmpty = false
        return begun + 1
      }
      if (code === SLASH) {
        this.#isEmpty = true
        return text.charCodeAt(begun + 1) === GREATER ? begun + 2 : -1
      }
      if (begun === at || count === most) return -1
      at = this.#attribute(begun)
      if (at < 0) return -1
    }
  }

  #attribute(from: number): number {
    const text = this.#text
    const colon = nameEnd(text, from)
    const isPrefixed = text.charCodeAt(colon) === COLON
    const end = isPrefixed ? nameEnd(text, colon + 1) : colon
    if (end === from || colon === from || (isPrefixed && end === colon + 1)) return -1
    const equals = afterSpace(text, end)
    if (end - from > this.#limits.maxNameLength || text.charCodeAt(equals) !== EQUALS) return -1
    const open = afterSpace(text, equals + 1)
    const quote = text.charCodeAt(open)
    if (quote !== QUOTE && quote !== APOSTROPHE) return -1
    const close = text.indexOf(quote === QUOTE ? '"' : "'", open + 1)
    if (close < 0 || close - open > this.#limits.maxText) return -1
    const written = text.slice(open + 1, close)
    if (/[<\t\n]/.test(written)) return -1 // XML 1.0 §3.3.3 would make spaces of them
    const value = this.#hasReferences ? withoutReferences(written) : written
    if (value === undefined) return -1
    const prefix = isPrefixed ? text.slice(from, colon) : ''
    const local = isPrefixed ? text.slice(colon + 1, end) : text.slice(from, end)
    if (prefix === 'xmlns' || (!isPrefixed && local === 'xmlns'))
      return this.#declare(isPrefixed ? local : '', value) ? close + 1 : -1
    const attribute = { uri: '', local, value, prefix }
    if (this.#attributes === undefined) this.#attributes = [attribute]
    else this.#attributes.push(attribute)
    return close + 1
  }

  /** Namespaces in XML 1.0 §3: what is reserved, and no prefix may be undeclared. */
  #declare(prefix: string, uri: string): boolean {
    if (prefix === 'xml' || prefix === 'xmlns' || uri === XML_NS || uri === XMLNS_NS) return false
    if ((uri === '' && prefix !== '') || uri !== uri.trim()) return false
    this.#declarations ??= new Map()
    if (this.#declarations.has(prefix)) return false
    this.#declarations.set(prefix, uri)
    return true
  }

  #endTag(from: number): number {
    const name = this.#names.pop()
    if (name === undefined || !this.#text.startsWith(name, from)) return -1
    const end = afterSpace(this.#text, from + name.length)
    if (this.#text.charCodeAt(end) !== GREATER) return -1
    const closed = this.#open.pop()
    const start = this.#starts.pop() ?? 0
    if (closed !== undefined && this.#count > start) closed.children = this.#pending.slice(start, this.#count)
    this.#count = start
    return end + 1
  }

  /** The text up to the next tag. */
  #content(from: number): number {
    const next = this.#text.indexOf('<', from)
    if (next <= from) return next
    const written = this.#text.slice(from, next)
    const run = this.#hasReferences ? withoutReferences(written) : written
    if (run === undefined || run.length > this.#limits.maxText) return -1
    this.#pending[this.#count++] = run
    return next
  }
}

function nameEnd(text: string, from: number): number {
  let at = from
  let code = text.charCodeAt(at)
  if (code > 127 || nameClass[code] !== 1) return from
  do code = text.charCodeAt(++at)
  while (code < 128 && nameClass[code] !== 0)
  return at
}

function afterSpace(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x09) return at
    at++
  }
}

const predefined = new Map([
  ['lt', '<'],
  ['gt', '>'],
  ['amp', '&'],
  ['quot', '"'],
  ['apos', "'"],
])

/** Undefined where one is neither predefined (XML 1.0 §4.6) nor a character (§4.1). */
function withoutReferences(written: string): string | undefined {
  let at = written.indexOf('&')
  if (at < 0) return written
  const parts: string[] = [] // a string that is added to a million times would be a tree of a million
  let text = ''
  let from = 0
  for (let count = 1; at >= 0; at = written.indexOf('&', from), count++) {
    const end = written.indexOf(';', at)
    const name = end < 0 ? '' : written.slice(at + 1, end)
    const character = predefined.get(name) ?? numbered(name)
    if (character === undefined) return undefined
    text += written.slice(from, at) + character
    from = end + 1
    if (count % 500 !== 0) continue
    parts.push(text)
    text = ''
  }
  const last = text + written.slice(from)
  return parts.length === 0 ? last : parts.join('') + last
}

function numbered(name: string): string | undefined {
  const [, hexadecimal, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) ?? []
  if (hexadecimal === undefined && decimal === undefined) return undefined
  const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16)
  const isSpace = code === 0x09 || code === 0x0a || code === 0x0d
  if (code > 0x10ffff || (code < 0x20 && !isSpace)) return undefined
  return (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff
    ? undefined
    : String.fromCodePoint(code)
}
