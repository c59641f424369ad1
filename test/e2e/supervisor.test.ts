// A supervisor as a process: the signals it hears, from its first moment, and what keeps it from starting.
import { once } from 'node:events'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { InstanceRow } from '../../core/operators/cluster.ts'
import { makeCertificate } from '../support/certificate.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { signalling } from '../support/plugin-sources.ts'
import { RedisServer } from '../support/redis-server.ts'
import { dragoman } from './documents.ts'

/** On a machine that is busy with other things as well. */
const LONG_MS = 120_000

let redis: RedisServer

beforeAll(async () => {
  redis = await RedisServer.start(['--appendonly', 'no']) // what the disk costs is not the question here
}, LONG_MS)
afterAll(() => redis[Symbol.asyncDispose](), LONG_MS)

async function instances(of: GatewayProcess): Promise<readonly InstanceRow[]> {
  const token = (await readFile(join(of.directory, 'data', 'admin.token'), 'utf8')).trim()
  const response = await fetch(`${of.base}/admin/v1/cluster`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return (await response.json()) as readonly InstanceRow[] // our own admin API
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

test(
  'SIGTERM, however often, ends all workers in order and the supervisor with 0',
  async () => {
    const text = `store: { url: "${redis.url}/1" }\nchannels: { web: { adapter: rest } }\n`
    await using other = await startGateway({ yaml: text, words: ['--workers', '2'] })
    const both = (all: readonly InstanceRow[]) => (all.length === 2 ? all : undefined)
    const rows = await until(async () => both(await instances(other)), LONG_MS)
    const first = other.stop()
    await until(() => (other.log().includes('"msg":"stopping"') ? true : undefined), LONG_MS)
    expect(await Promise.all([first, other.stop()])).toEqual([0, 0])
    expect(rows.filter(({ pid }) => isAlive(pid))).toEqual([])
    expect(other.log().match(/"msg":"stopped"/gu)).toHaveLength(3)
    expect(other.log().match(/"component":"supervisor","signal":"SIGTERM","msg":"stopping"/gu)).toHaveLength(
      1,
    )
  },
  LONG_MS,
)

test(
  'SIGHUP and SIGUSR2 while it starts do not end a supervisor: all load the config again, and are replaced, when it is ready; TLS that a replacement brings is known to commands',
  async () => {
    const directory = await temporaryDirectory()
    await mkdir(join(directory, 'plugins'))
    const deed = "for (const signal of ['SIGHUP', 'SIGUSR2']) process.kill(process.ppid, signal)"
    await writeFile(join(directory, 'plugins', 'early.ts'), signalling(deed, join(directory, 'sent')))
    const text = `store: { url: "${redis.url}/3" }\nchannels: { web: { adapter: rest } }\n`
    await using other = await startGateway({ directory, yaml: text, words: ['--workers', '2'] })
    await until(() => (other.log().includes('all workers were replaced') ? true : undefined), LONG_MS)
    expect(other.log().match(/"msg":"a new generation runs"/gu)?.length).toBeGreaterThanOrEqual(2)
    expect(other.log()).not.toContain('a worker has died')

    using certificate = makeCertificate()
    const { cert, key } = certificate
    const file = join(directory, 'gateway.yaml')
    await writeFile(file, `${text}http: { tls: { cert: ${cert}, key: ${key} } }\n`)
    process.kill(other.pid, 'SIGUSR2')
    const replaced = () => other.log().match(/all workers were replaced/gu)?.length
    await until(() => (replaced() === 2 ? true : undefined), LONG_MS)
    const words = ['cluster', '--once', '--json', '--config', file, '--data', join(directory, 'data')]
    const { code, stdout } = await dragoman(words, directory)
    expect([code, stdout.match(/"state": ?"running"/gu)?.length]).toEqual([0, 2])
    expect(await other.stop()).toBe(0)
    await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  },
  LONG_MS,
)

test(
  'what keeps the first worker from starting is said once, and ends the supervisor; so does a store that is no Redis',
  async () => {
    const directory = await temporaryDirectory()
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' ? String(address?.port) : ''
    const start = async (text: string): Promise<{ code: number; stderr: string }> => {
      await writeFile(join(directory, 'gateway.yaml'), text)
      return dragoman(['start', '--workers', '2', '--data', 'data', '--port', port], directory)
    }
    const busy = await start(`store: { url: "${redis.url}/2" }\nchannels: { web: { adapter: rest } }\n`)
    expect([busy.code, busy.stderr.match(/the port is in use/gu)?.length]).toEqual([1, 1])
    const embedded = await start('channels: { web: { adapter: rest } }\n')
    expect(embedded.code).toBe(1)
    expect(embedded.stderr).toMatch(/^dragoman: --workers needs Redis, .*gateway\.yaml/u)
    taken.close()
  },
  LONG_MS,
)
