// The short way through documents as programs write them: exact where it answers, silent where anything is out of the ordinary.
import { afterSpace, code, codesOf, isSame, nameEnd } from './codes.ts'
import { referenceEnd, withCharacters } from './entities.ts'
import { interned } from './interned.ts'
import { XML_NS, XMLNS_NS } from './names.ts'
import type { ReadOptions } from './read.ts'
import { NamespaceScope } from './scope.ts'
import type { XmlElement } from './tree.ts'
import { attributeRecord, record, rootOf } from './view.ts'

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
  // XML 1.0 §2.11: what a reader sees are line feeds
  return new QuickReader(text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text, limits).read()
}

// oxlint-disable-next-line no-control-regex -- these are looked for
const notCharacters = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/
// oxlint-disable-next-line no-control-regex -- these, or surrogates, which mostly are pairs
const unusual = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ud800-\udfff\ufffe\uffff]/
const declaration =
  /^<\?xml version=(?:"1\.0"|'1\.0')(?: encoding=(?:"[A-Za-z][A-Za-z0-9._-]*"|'[A-Za-z][A-Za-z0-9._-]*'))?(?: standalone=(?:"(?:yes|no)"|'(?:yes|no)'))? ?\?>/
// Constants of the module itself are those the compiler knows.
const {
  ampersand: AMPERSAND,
  quote: QUOTE,
  apostrophe: APOSTROPHE,
  slash: SLASH,
  colon: COLON_SIGN,
  less: LESS,
  equals: EQUALS,
  greater: GREATER,
  question: QUESTION,
} = code
const { TAG, COLON, NAME_END, SCOPE, CONTENT, CONTENT_END, END, NEXT, ATTRIBUTES, LENGTH } = record
const { NAME, NAME_COLON, NAME_TO, VALUE, VALUE_TO, WIDTH } = attributeRecord
/** Characters that are looked at one by one for a reference. */
const NEAR = 32
/** More attributes than this would be compared with each other for too long. */
const FEW = 16

const noDeclarations: ReadonlyMap<string, string> = new Map()

/** Where records are written; nearly all documents are done before it is full. */
const spare: number[] = Array.from({ length: 512 * LENGTH }, () => 0)
/** The most a start tag needs. */
const ROOM = LENGTH + FEW * WIDTH

class QuickReader {
  readonly #text: string
  /** Its code units and a zero, which no document has, behind the last. */
  readonly #codes: Uint16Array
  readonly #limits: QuickLimits
  readonly #scopes = [new NamespaceScope(noDeclarations)]
  /** The records of the elements that are open, by their depth. */
  readonly #open: number[] = []
  #depth = 0
  #table: number[] | Int32Array = spare
  #used = 0
  #nodes = 0
  readonly #hasReferences: boolean
  /** The next reference nobody has looked at; Infinity: there is none. */
  #reference: number
  /** The tag that is read: its attributes that are no declarations, and those that are. */
  #attributes = 0
  #declarations: Map<string, string> | undefined

  constructor(text: string, limits: QuickLimits) {
    this.#text = text
    this.#codes = codesOf(text)
    this.#limits = limits
    this.#reference = nextReference(text, this.#codes, 0)
    this.#hasReferences = this.#reference < Infinity
  }

  read(): XmlElement | undefined {
    const text = this.#text
    const codes = this.#codes
    let at = codes[1] === QUESTION ? (declaration.exec(text)?.[0].length ?? -1) : 0
    if (at >= 0) at = afterSpace(codes, at)
    if (codes[at] !== LESS) return undefined
    for (;;) {
      at = codes[at + 1] === SLASH ? this.#endTag(at) : this.#startTag(at)
      if (at < 0) return undefined
      if (this.#depth === 0) return afterSpace(codes, at) === text.length ? this.#root() : undefined
      at = this.#content(at)
      if (at < 0) return undefined
    }
  }

  #root(): XmlElement {
    return rootOf({
      text: this.#text,
      table: this.#table === spare ? spare.slice(0, this.#used) : this.#table,
      scopes: this.#scopes,
      hasReferences: this.#hasReferences,
    })
  }

  /** From `<`; where the tag ends, or -1 for anything unusual, as all of these do. */
  #startTag(tag: number): number {
    const codes = this.#codes
    const { maxDepth, maxNodes, maxNameLength } = this.#limits
    const from = tag + 1
    let end = nameEnd(codes, from)
    let colon = 0
    if (end === from) return -1
    if (codes[end] === COLON_SIGN) {
      colon = end
      end = nameEnd(codes, colon + 1)
      if (end === colon + 1) return -1
    }
    if (end - from > maxNameLength || this.#depth >= maxDepth || ++this.#nodes > maxNodes) return -1
    const start = this.#used
    const table = start + ROOM > this.#table.length ? this.#grown() : this.#table
    this.#attributes = 0
    this.#declarations = undefined
    const after = codes[end] === GREATER ? end + 1 : this.#attributesFrom(end)
    if (after < 0) return -1
    const scope = this.#scopeHere()
    if (colon > 0 && !this.#isElementPrefix(this.#text.slice(from, colon), scope)) return -1
    if (this.#attributes > 0 && !this.#areDistinct(start + LENGTH, scope)) return -1
    table[start + TAG] = tag
    table[start + COLON] = colon
    table[start + NAME_END] = end
    table[start + SCOPE] = scope
    table[start + CONTENT] = after
    table[start + ATTRIBUTES] = this.#attributes
    this.#used = start + LENGTH + this.#attributes * WIDTH
    // `<a/>`: elsewhere a slash before the end stands in quotes
    if (codes[after - 2] === SLASH) return this.#close(start, after, after)
    this.#open[this.#depth++] = start
    return after
  }

  #close(start: number, contentEnd: number, end: number): number {
    this.#table[start + CONTENT_END] = contentEnd
    this.#table[start + END] = end
    this.#table[start + NEXT] = this.#used
    return end
  }

  #grown(): Int32Array {
    // most documents have fewer numbers than half their characters; what is not written costs nothing
    const larger = new Int32Array(Math.max(this.#table.length * 2, this.#text.length >> 1))
    larger.set(this.#table)
    this.#table = larger
    return larger
  }

  /** The place of the scope that holds inside the tag that is read. */
  #scopeHere(): number {
    const parent = this.#depth === 0 ? -1 : (this.#open[this.#depth - 1] ?? -1)
    const outer = parent < 0 ? 0 : (this.#table[parent + SCOPE] ?? 0)
    if (this.#declarations === undefined) return outer
    const scopes = this.#scopes
    const scope = (scopes[outer] ?? scopes[0])?.inner(this.#declarations)
    if (scope === undefined || scope === scopes.at(-1)) return scopes.length - 1
    return scopes.push(scope) - 1
  }

  #isElementPrefix(prefix: string, scope: number): boolean {
    return prefix !== 'xml' && prefix !== 'xmlns' && this.#scopes[scope]?.get(prefix) !== undefined
  }

  /** Namespaces in XML 1.0 §6.2, §6.3: unprefixed ones have none, no two have one expanded name. */
  #areDistinct(first: number, scope: number): boolean {
    const end = first + this.#attributes * WIDTH
    for (let later = first; later < end; later += WIDTH) {
      const uri = this.#uriOf(later, scope)
      if (uri === undefined) return false
      for (let earlier = first; earlier < later; earlier += WIDTH)
        if (this.#isSameLocal(earlier, later) && this.#uriOf(earlier, scope) === uri) return false
    }
    return true
  }

  #uriOf(at: number, scope: number): string | undefined {
    const colon = this.#table[at + NAME_COLON] ?? 0
    if (colon === 0) return ''
    const prefix = this.#text.slice(this.#table[at + NAME] ?? 0, colon)
    return prefix === 'xml' ? XML_NS : this.#scopes[scope]?.get(prefix)
  }

  #isSameLocal(one: number, other: number): boolean {
    const [from, otherFrom] = [this.#localFrom(one), this.#localFrom(other)]
    const to = this.#table[one + NAME_TO] ?? 0
    const otherTo = this.#table[other + NAME_TO] ?? 0
    return to - from === otherTo - otherFrom && isSame(this.#codes, from, to, otherFrom)
  }

  #localFrom(at: number): number {
    const colon = this.#table[at + NAME_COLON] ?? 0
    return colon === 0 ? (this.#table[at + NAME] ?? 0) : colon + 1
  }

  /** From behind the name of an element to behind its tag. */
  #attributesFrom(from: number): number {
    const codes = this.#codes
    const most = Math.min(FEW, this.#limits.maxAttributes)
    let at = from
    for (let count = 0; ; count++) {
      const begun = afterSpace(codes, at)
      const first = codes[begun]
      if (first === GREATER) return begun + 1
      if (first === SLASH) return codes[begun + 1] === GREATER ? begun + 2 : -1
      if (begun === at || count === most) return -1
      at = this.#attribute(begun)
      if (at < 0) return -1
    }
  }

  #attribute(from: number): number {
    const text = this.#text
    const codes = this.#codes
    let end = nameEnd(codes, from)
    let colon = 0
    if (end === from) return -1
    if (codes[end] === COLON_SIGN) {
      colon = end
      end = nameEnd(codes, colon + 1)
      if (end === colon + 1) return -1
    }
    const equals = afterSpace(codes, end)
    if (end - from > this.#limits.maxNameLength || codes[equals] !== EQUALS) return -1
    const open = afterSpace(codes, equals + 1)
    const close = this.#valueEnd(open)
    if (close < 0) return -1
    if ((colon === 0 ? end : colon) - from === 5 && text.startsWith('xmlns', from)) {
      const isRight = this.#declare(
        colon === 0 ? '' : text.slice(colon + 1, end),
        text.slice(open + 1, close),
      )
      return isRight ? close + 1 : -1
    }
    const table = this.#table
    const at = this.#used + LENGTH + WIDTH * this.#attributes++
    table[at + NAME] = from
    table[at + NAME_COLON] = colon
    table[at + NAME_TO] = end
    table[at + VALUE] = open + 1
    table[at + VALUE_TO] = close
    return close + 1
  }

  /** Where the quote is that ends the value. */
  #valueEnd(open: number): number {
    const codes = this.#codes
    const quote = codes[open]
    if (quote !== QUOTE && quote !== APOSTROPHE) return -1
    let at = open + 1
    let one = codes[at] ?? 0
    // XML 1.0 §3.1 [10], §3.3.3: the others would become spaces
    while (one !== quote && one !== LESS && one >= 32) one = codes[++at] ?? 0
    return one === quote && this.#isText(open + 1, at) ? at : -1
  }

  /** Namespaces in XML 1.0 §3: what is reserved, and no prefix may be undeclared. */
  #declare(prefix: string, written: string): boolean {
    const uri = interned(withCharacters(written))
    if (prefix === 'xml' || prefix === 'xmlns' || uri === XML_NS || uri === XMLNS_NS) return false
    if ((uri === '' && prefix !== '') || uri !== uri.trim()) return false
    this.#declarations ??= new Map()
    if (this.#declarations.has(prefix)) return false
    this.#declarations.set(prefix, uri)
    return true
  }

  #endTag(tag: number): number {
    if (this.#depth === 0) return -1 // the table still has what stood in it before
    const codes = this.#codes
    const start = this.#open[--this.#depth] ?? 0
    const from = (this.#table[start + TAG] ?? 0) + 1
    const to = this.#table[start + NAME_END] ?? 0
    if (!isSame(codes, from, to, tag + 2)) return -1
    const end = afterSpace(codes, tag + 2 + to - from)
    return codes[end] === GREATER ? this.#close(start, tag, end + 1) : -1
  }

  /** Where the next tag begins. */
  #content(from: number): number {
    const next = this.#text.indexOf('<', from)
    return next < 0 || this.#isText(from, next) ? next : -1
  }

  /** Whether the references in it are right, and it is not too long. */
  #isText(from: number, to: number): boolean {
    const text = this.#text
    const codes = this.#codes
    while (this.#reference < to) {
      const end = referenceEnd(text, codes, this.#reference)
      if (end < 0) return false
      this.#reference = nextReference(text, codes, end)
    }
    return to - from <= this.#limits.maxText
  }
}

/** Where there is one there are mostly more, and near: only those further off are worth a search by the engine. */
function nextReference(text: string, codes: Uint16Array, from: number): number {
  const near = Math.min(from + NEAR, text.length)
  for (let at = from; at < near; at++) if (codes[at] === AMPERSAND) return at
  const at = text.indexOf('&', near)
  return at < 0 ? Infinity : at
}
