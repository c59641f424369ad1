// The code units of a text as numbers in memory, a third of the price of asking the string for each, and steps over them.

/** Of the character. */
export const code = {
  quote: 34,
  ampersand: 38,
  apostrophe: 39,
  slash: 47,
  colon: 58,
  less: 60,
  equals: 61,
  greater: 62,
  question: 63,
} as const

/** Code units that are kept for the next document; nearly all have fewer. */
const KEPT = 32 * 1024
const kept = Buffer.alloc((KEPT + 1) * 2)
const keptCodes = viewOf(kept)
const isLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** The code units of a text, and behind the last a zero, which no document has. They hold until the next call. */
export function codesOf(text: string): Uint16Array {
  const bytes = text.length > KEPT ? Buffer.allocUnsafeSlow((text.length + 1) * 2) : kept
  const length = bytes.write(text, 'utf16le')
  if (!isLittleEndian) bytes.subarray(0, length).swap16()
  const codes = bytes === kept ? keptCodes : viewOf(bytes)
  codes[text.length] = 0
  return codes
}

function viewOf(bytes: Buffer): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
}

/** Of the ASCII characters: 1 begins a name, 2 may go on with one (Namespaces in XML 1.0 §3 [4] NCName). */
const nameClass = Uint8Array.from({ length: 128 }, (_, at) => {
  const character = String.fromCharCode(at)
  if (/[A-Za-z_]/.test(character)) return 1
  return /[0-9.-]/.test(character) ? 2 : 0
})

/** Behind the name without a colon that begins there, in ASCII; where it is itself: there is none. */
export function nameEnd(codes: Uint16Array, from: number): number {
  let at = from
  if (nameClass[codes[at] ?? 0] !== 1) return from
  do at++
  while ((nameClass[codes[at] ?? 0] ?? 0) > 0)
  return at
}

/** XML 1.0 §2.3 [3] S, where line ends are line feeds. */
export function afterSpace(codes: Uint16Array, from: number): number {
  let at = from
  while (codes[at] === 32 || codes[at] === 10 || codes[at] === 9) at++
  return at
}

/** Whether what stands from `from` to `to` stands at `otherFrom` too. */
export function isSame(codes: Uint16Array, from: number, to: number, otherFrom: number): boolean {
  for (let at = from; at < to; at++) if (codes[at] !== codes[otherFrom + at - from]) return false
  return true
}
