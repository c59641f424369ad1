// What PostgreSQL sends as text, as data: no digit is lost, moments are ISO 8601, arrays are arrays.
import type { Json } from 'dragoman'

type Read = (text: string) => Json

const asText: Read = (text) => text
const integer: Read = (text) => Number(text) // of 32 bits

/** A number where it is exactly that; NaN, the infinities and 1e+20 stay texts. */
const float: Read = (text) =>
  String(Number(text)) === text && Number.isFinite(Number(text)) ? Number(text) : text

/** `2026-01-02 03:04:05.5+00`, which the session's settings make of every moment; infinity and years before Christ stay. */
const moment: Read = (text) =>
  /^\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?(?:\+00)?$/.test(text)
    ? text.replace(' ', 'T').replace(/\+00$/, 'Z')
    : text

const bytes: Read = (text) =>
  text.startsWith('\\x') ? Buffer.from(text.slice(2), 'hex').toString('base64') : text

/** A number that a double would change stays the text it was. */
const json: Read = (text) =>
  JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== 'number' || context?.source === undefined) return value
    const isKept =
      String(value) === context.source && (!Number.isInteger(value) || Number.isSafeInteger(value))
    return isKept ? value : context.source
  }) as Json // JSON.parse yields plain data, and the reviver puts texts in its place

/** By the types' numbers in every database (pg_type.dat). Whatever is not here is its text: numeric, int8, uuid, ranges … */
const readers = new Map<number, Read>([
  [16, (text) => text === 't'],
  [17, bytes],
  [21, integer],
  [23, integer],
  [26, integer],
  [114, json],
  [700, float],
  [701, float],
  [1114, moment],
  [1184, moment],
  [3802, json],
])

/** What is in an array. */
export interface Elements {
  readonly type: number
  /** Between them: a comma for all types but `box`, which has commas in it. */
  readonly delimiter: string
}

/** `arrays`: array types and what is in them. */
export function reader(type: number, arrays: ReadonlyMap<number, Elements>): Read {
  const elements = arrays.get(type)
  if (elements === undefined) return readers.get(type) ?? asText
  const read = readers.get(elements.type) ?? asText
  return (text) => readArray(text, elements.delimiter, read)
}

/** `{1,NULL,"a \"b\"",{…}}`, also with bounds before it: `[0:1]={…}` (PostgreSQL's manual, 8.15.6). */
function readArray(text: string, delimiter: string, read: Read): Json {
  let at = text.indexOf('{')
  const list = (): Json[] => {
    const items: Json[] = []
    for (at += 1; text[at] !== '}' && at < text.length;) {
      if (text[at] === delimiter) at += 1
      items.push(item())
    }
    at += 1
    return items
  }
  const item = (): Json => {
    if (text[at] === '{') return list()
    if (text[at] !== '"') {
      let end = at
      while (end < text.length && text[end] !== delimiter && text[end] !== '}') end += 1
      const plain = text.slice(at, end)
      at = end
      return plain === 'NULL' ? null : read(plain)
    }
    let value = ''
    for (at += 1; text[at] !== '"' && at < text.length; at += 1) {
      if (text[at] === '\\') at += 1
      value += text[at] ?? ''
    }
    at += 1
    return read(value)
  }
  return at === -1 ? text : list()
}
