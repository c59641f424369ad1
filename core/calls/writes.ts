// Writes that are queued while their system is down (`onFailure: queue`): their lanes, what a failure means for one, and their status.
import { GatewayError } from '../api.ts'
import type { HttpRequest, HttpResponse, Json } from '../api.ts'
import type { Verdict } from '../deliver/deliver.ts'
import { compileExpression } from '../expression.ts'
import type { Expression } from '../expression.ts'
import { canonical } from '../json.ts'
import type { Routable } from '../router.ts'
import type { OperationSettings } from '../settings.ts'
import { failureOf, provesNothingDone } from '../deliver/settling.ts'
import type { Dedupe, Row, Store, Work } from '../store/store.ts'
import type { Signer } from '../return/callback-secret.ts'
import type { Ended } from '../return/waiters.ts'

/** What an operation with `onFailure: queue` says of its queue. */
export interface WriteQueue {
  /** Writes with the same value keep their order. Undefined: those of one customer do, and who is none waits for nobody. Throws `DECODE_FAILED`. */
  readonly key?: (params: Json, message: Routable) => Promise<string | undefined>
  /** What happens to a key when a write cannot be made: it stops until an operator decides, or goes on with the next. */
  readonly onPoison: 'halt' | 'skip'
}

/** What the config says of an operation that is not safe: nobody would wait for the answer to a read. */
export function queueOf({
  onFailure,
  queueKey,
  onPoison = 'halt',
}: Pick<OperationSettings, 'onFailure' | 'queueKey' | 'onPoison'>): { readonly queue?: WriteQueue } {
  if (onFailure !== 'queue') return {}
  if (queueKey === undefined) return { queue: { onPoison } }
  const evaluate = compileExpression(queueKey)
  return {
    queue: {
      onPoison,
      async key(params, message) {
        const value = await evaluated(evaluate, params, message)
        if (value === undefined || value === null) return undefined
        return typeof value === 'string' ? value : canonical(value)
      },
    },
  }
}

async function evaluated(queueKey: Expression, params: Json, message: Routable): Promise<unknown> {
  try {
    return await queueKey(params, { message })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError(
      'DECODE_FAILED',
      `the key of its queue (queueKey) cannot be made of these parameters: ${why}`,
      { cause: error, notExecuted: true },
    )
  }
}

export const STATUS_PATH = '/v1/status'

/** Of a queued write whose operation has no queue any more, or is gone. */
export const HALTS: WriteQueue = { onPoison: 'halt' }

const QUEUE = 'queue:'
/** Who waits is served soon after the system is back. */
const LONGEST_PAUSE_MS = 3000
/** A hundred years. */
const HALTED_MS = 3_155_760_000_000

/** The lane a write of this operation stands in. */
export async function writeLane(
  queue: WriteQueue,
  write: {
    readonly backend: string
    readonly params: Json
    readonly message: Routable
    readonly home: string
  },
): Promise<string> {
  const { backend, params, message, home } = write
  const own = message.sender.role === 'system' ? message.id : home
  return `${QUEUE}${backend}:${(await queue.key?.(params, message)) ?? own}`
}

export function isQueuedWrite({ lane, kind }: Pick<Work, 'lane' | 'kind'>): boolean {
  return kind === 'message' && lane.startsWith(QUEUE)
}

export interface FailedWrite {
  readonly work: Work
  readonly queue: WriteQueue
  readonly target: string
  readonly failure: GatewayError
  /** The other side may say something else another time. */
  readonly mayPass: boolean
  /** The pause its number of tries asks for. */
  readonly pauseMs: number
  /** No sooner than this: its system asks to be left alone. */
  readonly askedMs?: number
  /** Done once by the other side however often it comes. */
  readonly repeatable: boolean
  /** Somebody waits for it, and is told. */
  readonly isAwaited: boolean
}

/**
 * What becomes of a write that failed (SEMANTICS 3): tried again for as long as it takes where nothing was done for certain or doing it
 * twice is doing it once; a refusal goes to who waits for it; everything else is an operator's.
 */
export function failedWrite(write: FailedWrite): Verdict {
  const { work, target, failure, mayPass, pauseMs, askedMs = 0, repeatable, isAwaited } = write
  const isHarmless = repeatable || provesNothingDone(failure)
  if (isHarmless && mayPass) {
    const delayMs = askedMs + Math.min(pauseMs, LONGEST_PAUSE_MS)
    const waiting: Verdict = { outcome: 'retry', target, delayMs, told: { outcome: 'taken' } }
    // An open breaker asks nobody: that is noted once.
    if (failure.code === 'BREAKER_OPEN' && work.attempts.length > 0) return { ...waiting, idle: true }
    return { ...waiting, failure }
  }
  if (!isHarmless) return poisonedWrite(write, 'unknown')
  return isAwaited ? { outcome: 'failed', target, failure } : poisonedWrite(write, 'failed')
}

/** SEMANTICS 19: it stops its key, or leaves it. */
export function poisonedWrite(
  { queue, target, failure }: Pick<FailedWrite, 'queue' | 'target' | 'failure'>,
  outcome: 'failed' | 'unknown',
): Verdict {
  if (queue.onPoison === 'skip') return { outcome, target, failure, dead: true }
  const told: Ended = { outcome, failure: failureOf(failure) }
  return { outcome: 'retry', target, failure, delayMs: HALTED_MS, dead: true, told }
}

export interface Writes {
  /** The address of a write's status; who has it may read it. */
  statusUrl(id: string): string
  /** Serves `/v1/status/{id}`. Throws `AUTH_FAILED`, `NOT_FOUND`. */
  handle(request: HttpRequest): Promise<HttpResponse>
}

export interface WritesOptions {
  readonly store: Pick<Store, 'find'>
  readonly secret: Signer
  /** Our own base address, as callers reach it. */
  readonly origin: () => string
}

export function createWrites({ store, secret, origin }: WritesOptions): Writes {
  return {
    statusUrl: (id) => `${origin()}${STATUS_PATH}/${id}?token=${secret.sign(`status.${id}`)}`,

    async handle({ method, path, query }) {
      if (method !== 'GET' && method !== 'HEAD')
        throw new GatewayError('METHOD_NOT_ALLOWED', `a status is a GET, not a ${method}`, {
          detail: { allow: 'GET, HEAD' },
        })
      const id = path.slice(STATUS_PATH.length + 1)
      if (!secret.isSigned(`status.${id}`, new URLSearchParams(query).get('token') ?? ''))
        throw new GatewayError(
          'AUTH_FAILED',
          'the token of this address is missing or wrong: ask as you were told',
        )
      const status = statusIn(await store.find({ by: 'id', id }), id)
      if (status === undefined) throw new GatewayError('NOT_FOUND', `nothing is known of ${id} any more`)
      const isOpen = status['state'] === 'queued' || status['state'] === 'running'
      return {
        status: 200,
        headers: {
          'content-type': 'application/json',
          'cache-control': 'no-store',
          ...(isOpen && { 'retry-after': '2' }),
        },
        body: JSON.stringify(status),
      }
    },
  }
}

type Status = { readonly id: string; readonly state: string } & Readonly<Record<string, Json>>

/** `queued`, `running`, `done`, `failed`, `unknown`, and `halted` where an operator is waited for. */
function statusIn(rows: readonly Row[], id: string): Status | undefined {
  const message = rows.find((row) => row.row === 'message' && row.message.id === id)
  if (message?.row !== 'message') return undefined
  const operation = message.message.type
  const receivedAt = message.message.receivedAt
  const halted = haltIn(rows, id)
  const about = { id, operation, receivedAt }
  if (halted !== undefined) {
    const state = halted.code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'halted'
    return { ...about, state, error: { ...halted } }
  }
  for (const row of rows)
    if (row.row === 'work' && row.kind === 'message' && row.id === id)
      return { ...about, state: row.state === 'flight' ? 'running' : 'queued', attempts: row.attempts.length }
  for (const row of rows) {
    // Its outcome and not its claim: that is forgotten after `store.dedupe`, and this stays as long as the message.
    if (row.row !== 'settled' || row.id !== id) continue
    const { outcome, reply, failure } = row
    if (outcome === 'answered' && reply !== undefined)
      return {
        ...about,
        state: 'done',
        ...(reply.data !== undefined && { result: reply.data }),
        ...(reply.fault !== undefined && { fault: { ...reply.fault } }),
      }
    if (outcome === 'taken' || outcome === 'answered') return { ...about, state: 'done' }
    // An operator who gives up what nobody knows has not made it undone.
    const isUnknown = failure?.code === 'OUTCOME_UNKNOWN'
    return {
      ...about,
      state: isUnknown ? 'unknown' : outcome,
      ...(failure !== undefined && { error: { ...failure } }),
    }
  }
  return undefined
}

function haltIn(rows: readonly Row[], id: string): Ended['failure'] {
  for (const row of rows) if (row.row === 'dead' && row.id === id && row.halts === true) return row.failure
  return undefined
}

/**
 * For who asks about a write that was not begun for him now: told at once where it, or what stands before it, waits for its system or for
 * an operator. Never resolves where it is simply at work: its end is waited for then.
 */
export async function standingOf(store: Pick<Store, 'find'>, id: string): Promise<Ended> {
  try {
    const standing = await standingIn(store, await store.find({ by: 'id', id }), id)
    if (standing !== undefined) return standing
  } catch {
    // It is stored: its end is waited for, and read at the wait's end, whose failure is the caller's to hear.
  }
  return new Promise(() => undefined)
}

/** An attempt of it has begun and not ended, on this instance or another one. */
export function isAtWork(rows: readonly Row[], id: string): boolean {
  return rows.some(
    (row) => row.row === 'work' && row.kind === 'message' && row.id === id && row.state === 'flight',
  )
}

/** Undefined: it is no queued write, or is simply at work. */
export async function standingIn(
  store: Pick<Store, 'find'>,
  rows: readonly Row[],
  id: string,
): Promise<Ended | undefined> {
  const halted = haltIn(rows, id)
  if (halted !== undefined)
    return { outcome: halted.code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'failed', failure: halted }
  for (const row of rows) {
    if (row.row !== 'work' || row.id !== id || !isQueuedWrite(row)) continue
    const [head] = await store.find({ by: 'lane', lane: row.lane, limit: 1 })
    if (head?.row === 'work' && head.attempts.length > 0) return { outcome: 'taken' }
  }
  return undefined
}

/** Under which a write is remembered where the caller has no id of his own: who waits for it finds its end by it. */
export function writeClaim(
  { message: { id } }: { readonly message: { readonly id: string } },
  ttlMs: number,
): Dedupe {
  return { key: ['write', id].join('\u001F'), fingerprint: id, ttlMs }
}
