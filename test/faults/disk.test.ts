// DESIGN §12, SEMANTICS 39, 42: a full or failing disk: nothing is acknowledged, everybody is told, and it heals without a restart.
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { StoreHooks } from '../../core/store/sqlite.ts'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import { readLog, say, texts } from '../support/rest.ts'
import { smallDisk } from '../support/small-disk.ts'
import { slownessFrom } from './random.ts'

type Faults = ReturnType<NonNullable<StoreHooks['faults']>>

const inHouse = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`

async function ready(base: string): Promise<{ status: number; text: string }> {
  const response = await fetch(`${base}/readyz`)
  return { status: response.status, text: await response.text() }
}

function isReady(base: string): Promise<true> {
  return until(async () => ((await ready(base)).status === 200 ? true : undefined))
}

test.each<readonly [string, Faults, string]>([
  ['the reserve is reached', { freeBytes: 0 }, 'OVERLOADED'],
  ['the file cannot grow', { maxPages: 1 }, 'STORE_UNAVAILABLE'],
  ['a commit fails', { commit: 'fails' }, 'STORE_UNAVAILABLE'],
])('%s: 503 as a problem, not ready, nothing stored; then all is well again', async (_what, broken, code) => {
  let faults: Faults
  const bot = handAgent('bot', echo)
  await using house = await openHouse({
    yaml: inHouse,
    adapters: [bot.adapter],
    hooks: { faults: () => faults },
  })
  await say(house.base, 'before', { waitSeconds: 10 })
  faults = broken
  // Large enough to need new pages.
  const text = 'x'.repeat(200_000)
  const refused = await say(house.base, text, { key: 'k1', waitSeconds: 10 })
  expect(refused.status).toBe(503)
  expect(refused.headers.get('content-type')).toBe('application/problem+json')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.body).toMatchObject({ code, retryable: true })
  expect(JSON.stringify(refused.body)).not.toMatch(/\/tmp|\.ts:/u)
  const red = await until(async () => {
    const now = await ready(house.base)
    return now.status === 503 ? now : undefined
  })
  expect(red.text).toContain('store')
  faults = undefined
  await isReady(house.base)
  const taken = await say(house.base, text, { key: 'k1', waitSeconds: 10 })
  expect(taken).toMatchObject({ status: 200, body: { duplicate: false, sequence: 3 } })
  expect(bot.asked).toHaveLength(2)
  expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 2, dead: 0, waiting: 0 })
})

test('SEMANTICS 15: a commit that happened though it failed: 503, and the same id is a duplicate, stored once', async () => {
  let faults: Faults
  const bot = handAgent('bot', echo)
  await using house = await openHouse({
    yaml: inHouse,
    adapters: [bot.adapter],
    hooks: { faults: () => faults },
  })
  await say(house.base, 'before', { waitSeconds: 10 })
  faults = { commit: 'lost' }
  expect((await say(house.base, 'hello', { key: 'k1' })).status).toBe(503)
  faults = undefined
  await isReady(house.base)
  const again = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
  expect(again.body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
  expect(texts(await readLog(house.base, 'web:ann')).slice(2)).toEqual([
    'inbound: hello',
    'outbound: echo hello',
  ])
  expect(bot.asked).toHaveLength(2)
})

test('SEMANTICS 42: an answer that cannot be stored is stored when it can: the bot is not asked again', async () => {
  let faults: Faults
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({
    yaml: inHouse,
    adapters: [bot.adapter],
    hooks: { faults: () => faults },
  })
  const waiting = say(house.base, 'hello', { waitSeconds: 20 })
  await until(() => bot.asked[0])
  faults = { commit: 'fails' }
  gate.resolve()
  await until(() => (house.log().includes('a settle waits for the store') ? true : undefined))
  faults = undefined
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(bot.asked).toHaveLength(1)
})

const MEGABYTE = 1024 * 1024

test(
  'a disk that fills up under load: no acknowledgement is lost, and no restart is needed',
  { timeout: 120_000 },
  async (context) => {
    await using disk = await smallDisk(128)
    if (disk === undefined) return context.skip('no file system of its own can be mounted here')
    const gate = Promise.withResolvers<void>()
    const long = 'y'.repeat(300_000)
    await using bot = await startBot(async (asked) => {
      if (textOf(asked) === 'held') await gate.promise
      return { body: { text: textOf(asked) === 'held' ? long : 'fine' } }
    })
    await using gateway = await startGateway({
      directory: disk.path,
      yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}", timeout: 30s } }
routes: [{ agent: helper }]
`,
    })
    const { base } = gateway
    const first = await say(base, 'first', { customer: 'bea', key: 'n0', waitSeconds: 10 })
    const held = Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        say(base, 'held', { customer: `h${n}`, key: `h${n}`, waitSeconds: 40 }),
      ),
    )
    held.catch(() => undefined) // told where it is awaited
    await until(() => (bot.asked.length === 41 ? true : undefined))

    // Below the reserve: nothing new, but what was begun ends.
    await disk.fillTo(40 * MEGABYTE)
    let tries = 0
    const refused = await until(async () => {
      // Each under a key of its own: what slips in is a duplicate from then on.
      const answer = await say(base, 'new', { key: `try-${++tries}` })
      return answer.status === 503 ? answer : undefined
    })
    expect(refused.headers.get('content-type')).toBe('application/problem+json')
    expect(refused.body).toMatchObject({ retryable: true })
    expect((await ready(base)).status).toBe(503)

    // Nothing at all: the 12 MB of answers fit nowhere.
    await disk.fillTo(0)
    gate.resolve()
    await until(() => (gateway.log().includes('a settle waits for the store') ? true : undefined))
    expect((await say(base, 'new', { key: 'n2' })).status).toBe(503)

    // What needs no room goes on: a log is read, and who repeats a message gets the answer that is stored.
    expect(texts(await readLog(base, 'web:bea'))).toEqual(['inbound: first', 'outbound: fine'])
    expect(await say(base, 'first', { customer: 'bea', key: 'n0', waitSeconds: 10 })).toMatchObject({
      status: 200,
      body: { id: first.body.id, duplicate: true, reply: { parts: [{ text: 'fine' }] } },
    })

    await rm(disk.filler)
    await isReady(base)
    for (const { status, body } of await held) {
      expect(status).toBe(200)
      expect(body.reply?.parts?.[0]?.text).toBe(long)
    }
    expect(bot.asked.filter((asked) => textOf(asked) === 'held')).toHaveLength(40)
    expect((await say(base, 'new', { key: 'n2', waitSeconds: 10 })).body).toMatchObject({ duplicate: false })
    expect(texts(await readLog(base, 'web:h7'))).toEqual(['inbound: held', `outbound: ${long}`])
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toMatch(/dragoman_queue_depth\S* 0\n/u)
  },
)

test(
  'SIGTERM under load: drained within 10 s, exit 0; what could not finish is there after the next start',
  { timeout: 120_000 },
  async () => {
    let isFirstLife = true
    await using bot = await startBot(async (asked) => {
      if (textOf(asked) === 'hang' && isFirstLife) return { hang: true }
      await new Promise((resolve) => setTimeout(resolve, 5))
      return { body: { text: `echo ${textOf(asked)}` } }
    })
    const yaml = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}", timeout: 30s } }
routes: [{ agent: helper }]
`
    const first = await startGateway({ yaml })
    const hanging = say(first.base, 'hang', { customer: 'hung', key: 'h0', waitSeconds: 60 })
    const behind = await say(first.base, 'behind', { customer: 'hung', key: 'h1' })
    expect(behind.status).toBe(202)
    const acknowledged: { id: string; key: string; customer: string }[] = []
    const load = Array.from({ length: 6 }, async (_, n) => {
      const customer = `c${n}`
      try {
        for (let count = 0; ; count++) {
          const key = `${customer}/${count}`
          const { status, body } = await say(first.base, 'hello', { customer, key })
          if (status === 202) acknowledged.push({ id: body.id, key, customer })
        }
      } catch {
        return // it takes no more connections
      }
    })
    await until(() => (acknowledged.length > 100 ? true : undefined))
    const slowSince = slownessFrom(first.pid)
    const begun = performance.now()
    const status = await first.stop()
    const tookMs = performance.now() - begun
    const slow = slowSince()
    await Promise.all(load)
    expect(status).toBe(0)
    expect(tookMs).toBeLessThan(10_000 * slow)
    // Who waited was let go with his acknowledgement, not cut off.
    expect(await hanging).toMatchObject({ status: 202, body: { sequence: 1 } })
    expect(first.log()).toContain('"unfinished":1')

    isFirstLife = false
    await using second = await startGateway({ yaml, directory: first.directory })
    const late = await say(second.base, 'behind', { customer: 'hung', key: 'h1', waitSeconds: 20 })
    expect(late.body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo behind' }] } })
    expect(texts(await readLog(second.base, 'web:hung'))).toEqual([
      'inbound: hang',
      'inbound: behind',
      'outbound: echo hang',
      'outbound: echo behind',
    ])
    for (let n = 0; n < 6; n++) {
      const log = await until(async () => {
        const now = await readLog(second.base, `web:c${n}`)
        const inbound = now.filter(({ direction }) => direction === 'inbound')
        return now.length === inbound.length * 2 ? now : undefined
      })
      expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_entry, index) => index + 1))
      for (const { id, key, customer } of acknowledged)
        if (customer === `c${n}`)
          expect(log.filter((one) => one.externalId === key).map((one) => one.id)).toEqual([id])
    }
    await second.stop()
    await rm(first.directory, { recursive: true, force: true })
  },
)

test('a data folder that is moved away is told as that, nothing is taken meanwhile, and all is well when it is back', async () => {
  const directory = await temporaryDirectory()
  await using _gone = { [Symbol.asyncDispose]: () => rm(directory, { recursive: true, maxRetries: 3 }) }
  await using bot = await startBot(async (asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  await using gateway = await startGateway({
    directory,
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`,
  })
  const { base } = gateway
  const data = join(directory, 'data')
  await say(base, 'before', { key: 'k1', waitSeconds: 10 })
  await rename(data, `${data}.moved`)
  const red = await until(async () => {
    const now = await ready(base)
    return now.status === 503 ? now : undefined
  })
  expect(red.text).toContain('cannot be found any more')
  const refused = await say(base, 'meanwhile', { key: 'k2' })
  expect([refused.status, refused.body]).toMatchObject([503, { code: 'STORE_UNAVAILABLE' }])
  await rename(`${data}.moved`, data)
  await isReady(base)
  await say(base, 'before', { key: 'k1', waitSeconds: 10 })
  await say(base, 'meanwhile', { key: 'k2', waitSeconds: 10 })
  expect(bot.asked.map((asked) => textOf(asked))).toEqual(['before', 'meanwhile'])
})
