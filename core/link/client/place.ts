// Where this device is: its numbers, its cursor, and what it has still to read.
import type { Seen } from './history.ts'
import { newId } from './ids.ts'

export interface Place {
  readonly device: string
  readonly boot: string
  /** The number of the next own message. */
  readonly next: number
  /** The highest that a link was given under this boot; none: 0, or a box from before this was kept. */
  readonly sent?: number
  readonly epoch: string
  readonly offset: number
  /** Where the log of each conversation goes on after a gap in the inbox. */
  readonly seen: readonly Seen[]
  /** The same of before their sequences began anew; none: a box from before this was kept. */
  readonly former?: readonly Seen[]
  /** After such a gap: the logs that are not read to their end yet. */
  readonly owed: readonly (readonly [conversation: string, after: number])[]
  /** Whose this is: the inbox of the last welcome, and the subject of the token it was for; where they were said. */
  readonly inbox?: string
  readonly subject?: string
  /** After such a gap: how far the inbox went then, and so many up to there that neither the logs nor the inbox have brought yet. */
  readonly until?: number
  readonly missing?: number
}

/** Of a new box. */
export function fresh(): Place {
  return { device: newId(), boot: newId(), next: 1, epoch: '', offset: 0, seen: [], owed: [] }
}
