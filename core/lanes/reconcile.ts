// What a failed write of the store may have begun all the same: found again and put back, or it would hold its lane for ever.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import type { Hold } from './lease.ts'
import type { Settle, Store, WorkKind, WorkRow } from '../store/store.ts'

export interface ReconcileOptions {
  readonly store: Store
  readonly log: Log
  readonly stopped: AbortSignal
  readonly dedupeMs: number
  /** This process is at work on it. */
  readonly isRunning: (kind: WorkKind, id: string) => boolean
  /** Undefined while the partition is not this process' own. */
  readonly hold: (home: string) => Hold | undefined
  /** The store has said of each partition whose it is; after it was away one may go on under the same fence. */
  readonly isKnown: () => boolean
  readonly poke: (home: string) => void
}

export interface Reconcile {
  /** An accept or a claim under this id failed, and nobody knows whether it was stored (SEMANTICS 15). */
  doubt(kind: 'message' | 'claim', id: string, home: string): void
  /** A take failed: whatever it began nobody runs. */
  doubtTake(): void
}

interface Doubt {
  readonly kind: 'message' | 'claim'
  readonly home: string
}

const PAUSE_MS = 500
const AT_ONCE = 256
/** A step that was begun a moment ago may not have reached this process yet. */
const SETTLING_MS = 1000
const PAGE = 1000
const MOST_PAGES = 1000
/** More doubtful ids than this are found by looking through all open work. */
const MOST = 10_000

/** A write that failed and may have happened; the store says so where nothing was written (SEMANTICS 39). */
export function isInDoubt(error: unknown): boolean {
  const { code, notExecuted } = GatewayError.from(error)
  return code === 'STORE_UNAVAILABLE' && !notExecuted
}

/**
 * Ends every flight that is nobody's, so that the lanes take the work again; what the store cannot do yet is tried until it can. It does
 * not ask whether the store can be written: one that takes nothing new still takes what drains it (SEMANTICS 42).
 */
export function createReconcile(options: ReconcileOptions): Reconcile {
  const { store, log, stopped, isRunning, poke } = options
  const doubtful = new Map<string, Doubt>()
  let isScanDue = false
  let isAtWork = false
  /** Said once of each time the store cannot do it. */
  let isToldOf = false

  function begin(): void {
    if (isAtWork || stopped.aborted) return
    isAtWork = true
    void work().finally(() => {
      isAtWork = false
      if (doubtful.size > 0 || isScanDue) begin()
    })
  }

  async function work(): Promise<void> {
    await pause(PAUSE_MS, stopped)
    if (stopped.aborted || !options.isKnown()) return
    try {
      const all = [...doubtful]
      // Side by side, so that they share commits.
      for (let at = 0; at < all.length; at += AT_ONCE)
        await Promise.all(all.slice(at, at + AT_ONCE).map(([id, doubt]) => resolve(id, doubt)))
      if (isScanDue) await scanned()
      isToldOf = false
    } catch (error) {
      if (!isToldOf)
        log.warn('work in doubt waits for the store', { error: GatewayError.from(error).message })
      isToldOf = true
    }
  }

  async function resolve(id: string, { kind, home }: Doubt): Promise<void> {
    const isOver = isRunning(kind, id) || (await putBack({ kind, id, attempt: 1, home }))
    if (!isOver && !options.isKnown()) return // it lapsed meanwhile: once more
    doubtful.delete(id)
    poke(home)
  }

  async function scanned(): Promise<void> {
    isScanDue = false // before the first look: a take that fails during the scan is seen by the next one alone
    try {
      await scan()
      if (!options.isKnown()) isScanDue = true // what was passed over may be this process' own
    } catch (error) {
      isScanDue = true
      throw error
    }
  }

  async function scan(): Promise<void> {
    const before = await idle()
    await pause(SETTLING_MS, stopped)
    for (const [key, row] of before.size === 0 ? before : await idle()) {
      if (before.get(key)?.attempt !== row.attempt) continue
      // A claimed call's owner may be another instance than the partition's, and has told of it himself.
      if (row.kind === 'claim' || !isOwn(row.home)) continue
      await putBack(row)
      log.warn('a step was begun and lost; it is taken again', { id: row.id, attempt: row.attempt })
      poke(row.home)
    }
  }

  function isOwn(home: string): boolean {
    using hold = options.hold(home)
    return hold !== undefined
  }

  /** What is in flight and nobody here runs. */
  async function idle(): Promise<ReadonlyMap<string, WorkRow>> {
    const found = new Map<string, WorkRow>()
    let after: string | undefined
    for (let page = 0; page < MOST_PAGES; page++) {
      const rows = await store.find({ by: 'open', limit: PAGE, ...(after !== undefined && { after }) })
      for (const row of rows) {
        if (row.row !== 'work') continue
        after = row.id
        if (row.state === 'flight' && !isRunning(row.kind, row.id)) found.set(`${row.kind}/${row.id}`, row)
      }
      if (rows.length < PAGE) break
    }
    return found
  }

  /**
   * Ends the flight, if there is one. Nothing went out under it, so it counts as no attempt. False: the partition is not held here, and
   * another instance's is for that one to end.
   */
  async function putBack(lost: Pick<Settle, 'kind' | 'id' | 'attempt' | 'home'>): Promise<boolean> {
    const { kind, id, attempt, home } = lost
    const isClaim = kind === 'claim'
    using hold = isClaim ? undefined : options.hold(home)
    if (!isClaim && hold === undefined) return false
    await store.settle({
      kind,
      id,
      attempt,
      home,
      ...(hold !== undefined && { fence: hold.fence }),
      outcome: 'retry',
      delayMs: isClaim ? options.dedupeMs : 0,
      replies: [],
      inbox: false,
      pushes: [],
    })
    return true
  }

  return {
    doubt(kind, id, home) {
      if (doubtful.size < MOST) doubtful.set(id, { kind, home })
      else isScanDue = true
      begin()
    },
    doubtTake() {
      isScanDue = true
      begin()
    },
  }
}

/** Over at once with the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const stop = (): void => resolve()
  signal.addEventListener('abort', stop, { once: true })
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', stop)
}
