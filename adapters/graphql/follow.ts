// A conversation's log as the events of a subscription: from a cursor on, without a hole.
import type { ChannelHost, Identity, LogPage, Message } from 'dragoman'

const WAIT_MS = 25_000
/** Between two reads of a log that does not wait. */
const PAUSE_MS = 1000
/** Messages held for one subscriber. */
const PAGE = 20

export interface FollowOptions {
  readonly host: ChannelHost
  readonly conversation: string
  /** The last sequence the subscriber has; 0 for the beginning. */
  readonly after: number
  readonly identity: Identity
  /** The subscriber is gone. */
  readonly signal: AbortSignal
  /** Nothing is read any further: the channel ends, or the subscriber's socket. */
  readonly closing: AbortSignal
  /** The log no longer reaches back to the cursor: called once, before the first message. */
  readonly onTruncated: (oldest: number) => void
}

/**
 * The messages after a cursor, oldest first, and those that come. Every read goes on where the one before it ended, so a
 * wake-up that is lost costs time, never a message. A conversation has no end: after `closing` nothing comes any more until the
 * subscriber, who is cut off then, is gone. Rejects before the first message with what `host.log` throws.
 */
export async function follow(options: FollowOptions): Promise<AsyncIterable<ShownMessage>> {
  const { host, conversation, identity, signal, closing, after, onTruncated } = options
  const left = new AbortController()
  const over = AbortSignal.any([signal, left.signal])
  const ending = AbortSignal.any([over, closing])
  // The first page is read at once: a refusal is then the answer to the subscription itself.
  const first = await host.log(conversation, after, { identity, signal: ending, limit: PAGE })
  if (first.truncated) onTruncated(first.oldest)
  const messages = pages(first, async (next) => {
    const begun = performance.now()
    const page = await host.log(conversation, next, {
      identity,
      waitMs: WAIT_MS,
      signal: ending,
      limit: PAGE,
    })
    // A gateway that stops keeps nobody waiting; the line is cut when what else is under way on it is done.
    if (page.messages.length === 0 && performance.now() - begun < PAUSE_MS) await endOf(ending, PAUSE_MS)
    return page
  })

  async function* pages(
    page: LogPage,
    read: (after: number) => Promise<LogPage>,
  ): AsyncGenerator<ShownMessage, undefined> {
    for (let current = page; !ending.aborted; current = await read(current.next))
      for (const message of current.messages) yield shown(message)
    await endOf(over)
    return undefined
  }

  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => messages.next(),
      // A generator that waits cannot be returned from: the wait is ended first.
      return: async () => {
        left.abort()
        return messages.return(undefined)
      },
    }),
  }
}

/** Resolves when the signal ends, `withinMs` later at the latest. */
function endOf(signal: AbortSignal, withinMs?: number): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = withinMs === undefined ? undefined : setTimeout(resolve, withinMs)
  const end = (): void => resolve()
  signal.addEventListener('abort', end, { once: true })
  return promise.finally(() => {
    clearTimeout(timer)
    signal.removeEventListener('abort', end)
  })
}

export type ShownMessage = Omit<Message, 'raw'> & { readonly text?: string }

/** A message as callers see it: without its raw bytes (DESIGN §16), and its parts as one text beside them. */
export function shown({ raw: _raw, ...message }: Message): ShownMessage {
  const text = textOf(message.parts)
  return text === undefined ? message : { ...message, text }
}

/** The texts of all parts, one a line. */
export function textOf(parts: Message['parts']): string | undefined {
  return parts?.map((part) => part.text).join('\n')
}
