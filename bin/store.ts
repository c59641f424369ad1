// The store the config names: the embedded one, or Redis with this gateway alone on its data.
import { randomUUID } from 'node:crypto'
import type { Config } from '../config/load.ts'
import { GatewayError } from '../core/api.ts'
import type { RootLog } from '../core/log.ts'
import { openSqliteStore } from '../core/store/sqlite.ts'
import type { StoreHooks } from '../core/store/sqlite.ts'
import type { Store } from '../core/store/store.ts'

export interface OpenStore extends AsyncDisposable {
  readonly store: Store
}

const LEASE = 'gateway'
const LEASE_MS = 10_000
const RENEW_MS = 3000
const ASK_MS = 500

/**
 * Opens it for a gateway. Rejects with `STORE_UNAVAILABLE`. On Redis it waits until the lease of a gateway that died there has run
 * out, at most 12 s; `onLost` is called if another gateway has the data, which can only be after this one stood still.
 */
export async function openStore(
  { dataDirectory, store: config }: Config,
  log: RootLog,
  onLost: () => void,
): Promise<OpenStore> {
  const storeLog = log.child('store')
  const { url, tls, sentinel, durability, replicas } = config
  if (url === undefined) {
    const store = await openSqliteStore({ directory: dataDirectory, log: storeLog, ...testHooks() })
    return { store, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
  }
  // Who keeps everything in a file does not load the client.
  const { openRedisStore } = await import('../core/store/redis.ts')
  const where = { url, tls, sentinel, durability, replicas }
  const store = await openRedisStore({ ...where, log: storeLog, ...testHooks() })
  try {
    const renewal = await holdAlone(store, onLost)
    return {
      store,
      async [Symbol.asyncDispose]() {
        renewal[Symbol.dispose]()
        await store[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await store[Symbol.asyncDispose]()
    throw error
  }
}

/**
 * Takes the lease of the one gateway, and renews it. Rejects with `STORE_UNAVAILABLE` if another one keeps it for longer than a dead
 * one could.
 */
export async function holdAlone(store: Store, onLost: () => void): Promise<Disposable> {
  const asked = { name: LEASE, owner: randomUUID(), ttlMs: LEASE_MS }
  const until = performance.now() + LEASE_MS + 2000
  while ((await store.lease(asked)).status !== 'held') {
    if (performance.now() >= until)
      throw new GatewayError(
        'STORE_UNAVAILABLE',
        'another gateway uses this Redis: stop it, or use another database',
      )
    await new Promise((again) => setTimeout(again, ASK_MS))
  }
  const renew = async (): Promise<void> => {
    try {
      if ((await store.lease(asked)).status === 'held') return
      clearInterval(timer)
      onLost()
    } catch {
      // The store says by itself that it is away; the next renewal shows whose the data is.
    }
  }
  const timer = setInterval(() => void renew(), RENEW_MS)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

/** `DRAGOMAN_TEST_CRASH=settle:written#2`, in tests alone: the process ends there as by kill -9 (see `core/store/crash.ts`). */
function testHooks(): { readonly hooks?: Pick<StoreHooks, 'crash'> } {
  const crash = process.env['DRAGOMAN_TEST_CRASH']
  return crash === undefined || process.env['NODE_ENV'] !== 'test' ? {} : { hooks: { crash } }
}
