// `dragoman trace ID`: one message's way, from the running gateway or, if none runs, from its file or its Redis.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GatewayError } from '../core/api.ts'
import type { RedisOptions } from '../core/store/redis.ts'
import { openStoreReader } from '../core/store/sqlite/reader.ts'
import { traceOf } from '../core/trace.ts'
import type { Trace } from '../core/trace.ts'
import { configFile, loadWithoutPlugins } from './config-file.ts'
import { fail } from './fail.ts'

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
      fail(new GatewayError('NOT_FOUND', `the store ${place} knows nothing of ${id}`))
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
  let origin: string
  let token: string
  try {
    origin = (await readFile(join(directory, 'gateway.url'), 'utf8')).trim()
    token = configured ?? (await readFile(join(directory, 'admin.token'), 'utf8')).trim()
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  let response: Response
  try {
    response = await fetch(`${origin}/admin/v1/trace/${encodeURIComponent(id)}`, {
      headers: { authorization: `Bearer ${token}` },
    })
  } catch {
    return undefined // it left its address behind and is gone; the file is free then
  }
  if (response.status === 404) return undefined
  if (!response.ok) throw new GatewayError('INTERNAL', `the gateway at ${origin} answered ${response.status}`)
  return (await response.json()) as Trace // our own admin API
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
