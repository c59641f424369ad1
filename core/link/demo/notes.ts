// What stands small beside a message of the chat page: its moment, how far it has come, and what an answer is not.
import type { Said } from '../client/types.ts'
import { words } from './words.ts'
import type { Language } from './words.ts'

/** By this device's clock, and with the day where that is not today. What is no date-time stays as it is. */
export function momentOf(at: string, language: Language, now = new Date()): string {
  const moment = new Date(at)
  if (Number.isNaN(moment.getTime())) return at
  const time = { hour: '2-digit', minute: '2-digit' } as const
  if (moment.toDateString() === now.toDateString()) return moment.toLocaleTimeString(language, time)
  const day = { ...time, day: 'numeric', month: 'short' } as const
  if (moment.getFullYear() === now.getFullYear()) return moment.toLocaleString(language, day)
  return moment.toLocaleString(language, { ...day, year: 'numeric' })
}

/** DESIGN §7: a stale answer is marked, one with a part missing too. Empty where there is nothing to say. */
export function noteOf(
  { mark, code, message }: Pick<Said, 'mark' | 'code' | 'message'>,
  language: Language,
  now = new Date(),
): string {
  const { marks, answers } = words[language]
  const notes: string[] = []
  if (mark !== undefined) notes.push(code === undefined ? marks[mark] : `${marks[mark]} (${code})`)
  if (isStale(message))
    notes.push(answers.stale(message.asOf === undefined ? undefined : momentOf(message.asOf, language, now)))
  if ('partial' in message && message.partial) notes.push(answers.partial)
  return notes.join(' · ')
}

/** Of the last good answer of a business system that is down. */
export function isStale(message: Said['message']): message is Said['message'] & { readonly asOf?: string } {
  return 'stale' in message && message.stale
}
