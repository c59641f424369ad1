// DESIGN §13: a gateway on Redis: what it answers while Redis is away, what it finds when it is back, and who takes over.
import { execFileSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import { stopwatch } from '../support/processor.ts'
import { RedisServer } from '../support/redis-server.ts'
import { readLog, say, texts } from '../support/rest.ts'
import { slownessFrom } from './random.ts'

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const PASSWORD = 'hunter22-of-redis'
const yaml = (url: string, bot: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot}", timeout: 30s } }
routes: [{ agent: helper }]
store: { url: "${url}", durability: strict }
`

async function ready(base: string): Promise<number> {
  return (await fetch(`${base}/readyz`)).status
}

test(
  'Redis is killed: 503 within the second, not ready; back, it is served again and nothing acknowledged is lost',
  { timeout: 180_000 },
  async () => {
    await using redis = await RedisServer.start(['--requirepass', PASSWORD])
    await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
    const url = redis.url.replace('redis://', `redis://:${PASSWORD}@`)
    await using gateway = await startGateway({ yaml: yaml(url, bot.url) })
    expect(await ready(gateway.base)).toBe(200)
    const expected: string[] = []
    let first = ''
    for (let round = 0; round < 2; round++) {
      const said = await say(gateway.base, `m${round}`, { key: `k${round}`, waitSeconds: 10 })
      expect(said).toMatchObject({ status: 200, body: { reply: { parts: [{ text: `echo m${round}` }] } } })
      if (round === 0) first = said.body.id
      expected.push(`inbound: m${round}`, `outbound: echo m${round}`)
      await redis.end('SIGKILL')
      const watch = stopwatch(gateway.pid)
      const refused = await say(gateway.base, 'lost', { key: `lost${round}` })
      expect(watch()).toBeLessThan(1500)
      expect(refused).toMatchObject({ status: 503, body: { code: 'STORE_UNAVAILABLE' } })
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(await ready(gateway.base)).toBe(503)
      await redis.begin()
      const back = stopwatch(gateway.pid)
      await until(async () => ((await ready(gateway.base)) === 200 ? true : undefined))
      expect(back()).toBeLessThan(5000)
      const again = await say(gateway.base, `m${round}`, { key: `k${round}`, waitSeconds: 10 })
      expect(again).toMatchObject({ status: 200, body: { duplicate: true, sequence: round * 2 + 1 } })
    }
    expect(texts(await readLog(gateway.base, 'web:ann'))).toEqual(expected)
    const said = 'a power loss costs nothing that was acknowledged'
    await until(() => gateway.log().includes(said) || undefined) // a log comes by its own pipe
    expect(gateway.log()).not.toContain(PASSWORD)
    expect(await gateway.stop()).toBe(0)
    // Nobody runs now: the way of a message is read from Redis itself.
    const words = ['trace', first, '--config', join(gateway.directory, 'gateway.yaml')]
    const told = execFileSync(process.execPath, [BIN, ...words], { encoding: 'utf8' })
    expect(told).toContain(first)
    expect(told).toContain('answered')
  },
)

test(
  'a gateway is killed: another one on the same Redis takes its partitions over, and ends what it had begun',
  { timeout: 180_000 },
  async () => {
    await using redis = await RedisServer.start()
    let isAnswering = false
    await using bot = await startBot((asked) =>
      isAnswering ? { body: { text: `echo ${textOf(asked)}` } } : { hang: true },
    )
    const config = { yaml: yaml(redis.url, bot.url) }
    await using first = await startGateway(config)
    const said = await say(first.base, 'hello', { key: 'k1' })
    expect(said).toMatchObject({ status: 202, body: { sequence: 1 } })
    await until(() => (bot.asked.length === 1 ? true : undefined))
    const starting = startGateway(config)
    isAnswering = true
    await first.kill()
    const slowSince = slownessFrom()
    const killed = performance.now()
    await using second = await starting
    const again = await say(second.base, 'hello', { key: 'k1', waitSeconds: 15 })
    expect(again.body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
    expect(performance.now() - killed).toBeLessThan(20_000 * slowSince())
    expect(new Set(bot.asked.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
    expect(texts(await readLog(second.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: echo hello'])
    expect(await second.stop()).toBe(0)
  },
)
