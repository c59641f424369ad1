// Dedupe keys: who claimed one, how that stands now, and when it may be claimed anew (SEMANTICS 1, 8).
import type { ClaimState, Outcome } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { WAITING } from './lanes.ts'
import type { State } from './lanes.ts'

export interface ClaimMade {
  /** The log row it was made with, or its own id where nothing is in the log. */
  readonly id: number
  readonly fingerprint: string
  readonly message: string
  /** Of an unstored call. */
  readonly isCall: boolean
  readonly conversation: string | null
  readonly sequence: number
  readonly expires: number
}

export interface Standing {
  readonly state: ClaimState
  readonly reply: string | null
  readonly failure: string | null
}

type ClaimRow = readonly [
  id: number,
  fingerprint: string,
  message: string,
  call: number,
  conversation: string | null,
  sequence: number,
  expires: number,
]

export class Claims {
  readonly #clock
  readonly #sql

  constructor({ db, clock }: Ground) {
    this.#clock = clock
    this.#sql = {
      byKey: query<ClaimRow>(
        db,
        'SELECT id, fingerprint, message, call, conversation, sequence, expires FROM claim WHERE key = ?',
      ),
      make: query(db, 'INSERT INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
      drop: query(db, 'DELETE FROM claim WHERE id = ?'),
      dropOutcome: query(
        db,
        'DELETE FROM outcome WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM log WHERE id = ?1)',
      ),
      outcome: query<readonly [Outcome, string | null, string | null]>(
        db,
        'SELECT outcome, reply, failure FROM outcome WHERE id = ?',
      ),
      state: query<readonly [State]>(db, 'SELECT state FROM work WHERE id = ?'),
    }
  }

  /** The claim that holds a key. One whose time is over and whose outcome is known holds it no more, and is dropped here. */
  holding(key: string): ClaimMade | undefined {
    const claim = this.#of(key)
    if (claim === undefined || !this.#isOver(claim)) return claim
    this.drop(claim.id)
    return undefined
  }

  /** The same without a write. */
  found(key: string): ClaimMade | undefined {
    const claim = this.#of(key)
    return claim === undefined || this.#isOver(claim) ? undefined : claim
  }

  make(key: string, made: Omit<ClaimMade, 'expires'> & { readonly ttlMs: number }): void {
    const expires = this.#clock.now + made.ttlMs
    const { id, fingerprint, message, isCall, conversation, sequence } = made
    this.#sql.make.run(id, key, fingerprint, message, isCall ? 1 : 0, conversation, sequence, expires)
  }

  /** How the row a claim stands for stands. What was accepted without work was taken by being stored. */
  standing(id: number, isCall: boolean): Standing {
    const row = this.#sql.outcome.get(id)
    if (row !== undefined) return { state: row[0], reply: row[1], failure: row[2] }
    if (!this.isOpen(id)) return { state: 'taken', reply: null, failure: null }
    return { state: isCall ? 'begun' : 'running', reply: null, failure: null }
  }

  #of(key: string): ClaimMade | undefined {
    const row = this.#sql.byKey.get(key)
    if (row === undefined) return undefined
    const [id, fingerprint, message, call, conversation, sequence, expires] = row
    return { id, fingerprint, message, isCall: call === 1, conversation, sequence, expires }
  }

  #isOver({ id, isCall, expires }: ClaimMade): boolean {
    return expires <= this.#clock.now && this.#isKnown(id, isCall)
  }

  #isKnown(id: number, isCall: boolean): boolean {
    const { state } = this.standing(id, isCall)
    return state !== 'running' && state !== 'begun' && state !== 'unknown'
  }

  isOpen(id: number): boolean {
    return this.#sql.state.get(id) !== undefined
  }

  /** Of a call that ended without an effect: whoever comes next with its key makes it again. */
  isReleased({ id, isCall }: ClaimMade): boolean {
    return isCall && this.#sql.state.get(id)?.[0] === WAITING
  }

  /** The outcome outlives content and claim, whichever goes last. */
  drop(id: number): void {
    this.#sql.drop.run(id)
    this.#sql.dropOutcome.run(id)
  }
}
