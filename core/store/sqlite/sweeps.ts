// What trim removes beside logs: claims, settled pushes and timers, values and devices whose time is over.
import { DEVICE_KEPT_MS, SETTLED_KEPT_MS } from '../figures.ts'
import { Claims } from './claims.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'

export interface Swept {
  readonly removed: number
  /** False: the budget ended first. */
  readonly isDone: boolean
}

type MadeRow = readonly [id: number, made: number, isHeld: number]
type Sweep = (isOver: () => boolean) => Swept

const SLICE = 100
const WALK_MS = 3_600_000

/** One sweep of everything; where the budget ends it, the next call goes on: behind what was walked over, or with what is found. */
export function sweeps(ground: Ground): Sweep {
  const all = [
    claimSweep(ground),
    settledSweep(ground, 'push'),
    settledSweep(ground, 'timer'),
    agedSweep(ground),
  ]
  return (isOver) => {
    let removed = 0
    for (const sweep of all) {
      const swept = sweep(isOver)
      removed += swept.removed
      if (!swept.isDone) return { removed, isDone: false }
    }
    return { removed, isDone: true }
  }
}

/**
 * Only completed claims end by time (SEMANTICS 1); an unknown one waits for an operator, however long (SEMANTICS 2). An index by time
 * would cost each accept another tree; instead all claims are walked once an hour, some at each call. Until then one that is over
 * takes room and no more: nobody finds it.
 */
function claimSweep(ground: Ground): Sweep {
  const { db, clock } = ground
  const claims = new Claims(ground)
  const after = query<readonly [id: number, isOver: number]>(
    db,
    `SELECT id, expires <= ?1 AND NOT EXISTS (SELECT 1 FROM work WHERE id = claim.id)
       AND NOT EXISTS (SELECT 1 FROM outcome WHERE id = claim.id AND outcome = 'unknown')
     FROM claim WHERE id > ?2 ORDER BY id LIMIT ${SLICE}`,
  )
  let from = 0
  let walkedAt = -Infinity
  return (isOver) => {
    let removed = 0
    if (from === 0 && clock.now - walkedAt < WALK_MS) return { removed, isDone: true }
    for (;;) {
      const rows = after.all(clock.now, from)
      for (const [id, isEnded] of rows) {
        from = id
        if (isEnded === 0) continue
        claims.drop(id)
        removed++
      }
      if (rows.length < SLICE) {
        from = 0
        walkedAt = clock.now
        return { removed, isDone: true }
      }
      if (isOver()) return { removed, isDone: false }
    }
  }
}

/**
 * Settled pushes and timers are remembered for 72 h, and as long as a duplicate of their message may ask: with `store.dedupe` of a month
 * that is nearly all of them. Where more than a slice is walked over in vain the next walk is an hour later, as with claims.
 */
function settledSweep({ db, clock }: Ground, table: 'push' | 'timer'): Sweep {
  const origin = table === 'push' ? 'origin' : 'log'
  const rowsAfter = query<MadeRow>(
    db,
    `SELECT t.id, t.made, NOT EXISTS (SELECT 1 FROM outcome WHERE id = t.id AND clock < ?1)
       OR EXISTS (SELECT 1 FROM claim WHERE id = t.${origin})
     FROM ${table} t WHERE t.id > ?2 ORDER BY t.id LIMIT ${SLICE}`,
  )
  const drop = query(db, `DELETE FROM ${table} WHERE id = ?`)
  const dropOutcome = query(db, 'DELETE FROM outcome WHERE id = ?')
  let from = 0
  let held = 0
  let nextWalk = -Infinity
  return (isOver) => {
    let removed = 0
    if (from === 0 && clock.now < nextWalk) return { removed, isDone: true }
    const kept = clock.now - SETTLED_KEPT_MS
    for (;;) {
      const rows = rowsAfter.all(kept, from)
      const old = rows.filter(([, made]) => made < kept)
      for (const [id, , isHeld] of old) {
        from = id
        if (isHeld === 1) {
          held++
          continue
        }
        drop.run(id)
        dropOutcome.run(id)
        removed++
      }
      // One that is younger, and so are all that follow.
      if (old.length < SLICE) {
        nextWalk = held > SLICE ? clock.now + WALK_MS : -Infinity
        from = 0
        held = 0
        return { removed, isDone: true }
      }
      if (isOver()) return { removed, isDone: false }
    }
  }
}

function agedSweep({ db, clock }: Ground): Sweep {
  const values = query(
    db,
    `DELETE FROM value WHERE key IN (SELECT key FROM value WHERE expires <= ? LIMIT ${SLICE})`,
  )
  const refusals = query(
    db,
    `DELETE FROM refusal WHERE (home, device, boot) IN (SELECT home, device, boot FROM device WHERE used < ? LIMIT ${SLICE})`,
  )
  const devices = query(
    db,
    `DELETE FROM device WHERE (home, device, boot) IN (SELECT home, device, boot FROM device WHERE used < ? LIMIT ${SLICE})`,
  )
  return (isOver) => {
    let removed = 0
    for (;;) {
      const unused = clock.now - DEVICE_KEPT_MS
      refusals.run(unused)
      const cut = Number(values.run(clock.now).changes) + Number(devices.run(unused).changes)
      removed += cut
      if (cut === 0) return { removed, isDone: true }
      if (isOver()) return { removed, isDone: false }
    }
  }
}
