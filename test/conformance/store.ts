// The one suite every store passes: the operation table of SEMANTICS with its suite line, against a store the caller makes.
import { describe } from 'vitest'
import type { Store } from '../../core/store/store.ts'
import { acceptingSuite } from './store/accepting.ts'
import { callsSuite } from './store/calls.ts'
import { clockSuite } from './store/clocks.ts'
import { crashSuite } from './store/crashes.ts'
import { findingSuite } from './store/finding.ts'
import { lanesSuite } from './store/lanes.ts'
import { leasesSuite } from './store/leases.ts'
import { linkSuite } from './store/links.ts'
import { modelSuite } from './store/model.ts'
import { readingSuite } from './store/reading.ts'
import { returnOrderSuite } from './store/return-order.ts'
import { returningSuite } from './store/returning.ts'
import { settlingSuite } from './store/settling.ts'
import { spaceSuite } from './store/space.ts'
import { trimSuite } from './store/trimming.ts'

/** One operation of a crash script: the text `$fence` in its arguments stands for the fence the script has leased. */
export interface ScriptStep {
  readonly operation: keyof Store & string
  readonly argument: unknown
}

export interface StoreHarness extends AsyncDisposable {
  /** Opens the data, again after the last store of it was disposed. Another incarnation if it was `restore`d in between. */
  open(): Promise<Store>
  /** Moves the store's own time. */
  advance(ms: number): void
  /** Sets the machine's wall clock forward or back; durations are not to notice. */
  shiftWall(ms: number): void
  /** Puts a copy in the data's place: made by the first call, put there by the second. The store is closed. */
  backUp(): Promise<void>
  restore(): Promise<void>
  /** Room for what is written: none at all, none but the reserve, or enough. */
  setRoom(room: 'none' | 'reserve' | 'enough'): void
  /**
   * Runs a script in a process of its own that dies at the point (`settle:written`: before the commit; `begin`, `committed`), as by
   * kill -9. Resolves what it had been answered until then. The store is closed.
   */
  crash(point: string, script: readonly ScriptStep[]): Promise<readonly unknown[]>
}

/** Fresh data each time. */
export type StoreFactory = () => Promise<StoreHarness>

const SUITES: readonly (readonly [name: string, suite: (factory: StoreFactory) => void])[] = [
  ['accept', acceptingSuite],
  ['claim', callsSuite],
  ['take and lanes', lanesSuite],
  ['settle', settlingSuite],
  ['the return right', returningSuite],
  ['the return right: order of answers', returnOrderSuite],
  ['hello, ack and device numbers', linkSuite],
  ['read and watch', readingSuite],
  ['lease and value', leasesSuite],
  ['find and the ledger', findingSuite],
  ['trim', trimSuite],
  ['clocks', clockSuite],
  ['no room', spaceSuite],
  ['crashes', crashSuite],
  ['any order of operations', modelSuite],
]

export function testStore(name: string, factory: StoreFactory): void {
  for (const [what, suite] of SUITES)
    describe(`${name}: ${what}`, () => {
      suite(factory)
    })
}
