// The bulkhead on a whole gateway (DESIGN §7): a slow business system takes its own places and no others.
import { expect, test } from 'vitest'
import type { Answer } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { metric, post, say } from '../support/rest.ts'

const yaml = (bulkhead: string, more = ''): string => `
channels: { web: { adapter: rest } }
backends:
  slow: { adapter: slow, timeout: 30s, bulkhead: ${bulkhead}${more} }
  quick: { adapter: quick }
routes:
  - { when: "type = 'Quick'", backend: quick }
  - { backend: slow }
`
const counted = async (base: string, name: string): Promise<readonly number[]> => {
  const results = ['offered', 'accepted', 'refused', 'failed']
  return Promise.all(
    results.map((result) =>
      metric(base, `dragoman_limits_total{limit="bulkhead",name="${name}",result="${result}"}`),
    ),
  )
}

function parts() {
  const { promise, resolve } = Promise.withResolvers<Answer>()
  const slow = handBackend('slow', { Look: { safe: true }, Write: { safe: false } }, () => promise)
  const quick = handBackend('quick', { Quick: { safe: true } }, async () => ({ data: 'quick' }))
  return { slow, quick, answer: () => resolve({ data: 'slow' }) }
}

test('beyond its places a request is refused with 503 and Retry-After, others go on, and the count adds up', async () => {
  const { slow, quick, answer } = parts()
  await using house = await openHouse({
    yaml: yaml('{ calls: 4 }'),
    adapters: [slow.adapter, quick.adapter],
  })
  const ask = (operation: string) => post<{ code?: string }>(`${house.base}/v1/requests/${operation}`, {})
  const held = Array.from({ length: 4 }, () => ask('Look'))
  await until(() => (slow.calls.length === 4 ? true : undefined))
  const refused = await Promise.all([ask('Look'), ask('Write'), ask('Look')])
  expect(refused.map(({ status, body }) => [status, body.code])).toEqual(
    Array.from({ length: 3 }, () => [503, 'OVERLOADED']),
  )
  expect(refused[0]?.headers.get('retry-after')).toBe('1')
  expect((await ask('Quick')).status).toBe(200)
  answer()
  expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200, 200])
  expect((await ask('Write')).status).toBe(200)
  const [offered, ...ended] = await counted(house.base, 'slow')
  expect([offered, ...ended]).toEqual([8, 5, 3, 0])
  expect(
    await metric(house.base, 'dragoman_breaker_state{backend="slow",operation="Look",state="open"}'),
  ).toBe(0)
})

test('what the cache knows is given where there is no place, marked', async () => {
  const { slow, quick, answer } = parts()
  slow.call = async () => ({ data: { n: 1 } })
  const cache = ', operations: { Look: { cache: { fresh: 0s, stale: 1h } } }'
  await using house = await openHouse({
    yaml: yaml('{ calls: 1 }', cache),
    adapters: [slow.adapter, quick.adapter],
  })
  const ask = (params: object) => post<{ stale?: boolean }>(`${house.base}/v1/requests/Look`, params)
  expect((await ask({})).body.stale).toBeUndefined()
  const { promise, resolve } = Promise.withResolvers<Answer>()
  slow.call = () => promise
  const held = ask({ other: true })
  await until(() => (slow.calls.length === 2 ? true : undefined))
  const stale = await ask({})
  expect([stale.status, stale.body.stale]).toEqual([200, true])
  resolve({ data: {} })
  answer()
  expect((await held).status).toBe(200)
})

test('a dry run lets everything pass and says what it would have refused', async () => {
  const { slow, quick, answer } = parts()
  await using house = await openHouse({
    yaml: yaml('{ calls: 1, dryRun: true }'),
    adapters: [slow.adapter, quick.adapter],
  })
  const all = Array.from({ length: 3 }, () => post(`${house.base}/v1/requests/Look`, {}))
  await until(() => (slow.calls.length === 3 ? true : undefined))
  answer()
  expect((await Promise.all(all)).map(({ status }) => status)).toEqual([200, 200, 200])
  expect(await counted(house.base, 'slow')).toEqual([3, 3, 0, 0])
  expect(await metric(house.base, 'dragoman_limits_dry_run_total{limit="bulkhead",name="slow"}')).toBe(2)
})

test('who found no place was not asked: that is no attempt, however often', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  const helper = handAgent('helper', async (message) => {
    await promise
    return echo(message)
  })
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: helper, timeout: 400ms, bulkhead: { calls: 1 } } }
lanes: { attempts: 2 }
routes: [{ agent: helper }]
`,
    adapters: [helper.adapter],
  })
  // It does not listen to its signal: it has its place until it ends, long after its own deadline.
  const first = say(house.base, 'first', { customer: 'ann' })
  await until(() => (helper.asked.length === 1 ? true : undefined))
  const second = say(house.base, 'second', { customer: 'bob', waitSeconds: 20 })
  await until(async () => ((await counted(house.base, 'helper'))[2] ?? 0) >= 3 || undefined)
  resolve()
  expect((await second).body.reply?.parts?.[0]?.text).toBe('echo second')
  expect((await first).status).toBe(202)
})

test('a message waits for its place in its lane and is answered, never given up', async () => {
  let most = 0
  let running = 0
  const helper = handAgent('helper', async (message) => {
    running += 1
    most = Math.max(most, running)
    await new Promise((done) => setImmediate(done))
    running -= 1
    return echo(message)
  })
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: helper, bulkhead: { calls: 2 } } }
routes: [{ agent: helper }]
`,
    adapters: [helper.adapter],
  })
  const all = await Promise.all(
    Array.from({ length: 40 }, (_, n) => say(house.base, `m${n}`, { customer: `c${n}`, waitSeconds: 20 })),
  )
  expect(all.map(({ body }) => body.reply?.parts?.[0]?.text)).toEqual(all.map((_, n) => `echo m${n}`))
  expect(most).toBe(2)
  expect(await counted(house.base, 'helper')).toEqual([40, 40, 0, 0])
})
