// What is looked at in a document's text before it is parsed: the DOCTYPE, and references to surrogates.
import { GatewayError } from 'dragoman'

/**
 * Refuses a document type declaration (SOAP 1.1 §3, SOAP 1.2 Part 1 §5, WS-I BP 1.1 R1008) before a parser sees it: only
 * white space, comments and processing instructions can stand before one (XML 1.0 §2.8 [22]). Throws `DECODE_FAILED`.
 */
export function refuseDoctype(text: string): void {
  let at = text.charCodeAt(0) === 0xfeff ? 1 : 0
  for (;;) {
    at = skipSpace(text, at)
    if (text.startsWith('<!--', at)) at = after(text, '-->', at + 4)
    else if (text.startsWith('<?', at)) at = after(text, '?>', at + 2)
    else break
  }
  if (/^<!DOCTYPE/i.test(text.slice(at, at + 9)))
    throw new GatewayError('DECODE_FAILED', `xml ${place(text, at)}: a DOCTYPE is not allowed`)
}

/**
 * Puts the character in place of two references to its surrogates (`&#xd83d;&#xde00;` or decimal), which Axis 1.4 writes
 * and XML 1.0 §4.1 forbids. Not inside CDATA, comments and processing instructions, where no references are.
 */
export function joinSurrogateReferences(text: string): string {
  if (!/&#(?:x0*d|0*5)/i.test(text)) return text
  let joined = ''
  let at = 0
  while (at < text.length) {
    const opaque = nextOpaque(text, at)
    joined +=
      text.slice(at, opaque.from).replace(surrogatePair, joinPair) + text.slice(opaque.from, opaque.to)
    at = opaque.to
  }
  return joined
}

const surrogatePair =
  /&#(?:x0*(d[89ab][0-9a-f]{2})|0*(5[56]\d{3}));&#(?:x0*(d[c-f][0-9a-f]{2})|0*(5[67]\d{3}));/gi

function joinPair(
  whole: string,
  highHex: string | undefined,
  highDecimal: string | undefined,
  lowHex: string | undefined,
  lowDecimal: string | undefined,
): string {
  const high = highHex === undefined ? Number(highDecimal) : Number.parseInt(highHex, 16)
  const low = lowHex === undefined ? Number(lowDecimal) : Number.parseInt(lowHex, 16)
  const pair = high >= 0xd800 && high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff
  return pair ? String.fromCharCode(high, low) : whole
}

/** The next CDATA section, comment or processing instruction from `at`; one that never ends goes to the end of the text. */
function nextOpaque(text: string, at: number): { from: number; to: number } {
  for (let from = text.indexOf('<', at); from !== -1; from = text.indexOf('<', from + 1)) {
    const kind = text.charCodeAt(from + 1)
    if (kind === 0x3f) return { from, to: after(text, '?>', from + 2) }
    if (kind !== 0x21) continue
    if (text.startsWith('<!--', from)) return { from, to: after(text, '-->', from + 4) }
    if (text.startsWith('<![CDATA[', from)) return { from, to: after(text, ']]>', from + 9) }
  }
  return { from: text.length, to: text.length }
}

function after(text: string, end: string, from: number): number {
  const found = text.indexOf(end, from)
  return found === -1 ? text.length : found + end.length
}

function skipSpace(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at
    at++
  }
}

function place(text: string, at: number): string {
  const before = text.slice(0, at).split('\n')
  return `${before.length}:${before.at(-1)?.length ?? 0}`
}
