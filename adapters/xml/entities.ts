// References to characters (XML 1.0 §4.1, §4.6): which a text without a DOCTYPE may hold, and what they stand for.

/** Of the longest, `&#x10ffff;` or `&#1114111;`. */
const LONGEST = 10
const SEMICOLON = 59
const NUMBER_SIGN = 35

/** Behind the reference that begins at `from`; -1 where it is neither predefined (§4.6) nor to a character (§4.1). */
export function referenceEnd(text: string, from: number): number {
  const most = Math.min(text.length, from + LONGEST)
  for (let at = from + 1; at < most; at++)
    if (text.charCodeAt(at) === SEMICOLON) return characterAt(text, from + 1, at) === undefined ? -1 : at + 1
  return -1
}

/** A text whose references are known to be right, with their characters in place. */
export function withCharacters(written: string): string {
  let at = written.indexOf('&')
  if (at < 0) return written
  const parts: string[] = [] // a string that is added to a million times would be a tree of a million
  let text = ''
  let from = 0
  for (let count = 1; at >= 0; at = written.indexOf('&', from), count++) {
    const end = written.indexOf(';', at)
    text += written.slice(from, at) + (characterAt(written, at + 1, end) ?? '')
    from = end + 1
    if (count % 500 !== 0) continue
    parts.push(text)
    text = ''
  }
  const last = text + written.slice(from)
  return parts.length === 0 ? last : parts.join('') + last
}

/** What the name of a reference means. */
function characterAt(text: string, from: number, to: number): string | undefined {
  if (text.charCodeAt(from) === NUMBER_SIGN) return numbered(text.slice(from, to))
  switch (to - from) {
    case 2:
      return text.startsWith('lt', from) ? '<' : text.startsWith('gt', from) ? '>' : undefined
    case 3:
      return text.startsWith('amp', from) ? '&' : undefined
    case 4:
      return text.startsWith('quot', from) ? '"' : text.startsWith('apos', from) ? "'" : undefined
    default:
      return undefined
  }
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
