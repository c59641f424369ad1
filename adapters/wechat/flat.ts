// The form that nearly all pushes have, read at a fifth of the price: one root, elements without attributes, each with a CDATA section or a text.
import { setMember } from '../xml/bind-context.ts'
import type { JsonObject } from '../xml/bind-context.ts'

const ROOT = /^<xml>[ \t\n]*/
const START = /<([A-Za-z]\w{0,63})>/y
const BETWEEN = /[ \t\n]*/y
const END = /<\/xml>[ \t\n]*$/y
const OPEN = '<![CDATA['
const CLOSE = ']]>'
/** What a reader of XML has to look at twice in a text: references, markup, blanks at its ends that may be layout. */
const NOT_BARE = /[<>&\]]|^\s|\s$/
/** Line ends that XML 1.0 §2.11 changes, and what §2.2 does not allow. */
const UNUSUAL = new RegExp(String.raw`[\u0000-\u0008\u000B-\u001F\uFFFE\uFFFF\p{Cs}]`, 'u')
const MOST_FIELDS = 128

/**
 * The fields of such a document, the same as the whole reader finds. Undefined for every other one, which says nothing about it:
 * the whole reader decides.
 */
export function readFlat(text: string): JsonObject | undefined {
  const root = ROOT.exec(text)
  if (root === null || UNUSUAL.test(text)) return undefined
  const fields: JsonObject = {}
  let at = root[0].length
  for (let count = 0; count < MOST_FIELDS; count += 1) {
    const name = after(START, text, at)?.[1]
    if (name === undefined) return count > 0 && after(END, text, at) !== undefined ? fields : undefined
    const value = valueAt(text, at + name.length + 2)
    // What repeats is a list to the whole reader.
    if (value === undefined || Object.hasOwn(fields, name)) return undefined
    if (!text.startsWith(`</${name}>`, value.end)) return undefined
    setMember(fields, name, value.text)
    at = value.end + name.length + 3
    at += after(BETWEEN, text, at)?.[0].length ?? 0
  }
  return undefined
}

function valueAt(text: string, at: number): { readonly text: string; readonly end: number } | undefined {
  if (text.startsWith(OPEN, at)) {
    const end = text.indexOf(CLOSE, at)
    return end === -1 ? undefined : { text: text.slice(at + OPEN.length, end), end: end + CLOSE.length }
  }
  const end = text.indexOf('<', at)
  const bare = text.slice(at, end)
  return end === -1 || NOT_BARE.test(bare) ? undefined : { text: bare, end }
}

function after(sticky: RegExp, text: string, at: number): RegExpExecArray | undefined {
  sticky.lastIndex = at
  return sticky.exec(text) ?? undefined
}
