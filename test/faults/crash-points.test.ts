// SEMANTICS 1, 2, 4, 5, 16: killed at every named point of one message's way; the next life ends it as the rules say.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { said } from '../support/parts.ts'
import outbox from '../support/plugins/outbox.ts'
import { metric, post, readLog, say, texts } from '../support/rest.ts'
import type { AcceptedBody } from '../support/rest.ts'

/** What the gateway calls: a bot, a business system, a platform. */
interface Outside extends AsyncDisposable {
  readonly bot: Bot
  /** The keys of the calls that arrived. */
  readonly paid: readonly (string | undefined)[]
  readonly pushed: readonly { readonly key: string; readonly text: string }[]
  readonly yaml: string
}

async function startOutside(): Promise<Outside> {
  const paid: (string | undefined)[] = []
  const pushed: { key: string; text: string }[] = []
  const server = createServer((incoming, response) => {
    void (async () => {
      let body = ''
      for await (const piece of incoming) body += String(piece)
      if (incoming.url === '/pay') paid.push(incoming.headers['idempotency-key']?.toString())
      else pushed.push(JSON.parse(body) as { key: string; text: string }) // the plugin wrote it
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"paid":true}')
    })()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  return {
    bot,
    paid,
    pushed,
    yaml: `
plugins: ${join(import.meta.dirname, '../support/plugins')}
channels: { web: { adapter: rest }, out: { adapter: outbox, url: "http://127.0.0.1:${port}/push" } }
backends: { shop: { adapter: rest, url: "http://127.0.0.1:${port}", operations: { Pay: { method: POST, path: /pay } } } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ when: "kind = 'request'", backend: shop }, { agent: helper }]
`,
    async [Symbol.asyncDispose]() {
      await bot[Symbol.asyncDispose]()
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

interface Life {
  readonly outside: Outside
  /** What the first life was asked, and answered before it died. */
  readonly answered: readonly (AcceptedBody | undefined)[]
}

/** A first life that dies at the point while `ask` is under way, and the house that the next life opens. */
async function killedAt(
  point: string,
  ask: (
    base: string,
    outside: Outside,
  ) => readonly Promise<AcceptedBody>[] | Promise<readonly Promise<AcceptedBody>[]>,
  then: (house: House, life: Life) => Promise<void>,
  emptyForMs = 0,
): Promise<void> {
  await using outside = await startOutside()
  const { yaml } = outside
  await using first = await startGateway({ yaml, env: { DRAGOMAN_TEST_CRASH: point, NODE_ENV: 'test' } })
  const asked = await Promise.allSettled(await ask(first.base, outside))
  await until(() => (hasEnded(first) ? true : undefined))
  const answered = asked.map((one) => (one.status === 'fulfilled' ? one.value : undefined))
  await using house = await openHouse({ yaml, adapters: [outbox], directory: first.directory, emptyForMs })
  await then(house, { outside, answered })
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  const { accepted, settled, expired, dead, waiting } = await house.ledger()
  expect({ accepted, waiting }).toEqual({ accepted: settled + expired + dead, waiting: 0 })
}

function hasEnded({ pid }: GatewayProcess): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true // no such process
  }
}

const hello = async (base: string): Promise<AcceptedBody> => (await say(base, 'hello', { key: 'k1' })).body
const onceInTheLog = async (house: House): Promise<void> =>
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: echo hello'])

const BEFORE = ['begin', 'written'] as const

test.concurrent.each(BEFORE)(
  'accept:%s: not acknowledged, not stored; the same id again is new',
  async (at) => {
    await killedAt(
      `accept:${at}`,
      (base) => [hello(base)],
      async (house, { outside, answered }) => {
        expect(answered).toEqual([undefined])
        expect(await house.ledger()).toMatchObject({ accepted: 0 })
        const { body } = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
        expect(body).toMatchObject({ duplicate: false, reply: { parts: [{ text: 'echo hello' }] } })
        expect(outside.bot.asked).toHaveLength(1)
        await onceInTheLog(house)
      },
    )
  },
)

test.concurrent('accept:committed: not acknowledged but stored; it is delivered, and the same id again is a duplicate', async () => {
  await killedAt(
    'accept:committed',
    (base) => [hello(base)],
    async (house, { outside, answered }) => {
      expect(answered).toEqual([undefined])
      const { body } = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
      expect(body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
      expect(outside.bot.asked).toHaveLength(1)
      await onceInTheLog(house)
    },
  )
})

test.concurrent.each(BEFORE)(
  'settle:%s: the bot is asked again with the same id, and its answer counts once',
  async (at) => {
    await killedAt(
      `settle:${at}`,
      (base) => [hello(base)],
      async (house, { outside, answered }) => {
        const { body } = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
        // The 202 may have gone out before: what was acknowledged is this very message.
        if (answered[0] !== undefined) expect(body.id).toBe(answered[0].id)
        expect(body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
        expect(outside.bot.asked.map(({ headers }) => headers['webhook-id'])).toEqual([body.id, body.id])
        await onceInTheLog(house)
      },
    )
  },
)

test.concurrent('settle:committed: the answer is stored, and who asks again gets it; the bot is not asked again', async () => {
  await killedAt(
    'settle:committed',
    (base) => [hello(base)],
    async (house, { outside }) => {
      const { body } = await say(house.base, 'hello', { key: 'k1' })
      expect(body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
      expect(outside.bot.asked).toHaveLength(1)
      await onceInTheLog(house)
    },
  )
})

// The first take is the start's own; the second one takes what waited behind the message before it.
test.concurrent.each([...BEFORE, 'committed'] as const)(
  'take:%s: what was acknowledged and waited is delivered by the next life, once and in order',
  async (at) => {
    await killedAt(
      `take:${at}#2`,
      async (base, { bot }) => {
        const gate = Promise.withResolvers<void>()
        bot.answer = async (asked) => {
          await gate.promise
          return { body: { text: `echo ${textOf(asked)}` } }
        }
        const first = await say(base, 'first', { key: 'k1' })
        const second = await say(base, 'hello', { key: 'k2' })
        gate.resolve()
        return [Promise.resolve(first.body), Promise.resolve(second.body)]
      },
      async (house, { outside, answered }) => {
        const { body } = await say(house.base, 'hello', { key: 'k2', waitSeconds: 10 })
        expect(body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
        expect(answered.map((one) => one?.sequence)).toEqual([1, 2])
        expect(outside.bot.asked.map(textOf)).toEqual(['first', 'hello'])
        expect(texts(await readLog(house.base, 'web:ann'))).toEqual([
          'inbound: first',
          'inbound: hello',
          'outbound: echo first',
          'outbound: echo hello',
        ])
      },
    )
  },
)

const pay = async (base: string): Promise<AcceptedBody> =>
  (await post(`${base}/v1/requests/Pay`, { amount: '1.10' }, { key: 'p1' })).body

test.concurrent.each(BEFORE)('claim:%s: nothing was begun; the same id again is called once', async (at) => {
  await killedAt(
    `claim:${at}`,
    (base) => [pay(base)],
    async (house, { outside, answered }) => {
      expect(answered).toEqual([undefined])
      expect(outside.paid).toHaveLength(0)
      expect(await pay(house.base)).toEqual({ paid: true })
      expect(await pay(house.base)).toEqual({ paid: true })
      expect(outside.paid).toHaveLength(1)
      expect(await house.dead()).toEqual([])
    },
  )
})

test.concurrent.each(['claim:committed', 'settle:begin', 'settle:written'])(
  '%s of an unsafe call: begun, and nobody knows its end: OUTCOME_UNKNOWN, a dead letter, never called again',
  async (point) => {
    await killedAt(
      point,
      (base) => [pay(base)],
      async (house, { outside, answered }) => {
        expect(answered).toEqual([undefined])
        const before = outside.paid.length
        expect(before).toBe(point === 'claim:committed' ? 0 : 1)
        for (let n = 0; n < 2; n++) expect(await pay(house.base)).toMatchObject({ code: 'OUTCOME_UNKNOWN' })
        expect(outside.paid).toHaveLength(before)
        expect(await house.dead()).toMatchObject([{ failure: { code: 'OUTCOME_UNKNOWN' } }])
      },
    )
  },
)

test.concurrent('settle:committed of an unsafe call: the answer is stored, and the same id gets it', async () => {
  await killedAt(
    'settle:committed',
    (base) => [pay(base)],
    async (house, { outside }) => {
      expect(await pay(house.base)).toEqual({ paid: true })
      expect(outside.paid).toHaveLength(1)
      expect(await house.dead()).toEqual([])
    },
  )
})

const asked = async (base: string): Promise<AcceptedBody> =>
  (await post(`${base}/outbox`, { draft: said('hello', { externalId: 'k1' }), waitMs: 15_000 })).body
const HANDED_MS = 20_000

test.concurrent.each(BEFORE)(
  'handOver:%s of the taking: the waiter has nothing, the push goes out once',
  async (at) => {
    await killedAt(
      `handOver:${at}`,
      (base) => [asked(base)],
      async (house, { outside, answered }) => {
        expect(answered).toEqual([undefined])
        await until(() => outside.pushed[0])
        expect((await asked(house.base)).reply).toBeUndefined()
        expect(outside.pushed.map(({ text }) => text)).toEqual(['echo hello'])
        expect(await metric(house.base, 'dragoman_in_doubt_total')).toBe(0)
      },
    )
  },
)

test.concurrent.each([
  ['handOver:committed', 'the right was taken'],
  ['handOver:begin#2', 'the reply was flushed'],
  ['handOver:written#2', 'the reply was flushed'],
])('%s: %s and nobody said so: in doubt, the push goes out once', async (point) => {
  await killedAt(
    point,
    (base) => [asked(base)],
    async (house, { outside, answered }) => {
      if (point.endsWith('#2')) expect(answered[0]?.reply?.parts?.[0]?.text).toBe('echo hello')
      await until(() => outside.pushed[0])
      expect(outside.pushed.map(({ text }) => text)).toEqual(['echo hello'])
      await until(async () =>
        (await metric(house.base, 'dragoman_in_doubt_total')) === 1 ? true : undefined,
      )
    },
    HANDED_MS,
  )
})

test.concurrent('handOver:committed#2: the reply was flushed and that is stored: no push, and a duplicate gets it again', async () => {
  await killedAt(
    'handOver:committed#2',
    (base) => [asked(base)],
    async (house, { outside, answered }) => {
      expect(answered[0]?.reply?.parts?.[0]?.text).toBe('echo hello')
      expect((await asked(house.base)).reply?.parts?.[0]?.text).toBe('echo hello')
      await until(async () =>
        (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
      )
      expect(outside.pushed).toEqual([])
      expect(outside.bot.asked).toHaveLength(1)
    },
    HANDED_MS,
  )
})
