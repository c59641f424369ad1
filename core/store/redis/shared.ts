// What the instances have together beside the store: counts, last good answers, what they tell each other. No message hangs on it, and Redis may forget it.
import type { Broadcast } from '../../components/broadcast.ts'
import type { SharedCounter } from '../../guard/rate-limits.ts'
import type { AnswerStore } from '../../guard/shared-answers.ts'
import type { Caller } from './caller.ts'
import { partitionOf } from './partitions.ts'
import type { Pulse } from './pulse.ts'
import { Cells } from './reply.ts'

export interface Shared {
  readonly counter: SharedCounter
  readonly answers: AnswerStore
  readonly broadcast: Broadcast
}

export interface SharedOptions {
  readonly pulse: Pulse
  readonly broadcast: Broadcast
  readonly partitions: () => number
}

export function sharedOver(caller: Caller, { pulse, broadcast, partitions }: SharedOptions): Shared {
  /** All answers in one partition, so that they are bounded together. */
  const here = (): number => partitionOf('answers', partitions())
  return {
    broadcast,
    counter: {
      async add(key, by, ms) {
        const partition = partitionOf(key, partitions())
        const cells = new Cells(await caller.run('limit', partition, [key, by, Math.ceil(ms)]))
        return [cells.number(0), Math.max(0, cells.number(1))]
      },
    },
    answers: {
      async get(key) {
        const reply = await caller.run('answers', here(), ['get', key])
        if (reply === null) return undefined
        const cells = new Cells(reply)
        return { value: cells.text(0), ageMs: cells.number(1) }
      },
      async put(key, { value, ageMs, maxEntries, maxBytes }) {
        if (pulse.isPressed) return // what is left of the memory is for messages
        await caller.run('answers', here(), ['put', key, value, Math.ceil(ageMs), maxEntries, maxBytes])
      },
    },
  }
}
