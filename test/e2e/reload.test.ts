// SEMANTICS 21: an attempt ends in the generation it began in; a change under load fails nobody.
import { expect, test, vi } from 'vitest'
import { z } from 'zod'
import { defineAdapter, GatewayError } from '../../core/api.ts'
import type { Agent } from '../../core/api.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import type { Broadcast, Ear } from '../../core/components/broadcast.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { post, say } from '../support/rest.ts'
import type { Posting } from '../support/rest.ts'

const yaml = (tag: string): string => `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp, tag: "${tag}" } }
agents: { helper: { adapter: bot, tag: "${tag}" } }
routes:
  - { when: "kind = 'request'", backend: erp }
  - { agent: helper }
`

test('reloads under load: 0 failed calls, no call outlives its component, old components end', async () => {
  const bot = handAgent('bot', async (message) => {
    await new Promise((resolve) => setTimeout(resolve, 5))
    return echo(message)
  })
  const erp = handBackend('erp', { Look: { safe: true }, Pay: { safe: false } }, async ({ params }) => ({
    data: params,
  }))
  await using house = await openHouse({ yaml: yaml('0'), adapters: [bot.adapter, erp.adapter] })
  const over = new AbortController()
  const statuses = new Map<number, number>()
  const load = Array.from({ length: 6 }, async (_, customer) => {
    for (let n = 0; !over.signal.aborted; n++) {
      const answers = await Promise.all([
        say(house.base, `${n}`, { customer: `c${customer}`, waitSeconds: 10 }),
        post(`${house.base}/v1/requests/Look`, { n }),
        post(`${house.base}/v1/requests/Pay`, { n }, { key: `${customer}/${n}` }),
      ])
      for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })
  for (let change = 1; change <= 8; change++) {
    await house.reload(yaml(`${change}`))
    const seen = bot.asked.length
    await until(() => (bot.asked.length > seen + 5 ? true : undefined))
  }
  over.abort()
  await Promise.all(load)
  expect([...statuses.keys()]).toEqual([200])
  expect(bot.made).toBe(9)
  await until(() => (bot.ended === 8 ? true : undefined))
  expect(bot.outlived).toBe(0)
  expect(await house.ledger()).toMatchObject({ dead: 0, waiting: 0 })
})

test('a call begun two generations ago keeps what it uses, though the one between is idle', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const other = handAgent('other', echo)
  const erp = handBackend('erp', { Look: { safe: true } }, async () => ({}))
  await using house = await openHouse({
    yaml: yaml('0'),
    adapters: [bot.adapter, other.adapter, erp.adapter],
  })
  const waiting = say(house.base, 'hello', { waitSeconds: 15 })
  await until(() => bot.asked[0])
  await house.reload(`${yaml('0')}\nlanes: { limit: 999 }\n`) // the same components
  await house.reload(yaml('0').replace('adapter: bot', 'adapter: other'))
  const next = await say(house.base, 'hello', { customer: 'bob', waitSeconds: 15 })
  expect(next.body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(other.asked).toHaveLength(1)
  expect(bot.ended).toBe(0)
  gate.resolve()
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo hello')
  await until(() => (bot.ended === 1 ? true : undefined))
  expect(bot.outlived).toBe(0)
})

test('SEMANTICS 21: a call may take its whole timeout, however long, and two changes later, with an id and without', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async () => {
    await gate.promise
    return { text: 'at last' }
  })
  const text = (tag: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot, tag: "${tag}", timeout: 90s } }
routes: [{ agent: helper }]
`
  await using house = await openHouse({ yaml: text('0'), adapters: [bot.adapter] })
  const ask = (how: Posting) => post(`${house.base}/v1/requests/Look`, {}, how)
  const first = ask({})
  await until(() => bot.asked[0])
  await house.reload(text('1'))
  const claimed = ask({ key: 'k1' })
  await until(() => bot.asked[1])
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    for (const tag of ['2', '3']) await house.reload(text(tag))
    await vi.advanceTimersByTimeAsync(45_000)
  } finally {
    vi.useRealTimers()
  }
  expect([bot.made, bot.ended]).toEqual([4, 1]) // the one between had nothing to do
  gate.resolve()
  expect([(await first).status, (await claimed).status]).toEqual([200, 200])
  await until(() => (bot.ended === 3 ? true : undefined))
  expect(bot.outlived).toBe(0)
})

test('what outlives every timeout ends with its generation, and the log says so', async () => {
  const bot = handAgent('bot', () => new Promise(() => undefined))
  await using house = await openHouse({
    yaml: yaml('0').replace('adapter: bot', 'timeout: 50s, adapter: bot'),
    adapters: [bot.adapter, handBackend('erp', {}, async () => ({})).adapter],
  })
  const gone = say(house.base, 'hello', { waitSeconds: 60 }).catch(() => 'cut off')
  await until(() => bot.asked[0])
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    await house.reload(yaml('1'))
    await vi.advanceTimersByTimeAsync(129_000)
    expect(bot.ended).toBe(0)
    await vi.advanceTimersByTimeAsync(2000)
  } finally {
    vi.useRealTimers()
  }
  await until(() => (bot.ended === 1 ? true : undefined))
  expect(house.log()).toContain('attempts outlived their generation')
  await house.crash()
  expect(await gone).toBe('cut off')
})

test('a retry is routed by the generation of its own moment', async () => {
  const bot = handAgent('bot', async () => {
    throw new Error('a bug')
  })
  const other = handAgent('other', echo)
  const erp = handBackend('erp', { Look: { safe: true } }, async () => ({}))
  await using house = await openHouse({
    yaml: yaml('0'),
    adapters: [bot.adapter, other.adapter, erp.adapter],
  })
  const waiting = say(house.base, 'hello', { waitSeconds: 15 })
  await until(() => bot.asked[0])
  await house.reload(yaml('0').replace('adapter: bot', 'adapter: other'))
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(other.asked[0]?.message.id).toBe(bot.asked[0]?.message.id)
})

test('while it starts, callers are told to come again, not that there is nothing here', async () => {
  const gate = Promise.withResolvers<void>()
  const slow = defineAdapter({
    name: 'slow',
    apiVersion: 1,
    agent: {
      config: z.strictObject({}),
      create: () => ({ start: () => gate.promise, answer: echo, async [Symbol.asyncDispose]() {} }),
    },
  })
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const opening = openHouse({
    port,
    yaml: 'channels: { web: { adapter: rest } }\nagents: { helper: { adapter: slow } }\nroutes: [{ agent: helper }]',
    adapters: [slow],
  })
  const early = await until(() => say(base, 'hello').catch(() => undefined))
  expect(early.status).toBe(503)
  expect(Number(early.headers.get('retry-after'))).toBeGreaterThan(0)
  gate.resolve()
  await using house = await opening
  expect((await say(house.base, 'hello', { waitSeconds: 10 })).status).toBe(200)
})

test('a channel on one of the gateway’s own paths is refused, and the next reload works again', async () => {
  const bot = handAgent('bot', echo)
  const on = (path: string): string =>
    `channels: { web: { adapter: rest }, crm: { adapter: webservice, path: "${path}", operations: { Look: { kind: message } } } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`
  await using house = await openHouse({ yaml: on('/crm'), adapters: [bot.adapter] })
  for (const own of ['/admin/v1', '/admin/v1/reload', '/healthz', '/metrics', '/v1/callbacks']) {
    await expect(house.reload(on(own))).rejects.toThrow(`${own} is the gateway's own`)
    expect((await say(house.base, 'still there', { waitSeconds: 10 })).status).toBe(200)
  }
  await house.reload(on('/erp'))
  expect((await fetch(`${house.base}/erp?op=Look`)).status).not.toBe(404)
  expect((await fetch(`${house.base}/crm?op=Look`)).status).toBe(404)
})

test('another `http.host` changes nothing before the next start: the chat page goes with the listener', async () => {
  const text = 'channels: { web: { adapter: rest } }\n'
  await using house = await openHouse({ yaml: text })
  const page = async (): Promise<number> => (await fetch(`${house.base}/demo/chat`)).status
  expect(await page()).toBe(200)
  const open = 'http: { host: 0.0.0.0 }\nidentity: { keys: { shop: { key: a-key-of-16-chars } } }\n'
  for (const more of ['', '# once more\n']) await house.reload(text + open + more)
  expect(await page()).toBe(200)
})

test('what another instance tells a channel is heard in the generation that retires too, until its work is over', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  let hear: Ear = () => undefined
  const broadcast: Broadcast = { tell() {}, hear: (ear) => void (hear = ear) }
  const heard: unknown[] = []
  let made = 0
  let ended = 0
  const adapter = defineAdapter({
    name: 'till',
    apiVersion: 1,
    channel: {
      config: z.strictObject({ tag: z.string() }),
      create: () => {
        const number = ++made
        return {
          async start(host) {
            host.onTold((said) => void heard.push([number, said]))
          },
          async [Symbol.asyncDispose]() {
            ended++
          },
        }
      },
    },
  })
  const text = (tag: string): string => `
channels: { web: { adapter: rest }, till: { adapter: till, tag: "${tag}" } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`
  await using house = await openHouse({ yaml: text('0'), adapters: [bot.adapter, adapter], broadcast })
  const asked = say(house.base, 'hello', { waitSeconds: 10 })
  await until(() => bot.asked[0])
  await house.reload(text('1'))
  hear('till', 'both')
  gate.resolve()
  expect((await asked).status).toBe(200)
  await until(() => ended === 1 || undefined)
  hear('till', 'one')
  expect(heard).toEqual([
    [1, 'both'],
    [2, 'both'],
    [2, 'one'],
  ])
})

test('SEMANTICS 18: recorded requests keep their order over a reload that moves their route down the table', async () => {
  const recorded = (above: string): string => `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp } }
routes:
${above}  - { backend: erp, record: true, ordered: data.account }
`
  const gate = Promise.withResolvers<void>()
  const begun: string[] = []
  const erp = handBackend('erp', { Pay: { safe: false } }, async ({ params }) => {
    const { id } = params as { id: string } // the test sends it
    begun.push(id)
    if (id === 'a1') await gate.promise
    return { data: params }
  })
  await using house = await openHouse({ yaml: recorded(''), adapters: [erp.adapter] })
  const pay = (account: string, id: string) =>
    post(`${house.base}/v1/requests/Pay`, { account, id }, { key: id })
  const first = pay('a', 'a1')
  await until(() => begun[0])
  await house.reload(recorded("  - { when: type = 'Other', backend: erp }\n"))
  const second = pay('a', 'a2')
  await until(async () => ((await house.ledger()).accepted === 2 ? true : undefined))
  expect(await pay('b', 'b1')).toMatchObject({ status: 200 })
  gate.resolve()
  expect([await first, await second]).toMatchObject([{ status: 200 }, { status: 200 }])
  expect(begun).toEqual(['a1', 'b1', 'a2'])
})

test('what an adapter of the gateway’s own process makes is checked as a plugin’s is: the generation before goes on', async () => {
  const bot = handAgent('bot', echo)
  const erp = handBackend('erp', {}, async () => ({}))
  const late = defineAdapter({
    name: 'late',
    apiVersion: 1,
    agent: {
      config: z.strictObject({ tag: z.string() }),
      // JavaScript would let it pass.
      create: (() => Promise.resolve({})) as unknown as () => Agent,
    },
    channel: {
      config: z.strictObject({}),
      create: () => ({
        async start(host) {
          try {
            host.serve('nope', async () => ({ status: 200 }))
          } catch (cause) {
            throw new GatewayError('INTERNAL', 'it cannot begin', { cause })
          }
        },
        deliver: async () => ({ status: 'sent' }),
        async [Symbol.asyncDispose]() {},
      }),
    },
  })
  await using house = await openHouse({ yaml: yaml('0'), adapters: [bot.adapter, erp.adapter, late] })
  await expect(house.reload(yaml('0').replace('adapter: bot', 'adapter: late'))).rejects.toThrow(
    'agent "helper" could not be made: `create` returns a promise',
  )
  await expect(
    house.reload(yaml('0').replace('{ adapter: rest }', '{ adapter: rest }, hook: { adapter: late }')),
  ).rejects.toThrow('it cannot begin')
  // It is the adapter's mistake: whoever watches for the gateway's own is not called.
  const refused = house
    .log()
    .split('\n')
    .filter((line) => line.includes('the change was not taken over'))
    .map((line) => JSON.parse(line) as unknown)
  expect(refused).toMatchObject([
    { error: { message: expect.stringContaining('could not be made: `create` returns a promise') } },
    {
      error: {
        message: expect.stringContaining('it cannot begin'),
        causes: expect.arrayContaining([
          expect.stringContaining('channel "hook": the path "nope" does not begin with /'),
        ]),
      },
    },
  ])
  expect(house.log()).not.toContain('INTERNAL')
  expect((await say(house.base, 'hello', { waitSeconds: 10 })).body.reply?.parts?.[0]?.text).toBe(
    'echo hello',
  )
})

test('a change whose components are ready only after the gateway was told to stop is not taken over, and they end', async () => {
  const [begun, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let ended = 0
  const late = defineAdapter({
    name: 'late',
    apiVersion: 1,
    channel: {
      config: z.strictObject({}),
      create: () => ({
        async start() {
          begun.resolve()
          await gate.promise
        },
        deliver: async () => ({ status: 'sent' }),
        async [Symbol.asyncDispose]() {
          ended += 1
        },
      }),
    },
  })
  await using house = await openHouse({ yaml: 'channels: { web: { adapter: rest } }', adapters: [late] })
  const reloading = house.reload('channels: { late: { adapter: late } }')
  await begun.promise
  const stopped = house.stop()
  gate.resolve()
  await expect(reloading).rejects.toThrow('the gateway is stopping: it loads nothing any more')
  await stopped
  expect(ended).toBe(1)
})
