// `dragoman migrate`: a store from its folder to Redis or back, with a bar at a terminal and plain lines elsewhere.
import { GatewayError } from '../core/api.ts'
import type { Target } from '../core/store/migrate/ends.ts'
import { migrate as move } from '../core/store/migrate/migrate.ts'
import type { Progress } from '../core/store/migrate/migrate.ts'
import { openSqliteEnd } from '../core/store/migrate/sqlite-end.ts'
import type { RedisEndOptions } from '../core/store/migrate/redis-end.ts'
import { table } from './running/admin-client.ts'
import { configFile, loadWithoutPlugins } from './config-file.ts'
import { refusePlanted } from './running/data-folder.ts'
import { fail } from './fail.ts'

export interface MigrateOptions {
  readonly from: string
  readonly to: string
  readonly config?: string
}

/** As a place: the Redis that the config names, so that no password stands on a command line. */
const STORE = 'store'

const BAR = 30
const LINE_MS = 2000

export async function migrate({ from, to, config }: MigrateOptions): Promise<void> {
  try {
    if (isRedis(from) === isRedis(to))
      throw new GatewayError(
        'DECODE_FAILED',
        'one of --from and --to is a folder (one called "store" is ./store), the other a redis:// address or "store", which the config names',
      )
    await using source = isRedis(from)
      ? // What is only read may be less durable than the config wants it.
        await openRedis({ ...(await whereOf(from, config)), durability: 'any' })
      : await openFolder(from, false)
    await using target = isRedis(to) ? await openRedis(await whereOf(to, config)) : await openFolder(to, true)
    console.log(`From ${source.name} to ${target.name}.`)
    const { rows } = await move({ source, target, report: reporter() })
    console.log(
      table([
        ['', 'ROWS', 'CHECKSUM'],
        ...rows.map(({ kind, rows: count, checksum }) => [kind, String(count), checksum]),
      ]),
    )
    console.log(
      `Both sides were read and are the same. ${target.name} is the store now: ${
        isRedis(to)
          ? 'store.url in the config has to name it'
          : `start with --data ${to} and without store.url`
      }. ${source.name} is marked as moved; delete it when you have a backup.`,
    )
  } catch (error) {
    fail(error)
  }
}

async function openFolder(place: string, create: boolean): Promise<Target> {
  refusePlanted(place)
  return openSqliteEnd({ directory: place, create })
}

async function openRedis(where: RedisEndOptions): Promise<Target> {
  const { openRedisEnd } = await import('../core/store/migrate/redis-end.ts')
  return openRedisEnd(where)
}

/** What the config says of TLS, the Sentinels and durability counts for an address of the command line, too. */
async function whereOf(place: string, config: string | undefined): Promise<RedisEndOptions> {
  if (place !== STORE && config === undefined) return { url: place }
  const file = configFile(config)
  const { url: named, tls, sentinel, durability, replicas } = (await loadWithoutPlugins(file, {})).store
  const url = place === STORE ? named : place
  if (url === undefined) throw new GatewayError('DECODE_FAILED', `${file} names no store.url`)
  return { url, tls, sentinel, durability, replicas }
}

function isRedis(place: string): boolean {
  if (place === STORE) return true
  return /^rediss?(?:\+\w+)?:\/\//u.test(place)
}

/** A bar that is drawn over itself; where nobody looks, a line now and then and at each step's end. */
function reporter(): (progress: Progress) => void {
  const { isTTY } = process.stdout
  let saidAt = -Infinity
  return (progress) => {
    if (progress.step === 'resumed') return console.log(`Goes on after ${progress.done} rows.`)
    const { step, done, size } = progress
    const part = size === 0 ? 1 : done / size
    const percent = `${Math.floor(part * 100)} %`
    const isEnd = step === 'check' && done === size
    if (isTTY) {
      const full = Math.round(part * BAR)
      const bar = '█'.repeat(full) + '░'.repeat(BAR - full)
      process.stdout.write(
        `\r${step.padEnd(5)} ${bar} ${percent.padStart(5)}  ${done} rows${isEnd ? '\n' : ''}`,
      )
      return undefined
    }
    const now = performance.now()
    if (now - saidAt < LINE_MS && !isEnd) return undefined
    saidAt = now
    return console.log(`${step}: ${done} of about ${size} rows, ${percent}`)
  }
}
