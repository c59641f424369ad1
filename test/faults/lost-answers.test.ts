// SEMANTICS 15, 39: the store did it and its answer was lost: nothing is stored twice, nothing is asked twice, no lane stands still.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { openRedisStore } from '../../core/store/redis.ts'
import type { Memory } from '../../core/store/redis/health.ts'
import type { Store } from '../../core/store/store.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel, said } from '../support/parts.ts'
import { RedisServer } from '../support/redis-server.ts'
import { post, readLog, say, texts } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest }, chat: { adapter: chat } }
agents: { helper: { adapter: bot, callbackWithin: 1h } }
routes: [{ agent: helper }]
`

/** Loses the answer to the next operation of a name. */
function forgetful(): { lose: keyof Store | undefined; readonly around: (store: Store) => Store } {
  const wire: ReturnType<typeof forgetful> = {
    lose: undefined,
    around: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          if (name !== wire.lose) return value.bind(target) as unknown
          return async (...given: unknown[]): Promise<unknown> => {
            const result: unknown = await Reflect.apply(value, target, given)
            if (wire.lose !== name) return result
            wire.lose = undefined
            throw new GatewayError('STORE_UNAVAILABLE', 'the answer was lost')
          }
        },
      }),
  }
  return wire
}

test('accept: 503, and what is stored is delivered all the same; the same id again joins it', async () => {
  const wire = forgetful()
  const bot = handAgent('bot', echo)
  const adapters = [bot.adapter, handChannel('chat').adapter]
  await using house = await openHouse({ yaml, adapters, around: wire.around })
  wire.lose = 'accept'
  expect((await say(house.base, 'hello', { key: 'k1' })).status).toBe(503)
  const again = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
  expect(again.body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: echo hello'])
  expect(bot.asked).toHaveLength(1)
})

test('take: what was begun and is nobody’s is put back and taken again', async () => {
  const wire = forgetful()
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const adapters = [bot.adapter, handChannel('chat').adapter]
  await using house = await openHouse({ yaml, adapters, around: wire.around })
  await say(house.base, 'first')
  const second = say(house.base, 'second', { waitSeconds: 15 })
  await until(async () => ((await house.ledger()).accepted === 2 ? true : undefined))
  wire.lose = 'take'
  gate.resolve()
  expect((await second).body.reply?.parts?.[0]?.text).toBe('echo second')
  expect(wire.lose).toBeUndefined()
  expect(bot.asked.map(({ message }) => message.parts?.[0]?.text)).toEqual(['first', 'second'])
  expect(house.log()).toContain('a step was begun and lost')
  expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 2, waiting: 0 })
})

test.each(['the embedded store', 'Redis'])(
  'take from %s in its reserve: what was begun is put back there as well, and who waits behind it goes on (SEMANTICS 42)',
  async (which) => {
    await using stack = new AsyncDisposableStack()
    const room = { isLeft: true }
    const hooks = { faults: () => (room.isLeft ? {} : { freeBytes: 0 }) }
    const memory = (): Memory => ({
      usedMemory: 950,
      maxMemory: room.isLeft ? 0 : 1000,
      evictionPolicy: 'noeviction',
    })
    let other: Store | undefined
    if (which === 'Redis') {
      const server = stack.use(await RedisServer.start())
      other = stack.use(await openRedisStore({ url: server.url, partitions: 1, hooks: { memory } }))
    }
    const wire = forgetful()
    const gate = Promise.withResolvers<void>()
    const bot = handAgent('bot', async (message) => {
      await gate.promise
      return echo(message)
    })
    const adapters = [bot.adapter, handChannel('chat').adapter]
    const around = (embedded: Store): Store => wire.around(other ?? embedded)
    await using house = await openHouse({ yaml, adapters, around, hooks })
    for (const text of ['first', 'second', 'third']) await say(house.base, text)
    await until(() => bot.asked[0])
    room.isLeft = false
    expect((await say(house.base, 'fourth')).body.code).toBe('OVERLOADED')
    wire.lose = 'take'
    gate.resolve()
    await until(async () => {
      const [row] = await (other ?? house.store).find({ by: 'ledger' })
      return row?.row === 'ledger' && row.settled === 3 ? true : undefined
    }, 20_000)
    expect(wire.lose).toBeUndefined()
    expect(house.log()).toContain('a step was begun and lost')
    expect((await say(house.base, 'fifth')).body.code).toBe('OVERLOADED')
  },
)

test('take of what a crash cut off: the unsafe call it had begun is unknown all the same, not made again', async () => {
  const backend = handBackend('erp', { Pay: { safe: false } }, () => new Promise(() => undefined))
  const pays = `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp, timeout: 5s } }
routes: [{ backend: erp, operation: Pay }]
`
  const first = await openHouse({ yaml: pays, adapters: [backend.adapter] })
  await say(first.base, 'pay 5', { key: 'm1' })
  await until(() => backend.calls[0])
  await first.crash()
  const wire = forgetful()
  wire.lose = 'take'
  const { directory } = first
  await using house = await openHouse({
    yaml: pays,
    adapters: [backend.adapter],
    around: wire.around,
    directory,
  })
  await until(async () => ((await house.dead()).length === 1 ? true : undefined))
  expect(wire.lose).toBeUndefined()
  const again = await say(house.base, 'pay 5', { key: 'm1' })
  expect(again).toMatchObject({ status: 409, body: { code: 'OUTCOME_UNKNOWN' } })
  expect(backend.calls).toHaveLength(1)
})

test('settle: it is sent again and its first result counts; who waits behind it goes on', async () => {
  const wire = forgetful()
  let gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return message.parts?.[0]?.text === 'silence' ? {} : echo(message)
  })
  const adapters = [bot.adapter, handChannel('chat').adapter]
  await using house = await openHouse({ yaml, adapters, around: wire.around })
  for (const text of ['hello', 'silence']) {
    gate = Promise.withResolvers()
    const first = say(house.base, text, { customer: text, waitSeconds: 15 })
    await until(() => (bot.asked.some(({ message }) => message.sender.id === text) ? true : undefined))
    const second = say(house.base, 'next', { customer: text, waitSeconds: 15 })
    await until(async () => ((await house.ledger()).waiting === 2 ? true : undefined))
    wire.lose = 'settle'
    gate.resolve()
    expect((await first).status).toBe(200)
    expect((await second).body.reply?.parts?.[0]?.text).toBe('echo next')
    expect(wire.lose).toBeUndefined()
  }
  expect(bot.asked).toHaveLength(4)
  expect(texts(await readLog(house.base, 'web:hello'))).toEqual([
    'inbound: hello',
    'inbound: next',
    'outbound: echo hello',
    'outbound: echo next',
  ])
})

test('settle of a callback: the bot sends it again, and it counts once', async () => {
  const wire = forgetful()
  const bot = handAgent('bot', async () => undefined)
  const adapters = [bot.adapter, handChannel('chat').adapter]
  await using house = await openHouse({ yaml, adapters, around: wire.around })
  const waiting = say(house.base, 'hello', { waitSeconds: 15 })
  const { url, token } = await until(() => bot.asked[0]?.conversation.callback)
  const { id } = (await until(() => bot.asked[0])).message
  await until(async () => ((await house.rows(id)).some((row) => row.row === 'settled') ? true : undefined))
  const headers = { authorization: `Bearer ${token}` }
  wire.lose = 'settle'
  expect((await post(url, { text: 'later' }, { headers })).status).toBe(503)
  expect((await post(url, { text: 'later' }, { headers })).status).toBe(200)
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('later')
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: later'])
})

test('handOver of the taking: the caller gets his acknowledgement, not an error', async () => {
  const wire = forgetful()
  const chat = handChannel('chat')
  await using _ = await openHouse({
    yaml,
    adapters: [chat.adapter, handAgent('bot', echo).adapter],
    around: wire.around,
  })
  wire.lose = 'handOver'
  const accepted = await chat.host.accept(said('hello'), { waitMs: 5000 })
  expect(accepted).toMatchObject({ sequence: 1, duplicate: false })
  expect(accepted.reply).toBeUndefined()
})
