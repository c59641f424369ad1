// Looking into a store on Redis that no gateway uses, without changing a key of it.
import { GatewayError } from '../../api.ts'
import { markOf, refusalOf } from '../migrate/ends.ts'
import { RedisClient, texts } from '../migrate/redis-client.ts'
import type { Store } from '../store.ts'
import type { ClientsOptions } from './clients.ts'
import { findOver } from './finding.ts'
import { SCRIPTS } from './scripts.ts'

export interface RedisReaderOptions extends Omit<ClientsOptions, 'commandMs'> {
  readonly prefix?: string
}

export interface RedisReader extends Pick<Store, 'find'>, AsyncDisposable {}

/** Rejects with `STORE_UNAVAILABLE` where Redis is not reached, where it has no store, and where that is being moved or was moved away. */
export async function openRedisReader({
  prefix = 'dragoman:',
  ...where
}: RedisReaderOptions): Promise<RedisReader> {
  const client = new RedisClient(where, prefix)
  try {
    await client.open()
    const [dataset, held] = await client.ask([
      ['HMGET', client.key(0, 'dataset'), 'incarnation', 'partitions'],
      ['HGET', client.key(0, 'meta'), 'held'],
    ])
    const mark = typeof held === 'string' ? markOf(held) : undefined
    if (mark !== undefined) throw refusalOf(mark, 'the store on this Redis')
    const [incarnation = '', partitions] = texts(dataset)
    if (incarnation === '') throw noStore()
    await client.teach(SCRIPTS.find)
    const finding = {
      run: client.run.bind(client, SCRIPTS.find),
      partitions: Number(partitions),
      placed: () => undefined,
    }
    return {
      find: (find) => findOver(find, finding),
      [Symbol.asyncDispose]: () => client[Symbol.asyncDispose](),
    }
  } catch (error) {
    await client[Symbol.asyncDispose]()
    throw error
  }
}

function noStore(): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    'there is no store on this Redis: no gateway has run with it (store.url names it)',
  )
}
