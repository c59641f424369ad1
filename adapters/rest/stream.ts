// A conversation's log as server-sent events (WHATWG HTML §9.2).
import { GatewayError } from 'dragoman'
import type { Log, LogPage, Message } from 'dragoman'

import { problemBody } from './problem.ts'

const RETRY_MS = 2000

export interface StreamOptions {
  /** What is there already. */
  readonly first: LogPage
  /** Reads on after a cursor; resolves with no messages when it is time for a sign of life. */
  readonly read: (after: number, signal: AbortSignal) => Promise<LogPage>
  /** The reader's credential ends, in milliseconds since the epoch. */
  readonly until: number | undefined
  readonly log: Log
  readonly signal: AbortSignal
}

/** A message as callers see it: without its raw bytes (DESIGN §16). */
export function shown({ raw: _raw, ...message }: Message): Omit<Message, 'raw'> {
  return message
}

/**
 * The stream's text: every message with its sequence as `id:`, a heartbeat whenever a read came back empty, `truncated` where
 * the log no longer reaches back, `problem` before it ends for a reason. It ends when the signal does or the reader leaves.
 */
export function eventStream({ first, read, until, log, signal }: StreamOptions): AsyncIterable<string> {
  const left = new AbortController()
  const ending = AbortSignal.any([signal, left.signal])
  return {
    [Symbol.asyncIterator]: () => {
      const texts = pieces({ first, read, until, log, signal: ending })
      return {
        next: async () => texts.next(),
        // A generator that waits cannot be returned from: the wait is ended first.
        return: async () => {
          left.abort()
          return texts.return(undefined)
        },
      }
    },
  }
}

async function* pieces({
  first,
  read,
  until = Infinity,
  log,
  signal: ending,
}: StreamOptions): AsyncGenerator<string, undefined> {
  yield `retry: ${RETRY_MS}\n\n`
  if (first.truncated) yield `event: truncated\ndata: ${JSON.stringify({ oldest: first.oldest })}\n\n`
  let page = first
  let shownUpTo = -1
  try {
    while (!ending.aborted) {
      if (Date.now() >= until) throw new GatewayError('AUTH_FAILED', 'the credential has expired')
      for (const message of page.messages) {
        yield `id: ${message.sequence}\ndata: ${JSON.stringify(shown(message))}\n\n`
        shownUpTo = message.sequence
      }
      // §9.2.6: an id without data moves the reader's cursor and dispatches nothing.
      if (page.next > shownUpTo) yield `id: ${page.next}\n\n`
      else if (page.messages.length === 0) yield ': still here\n\n'
      shownUpTo = Math.max(shownUpTo, page.next)
      page = await read(page.next, ending)
    }
  } catch (error) {
    if (ending.aborted) return undefined
    if (!(error instanceof GatewayError)) log.error('a stream failed', { error })
    yield `event: problem\ndata: ${JSON.stringify(problemBody(GatewayError.from(error)))}\n\n`
  }
  return undefined
}
