// References to characters (XML 1.0 §4.1, §4.6): which a text without a DOCTYPE may hold, and what they stand for.

interface Reference {
  readonly written: string
  readonly character: string
}

const lt: Reference = { written: '&lt;', character: '<' }
const gt: Reference = { written: '&gt;', character: '>' }
const amp: Reference = { written: '&amp;', character: '&' }
const quot: Reference = { written: '&quot;', character: '"' }
const apos: Reference = { written: '&apos;', character: "'" }
/** Of the longest, `&#x10ffff;` or `&#1114111;`. */
const LONGEST = 10

/**
 * Behind the reference that begins at `from` in a text whose code units these are; -1 where it is neither predefined (§4.6)
 * nor to a character (§4.1).
 */
export function referenceEnd(text: string, codes: Uint16Array, from: number): number {
  const named = predefined(codes[from + 1] ?? 0, codes[from + 2] ?? 0)
  if (named !== undefined) return isWritten(named.written, codes, from) ? from + named.written.length : -1
  const written = text.slice(from, from + LONGEST)
  const end = written.indexOf(';') + 1
  return numbered(written.slice(0, end)) === undefined ? -1 : from + end
}

/** A text whose references are known to be right, with their characters in place. */
export function withCharacters(written: string): string {
  let at = written.indexOf('&')
  if (at < 0) return written
  const parts: string[] = [] // a string that is added to a million times would be a tree of a million
  let text = ''
  let from = 0
  for (let count = 1; at >= 0; at = written.indexOf('&', from), count++) {
    const named = predefined(written.charCodeAt(at + 1), written.charCodeAt(at + 2))
    const end = named === undefined ? written.indexOf(';', at) + 1 : at + named.written.length
    text += written.slice(from, at) + (named?.character ?? numbered(written.slice(at, end)) ?? '')
    from = end
    if (count % 500 !== 0) continue
    parts.push(text)
    text = ''
  }
  const last = text + written.slice(from)
  return parts.length === 0 ? last : parts.join('') + last
}

function isWritten(reference: string, codes: Uint16Array, from: number): boolean {
  for (let at = 1; at < reference.length; at++)
    if (codes[from + at] !== reference.charCodeAt(at)) return false
  return true
}

/** The only one that could have these behind its `&`. */
function predefined(first: number, second: number): Reference | undefined {
  switch (first) {
    case 0x6c: // l
      return lt
    case 0x67: // g
      return gt
    case 0x61: // a
      return second === 0x70 ? apos : amp
    case 0x71: // q
      return quot
    default:
      return undefined
  }
}

function numbered(written: string): string | undefined {
  const [, hexadecimal, decimal] = /^&#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}));$/.exec(written) ?? []
  if (hexadecimal === undefined && decimal === undefined) return undefined
  const code = hexadecimal === undefined ? Number(decimal) : Number.parseInt(hexadecimal, 16)
  const isSpace = code === 0x09 || code === 0x0a || code === 0x0d
  if (code > 0x10ffff || (code < 0x20 && !isSpace)) return undefined
  return (code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff
    ? undefined
    : String.fromCodePoint(code)
}
