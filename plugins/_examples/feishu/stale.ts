// The mark of a stale answer where people read it: a sentence at its end.
import type { Message, Part } from 'dragoman'

/** `staleText` where none is given. */
export const STALE_TEXT = '（系统暂时无法连接，以上信息可能不是最新的。）'

type Marks = Pick<Message, 'stale' | 'asOf' | 'aside'>

/**
 * The sentence of a stale answer. `{asOf}` in it is the moment of the answer, in this machine's time; where it has none (a `static`
 * one) each sentence that names it is left out, and the default stands there if no other is left. Undefined: the answer is not
 * stale, or has its mark in another part (`aside`).
 */
export function markOf({ stale, asOf, aside }: Marks, sentence: string): string | undefined {
  return stale === true && aside !== true ? filledIn(sentence, momentOf(asOf)) : undefined
}

/** The part with the mark, if there is one: at the end of a text, as a text of its own behind anything else. */
export function marked(part: Part, mark: string | undefined): readonly Part[] {
  if (mark === undefined) return [part]
  if (part.kind !== 'text') return markedApart(part, mark)
  return [{ ...part, text: part.text === '' ? mark : `${part.text}\n${mark}` }]
}

/** The mark as a text of its own behind the part. */
export function markedApart(part: Part, mark: string): readonly Part[] {
  return [part, { kind: 'text', text: mark }]
}

const sentences = new Intl.Segmenter(undefined, { granularity: 'sentence' })

function filledIn(text: string, moment: string | undefined): string {
  if (moment !== undefined) return text.replaceAll('{asOf}', moment)
  if (!text.includes('{asOf}')) return text
  const kept = [...sentences.segment(text)].filter(({ segment }) => !segment.includes('{asOf}'))
  const left = kept.map(({ segment }) => segment).join('')
  return /\p{L}/u.test(left) ? left.trim() : STALE_TEXT
}

function momentOf(asOf: string | undefined): string | undefined {
  const at = new Date(asOf ?? Number.NaN)
  if (Number.isNaN(at.getTime())) return undefined
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`
}
