// The mark of a stale answer where people read it: a sentence at its end.
import type { Reply } from 'dragoman'

import { STALE_TEXT } from './config.ts'
import { isTransfer, shownParts } from './passive.ts'

type Answer = Pick<Reply, 'parts' | 'data' | 'fault' | 'stale' | 'asOf'>

/**
 * The answer with the sentence: at the end of its last text, or as a text of its own after anything else. `{asOf}` in it is the
 * moment of the answer by this machine's clock and time zone, as `2026-01-31 09:00`; where an answer has none (a `static` one)
 * each sentence that names it is left out, and the default stands there if no other is left. What is not stale, or shows nothing,
 * stays as it is.
 */
export function withStaleText<T extends Answer>(answer: T, sentence: string): T {
  const parts = answer.stale === true ? shownParts(answer) : []
  const last = parts.at(-1)
  if (last === undefined || isTransfer(last)) return answer
  const text = filledIn(sentence, momentOf(answer.asOf))
  if (last.kind !== 'text') return { ...answer, parts: [...parts, { kind: 'text', text }] }
  const whole = last.text === '' ? text : `${last.text}\n${text}`
  return { ...answer, parts: [...parts.slice(0, -1), { ...last, text: whole }] }
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
