// One push at a time in a conversation. The store keeps a reply's parts in order; a text that was accepted on its own (an event's, a
// replayed dead letter's) is in no lane of theirs, so what goes out at the same time takes turns here, and what is not due yet is waited for.
import type { Components } from '../calls/calls.ts'
import type { Verdict } from './deliver.ts'
import { sendPush } from './push.ts'
import type { PushContext } from './push.ts'
import type { Store, Work } from '../store/store.ts'

export interface PushingOptions extends Omit<PushContext, 'now'> {
  readonly now: () => number
}

/** Sends what is owed to a channel when what stands before it in that conversation has gone out, or was tried. Never rejects. */
export type Pushing = (work: Work, components: Components) => Promise<Verdict>

/** `options` are read anew for each: a reload changes them. */
export function createPushing(options: PushingOptions): Pushing {
  const turns = new PushTurns()
  return async (work, components) => {
    const waiting = await behindReply(work, components, options.store)
    return waiting ?? turns.take(work, () => sendPush(work, components, { ...options, now: options.now() }))
  }
}

const SHORTEST_LOOK_MS = 20
const LONGEST_LOOK_MS = 500

/**
 * A text on its own waits for a reply before it that nobody has begun: its push is due once no caller may take it any more (SEMANTICS 5).
 * One that was tried holds nobody up.
 */
async function behindReply(
  { kind, message }: Work,
  components: Components,
  store: Pick<Store, 'find'>,
): Promise<Verdict | undefined> {
  const channel = components.channel(message.channel)
  if (kind === 'push' || channel === undefined) return undefined
  const lane = `push:${channel.id}@${channel.adapter}:${message.conversation}`
  try {
    const [head] = await store.find({ by: 'lane', lane, limit: 1 })
    if (head?.row !== 'work' || head.attempt > 0) return undefined
    const reply = head.id.slice(0, head.id.lastIndexOf('/'))
    const rows = await store.find({ by: 'id', id: reply })
    const isBefore = rows.some((row) => row.row === 'message' && row.message.sequence < message.sequence)
    const delayMs = Math.min(Math.max(head.dueMs, SHORTEST_LOOK_MS), LONGEST_LOOK_MS)
    return isBefore ? { outcome: 'retry', target: `channel ${channel.id}`, delayMs, idle: true } : undefined
  } catch {
    return undefined // what cannot be read holds nobody up
  }
}

/** The next part of a reply is begun in moments; where it is not (another instance has it by now), the others go on. */
const NEXT_PART_MS = 2000

interface Turn {
  /** The message whose parts go out. */
  message: string
  isRunning: boolean
  /** Until its next part is there. */
  kept: NodeJS.Timeout | undefined
  readonly waiting: { readonly message: string; readonly begin: () => void }[]
}

/**
 * Everything that is pushed to one conversation is run by the process that has its partition, so this holds over all instances. What
 * has to be tried again gives its turn away: others need not wait for that.
 */
export class PushTurns {
  readonly #turns = new Map<string, Turn>()

  async take(work: Work, send: () => Promise<Verdict>): Promise<Verdict> {
    const { id, conversation } = work.message
    const turn = await this.#begin(conversation, id)
    let keepMs = 0
    try {
      const verdict = await send()
      if (verdict.outcome === 'answered' && hasNextPart(work)) keepMs = NEXT_PART_MS
      return verdict
    } finally {
      turn.isRunning = false
      if (keepMs === 0) this.#pass(conversation, turn)
      else turn.kept = setTimeout(() => this.#pass(conversation, turn), keepMs).unref()
    }
  }

  get size(): number {
    return this.#turns.size
  }

  async #begin(conversation: string, message: string): Promise<Turn> {
    const turn = this.#turns.get(conversation)
    if (turn === undefined) {
      const first: Turn = { message, isRunning: true, kept: undefined, waiting: [] }
      this.#turns.set(conversation, first)
      return first
    }
    if (turn.isRunning || turn.message !== message) {
      await new Promise<void>((begin) => turn.waiting.push({ message, begin }))
      return turn
    }
    clearTimeout(turn.kept)
    turn.isRunning = true
    return turn
  }

  #pass(conversation: string, turn: Turn): void {
    const next = turn.waiting.shift()
    if (next === undefined) {
      this.#turns.delete(conversation)
      return
    }
    turn.message = next.message
    turn.isRunning = true
    next.begin()
  }
}

function hasNextPart({ message, part }: Work): boolean {
  return part !== undefined && part >= 0 && part + 1 < (message.parts?.length ?? 0)
}
