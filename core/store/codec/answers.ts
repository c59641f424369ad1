// The answers of a store as they cross: replies, failures and attempts are JSON text, which only its front reads.
import type {
  AcceptResult,
  ClaimState,
  ConversationRow,
  LedgerRow,
  LostWork,
  Outcome,
  Raw,
  Refusal,
  WorkKind,
} from '../store.ts'

/** accepted: [sequence, offset or 0, attempt or 0, owner epoch, refusals if there are any]. A duplicate's reply and failure are JSON text. */
export type AcceptAnswer =
  | readonly [
      sequence: number,
      offset: number,
      attempt: number,
      ownerEpoch: number,
      refused?: readonly Refusal[] | undefined,
    ]
  | Exclude<AcceptResult, { status: 'accepted' | 'duplicate' }>
  | {
      readonly status: 'duplicate'
      readonly id: string
      readonly conversation: string
      readonly sequence: number
      readonly state: ClaimState
      readonly reply: string | null
      readonly failure: string | null
      readonly pushed: boolean
      readonly refused?: readonly Refusal[]
    }

/** A number: settled, and nothing was said; so many wait behind it. */
export type SettleAnswer =
  | number
  | {
      readonly status: 'settled'
      readonly sequences: readonly number[]
      readonly offsets: readonly number[]
      readonly waiting: number
    }
  | {
      readonly status: 'already'
      readonly outcome: Outcome
      readonly reply: string | null
      readonly failure: string | null
    }
  | { readonly status: 'gone' | 'fenced' | 'notOwner' }

export type ClaimAnswer =
  | { readonly status: 'run'; readonly id: string; readonly attempt: number }
  | { readonly status: 'running'; readonly id: string }
  | {
      readonly status: 'done'
      readonly id: string
      readonly outcome: Outcome
      readonly reply: string | null
      readonly failure: string | null
    }
  | { readonly status: 'unknown'; readonly id: string }
  | { readonly status: 'mismatch' }

export type TakeAnswer =
  | {
      readonly status: 'taken'
      readonly work: readonly WorkAnswer[]
      readonly waiting: number
      readonly nextDueMs: number | null
      readonly lost: readonly LostWork[]
    }
  | { readonly status: 'fenced' }

export interface WorkAnswer {
  readonly kind: WorkKind
  readonly id: string
  readonly home: string
  readonly lane: string
  readonly attempt: number
  readonly poison: boolean
  readonly orphan: boolean
  readonly body: string
  readonly sequence: number
  readonly raw: Raw | null
  readonly part: number | null
  readonly target: string | null
  readonly ownerEpoch: number
  readonly agent: string | null
  readonly heldMs: number
  readonly awaited: boolean
  readonly attempts: string | null
}

export type ReadAnswer =
  | {
      readonly status: 'rows'
      readonly rows: readonly (readonly [sequence: number, body: string, offset: number | null])[]
      readonly next: number
      readonly top: number
      readonly oldest: number
      readonly truncated: boolean
    }
  | { readonly status: 'reset'; readonly oldest: number; readonly top: number }

export interface ValueAnswer {
  readonly status: 'ok' | 'conflict'
  readonly value: string | null
  readonly version: number | null
}

/** A row of `find`, its JSON members still text. */
export type RowAnswer =
  | { readonly row: 'message'; readonly body: string; readonly sequence: number }
  | {
      readonly row: 'claim'
      readonly key: string
      readonly id: string
      readonly state: ClaimState
      readonly reply: string | null
      readonly failure: string | null
      readonly handed: 'taken' | 'flushed' | null
    }
  | {
      readonly row: 'work'
      readonly kind: WorkKind
      readonly id: string
      readonly home: string
      readonly lane: string
      readonly state: 'waiting' | 'flight' | 'handed'
      readonly attempt: number
      readonly dueMs: number
      readonly attempts: string | null
    }
  | {
      readonly row: 'settled'
      readonly id: string
      readonly outcome: Outcome
      readonly at: number
      readonly reply: string | null
      readonly failure: string | null
      readonly attempts: string | null
    }
  | {
      readonly row: 'dead'
      readonly id: string
      readonly kind: WorkKind
      readonly home: string
      readonly at: number
      readonly body: string
      readonly sequence: number
      readonly raw: Raw | null
      readonly failure: string
      readonly attempts: string | null
      readonly part: number | null
      readonly target: string | null
      readonly halts: boolean
    }
  | ConversationRow
  | LedgerRow
