// Scopes of several instances over one small store, with a clock to move and a store to break.
import { GatewayError } from 'dragoman'
import type { Json, Scope, State } from 'dragoman'

export interface World {
  now: number
  /** Every use of the store fails. */
  isDown: boolean
  readonly values: Map<string, { readonly value: Json; readonly version: number; readonly until: number }>
  readonly logged: string[]
  readonly counted: string[]
  /** What one instance sees. */
  scope(instance?: string, fetch?: Scope['fetch']): Scope
}

export function world(now = Date.now()): World {
  const leases = new Map<string, { readonly owner: string; readonly until: number }>()
  const made: World = {
    now,
    isDown: false,
    values: new Map(),
    logged: [],
    counted: [],
    scope(instance = 'one', fetch = globalThis.fetch) {
      const line =
        (level: string) =>
        (message: string, fields: object = {}): void =>
          void made.logged.push(`${level} ${message} ${JSON.stringify(fields)}`)
      return {
        id: 'wechat',
        log: { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') },
        now: () => made.now,
        metrics: { count: (name) => void made.counted.push(name), gauge: () => undefined },
        fetch,
        responseLimitBytes: 4_194_304,
        state: stateOf(instance),
      }
    },
  }

  function stateOf(instance: string): State {
    const read = (key: string) => {
      if (made.isDown) throw new GatewayError('STORE_UNAVAILABLE', 'the store is down')
      const found = made.values.get(key)
      return found === undefined || found.until <= made.now ? undefined : found
    }
    const write = (key: string, value: Json, ttlMs = Infinity): void => {
      const version = (made.values.get(key)?.version ?? 0) + 1
      made.values.set(key, { value: structuredClone(value), version, until: made.now + ttlMs })
    }
    return {
      async get(key) {
        const found = read(key)
        return found === undefined ? undefined : { value: found.value, version: found.version }
      },
      async put(key, value, { ttlMs } = {}) {
        read(key)
        write(key, value, ttlMs)
      },
      async compareAndSet(key, expected, value, { ttlMs } = {}) {
        if (read(key)?.version !== expected) return false
        write(key, value, ttlMs)
        return true
      },
      async lease(name, ttlMs) {
        read(name)
        const held = leases.get(name)
        if (held !== undefined && held.owner !== instance && held.until > made.now) return undefined
        leases.set(name, { owner: instance, until: made.now + ttlMs })
        return {
          async release() {
            if (leases.get(name)?.owner === instance) leases.delete(name)
          },
        }
      },
    }
  }
  return made
}
