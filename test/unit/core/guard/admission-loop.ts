// An event loop in virtual time with callers who do not wait for each other: what a single thread can do, without a machine's noise.
import { createAdmission } from '../../../../core/guard/admission.ts'
import type { Admission, AdmissionOptions, Loop } from '../../../../core/guard/admission.ts'
import { GatewayError } from '../../../../core/api.ts'
import type { Priority } from '../../../../core/api.ts'
import { counting } from './limit-counting.ts'

export interface VirtualLoop extends Loop {
  /** Time goes by with work. */
  work(ms: number): void
  /** Time goes by without. */
  rest(ms: number): void
  /** The end of a turn. */
  turn(): void
  /** Whether it comes round at once, with nothing to do but what was ordered for its end. */
  readonly isSpinning: boolean
}

export function virtualLoop(): VirtualLoop {
  let now = 0
  let idle = 0
  let calls: (() => void)[] = []
  let timers: { readonly at: number; readonly call: () => void }[] = []
  return {
    now: () => now,
    idle: () => idle,
    atTurn: (call) => void calls.push(call),
    later: (ms, call) => void timers.push({ at: now + ms, call }),
    work(ms) {
      now += ms
    },
    rest(ms) {
      now += ms
      idle += ms
    },
    turn() {
      const over = timers.filter(({ at }) => at <= now)
      timers = timers.filter(({ at }) => at > now)
      for (const { call } of over) call()
      const due = calls
      calls = []
      for (const call of due) call()
    },
    get isSpinning() {
      return calls.length > 0
    },
  }
}

export const priorities = ['urgent', 'high', 'normal', 'low'] as const

export function admissionOf(options: Partial<AdmissionOptions> = {}) {
  const loop = virtualLoop()
  const counts = new Map(priorities.map((priority) => [priority, counting()]))
  const admission = createAdmission(
    () => ({ turnMs: 5, waitMs: 1000, dryRun: false, ...options }),
    (priority) => counts.get(priority) ?? counting(),
    loop,
  )
  return { loop, admission, sums: (priority: Priority) => (counts.get(priority) ?? counting()).sums() }
}

/** What one thing costs of the thread, as measured on a whole gateway: a fifth of a request goes into reading or refusing it. */
export const COST = { read: 0.03, refuse: 0.04, serve: 0.2 }
/** Requests a second that the thread can serve. */
export const CAPACITY = 1000 / (COST.read + COST.serve)

export interface Load {
  readonly priority: Priority
  /** A second, whatever the answers do. */
  readonly rate: number
  readonly connections: number
}

export interface Outcome {
  offered: number
  served: number
  /** How many were served while it was counted, whenever they were due. */
  inTime: number
  /** From when it was due until it was served. */
  readonly latencies: number[]
}

interface Caller extends Load {
  readonly outcome: Outcome
  /** When the next is due. */
  next: number
  /** Due and not written yet: every connection is busy. */
  readonly backlog: number[]
  taken: number
  /** When each connection that is free may be read again. */
  readonly free: number[]
  /** Written, and not read before. */
  held: { readonly due: number; readonly readableAt: number }[]
}

/** Callers for `ms`; what they have written by then is served or refused. What they offer in the first `warmMs` is not counted. */
export async function openLoop(
  { loop, admission }: { readonly loop: VirtualLoop; readonly admission: Admission },
  loads: readonly Load[],
  { ms, warmMs = 0 }: { readonly ms: number; readonly warmMs?: number },
): Promise<ReadonlyMap<Priority, Outcome>> {
  const begin = loop.now()
  const counted = begin + warmMs
  const end = begin + ms
  const callers = loads.map((load): Caller => ({
    ...load,
    outcome: { offered: 0, served: 0, inTime: 0, latencies: [] },
    next: begin,
    backlog: [],
    taken: 0,
    free: Array.from({ length: load.connections }, () => 0),
    held: [],
  }))
  let serving: (() => void)[] = []

  function read({ priority, outcome, free }: Caller, due: number): void {
    loop.work(COST.read)
    const refused = (error: unknown): void => {
      if (!(error instanceof GatewayError)) throw error
      loop.work(COST.refuse)
      free.push(0)
    }
    const served = (): void => {
      serving.push(() => {
        loop.work(COST.serve)
        free.push(0)
        if (loop.now() > counted && loop.now() <= end) outcome.inTime += 1
        if (due < counted) return
        outcome.served += 1
        outcome.latencies.push(loop.now() - due)
      })
    }
    try {
      const turn = admission.enter({ priority, sheds: true })
      if (turn === undefined) served()
      else void turn.then(served, refused)
    } catch (error) {
      refused(error)
    }
  }

  function write(caller: Caller): void {
    while (caller.next <= Math.min(loop.now(), end)) {
      caller.backlog.push(caller.next)
      if (caller.next >= counted) caller.outcome.offered += 1
      caller.next += 1000 / caller.rate
    }
    while (caller.taken < caller.backlog.length && caller.free.length > 0)
      caller.held.push({
        due: caller.backlog[caller.taken++] ?? 0,
        readableAt: caller.free.shift() ?? 0,
      })
  }

  const isBusy = (): boolean => loop.now() < end || serving.length > 0 || admission.waiting > 0
  while (isBusy()) {
    const before = loop.now()
    const due = serving
    serving = []
    for (const serve of due) serve()
    for (const caller of callers) {
      if (loop.now() < end) write(caller)
      const { held } = caller
      caller.held = []
      const at = loop.now()
      for (const one of held)
        if (one.readableAt <= at) read(caller, one.due)
        else caller.held.push(one)
    }
    loop.turn()
    // What was let in goes on before the next turn, as it does on the event loop.
    for (let n = 0; n < 3; n += 1) await Promise.resolve()
    if (loop.now() === before) loop.rest(0.1)
  }
  return new Map(callers.map(({ priority, outcome }) => [priority, outcome]))
}

export function percentile(latencies: readonly number[], part: number): number {
  return latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length * part)] ?? 0
}
