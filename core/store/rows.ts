// What `find` asks for and yields: a read-only view of messages, claims, work, outcomes, dead letters and conversations.
import type { Message, Reply } from '../api.ts'
import type { Attempt, ClaimState, Failure, Outcome, Raw, WorkKind } from './store.ts'

export type Find =
  /** Everything about one message: itself, what it caused, its claim, its work, its attempts, its dead letter. */
  | { readonly by: 'id'; readonly id: string }
  | { readonly by: 'key'; readonly key: string }
  | { readonly by: 'conversation'; readonly conversation: string }
  /** A customer's conversations in every home, the last active first. */
  | { readonly by: 'customer'; readonly customer: string; readonly limit: number }
  /** `brief`: without the bytes, which may be large. */
  | { readonly by: 'dead'; readonly after?: string; readonly limit: number; readonly brief?: boolean }
  | { readonly by: 'open'; readonly after?: string; readonly limit: number }
  | { readonly by: 'lane'; readonly lane: string; readonly limit: number }
  | { readonly by: 'ledger' }

export interface ClaimRow {
  readonly row: 'claim'
  readonly key: string
  readonly id: string
  readonly state: ClaimState
  readonly reply?: Reply
  readonly failure?: Failure
  readonly handed?: 'taken' | 'flushed'
}
export interface WorkRow {
  readonly row: 'work'
  readonly kind: WorkKind
  readonly id: string
  readonly home: string
  readonly lane: string
  readonly state: 'waiting' | 'flight' | 'handed'
  readonly attempt: number
  readonly dueMs: number
  readonly attempts: readonly Attempt[]
}
export interface SettledRow {
  readonly row: 'settled'
  readonly id: string
  readonly outcome: Outcome
  /** RFC 3339. */
  readonly at: string
  readonly reply?: Reply
  readonly failure?: Failure
  readonly attempts: readonly Attempt[]
}
export interface DeadRow {
  readonly row: 'dead'
  /** Of the work it was: a message's or a claimed call's id, a push's key, a timer's id. */
  readonly id: string
  readonly kind: WorkKind
  readonly home: string
  readonly at: string
  /** What it is about: for a push the reply, for a timer the question. */
  readonly message: Message
  readonly raw?: Raw
  readonly failure: Failure
  readonly attempts: readonly Attempt[]
  /** It still stands at the head of its lane and stops what is behind it. */
  readonly halts?: true
  /** push: which part of the reply; -1: the reply as a whole. */
  readonly part?: number
  /** push: the channel it was to go to. */
  readonly target?: string
}
export interface ConversationRow {
  readonly row: 'conversation'
  readonly conversation: string
  readonly home: string
  readonly customer: string
  readonly channel: string
  readonly top: number
  readonly oldest: number
  readonly ownerEpoch: number
  readonly agent?: string
  readonly lastAt: string
}
/** accepted = settled + expired + dead + waiting, exactly, at any time (SEMANTICS 36). */
export interface LedgerRow {
  readonly row: 'ledger'
  readonly accepted: number
  readonly settled: number
  readonly expired: number
  readonly dead: number
  readonly waiting: number
  readonly deadLetters: number
  readonly inDoubt: number
}
export interface MessageRow {
  readonly row: 'message'
  readonly message: Message
}
export type Row = MessageRow | ClaimRow | WorkRow | SettledRow | DeadRow | ConversationRow | LedgerRow
