// The store the config names: the embedded one, or Redis, which several gateways may share.
import type { Config } from '../config/load.ts'
import type { RootLog } from '../core/log/log.ts'
import { reclaimDirectory } from '../core/store/migrate/sqlite-end.ts'
import { openSqliteStore } from '../core/store/sqlite.ts'
import type { StoreHooks } from '../core/store/sqlite.ts'
import type { Shared } from '../core/store/redis/shared.ts'
import type { Store } from '../core/store/store.ts'

/**
 * Lets a gateway start on a store that was moved away (`dragoman start --use-moved-store`). Rejects with `STORE_UNAVAILABLE` for one
 * that is only half there.
 */
export async function reclaimStore(
  { dataDirectory, store: { url, tls, sentinel } }: Config,
  log: RootLog,
): Promise<void> {
  if (url === undefined) return reclaimDirectory(dataDirectory)
  const { reclaimRedis } = await import('../core/store/migrate/redis-end.ts')
  return reclaimRedis({ url, tls, sentinel }, log.child('store'))
}

/** Opens it for a gateway; `confirmClockJump` is `dragoman start --confirm-clock-jump`. Rejects with `STORE_UNAVAILABLE`. */
export async function openStore(
  { dataDirectory, store: { url, tls, sentinel, durability, replicas, retention } }: Config,
  log: RootLog,
  { confirmClockJump }: { readonly confirmClockJump?: boolean | undefined } = {},
): Promise<Store & { readonly shared?: Shared }> {
  const common = { confirmClockJump, log: log.child('store'), ...testHooks() }
  if (url === undefined) return openSqliteStore({ directory: dataDirectory, ...common })
  // Who keeps everything in a file does not load the client.
  const { openRedisStore } = await import('../core/store/redis.ts')
  const retentionBytes = retention.maxBytes
  return openRedisStore({ url, tls, sentinel, durability, replicas, retentionBytes, ...common })
}

/** `DRAGOMAN_TEST_CRASH=settle:written#2`, in tests alone: the process ends there as by kill -9 (see `core/store/crash.ts`). */
function testHooks(): { readonly hooks?: Pick<StoreHooks, 'crash'> } {
  const crash = process.env['DRAGOMAN_TEST_CRASH']
  return crash === undefined || process.env['NODE_ENV'] !== 'test' ? {} : { hooks: { crash } }
}
