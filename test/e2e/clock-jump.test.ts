// A stop of more than a day by the wall clock: said at each start until somebody who has looked confirms it (SEMANTICS 25).
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, test } from 'vitest'
import { startGateway, temporaryDirectory } from '../support/gateway.ts'
import { RedisServer } from '../support/redis-server.ts'

const DAY = 86_400_000
const LONG_MS = 120_000
const yaml = (store = ''): string => `
${store}
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:1/" } }
routes: [{ agent: helper }]`

/** What a start with these words says of the clock: for how long it is held; undefined: nothing. */
async function heldAt(directory: string, config: string, ...words: string[]): Promise<number | undefined> {
  await using gateway = await startGateway({ yaml: config, directory, words })
  expect(await gateway.stop()).toBe(0)
  const line = gateway
    .log()
    .split('\n')
    .find((one) => one.includes('start once with --confirm-clock-jump'))
  const held = line === undefined ? undefined : (JSON.parse(line) as { heldMs: number }) // our own log
  return held === undefined ? undefined : Math.floor(held.heldMs / DAY)
}

test(
  'the embedded store says what is held, again at the next start, and goes on to the wall clock when told',
  { timeout: LONG_MS },
  async () => {
    const directory = await temporaryDirectory()
    try {
      expect(await heldAt(directory, yaml())).toBe(undefined)
      const db = new DatabaseSync(join(directory, 'data', 'dragoman.db'))
      db.exec(`UPDATE meta SET store_ms = store_ms - ${3.1 * DAY}, wall_ms = wall_ms - ${3.1 * DAY}`)
      db.close()
      expect(await heldAt(directory, yaml())).toBe(2)
      expect(await heldAt(directory, yaml())).toBe(2)
      expect(await heldAt(directory, yaml(), '--confirm-clock-jump')).toBe(undefined)
      expect(await heldAt(directory, yaml())).toBe(undefined)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  },
)

test.each([
  { how: 'one process', words: [] },
  { how: 'workers', words: ['--workers', '1'] },
])('the same on Redis, in every partition, with $how', { timeout: LONG_MS }, async ({ words }) => {
  await using redis = await RedisServer.start()
  const directory = await temporaryDirectory()
  const config = yaml(`store: { url: "${redis.url}" }`)
  try {
    expect(await heldAt(directory, config, ...words)).toBe(undefined)
    const metas = redis.cli('KEYS', '*:meta').split('\n')
    expect(metas).toHaveLength(256)
    const past = Date.now() - 3.1 * DAY
    for (const meta of metas) redis.cli('HSET', meta, 'clock', String(past), 'wall', String(past))
    expect(await heldAt(directory, config, ...words)).toBe(2)
    expect(await heldAt(directory, config, ...words)).toBe(2)
    expect(await heldAt(directory, config, ...words, '--confirm-clock-jump')).toBe(undefined)
    for (const meta of metas)
      expect(Date.now() - Number(redis.cli('HGET', meta, 'clock'))).toBeLessThan(DAY / 24)
    expect(await heldAt(directory, config, ...words)).toBe(undefined)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
