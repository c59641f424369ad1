// Operation 2, claim: the begun-mark of a call that is stored nowhere else (SEMANTICS 2).
import { GatewayError } from '../../api.ts'
import { requireRoom } from './accept.ts'
import { Claims } from './claims.ts'
import type { ClaimMade } from './claims.ts'
import { query } from './database.ts'
import { DeadLetters } from './dead-letters.ts'
import type { Ground } from './ground.ts'
import { IN_FLIGHT, WAITING } from './lanes.ts'
import { Outcomes } from './outcomes.ts'
import type { ClaimAnswer } from '../codec/answers.ts'
import type { ClaimWire } from '../codec/wire.ts'
import { WorkRows } from './work.ts'
import type { NewWork } from './work.ts'

type BegunRow = readonly [state: number, attempt: number, fence: number]

/** Throws `OVERLOADED` at the reserve, `STORE_UNAVAILABLE` if the claimer's own lease is gone. */
export function claimOperation(ground: Ground): (request: ClaimWire) => ClaimAnswer {
  const { db, clock, counters, lanes, leases } = ground
  const claims = new Claims(ground)
  const rows = new WorkRows(ground)
  const outcomes = new Outcomes(ground)
  const dead = new DeadLetters(ground)
  const sql = {
    begun: query<BegunRow>(db, 'SELECT state, attempt, fence FROM work WHERE id = ?'),
    keep: query(db, 'INSERT INTO begun VALUES (?, ?, ?)'),
    drop: query(db, 'DELETE FROM begun WHERE id = ?'),
  }

  function standing(claim: ClaimMade): ClaimAnswer {
    const { state, reply, failure } = claims.standing(claim.id, claim.isCall)
    const id = claim.message
    if (state === 'running' || state === 'begun') return { status: 'running', id }
    if (state === 'unknown') return { status: 'unknown', id }
    return { status: 'done', id, outcome: state, reply, failure }
  }

  /** The next attempt, under the asker's lease. */
  function begin(id: number, { fence }: ClaimWire): number {
    const begun = rows.begin(id, fence.counter)
    if (begun === undefined) throw new TypeError(`call ${id} is open and has no row`)
    const now = clock.now
    lanes.claim.change(String(id), id, { state: IN_FLIGHT, due: now, fence: fence.counter, now })
    return begun.attempt
  }

  function again(claim: ClaimMade, request: ClaimWire, [state, attempt, fence]: BegunRow): ClaimAnswer {
    const id = claim.message
    // Released: it ended without an effect, and whoever comes next with the key makes it again.
    if (state === WAITING) return { status: 'run', id, attempt: begin(claim.id, request) }
    const isOwn = fence === request.fence.counter
    if (isOwn && id === request.id) return { status: 'run', id, attempt }
    if (isOwn || leases.owns(fence, clock)) return { status: 'running', id }
    const attempts = rows.noteLost(claim.id)
    if (request.idempotent) return { status: 'run', id, attempt: begin(claim.id, request) }
    // Nobody will ever know: no duplicate calls it again, and it waits for an operator.
    const failure = JSON.stringify({
      code: 'OUTCOME_UNKNOWN',
      message: 'the call was begun and its owner was gone before it ended',
    })
    outcomes.store({ id: claim.id, outcome: 'unknown', attempt, failure, attempts })
    dead.bury({ ref: id, id: claim.id, kind: 'claim', home: request.home, failure, attempts })
    rows.end(claim.id)
    sql.drop.run(claim.id)
    lanes.claim.remove(String(claim.id), claim.id, clock.now)
    return { status: 'unknown', id }
  }

  return (request) => {
    const { home, key, fingerprint, id, ttlMs, fence, body, raw } = request
    const claim = claims.holding(key)
    if (claim !== undefined && claim.fingerprint !== fingerprint) return { status: 'mismatch' }
    const begun = claim?.isCall === true ? sql.begun.get(claim.id) : undefined
    if (claim !== undefined && begun === undefined) return standing(claim)
    if (!leases.knows(fence, clock))
      throw new GatewayError('STORE_UNAVAILABLE', `the lease under which "${id}" was to begin is gone`, {
        notExecuted: true,
        retryAfterMs: 500,
      })
    if (claim !== undefined && begun !== undefined) return again(claim, request, begun)
    requireRoom(ground)
    const number = counters.newId()
    claims.make(key, {
      id: number,
      fingerprint,
      message: id,
      isCall: true,
      conversation: null,
      sequence: 0,
      ttlMs,
    })
    const work: NewWork = {
      id: number,
      kind: 'claim',
      lane: String(number),
      priority: 3,
      due: clock.now,
      begunUnder: fence.counter,
      waitUntil: null,
      raw,
    }
    rows.open(work)
    sql.keep.run(number, home, body)
    rows.show(work)
    return { status: 'run', id, attempt: 1 }
  }
}
