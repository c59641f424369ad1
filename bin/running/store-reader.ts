// The store the config names, for commands that only look while no gateway runs.
import type { Config } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import { openStoreReader } from '../../core/store/sqlite/reader.ts'
import type { Store } from '../../core/store/store.ts'
import { plantedIn } from './data-folder.ts'

/** Changes nothing of it. Rejects with `STORE_UNAVAILABLE` where there is none, `FORBIDDEN` where another user may have put it there. */
export async function openReader({
  dataDirectory,
  store: { url, tls, sentinel },
}: Pick<Config, 'dataDirectory' | 'store'>): Promise<Pick<Store, 'find'> & AsyncDisposable> {
  if (url === undefined) {
    const planted = plantedIn(dataDirectory)
    if (planted !== undefined) throw new GatewayError('FORBIDDEN', planted)
    const reader = openStoreReader(dataDirectory)
    return {
      find: async (find) => reader.find(find),
      [Symbol.asyncDispose]: async () => reader[Symbol.dispose](),
    }
  }
  // Who keeps everything in a file does not load the client.
  const { openRedisReader } = await import('../../core/store/redis/reader.ts')
  return openRedisReader({ url, tls, sentinel })
}
