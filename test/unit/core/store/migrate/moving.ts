// What the tests of a migration share: a Redis and a folder for each, and the move itself, here or in a process that dies.
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { migrate } from '../../../../../core/store/migrate/migrate.ts'
import { openRedisEnd } from '../../../../../core/store/migrate/redis-end.ts'
import { openSqliteEnd } from '../../../../../core/store/migrate/sqlite-end.ts'
import { openRedisStore } from '../../../../../core/store/redis.ts'
import { openSqliteStore } from '../../../../../core/store/sqlite.ts'
import type { Store } from '../../../../../core/store/store.ts'
import { RedisServer } from '../../../../support/redis-server.ts'

const CHILD = fileURLToPath(new URL('migrate-child.ts', import.meta.url))

export interface Places {
  readonly server: RedisServer
  readonly redis: string
  folder(name: string): string
}

/** An empty Redis and an empty folder for each test of the file. */
export function places(): Places {
  let server: RedisServer | undefined
  let directory = ''
  const running = (): RedisServer => {
    if (server === undefined) throw new Error('there is no Redis outside of tests')
    return server
  }
  beforeAll(async () => {
    // What is shown here is not durability, and a machine's disk may be slow.
    server = await RedisServer.start(['--appendfsync', 'everysec'])
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  beforeEach(async () => {
    await running().empty()
    directory = await mkdtemp(join(tmpdir(), 'dragoman-migrate-'))
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))
  return {
    get server() {
      return running()
    },
    get redis() {
      return running().url
    },
    folder: (name) => join(directory, name),
  }
}

export const isRedis = (place: string): boolean => place.startsWith('redis')
export const openStore = (place: string): Promise<Store> =>
  isRedis(place) ? openRedisStore({ url: place }) : openSqliteStore({ directory: place })
export const openEnd = async (place: string, create = false) =>
  isRedis(place) ? openRedisEnd({ url: place }) : openSqliteEnd({ directory: place, create })

export async function move(from: string, to: string) {
  await using source = await openEnd(from)
  await using target = await openEnd(to, true)
  return await migrate({ source, target })
}

/** The migration in a process that dies at its Nth report. Its output, and whether it was killed. */
export async function moveUntil(from: string, to: string, nth: number | undefined) {
  const child = spawn(process.execPath, [CHILD, from, to, String(nth ?? '')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)))
  const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>()
  child.once('close', (_code, signal) => resolve(signal))
  return { isKilled: (await promise) === 'SIGKILL', output }
}
