// Operations and answers between a store's front and what carries them out: the two hot ones are flat tuples, messages are JSON text.
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
export type SettleExtras = Pick<Settle, 'expect' | 'patch' | 'timer'> & {
  readonly pushes?: Settle['pushes']
  /** Attempt and Failure as JSON text. */
  readonly triedBefore?: string
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
  conversation: string | null,
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
