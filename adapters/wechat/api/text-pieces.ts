// A long text in pieces that the platform takes: cut between paragraphs, lines, sentences or words, never inside a character.

/**
 * Pieces of at most `maxBytes` of UTF-8 that give the text again when joined, and no more of them than it needs. An empty text is
 * one empty piece. An address, or a link `<a …>…</a>`, is in one piece whole unless it is itself longer.
 */
export function textPieces(text: string, maxBytes: number): readonly string[] {
  const readable = piecesOf(text, maxBytes, leastOf)
  if (readable.length <= Math.ceil(Buffer.byteLength(text) / maxBytes)) return readable
  const full = piecesOf(text, maxBytes, () => Infinity)
  return full.length < readable.length ? full : readable
}

/** `least`: how many bytes the next piece must hold to be cut at a mark. */
function piecesOf(
  text: string,
  maxBytes: number,
  least: (bytes: number, maxBytes: number) => number,
): readonly string[] {
  const pieces: string[] = []
  let rest = text
  for (;;) {
    const bytes = Buffer.byteLength(rest)
    if (bytes <= maxBytes) break
    const cut = goodCut(rest, longestStart(rest, maxBytes).length, least(bytes, maxBytes))
    pieces.push(rest.slice(0, cut))
    rest = rest.slice(cut)
  }
  return rest === '' && pieces.length > 0 ? pieces : [...pieces, rest]
}

/** A letter that no longer fits leaves so much of a piece unused. */
const UNUSED_BYTES = 3

/** What the pieces can hold beyond the text is shared by all cuts: each may come so much earlier, and none makes a piece more. */
function leastOf(bytes: number, maxBytes: number): number {
  const room = Math.max(1, maxBytes - UNUSED_BYTES)
  const count = Math.ceil(bytes / room)
  return room - (count * room - bytes) / (count - 1)
}

/**
 * The text, or as much of its beginning as fits with `…` behind it. Half an address leads elsewhere: the one at the cut is left
 * out, as is its link, and where nothing stands before it the text is empty.
 */
export function cutAfter(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  const end = longestStart(text, maxBytes - Buffer.byteLength(SIGN)).length
  const start = text.slice(0, tornAt(end, spansOf(text, end, LINK_OR_ADDRESS))?.from ?? end)
  return start === '' ? '' : `${start}${SIGN}`
}
const SIGN = '…'

/** Up to the end: no blank stands in an address, and none of the punctuation of Chinese and of prose (U+2010 … U+206F). */
const ADDRESS = /https?:\/\/[^\s"<>\u2010-\u206F\u3000-\u303F\uFF00-\uFFEF]*/giu
/** A tag that nobody closes reaches over no more than a label's length. */
const LINK_OR_ADDRESS = new RegExp(
  `<a\\s[^<>]{0,2000}(?:>[^<]{0,200}(?:</a>)?)?|${ADDRESS.source}`,
  ADDRESS.flags,
)
/** Of what runs on in Chinese letters, the address alone. */
const ADDRESS_IN_ASCII = /https?:\/\/[!#-;=?-~]*/giu
/** So far behind a cut is looked for what begins before it: `https://`, the end `</a>`. */
const SEEN_BEHIND = 8

interface Span {
  readonly from: number
  readonly to: number
}

/** What must not be divided, up to the cut at `end` and beyond it. */
function spansOf(text: string, end: number, pattern: RegExp): readonly Span[] {
  return [...text.slice(0, end + SEEN_BEHIND).matchAll(pattern)].map(({ index, 0: { length } }) => ({
    from: index,
    to: index + length,
  }))
}

function tornAt(cut: number, spans: readonly Span[]): Span | undefined {
  return spans.find(({ from, to }) => from < cut && cut < to)
}

const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** As much of the text as `maxBytes` of UTF-8 hold. */
export function longestStart(text: string, maxBytes: number): string {
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

const MARKS = [/\n{2,}/gu, /\n/gu, /[。！？；][”’」』）》]*/gu, /[，、 ]/gu]

/**
 * Behind the last paragraph, line, sentence or word of the second half that leaves at least `leastBytes` before it, else at the
 * very end; there before what would be torn.
 */
function goodCut(text: string, end: number, leastBytes: number): number {
  const start = text.slice(0, end)
  const least = Number.isFinite(leastBytes) ? longestStart(start, Math.max(0, leastBytes - 1)).length : end
  const marked = MARKS.flatMap((mark) =>
    [...start.matchAll(mark)].map(({ index, 0: { length } }) => index + length).toReversed(),
  ).filter((cut) => cut > end / 2 && cut > least)
  for (const pattern of [LINK_OR_ADDRESS, ADDRESS_IN_ASCII]) {
    const spans = spansOf(text, end, pattern)
    const cuts = [...marked, end, tornAt(end, spans)?.from ?? end]
    const whole = cuts.find((cut) => cut > 0 && tornAt(cut, spans) === undefined)
    if (whole !== undefined) return whole
  }
  return end
}
