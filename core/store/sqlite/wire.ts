// What crosses between the front-end and the worker. The two hot operations are flat tuples, messages are JSON text made once.
import type { ErrorCode } from '../../api.ts'
import type {
  Accept,
  Ack,
  AckResult,
  Find,
  HandOver,
  Hello,
  HelloResult,
  Lease,
  LeaseResult,
  Outcome,
  Raw,
  Read,
  Settle,
  Take,
  Trim,
  TrimResult,
  WorkKind,
} from '../store.ts'
import type {
  AcceptAnswer,
  ClaimAnswer,
  ReadAnswer,
  RowAnswer,
  SettleAnswer,
  TakeAnswer,
  ValueAnswer,
} from './answers.ts'
import type { Stamp } from './clock.ts'

/** Device, owner and patch: what few accepts have. `refusalId`: under which id the app knows what is refused. */
export type AcceptExtras = Pick<Accept, 'device' | 'expect' | 'patch'> & { readonly refusalId?: string }

export type AcceptWire = readonly [
  op: 'accept',
  home: string,
  conversation: string,
  id: string,
  body: string,
  channel: string,
  cause: string | null,
  inbox: boolean,
  raw: Raw | null,
  key: string | null,
  fingerprint: string,
  ttlMs: number,
  lane: string | null,
  priority: number,
  delayMs: number,
  limit: number,
  waitMs: number | null,
  fence: number,
  random: string,
  extras: AcceptExtras | null,
]

export interface ReplyWire {
  readonly id: string
  readonly body: string
  readonly channel: string
}

/** Everything but what identifies a settle and is in nearly every one. */
export type SettleExtras = Pick<Settle, 'expect' | 'patch' | 'timer' | 'conversation'> & {
  readonly pushes?: Settle['pushes']
  readonly dead?: string
}

export type SettleWire = readonly [
  op: 'settle',
  home: string,
  kind: WorkKind,
  id: string,
  attempt: number,
  outcome: Outcome | 'retry',
  /** 0: none was given. */
  fence: number,
  random: string,
  delayMs: number,
  /** Attempt, Failure and Reply as JSON text. */
  tried: string | null,
  failure: string | null,
  reply: string | null,
  replies: readonly ReplyWire[] | null,
  inbox: boolean,
  extras: SettleExtras | null,
]

export interface ClaimWire {
  readonly home: string
  readonly key: string
  readonly fingerprint: string
  readonly id: string
  readonly ttlMs: number
  readonly idempotent: boolean
  readonly fence: { readonly counter: number; readonly random: string }
  readonly body: string
  readonly raw: Raw | null
}

export interface ValueWire {
  readonly key: string
  readonly expect: number | 'absent' | null
  readonly put: string | null
  readonly delete: boolean
  readonly ttlMs: number | null
  readonly fence: { readonly counter: number; readonly random: string } | null
}

/** Each operation's request and answer as they cross. */
export interface Wires {
  accept: { request: AcceptWire; answer: AcceptAnswer }
  settle: { request: SettleWire; answer: SettleAnswer }
  claim: { request: readonly ['claim', ClaimWire]; answer: ClaimAnswer }
  take: { request: readonly ['take', Take]; answer: TakeAnswer }
  handOver: { request: readonly ['handOver', HandOver]; answer: 'ok' | 'pushed' | 'other' }
  hello: { request: readonly ['hello', Hello]; answer: HelloResult }
  ack: { request: readonly ['ack', Ack]; answer: AckResult }
  read: { request: readonly ['read', Read]; answer: ReadAnswer }
  lease: { request: readonly ['lease', Lease]; answer: LeaseResult }
  value: { request: readonly ['value', ValueWire]; answer: ValueAnswer }
  find: { request: readonly ['find', Find]; answer: readonly RowAnswer[] }
  trim: { request: readonly ['trim', Trim]; answer: TrimResult }
}
export type OperationName = keyof Wires
export type Request = Wires[OperationName]['request']
export type Answer = Wires[OperationName]['answer']

/** Asks for room that nothing gives back soon. */
export function isGrowing(request: Request): boolean {
  return request[0] === 'accept' || request[0] === 'claim'
}

/** An operation that failed alone, or with its whole group. */
export interface Refused {
  readonly thrown: {
    readonly code: ErrorCode
    readonly message: string
    readonly retryAfterMs: number | null
    readonly notExecuted: boolean
  }
}

export interface Batch {
  readonly stamp: Stamp
  readonly requests: readonly Request[]
  readonly faults: Faults | undefined
}

/** Failures that tests order; never set outside them. */
export interface Faults {
  /** The file may not grow beyond this many pages. */
  readonly maxPages?: number
  /** What the file system says it has free. */
  readonly freeBytes?: number
  /** fails: the commit throws and has not happened. lost: it throws and has happened. */
  readonly commit?: 'fails' | 'lost'
  /** The writer's thread ends with an error. */
  readonly writer?: 'dies'
}

export type FromWorker =
  | { readonly kind: 'open'; readonly incarnation: string }
  | { readonly kind: 'failed'; readonly thrown: Refused['thrown'] }
  | { readonly kind: 'health'; readonly trouble: { readonly reason: string; readonly since: number } | null }
  | {
      readonly kind: 'note'
      readonly level: 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'answers'; readonly batches: readonly (readonly (Answer | Refused)[])[] }

export type ToWorker = Batch | 'close'

export interface WorkerData {
  readonly directory: string
  readonly reserveBytes: number
  readonly stamp: Stamp
  readonly confirmClockJump: boolean
  readonly crash: string | undefined
  readonly faults: Faults | undefined
}
