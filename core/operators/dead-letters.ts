// Dead letters as operators handle them: looked at, replayed as they are or edited, dropped (SEMANTICS 19).
import { GatewayError } from '../api.ts'
import type { Json, Log, Message } from '../api.ts'
import { anew, saidIn } from './dead-edit.ts'
import type { DeadEdit } from './dead-edit.ts'
import { inTurn } from './dead-turns.ts'
import type { Turn } from './dead-turns.ts'
import { digest, moment } from '../ids.ts'
import { canonical } from '../json.ts'
import { PRIORITIES } from '../lanes/lanes.ts'
import type { DeadRow, Raw, Settle, Store, Unnumbered, WorkRow } from '../store/store.ts'

/** Which of them; no member: all. */
export interface DeadFilter {
  /** Of the failure: `BACKEND_FAILED`. */
  readonly code?: string
  /** Of the message. */
  readonly kind?: Message['kind']
  readonly type?: string
  readonly channel?: string
}

/** A dead letter in a list. */
export interface DeadSummary {
  readonly id: string
  /** RFC 3339. */
  readonly at: string
  /** What was given up: the message's delivery, the push of a reply, a claimed call, an answer that was promised. */
  readonly work: DeadRow['kind']
  readonly code: string
  readonly error: string
  /** A queued write that stops those behind it. */
  readonly halts: boolean
  readonly attempts: number
  readonly kind: Message['kind']
  readonly type: string
  readonly channel: string
  readonly sender: string
  readonly conversation: string
}

export interface Replayed {
  readonly id: string
  /** The new message. */
  readonly as: string
  readonly conversation: string
  readonly sequence: number
}

/** Of those who come to one letter at once the first has it, the others get `NOT_FOUND`. */
export interface DeadLetters {
  replay(id: string, edit?: DeadEdit): Promise<Replayed>
  /** Oldest first, those that are dead by now; `next` where it goes on, if the time was too short for all. */
  replayAll(filter: DeadFilter, from: From): Promise<ReplayedAll>
  /** Gives it up for good. `reason` is what a caller who asks again with the same id is told. */
  drop(id: string, reason?: string): Promise<void>
  /** As `replayAll`. */
  dropAll(filter: DeadFilter, from: From, reason?: string): Promise<DroppedAll>
}

/** Where a call goes on that the time was too short for, and the moment the first one began. */
export interface From {
  readonly after?: string
  readonly before?: string
}

interface Handled {
  readonly failed: readonly { readonly id: string; readonly error: string }[]
  readonly next?: string
  readonly before: string
}
export type ReplayedAll = Handled & { readonly replayed: number }
export type DroppedAll = Handled & { readonly dropped: number }

export interface DeadLettersOptions {
  readonly store: Store
  readonly log: Log
  readonly now: () => number
  readonly dedupeMs: number
  readonly laneLimit: { readonly platform: number }
  readonly poke: (home: string) => void
  /** Where a message stands in line that is delivered again. Throws `NO_ROUTE`. */
  readonly laneOf: (message: Message, home: string) => Promise<string>
  readonly onEnded: (how: 'replayed' | 'dropped') => void
}

const PAGE = 100
const MOST_FAILED = 100
const BUDGET_MS = 2000

/** The oldest first, after the id given. `next`: where the list goes on. */
export async function listDead(
  store: Pick<Store, 'find'>,
  { after, limit, ...filter }: DeadFilter & { readonly after?: string; readonly limit: number },
): Promise<{ readonly letters: readonly DeadSummary[]; readonly next?: string }> {
  const letters: DeadSummary[] = []
  for await (const row of matching(store, filter, after)) {
    letters.push(summaryOf(row))
    if (letters.length === limit) return { letters, next: row.id }
  }
  return { letters }
}

/** All of one: the message (of a push its `part`, from 0, alone), the bytes as they arrived in base64, every attempt. Throws `NOT_FOUND`. */
export async function showDead(store: Pick<Store, 'find'>, id: string): Promise<Json> {
  const found = await deadRow(store, id)
  const { row: _, raw, ...letter } = found
  const bytes = raw && { mediaType: raw.mediaType, base64: Buffer.from(raw.bytes).toString('base64') }
  // Messages, failures and attempts are plain data.
  return { ...letter, message: saidIn(found), ...(bytes !== undefined && { raw: bytes }) } as unknown as Json
}

export function createDeadLetters(options: DeadLettersOptions): DeadLetters {
  const { store, log, now, poke, onEnded } = options

  /**
   * Two steps, the new message first: a crash between them leaves the dead letter, and replaying it again finds the new message by its
   * dedupe key. Throws `NOT_FOUND`, `DECODE_FAILED`, `EXPIRED`, `OVERLOADED`.
   */
  async function replay(id: string, turn: Turn, edit?: DeadEdit): Promise<Replayed> {
    const row = await deadRow(store, id)
    if (row.halts === true && edit === undefined) return letGo(row)
    const message = anew(row, edit, now())
    // The bytes are those of the message as it came: of an edited one they would not be.
    const raw = edit === undefined ? row.raw : undefined
    const lane = await laneOf(message, row.home)
    if (!turn.isLive)
      throw new GatewayError('STORE_UNAVAILABLE', `the store was too slow: ${id} was not replayed`)
    const { as, sequence } = await append(row, message, { raw, lane })
    // An answer that was late may have taken it meanwhile: what is sent is sent.
    if (await end(row, `an operator replayed it as ${as}`)) onEnded('replayed')
    poke(row.home)
    const told = { id, as, conversation: message.conversation, sequence }
    log.info('a dead letter was replayed', { ...told, edited: edit !== undefined })
    return told
  }

  /** What halts its queue is made again where it stands, under its own key: those behind it follow. */
  async function letGo(row: DeadRow): Promise<Replayed> {
    const { id, home, message } = row
    if ((await replayedAs(id)) !== undefined) throw replayedOtherwise(id)
    if (!(await settle(row, { outcome: 'retry', delayMs: 0 }))) throw gone(id)
    poke(home)
    onEnded('replayed')
    log.info('a halted write was let go', { id })
    return { id, as: id, conversation: message.conversation, sequence: message.sequence }
  }

  /** What a replay that was cut off in the middle has sent stays sent: the letter goes, and is not called dropped. */
  async function drop(id: string, reason: string | undefined): Promise<void> {
    const row = await deadRow(store, id)
    const as = await replayedAs(id)
    const why = as === undefined ? (reason ?? 'an operator dropped it') : `an operator replayed it as ${as}`
    if (!(await end(row, why))) throw gone(id)
    onEnded(as === undefined ? 'dropped' : 'replayed')
    if (as !== undefined)
      throw new GatewayError('NOT_FOUND', `${id} was replayed before, as ${as}: there is nothing to drop`)
    log.info('a dead letter was dropped', { id, ...(reason !== undefined && { reason }) })
  }

  async function append(
    row: DeadRow,
    message: Unnumbered,
    { raw, lane }: { readonly raw: Raw | undefined; readonly lane: string },
  ): Promise<{ as: string; sequence: number }> {
    const { id: _, receivedAt: _receivedAt, traceparent: _traceparent, ...said } = message
    const content = { ...said, correlationId: row.message.correlationId }
    const result = await store.accept({
      home: row.home,
      conversation: message.conversation,
      message,
      ...(raw !== undefined && { raw }),
      dedupe: {
        key: replayKey(row.id),
        fingerprint: digest(canonical(content)),
        ttlMs: options.dedupeMs,
      },
      work: {
        lane,
        priority: PRIORITIES[message.priority ?? 'normal'],
        limit: options.laneLimit.platform,
      },
      // He has seen it: the customer's inbox got it, or the reply, the first time.
      inbox: false,
    })
    switch (result.status) {
      case 'accepted':
        return { as: message.id, sequence: result.sequence }
      case 'duplicate':
        return { as: result.id, sequence: result.sequence }
      case 'full':
        throw new GatewayError(
          'OVERLOADED',
          `${result.waiting} messages wait in "${message.conversation}" already; replay it when they are done`,
        )
      default:
        throw replayedOtherwise(row.id)
    }
  }

  /** An operator's settle (SEMANTICS, the store's table): what was unknown becomes known by it. False: the letter was gone. */
  async function end(row: DeadRow, reason: string): Promise<boolean> {
    const isEnded = await settle(row, {
      outcome: 'failed',
      failure: { code: row.failure.code, message: `${row.failure.message} (${reason})` },
    })
    if (row.halts === true) poke(row.home)
    return isEnded
  }

  /** Whether this was the settle that counts (SEMANTICS 4). */
  async function settle(
    { home, kind, id, halts }: DeadRow,
    what: Pick<Settle, 'outcome' | 'failure' | 'delayMs'>,
  ): Promise<boolean> {
    const head = halts === true ? await headOf(id) : undefined
    const { status } = await store.settle({
      home,
      kind,
      id,
      attempt: head?.attempt ?? 0,
      replies: [],
      inbox: false,
      pushes: [],
      ...what,
    })
    return status === 'settled'
  }

  /** The message of a replay that was cut off before its letter went. */
  async function replayedAs(id: string): Promise<string | undefined> {
    for (const row of await store.find({ by: 'key', key: replayKey(id) }))
      if (row.row === 'claim') return row.id
    return undefined
  }

  async function headOf(id: string): Promise<WorkRow | undefined> {
    for (const row of await store.find({ by: 'id', id }))
      if (row.row === 'work' && row.kind === 'message' && row.id === id) return row
    return undefined
  }

  /** What goes out stands in the order of its pushes, all else where it would stand if it came in now. */
  async function laneOf(message: Unnumbered, home: string): Promise<string> {
    const { id, direction, channel, conversation } = message
    if (direction === 'outbound') return `push:${channel}:${conversation}`
    try {
      return await options.laneOf({ ...message, sequence: 0 }, home)
    } catch (error) {
      // No route takes it now either: it finds that out by itself, and is a dead letter again.
      log.debug('a replay has no place in line', { id, error })
      return `request:${id}`
    }
  }

  async function each(
    filter: DeadFilter,
    { after, before = moment(now()) }: From,
    handle: (id: string, turn: Turn) => Promise<unknown>,
  ): Promise<Handled & { readonly count: number }> {
    const until = performance.now() + BUDGET_MS
    const failed: { id: string; error: string }[] = []
    let count = 0
    for await (const row of matching(store, filter, after)) {
      if (row.at > before) continue // it died of its replay, or meanwhile
      try {
        await inTurn(store, row.id, (turn) => handle(row.id, turn))
        count += 1
      } catch (thrown) {
        const error = GatewayError.from(thrown)
        // Another operator was faster.
        if (error.code !== 'NOT_FOUND') failed.push({ id: row.id, error: error.message })
      }
      if (performance.now() > until || failed.length === MOST_FAILED)
        return { count, failed, next: row.id, before }
    }
    return { count, failed, before }
  }

  return {
    replay: (id, edit) => inTurn(store, id, (turn) => replay(id, turn, edit)),

    async replayAll(filter, from) {
      const { count, ...handled } = await each(filter, from, replay)
      return { replayed: count, ...handled }
    },

    drop: (id, reason) => inTurn(store, id, () => drop(id, reason)),

    async dropAll(filter, from, reason) {
      const { count, ...handled } = await each(filter, from, (id) => drop(id, reason))
      return { dropped: count, ...handled }
    },
  }
}

/** Without their bytes. */
async function* matching(
  store: Pick<Store, 'find'>,
  filter: DeadFilter,
  from: string | undefined,
): AsyncGenerator<DeadRow> {
  for (let after = from; ;) {
    const rows = await store.find({
      by: 'dead',
      limit: PAGE,
      brief: true,
      ...(after !== undefined && { after }),
    })
    for (const row of rows) {
      if (row.row !== 'dead') continue
      after = row.id
      if (isMeant(row, filter)) yield row
    }
    if (rows.length < PAGE) return
  }
}

function isMeant({ failure, message }: DeadRow, { code, kind, type, channel }: DeadFilter): boolean {
  return (
    (code === undefined || failure.code === code) &&
    (kind === undefined || message.kind === kind) &&
    (type === undefined || message.type === type) &&
    (channel === undefined || message.channel === channel)
  )
}

function summaryOf({ id, at, kind: work, failure, attempts, message, halts }: DeadRow): DeadSummary {
  const { kind, type, channel, sender, conversation } = message
  return {
    id,
    at,
    work,
    code: failure.code,
    error: failure.message,
    halts: halts === true,
    attempts: new Set(attempts.map(({ attempt }) => attempt)).size, // one may have asked two
    kind,
    type,
    channel,
    sender: sender.id,
    conversation,
  }
}

async function deadRow(store: Pick<Store, 'find'>, id: string): Promise<DeadRow> {
  for (const row of await store.find({ by: 'id', id })) if (row.row === 'dead' && row.id === id) return row
  throw gone(id)
}

function gone(id: string): GatewayError {
  return new GatewayError('NOT_FOUND', `no dead letter has the id ${id} (any more)`)
}

function replayedOtherwise(id: string): GatewayError {
  return new GatewayError(
    'IDEMPOTENCY_MISMATCH',
    `${id} was replayed before with another content; drop it, or replay it as it was then`,
  )
}

function replayKey(id: string): string {
  return ['replay', id].join('\u001F')
}
