// A store that holds one value, for what instances tell each other by it, and an instance with a breaker.
import type { Json, Log } from '../../../../core/api.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import type { Breaker } from '../../../../core/guard/breaker.ts'
import { loadBreakers } from '../../../../core/guard/breakers.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Store, ValueOp, ValueResult } from '../../../../core/store/store.ts'

interface Shared {
  (): Pick<Store, 'value' | 'watch'>
  /** Nothing is in it any more, and nobody has looked yet. */
  empty(): void
  /** All who watch look. */
  look(): void
}

/** One value that instances share, each with a look of its own at it. */
export function shared(): Shared {
  const all: Hints[] = []
  let value: Json | undefined
  let version = 0
  const state = (): { value?: Json; version?: number } =>
    value === undefined ? {} : { value: structuredClone(value), version }
  const open = (): Pick<Store, 'value' | 'watch'> => {
    const hints = new Hints()
    all.push(hints)
    return {
      watch: (names) => hints.watch(names),
      async value({ key, expect: wanted, put, announce }: ValueOp): Promise<ValueResult> {
        if (put === undefined) return { status: 'ok', ...state() }
        if (wanted !== undefined && wanted !== (version === 0 ? 'absent' : version))
          return { status: 'conflict', ...state() }
        value = put
        version++
        if (announce === true) for (const one of all) one.hint(`value:${key}`)
        return { status: 'ok', ...state() }
      },
    }
  }
  const empty = (): void => {
    value = undefined
    version = 0
  }
  const look = (): void => {
    for (const one of all) void one.hintAll()
  }
  return Object.assign(open, { empty, look })
}

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }

export const options = { errorRate: 50, minimumCalls: 2, windowMs: 10_000, openForMs: 60_000 }

/** The breaker of one operation on one instance, wired as the gateway does it. */
export async function instance(
  store: Pick<Store, 'value' | 'watch'>,
  lead?: () => Promise<Disposable | undefined>,
) {
  let breaker: Breaker | undefined
  const memory = await loadBreakers({
    store,
    log,
    onOther: (owner, isMeant, snapshot) => {
      if (owner === 'orders' && isMeant('Get')) breaker?.adopt(snapshot)
    },
  })
  const made = createBreaker('orders.Get', options, {
    saved: memory.saved('orders', 'Get'),
    onState: (_state, _reason, isAdopted) => {
      if (!isAdopted) memory.keep('orders', 'Get', breaker?.snapshot())
    },
    ...(lead !== undefined && { lead }),
  })
  breaker = made
  return { breaker: made, memory }
}

/** What is stored beside them has no dot in its name. */
export const isOperation = (name: string): boolean => name.includes('.')
