// Others' words on a terminal and in a table: they are shown, and nothing of them is obeyed.
import { eastAsianWidth } from 'get-east-asian-width'
import { OBEYED, inLines } from '../core/printable.ts'

export { inLines }

const RUN = new RegExp(`${OBEYED}+`, 'gu')

/** For what must stay one line: a run of them is a space. */
export function inLine(text: string): string {
  return text.replaceAll(RUN, ' ')
}

/** Indented, the same value to whoever parses it. */
export function asJson(value: unknown): string {
  return inLines(JSON.stringify(value, null, 2))
}

const GRAPHEMES = new Intl.Segmenter('en', { granularity: 'grapheme' })
const ASCII = /^[\u0020-\u007E]*$/u
const EMOJI = /^\p{RGI_Emoji}$/v
/** The vowels and finals of a Hangul syllable stand within the two columns of its first consonant. */
const WITHOUT_WIDTH = /[\p{Mn}\p{Me}\p{Default_Ignorable_Code_Point}\u1160-\u11FF]/u

/** Columns of a terminal, as `wcswidth` counts: two for what is wide in East Asia (UAX #11), none for what stands on another character; and two for an emoji. */
export function widthOf(text: string): number {
  if (ASCII.test(text)) return text.length
  let width = 0
  for (const { segment } of GRAPHEMES.segment(text)) width += columnsOf(segment)
  return width
}

/** As many whole characters as there are columns for. */
export function fit(text: string, columns: number): string {
  if (text.length * 2 <= columns) return text
  let width = 0
  for (const { segment, index } of GRAPHEMES.segment(text)) {
    width += columnsOf(segment)
    if (width > columns) return text.slice(0, index)
  }
  return text
}

/** With blanks behind it, as wide as `columns` at least. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

function columnsOf(grapheme: string): number {
  if (EMOJI.test(grapheme)) return 2
  let width = 0
  for (const character of grapheme)
    if (!WITHOUT_WIDTH.test(character)) width += eastAsianWidth(character.codePointAt(0) ?? 0)
  return width
}
