// Reading a conversation: who may, which rows he sees, and how long he waits for one.
import { GatewayError } from '../api.ts'
import type { Identity, LogOptions, LogPage, Message } from '../api.ts'
import { OWN } from '../store/homes.ts'
import type { ConversationRow, Store } from '../store/store.ts'

export interface LogReaderOptions {
  readonly store: Store
  readonly channel: string
  /** Nobody is identified (loopback without `identity`): every program may read everything. */
  readonly open: boolean
  /** The gateway stops: nobody is kept waiting for what the next life will say. */
  readonly stopping: AbortSignal
}

export type LogReader = (conversation: string, after: number, options?: LogOptions) => Promise<LogPage>

const LIMIT = 100
const MOST = 1000
const LONGEST_WAIT_MS = 60_000

/** `ChannelHost.log`. Throws `NOT_FOUND`, `FORBIDDEN`, `CURSOR_RESET` (detail `{ oldest, top }`). */
export function createLogReader({ store, channel, open, stopping }: LogReaderOptions): LogReader {
  return async (conversation, after, options = {}) => {
    if (!Number.isSafeInteger(after) || after < 0)
      throw new GatewayError('DECODE_FAILED', `after is ${after}: a sequence number of 0 or more is needed`)
    const row = await rowFor(conversation, options.identity)
    const watch = options.waitMs === undefined ? undefined : store.watch([`log:${conversation}`])
    const signals = options.signal === undefined ? [stopping] : [stopping, options.signal]
    try {
      const deadline = performance.now() + Math.min(options.waitMs ?? 0, LONGEST_WAIT_MS)
      let cursor = after
      for (;;) {
        const page = await readPage(row, cursor, options)
        const left = deadline - performance.now()
        if (
          page.messages.length > 0 ||
          watch === undefined ||
          left <= 0 ||
          signals.some(({ aborted }) => aborted)
        )
          return page
        cursor = page.next
        await hint(watch, left, signals)
      }
    } finally {
      watch?.close()
    }
  }

  async function rowFor(conversation: string, identity: Identity | undefined): Promise<ConversationRow> {
    const row = await find(conversation)
    if (row === undefined && mayAsk(conversation, identity))
      throw new GatewayError('NOT_FOUND', `there is no conversation "${conversation}"`)
    if (row === undefined || !may(row, identity))
      throw new GatewayError('FORBIDDEN', `the conversation "${conversation}" is not yours to read`)
    return row
  }

  async function find(conversation: string): Promise<ConversationRow | undefined> {
    const rows = await store.find({ by: 'conversation', conversation })
    return rows.find((row) => row.row === 'conversation')
  }

  function may(row: ConversationRow, identity: Identity | undefined): boolean {
    switch (identity?.role) {
      case 'customer':
        return row.home === `link/${identity.id}`
      case 'agent':
        return true
      case 'program':
        return open || row.channel === channel
      case undefined:
        return row.channel === channel
    }
  }

  async function readPage(row: ConversationRow, after: number, options: LogOptions): Promise<LogPage> {
    const { conversation, home } = row
    const limit = Math.min(Math.max(options.limit ?? LIMIT, 1), MOST)
    const page = await store.read({ home, log: { conversation }, after, limit })
    if (page.status === 'reset')
      throw new GatewayError(
        'CURSOR_RESET',
        `the log of "${conversation}" ends at ${page.top}, before ${after}`,
        {
          detail: { oldest: page.oldest, top: page.top },
        },
      )
    const messages = page.rows.map(({ message }) => message)
    return {
      messages: options.identity?.role === 'customer' ? messages.filter(forCustomer) : messages,
      next: page.next,
      oldest: page.oldest,
      top: page.top,
      truncated: page.truncated,
    }
  }
}

/** Who is told that there is no such conversation. A customer learns of his own usual one alone: else he could ask who has ever written (SEMANTICS 9). */
function mayAsk(conversation: string, identity: Identity | undefined): boolean {
  return identity?.role !== 'customer' || conversation === `${OWN.customer}:${identity.id}`
}

// SEMANTICS 24: a reader sees the part he may; `next` passes over the rest.
function forCustomer(message: Message): boolean {
  return message.kind === 'message' && message.direction !== 'internal'
}

/** Waits for a hint, the time or the caller's end, whichever is first. */
async function hint(
  watch: AsyncIterable<string>,
  ms: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const gone = (): void => resolve()
  for (const signal of signals) signal.addEventListener('abort', gone, { once: true })
  const hinted = watch[Symbol.asyncIterator]().next()
  try {
    await Promise.race([promise, hinted])
  } finally {
    clearTimeout(timer)
    for (const signal of signals) signal.removeEventListener('abort', gone)
  }
}
