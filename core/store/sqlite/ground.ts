// What every operation stands on: the open file, its clock and counters, and what is kept of it in memory.
import type { DatabaseSync } from 'node:sqlite'
import type { WorkKind } from '../store.ts'
import type { StoreClock } from './clock.ts'
import type { Counters } from './counters.ts'
import { query } from './database.ts'
import { Flights } from './flights.ts'
import { Heads } from './heads.ts'
import { IN_FLIGHT, Lanes, ORPHANED } from './lanes.ts'
import type { State } from './lanes.ts'
import type { Leases } from './leases.ts'

export type LanesByKind = Readonly<Record<WorkKind, Lanes>>

/**
 * All of it but clock and leases is made anew from the file after a rollback or a reopening, so an operation that fails leaves
 * nothing behind. The rule that keeps this cheap: look and refuse first, then write rows, then change memory.
 */
export interface Ground {
  readonly db: DatabaseSync
  readonly clock: StoreClock
  readonly leases: Leases
  readonly counters: Counters
  readonly heads: Heads
  readonly lanes: LanesByKind
  readonly flights: Flights
  /** Free space is below the reserve: what asks for more is refused, and everything free is given back. */
  readonly isPressed: () => boolean
}

export interface GroundParts {
  readonly db: DatabaseSync
  readonly clock: StoreClock
  readonly leases: Leases
  readonly counters: Counters
  readonly isPressed: () => boolean
}

export function layGround(parts: GroundParts): Ground {
  return {
    ...parts,
    heads: new Heads(parts.db, parts.counters),
    lanes: readLanes(parts),
    flights: new Flights(),
  }
}

type OpenRow = readonly [
  id: number,
  kind: WorkKind,
  lane: string,
  priority: number,
  due: number,
  state: State,
  fence: number,
]

function readLanes({ db, clock, leases }: GroundParts): LanesByKind {
  const lanes: LanesByKind = {
    message: new Lanes(),
    push: new Lanes(),
    claim: new Lanes(),
    timer: new Lanes(),
  }
  const rows = query<OpenRow>(
    db,
    'SELECT id, kind, lane, priority, due, state, fence FROM work ORDER BY id',
  ).all()
  for (const [id, kind, lane, priority, due, written, fence] of rows) {
    const state = written === IN_FLIGHT && !leases.owns(fence, clock) ? ORPHANED : written
    lanes[kind].add(
      { id, lane, priority, due: state === ORPHANED ? clock.now : due, state, fence },
      clock.now,
    )
  }
  return lanes
}
