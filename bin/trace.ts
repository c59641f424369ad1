// `dragoman trace ID`: one message's way, from the running gateway or, if none runs, from its file or its Redis.
import { GatewayError } from '../core/api.ts'
import type { RedisOptions } from '../core/store/redis.ts'
import { openStoreReader } from '../core/store/sqlite/reader.ts'
import { traceOf } from '../core/trace.ts'
import type { Trace } from '../core/trace.ts'
import { tokenIn } from './admin-client.ts'
import { configFile, loadWithoutPlugins } from './config-file.ts'
import { fail } from './fail.ts'
import { callLocally, localGateway } from './local-gateway.ts'
import type { LocalAnswer, LocalGateway } from './local-gateway.ts'

export interface TraceOptions {
  readonly config?: string
  readonly data?: string
  readonly json?: boolean
}

export async function trace(id: string, options: TraceOptions): Promise<void> {
  try {
    const overrides = options.data === undefined ? {} : { data: options.data }
    const { dataDirectory, store, admin } = await loadWithoutPlugins(configFile(options.config), overrides)
    const { url, tls, sentinel } = store
    const found =
      (await fromGateway(dataDirectory, admin.token, id)) ??
      (url === undefined ? await fromFile(dataDirectory, id) : await fromRedis({ url, tls, sentinel }, id))
    if (found === undefined) {
      const place = url === undefined ? `in ${dataDirectory}` : 'on Redis'
      const what = 'wanted is the id of a message, as the gateway answered it; --data names another store'
      fail(new GatewayError('NOT_FOUND', `the store ${place} knows nothing of ${id}: ${what}`))
      return
    }
    console.log(options.json === true ? JSON.stringify(found, null, 2) : readable(found))
  } catch (error) {
    fail(error)
  }
}

/** Where the running gateway can be asked: it leaves its address in its data folder, and the admin token where the config names none. */
async function fromGateway(
  directory: string,
  configured: string | undefined,
  id: string,
): Promise<Trace | undefined> {
  let gateway: LocalGateway
  let token: string
  try {
    gateway = await localGateway(directory)
    token = configured ?? (await tokenIn(directory))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  let response: LocalAnswer
  try {
    const headers = { authorization: `Bearer ${token}` }
    response = await callLocally(gateway, `/admin/v1/trace/${encodeURIComponent(id)}`, { headers })
  } catch (error) {
    if (error instanceof GatewayError) throw error
    return undefined // it left its address behind and is gone; the file is free then
  }
  if (response.status === 404) return undefined
  if (response.status !== 200)
    throw new GatewayError('INTERNAL', `the gateway at ${gateway.origin} answered ${response.status}`)
  return JSON.parse(response.body) as Trace // our own admin API
}

async function fromFile(directory: string, id: string): Promise<Trace | undefined> {
  using store = openStoreReader(directory)
  return traceOf({ find: async (find) => store.find(find) }, id)
}

async function fromRedis(where: RedisOptions, id: string): Promise<Trace | undefined> {
  const { openRedisStore } = await import('../core/store/redis.ts')
  await using store = await openRedisStore(where)
  return await traceOf(store, id)
}

function readable({ id, steps }: Trace): string {
  const lines = steps.map(({ at, step, detail }) => `${(at ?? '').padEnd(24)}  ${step.padEnd(12)}  ${detail}`)
  return [id, ...lines].join('\n')
}
