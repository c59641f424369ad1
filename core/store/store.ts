/**
 * The store: thirteen operations, and nothing else, between the gateway and what is durable.
 *
 * Each operation is atomic within one home, idempotent by the id it names, and resolves only when its effect is durable.
 * All time is the store's: callers give durations. An operation that cannot be carried out throws `STORE_UNAVAILABLE`
 * (its effect is then unknown and it may be sent again with the same id) or `OVERLOADED` (the reserve is reached, nothing
 * happened). Two implementations, one conformance suite: `test/conformance/store.ts`.
 */
import type { Json, Message, Reply } from '../api.ts'
import type { Ack, AckResult, DeviceNumber, Hello, HelloResult, Refusal } from './devices.ts'
import type { Find, Row } from './rows.ts'

/** A message before it has a number; `raw` travels beside it and is kept while there is work. */
export type Unnumbered = Omit<Message, 'sequence' | 'raw'>
export type Raw = NonNullable<Message['raw']>

/** Equality is all a fence is good for: (counter, random) of a lease. The counter never goes back. */
export interface Fence {
  readonly counter: number
  readonly random: string
}

/** How a claim stands: `running` while the work is in flight, `begun` for an unstored unsafe call, else its outcome. */
export type ClaimState = 'running' | 'begun' | Outcome
export type Outcome = 'answered' | 'taken' | 'failed' | 'expired' | 'unknown'

export interface Failure {
  readonly code: string
  readonly message: string
}

/**
 * What the core knows of a conversation besides its log. `agent`: who has it now; of a bot its name in the config, of a person one that is
 * no name of a config, such as `person/7`.
 */
export interface ConversationPatch {
  readonly agent?: string | null
  readonly ticket?: Json
  /** Adds one to the owner epoch: hand-off, claim, transfer. Answers begun under an older epoch no longer count. */
  readonly raiseEpoch?: boolean
}

// 1 ─ accept

export interface Accept {
  readonly home: string
  readonly conversation: string
  readonly message: Unnumbered
  readonly raw?: Raw
  readonly dedupe?: Dedupe
  /** §12: the sender's number of his device's outbox. */
  readonly device?: DeviceNumber
  readonly expect?: { readonly ownerEpoch: number }
  readonly patch?: ConversationPatch
  /** Absent: nothing is to be done with it, it is settled by being stored. */
  readonly work?: {
    readonly lane: string
    /** 0 low … 3 urgent. */
    readonly priority: number
    readonly delayMs?: number
    /** The lane takes no more than this many waiting; the answer is then `full`. */
    readonly limit: number
  }
  /** How long a caller waits for the reply: until then a push is not due. A joining duplicate raises it. */
  readonly waitMs?: number
  /** The customer sees it: an entry in his home's inbox. */
  readonly inbox: boolean
  /** Held lease of the partition: an idle lane's attempt 1 begins in the same step. */
  readonly fence?: Fence
}
export interface Dedupe {
  readonly key: string
  readonly fingerprint: string
  readonly ttlMs: number
}
export type AcceptResult =
  | {
      readonly status: 'accepted'
      readonly sequence: number
      readonly offset?: number
      /** 1: begun under the fence given; absent: the lane is busy, or no fence was given. */
      readonly attempt?: number
      /** The conversation's owner epoch after this. */
      readonly ownerEpoch: number
      /** All that is stored of refusals up to this number of the boot (SEMANTICS 14), by number; absent: none. */
      readonly refused?: readonly Refusal[]
    }
  | {
      readonly status: 'duplicate'
      readonly id: string
      readonly conversation: string
      readonly sequence: number
      readonly state: ClaimState
      readonly reply?: Reply
      readonly failure?: Failure
      /** A push of the reply has begun or a waiter has taken it: it is not to be answered a second time. */
      readonly pushed?: boolean
      /** As of what is accepted. */
      readonly refused?: readonly Refusal[]
    }
  /**
   * The key is that of a call that ended without an effect, under this id. Nothing is stored: brought again with this id as the message's, it takes
   * the call's place, so that its system is asked with the same key (SEMANTICS 2).
   */
  | { readonly status: 'released'; readonly id: string }
  | { readonly status: 'mismatch' }
  | { readonly status: 'gap'; readonly next: number }
  /** The number is used up, and the id is none that is known. */
  | { readonly status: 'used' }
  /** The lane, or the device's refusals, at their limit. */
  | { readonly status: 'full'; readonly waiting: number }
  | { readonly status: 'notOwner' }
  /** The conversation belongs to another home for ever. */
  | { readonly status: 'forbidden' }

// 2 ─ claim

/** The begun-mark of a call that is not stored in the log. Idempotent by `id`. */
export interface Claim {
  readonly home: string
  readonly key: string
  readonly fingerprint: string
  readonly id: string
  readonly ttlMs: number
  /** An orphan may be run again, with the same id as its key. */
  readonly idempotent: boolean
  readonly fence: Fence
  /** For the dead letters, should the outcome stay unknown. */
  readonly message: Unnumbered
  readonly raw?: Raw
}
export type ClaimResult =
  /** `id` is the first claimer's: the stable key of the call. */
  | { readonly status: 'run'; readonly id: string; readonly attempt: number }
  | { readonly status: 'running'; readonly id: string }
  | {
      readonly status: 'done'
      readonly id: string
      readonly outcome: Outcome
      readonly reply?: Reply
      readonly failure?: Failure
    }
  | { readonly status: 'unknown'; readonly id: string }
  | { readonly status: 'mismatch' }

// 3 ─ take

/** message: a lane's head. push: an owed push. claim: a begun call whose owner is gone. timer: an answer that did not come. */
export type WorkKind = 'message' | 'push' | 'claim' | 'timer'
export interface Take {
  readonly partition: number
  readonly fence: Fence
  /** At most; fewer where they are large (`READ_BYTES`), but one. */
  readonly max: number
  readonly kinds: readonly WorkKind[]
}
export type TakeResult =
  | {
      readonly status: 'taken'
      readonly work: readonly Work[]
      /** Rows not returned: behind a head in flight, or not yet due. */
      readonly waiting: number
      /** When the earliest of them is due, in milliseconds from now; 0: take again. Absent if none waits for time. */
      readonly nextDueMs?: number
      /** Open rows whose message the store has not, ended here: failed `INTERNAL`, without a dead letter. For the log. */
      readonly lost?: readonly LostWork[]
    }
  | { readonly status: 'fenced' }

/** `id`: the message's, the push's key, the timer's id, or where even that is gone the row's number. */
export interface LostWork {
  readonly kind: WorkKind
  readonly id: string
}
export interface Work {
  readonly kind: WorkKind
  /** message and claim: the message's id; push: its key; timer: its id. */
  readonly id: string
  readonly home: string
  readonly lane: string
  /** Begun durably by being taken. */
  readonly attempt: number
  /** Begun too often without an end: to be settled as dead, without a call. */
  readonly poison: boolean
  /** No store says so: it ended the gateway even while it was given up, so that its route is not looked for any more. */
  readonly isUnroutable?: true
  /** An earlier attempt began under a fence that is gone, and nobody knows how it ended. */
  readonly orphan: boolean
  /** push and timer: the message it is about (for a push the reply itself). */
  readonly message: Message
  readonly raw?: Raw
  /** What message and raw take in memory, roughly: nobody measures for it. */
  readonly bytes: number
  /** push: which part of the reply; -1: the reply as a whole. */
  readonly part?: number
  /** push: the channel it goes to. timer: what the setter left. */
  readonly target?: string
  readonly ownerEpoch: number
  readonly agent?: string
  /** Since its first attempt began, all fences together. Between them, while nobody had the partition, it held nothing up (SEMANTICS 19). */
  readonly heldMs: number
  /** Its caller's `waitMs` are not over, on whichever instance he is. */
  readonly awaited?: true
  readonly attempts: readonly Attempt[]
}
/** One try as the trace and the dead letter show it. An attempt that asked two, one after the other, is two of the same number. */
export interface Attempt {
  readonly attempt: number
  readonly target: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly durationMs: number
  readonly failure?: Failure
}

// 4 ─ settle

export interface Settle {
  readonly home: string
  readonly kind: WorkKind
  readonly id: string
  readonly attempt: number
  /** Required for lane work; a callback and a claim settled by its own process need none. */
  readonly fence?: Fence
  readonly expect?: { readonly ownerEpoch: number }
  /**
   * `retry` only ends the flight and makes it due again after `delayMs`. With `dead` it is a halt (SEMANTICS 19, write queues): the row stays
   * the head of its lane and is among the dead letters as well. Under the fence, `retry` without `dead` on a row that waits lets it go again; a halt needs no fence.
   */
  readonly outcome: Outcome | 'retry'
  readonly delayMs?: number
  readonly tried?: Omit<Attempt, 'attempt'>
  /** Whom the same attempt asked first, in vain; with `tried` only. */
  readonly triedBefore?: Omit<Attempt, 'attempt'>
  readonly failure?: Failure
  /** What a duplicate gets. */
  readonly reply?: Reply
  /** Appended to the conversation, in this order. */
  readonly replies: readonly Unnumbered[]
  readonly conversation?: string
  readonly inbox: boolean
  /** Due when the waiter's time is over. `replies[reply]` is what they carry. */
  readonly pushes: readonly {
    readonly key: string
    readonly reply: number
    readonly part: number
    readonly channel: string
  }[]
  readonly timer?: { readonly id: string; readonly delayMs: number; readonly target: string }
  /** Stored in the same step as the release. */
  readonly dead?: Failure
  readonly patch?: ConversationPatch
}
export type SettleResult =
  | {
      readonly status: 'settled'
      readonly sequences: readonly number[]
      readonly offsets: readonly number[]
      /** Rows that wait in the lane now. */
      readonly waiting: number
    }
  | {
      readonly status: 'already'
      readonly outcome: Outcome
      readonly reply?: Reply
      readonly failure?: Failure
    }
  /** Of this id nothing is known: it was lost. A timer's is kept for a while only, and is `already` `expired` then. */
  | { readonly status: 'gone' }
  | { readonly status: 'fenced' }
  /** The replies were kept as internal notes, and nothing has ended: under the fence the attempt is due again at once, else the row stays as it was. */
  | { readonly status: 'notOwner' }

// 5 ─ handOver
/** The return right of the reply to `replyId`. `taken` gets `pushed` once its push has begun, or is now due behind an earlier one not yet ended. */
export interface HandOver {
  readonly home: string
  readonly replyId: string
  readonly by: string
  /** taken: out of the push's reach for 10 s. flushed: it reached the caller's socket. back: it did not, push now. */
  readonly to: 'taken' | 'flushed' | 'back'
}
export type HandOverResult = { readonly status: 'ok' | 'pushed' | 'other' }

// 6, 7 ─ hello, ack: `devices.ts`

// 8 ─ read

export interface Read {
  readonly home: string
  readonly log: { readonly conversation: string } | { readonly inbox: true }
  readonly after: number
  /** The one the cursor was given out under; absent: the current one. */
  readonly incarnation?: string
  readonly limit: number
}
export type ReadResult =
  | {
      readonly status: 'rows'
      readonly rows: readonly { readonly message: Message; readonly offset?: number }[]
      readonly next: number
      readonly top: number
      readonly oldest: number
      readonly truncated: boolean
    }
  | { readonly status: 'reset'; readonly oldest: number; readonly top: number }

// 9 ─ watch

/**
 * Names: `log:CONVERSATION`, `inbox:HOME`, `reply:ID`; `partition:N`: work stored without its holder's fence; `lease:NAME`: let go;
 * `value:KEY`: announced. Hints only: they may be lost and repeated, and they come from every instance.
 */
export interface Watch extends AsyncIterable<string> {
  close(): void
}

// 10, 11 ─ lease, value

/** `partition/N` and `partition/N/…` lie in partition N: only a fence from there counts in it. */
export interface Lease {
  readonly name: string
  readonly owner: string
  readonly ttlMs: number
  readonly release?: boolean
}
export type LeaseResult =
  | { readonly status: 'held'; readonly fence: Fence; readonly remainingMs: number }
  | { readonly status: 'busy'; readonly remainingMs: number }
  | { readonly status: 'released' }

/** Compare-and-set of a small value (≤ 64 kB as JSON text). Without `put` and `delete` it reads. */
export interface ValueOp {
  readonly key: string
  readonly expect?: number | 'absent'
  readonly put?: Json
  readonly delete?: boolean
  readonly ttlMs?: number
  readonly fence?: Fence
  readonly announce?: boolean
}
export type ValueResult =
  | { readonly status: 'ok'; readonly value?: Json; readonly version?: number }
  | { readonly status: 'conflict'; readonly value?: Json; readonly version?: number }

// 12 ─ find
export type * from './devices.ts'
export type * from './rows.ts'

// 13 ─ trim
export interface Trim {
  readonly partition: number
  /** Content older than this, in milliseconds before now. */
  readonly olderThanMs: number
  readonly maxBytes: number
  readonly budgetMs: number
}
export interface TrimResult {
  readonly removed: number
  /** The budget ended before the work did. */
  readonly more: boolean
  /** What may not be removed, where it alone is above `maxBytes`. */
  readonly keptBytes?: number
}

export type Health =
  | { readonly writable: true }
  | { readonly writable: false; readonly reason: string; readonly since: string }

export interface Store extends AsyncDisposable {
  /** Partitions are fixed when the store is made; a home's partition is `partitionOf(home)`. */
  readonly partitions: number
  partitionOf(home: string): number
  /** Part of every cursor given out; a new one after a restore. */
  readonly incarnation: string
  /**
   * The wall clock of all who share the store, in milliseconds since the epoch, without asking (SEMANTICS 25): on Redis its server's, as it was
   * told last, else this machine's. For moments others have set, such as `expiresAt`; the store's own durations go by its own clock.
   */
  now(): number
  /** The last known state of writing, without asking. */
  health(): Health

  accept(accept: Accept): Promise<AcceptResult>
  claim(claim: Claim): Promise<ClaimResult>
  take(take: Take): Promise<TakeResult>
  settle(settle: Settle): Promise<SettleResult>
  handOver(handOver: HandOver): Promise<HandOverResult>
  hello(hello: Hello): Promise<HelloResult>
  ack(ack: Ack): Promise<AckResult>
  read(read: Read): Promise<ReadResult>
  watch(names: readonly string[]): Watch
  lease(lease: Lease): Promise<LeaseResult>
  value(value: ValueOp): Promise<ValueResult>
  find(find: Find): Promise<readonly Row[]>
  trim(trim: Trim): Promise<TrimResult>
}
