// XML as SAP sends it: read by saxes with limits and without DOCTYPE, and escaped when written.
import { SaxesParser } from 'saxes'
import type { SaxesAttributeNS, SaxesTagNS } from 'saxes'

export interface Element {
  /** Without its prefix. */
  readonly name: string
  readonly namespace: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly Element[]
  readonly text: string
}

const MAX_DEPTH = 64
const MAX_ELEMENTS = 200_000
const MAX_NAME = 128

/** Reads a document. Throws `RangeError` with the place for what is no XML, has a DOCTYPE, or is beyond the limits. */
export function readXml(bytes: Uint8Array, charset?: string): Element {
  const parser = new SaxesParser({ xmlns: true })
  const open: { readonly element: Element; readonly children: Element[]; text: string[] }[] = []
  let root: Element | undefined
  let elements = 0
  parser.on('error', (error) => {
    throw new RangeError(`it is no well-formed XML: ${error.message}`)
  })
  parser.on('doctype', () => {
    throw new RangeError('it has a DOCTYPE, which is not taken')
  })
  parser.on('opentag', (tag: SaxesTagNS) => {
    elements += 1
    if (open.length >= MAX_DEPTH) throw new RangeError(`it is nested deeper than ${MAX_DEPTH} elements`)
    if (elements > MAX_ELEMENTS) throw new RangeError(`it has more than ${MAX_ELEMENTS} elements`)
    if (tag.name.length > MAX_NAME)
      throw new RangeError(`an element's name is longer than ${MAX_NAME} characters`)
    const children: Element[] = []
    const element = { name: tag.local, namespace: tag.uri, attributes: attributesOf(tag), children, text: '' }
    open.push({ element, children, text: [] })
  })
  const text = (piece: string): void => void open.at(-1)?.text.push(piece)
  parser.on('text', text)
  parser.on('cdata', text)
  parser.on('closetag', () => {
    const closed = open.pop()
    if (closed === undefined) return
    const element = { ...closed.element, text: closed.text.join('') }
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.children.push(element)
  })
  parser.write(decoded(bytes, charset)).close()
  if (root === undefined) throw new RangeError('it is empty')
  return root
}

function attributesOf({ attributes }: SaxesTagNS): ReadonlyMap<string, string> {
  const all: readonly SaxesAttributeNS[] = Object.values(attributes)
  return new Map(all.filter(({ prefix }) => prefix !== 'xmlns').map(({ local, value }) => [local, value]))
}

/** The header's charset, else a byte order mark, else the declaration, else UTF-8 (RFC 7303 §3, XML 1.0 appendix F). */
function decoded(bytes: Uint8Array, charset: string | undefined): string {
  const [a, b] = bytes
  const marked = a === 0xff && b === 0xfe ? 'utf-16le' : a === 0xfe && b === 0xff ? 'utf-16be' : undefined
  const head = Buffer.from(bytes.subarray(0, 200)).toString('latin1')
  const declared = /^(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding\s*=\s*["']([\w.-]+)["']/.exec(head)?.[1]
  const label = marked ?? charset ?? declared ?? 'utf-8'
  try {
    return new TextDecoder(label, { fatal: true }).decode(bytes)
  } catch (error) {
    throw new RangeError(`its bytes are no ${label}`, { cause: error })
  }
}

/** XML 1.0 §2.2: what no document can hold, even by reference. */
const ILLEGAL = /[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|\p{Surrogate}/u
const REFERENCES: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
  ['\r', '&#13;'],
])

/** Throws `RangeError` for a character XML does not have. */
export function escapeXml(text: string): string {
  const found = ILLEGAL.exec(text)?.[0]
  if (found !== undefined) {
    const code = found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
    throw new RangeError(`a text holds U+${code}, which XML cannot carry`)
  }
  return text.replace(/[&<>"\r]/g, (character) => REFERENCES.get(character) ?? '')
}

/** A text for people, without what XML cannot carry. */
export function printable(text: string): string {
  return Array.from(text, (character) => (ILLEGAL.test(character) ? '?' : character)).join('')
}

/** An ABAP name as an XML name: `/NAMESPACE/NAME` is `_-NAMESPACE_-NAME`. Throws `RangeError` for what is no ABAP name. */
export function xmlName(abap: string): string {
  if (abap.length > MAX_NAME || !/^[A-Za-z_/][A-Za-z0-9_/]*$/.test(abap))
    throw new RangeError(`"${abap.slice(0, 60)}" is no name of SAP's: letters, digits, _ and /`)
  return abap.replaceAll('/', '_-')
}

export function abapName(xml: string): string {
  return xml.replaceAll('_-', '/')
}
