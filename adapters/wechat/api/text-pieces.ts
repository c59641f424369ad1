// A long text in pieces that the platform takes: cut between paragraphs, lines or words, never inside a character.

/** Pieces of at most `maxBytes` of UTF-8 that give the text again when joined. An empty text is one empty piece. */
export function textPieces(text: string, maxBytes: number): readonly string[] {
  const pieces: string[] = []
  let rest = text
  while (Buffer.byteLength(rest) > maxBytes) {
    const whole = longestStart(rest, maxBytes)
    const cut = goodCut(whole)
    pieces.push(rest.slice(0, cut))
    rest = rest.slice(cut)
  }
  return rest === '' && pieces.length > 0 ? pieces : [...pieces, rest]
}

/**
 * The text, or as much of its beginning as fits with `…` behind it. Half an address leads elsewhere: the one at the cut is left
 * out, and where nothing stands before it the text is empty.
 */
export function cutAfter(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  const start = longestStart(text, maxBytes - Buffer.byteLength(SIGN)).replace(LAST_ADDRESS, '')
  return start === '' ? '' : `${start}${SIGN}`
}
const SIGN = '…'
/** Up to the end: no blank stands in an address, and none of the punctuation of Chinese and of prose (U+2010 … U+206F). */
const LAST_ADDRESS = /https?:\/\/[^\s"<>\u2010-\u206F\u3000-\u303F\uFF00-\uFFEF]*$/iu

const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

function longestStart(text: string, maxBytes: number): string {
  let bytes = 0
  let end = 0
  // A character has at most one unit of UTF-16 for each byte of UTF-8: what lies beyond is not looked at.
  for (const { segment } of characters.segment(text.slice(0, maxBytes + 1))) {
    bytes += Buffer.byteLength(segment)
    if (bytes > maxBytes) break
    end += segment.length
  }
  // A single cluster longer than the limit (hundreds of joined marks) is cut between code points.
  return end > 0 ? text.slice(0, end) : firstPoints(text, maxBytes)
}

function firstPoints(text: string, maxBytes: number): string {
  let start = ''
  for (const point of text) {
    if (Buffer.byteLength(start + point) > maxBytes) break
    start += point
  }
  return start
}

/** Behind the last paragraph, line or word of the second half, else at the very end. */
function goodCut(text: string): number {
  for (const mark of ['\n\n', '\n', ' ']) {
    const at = text.lastIndexOf(mark)
    if (at >= text.length / 2) return at + mark.length
  }
  return text.length
}
