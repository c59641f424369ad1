// `scope.state`: a component's own prefix of the store's small values and leases.
import { GatewayError } from '../api.ts'
import type { State } from '../api.ts'
import { refuseForeign } from './foreign.ts'
import { freezePlain } from '../json.ts'
import type { Lease, Store } from '../store/store.ts'

const MAX_BYTES = 65_536
const MAX_KEY = 512

export interface StateOptions {
  readonly store: Pick<Store, 'lease' | 'value'>
  /** `channel/wechat-main/`. */
  readonly prefix: string
  /** The component itself, among its predecessors and successors too: a lease is one holder's. */
  readonly owner: string
}

/** Disposed, it lets go the leases that are held by it, and holds none from then on: who comes next need not wait for their end. */
export function createState({ store, prefix, owner }: StateOptions): State & AsyncDisposable {
  const held = new Map<string, Lease>()
  let isEnded = false
  // One that is not let go ends by itself.
  const letGo = (leases: readonly Lease[]): Promise<unknown> =>
    Promise.allSettled(leases.map((lease) => store.lease({ ...lease, release: true })))
  const named = (key: string): string => {
    if (key === '' || key.length > MAX_KEY)
      throw new GatewayError('INTERNAL', `a state key has 1 to ${MAX_KEY} characters, this one ${key.length}`)
    return `${prefix}${key}`
  }
  const checked = <T>(value: T): T => {
    checkPlain(value)
    const bytes = Buffer.byteLength(JSON.stringify(value))
    if (bytes > MAX_BYTES)
      throw new GatewayError('INTERNAL', `a state value of ${bytes} bytes is larger than ${MAX_BYTES}`)
    return value
  }
  return {
    async get(key) {
      const { value, version } = await store.value({ key: named(key) })
      return value === undefined || version === undefined ? undefined : { value, version }
    },
    async put(key, value, options = {}) {
      await store.value({ ...options, key: named(key), put: checked(value) })
    },
    async compareAndSet(key, expected, value, options = {}) {
      const expect = expected ?? ('absent' as const)
      const { status } = await store.value({ ...options, key: named(key), expect, put: checked(value) })
      return status === 'ok'
    },
    async lease(name, ttlMs) {
      const lease = { name: named(name), owner, ttlMs }
      const { status } = await store.lease(lease)
      held.delete(name)
      if (status !== 'held') return undefined
      if (isEnded) {
        await letGo([lease])
        return undefined
      }
      held.set(name, lease)
      return {
        async release() {
          held.delete(name)
          await store.lease({ ...lease, release: true })
        },
      }
    },
    async [Symbol.asyncDispose]() {
      isEnded = true
      const leases = [...held.values()]
      held.clear()
      await letGo(leases)
    },
  }
}

/** JSON would make something else of it without a word: `{}` of a Map. Throws `TypeError`. */
function checkPlain(value: unknown): void {
  if (value === undefined) throw new TypeError('a state value is undefined: write null where there is none')
  refuseForeign(value, 'a state value')
  try {
    freezePlain(structuredClone(value), 'a state value')
  } catch (error) {
    throw new TypeError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}
