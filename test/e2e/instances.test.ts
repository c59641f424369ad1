// Several gateways on one Redis are one gateway (DESIGN §13): three real processes, killed, frozen and stopped.
import { randomUUIDv7 } from 'node:crypto'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openLine } from '../support/app-line.ts'
import type { Line } from '../support/app-line.ts'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import { stopwatch } from '../support/processor.ts'
import { ADMIN_TOKEN, Instances } from '../support/instances.ts'
import type { Instance } from '../support/instances.ts'
import { post, readLog, say, texts } from '../support/rest.ts'
import { startShop } from '../support/shop.ts'
import type { Shop } from '../support/shop.ts'

const yaml = (redis: string, bot: string, shop: string): string => `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: "${bot}", timeout: 60s } }
backends:
  shop:
    adapter: rest
    url: ${shop}
    timeout: 20s
    retry: { attempts: 1 }
    breaker: { minimumCalls: 2, openFor: 60s }
    operations: { order: { method: POST, path: /order, safe: false }, stock: { method: GET, path: /stock }, pay: { method: POST, path: /pay, safe: false, idempotent: true, onFailure: queue, breaker: { minimumCalls: 100 } }, price: { method: GET, path: /price, cache: { fresh: 1s, stale: 1h } } }
routes: [{ when: "kind = 'request'", backend: shop }, { agent: bot }]
limits: { few: { channel: web, operation: few, by: all, calls: 5, per: 10m } }
lanes: { hold: 5m }
store: { url: "${redis}" }
admin: { token: ${ADMIN_TOKEN} }
`
/** Well below every time at which somebody looks without a hint: the wait's end (25 s), an idle link (30 s). */
const AT_ONCE_MS = 8000

let bot: Bot
let shop: Shop
let instances: Instances
beforeAll(async () => {
  bot = await startBot(echo)
  shop = await startShop()
  instances = await Instances.start(3, (redis) => yaml(redis, bot.url, shop.url))
  await instances.shared(3)
}, 120_000)
afterEach(() => {
  bot.answer = echo
  shop.answer = async () => 200
})
afterAll(async () => {
  await instances[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
  await shop[Symbol.asyncDispose]()
})

const request = (instance: Instance, operation: string, key?: string) =>
  post<{ readonly code?: string; readonly number?: string }>(
    `${instance.gateway.base}/v1/requests/${operation}`,
    { sku: '1' },
    key === undefined ? {} : { key },
  )

function echo(asked: Bot['asked'][number]): { readonly body: unknown } {
  return { body: { text: `echo ${textOf(asked)}` } }
}

async function three(): Promise<readonly [Instance, Instance, Instance]> {
  const missing = 3 - (await instances.list()).length
  for (let n = 0; n < missing; n++) await instances.add()
  if (missing > 0) await instances.shared(3)
  const [a, b, c] = await instances.list()
  if (a === undefined || b === undefined || c === undefined) throw new Error('there are not three')
  return [a, b, c]
}

/** Who was asked to call back is who did the work. */
function workerOf(text: string): string | undefined {
  const url = bot.asked.find((asked) => textOf(asked) === text)?.event.callbackurl
  return url === undefined ? undefined : new URL(url).origin
}

/** Of the time in which each of them has a processor. */
const watched = (...all: readonly Instance[]): (() => number) =>
  stopwatch(...all.map(({ gateway }) => gateway.pid))

const connect = ({ gateway }: Instance, customer: string, device = 'phone'): Promise<Line> =>
  openLine(gateway.base, { customer, device })

const bearer = (customer: string) => ({ headers: { authorization: `Bearer ${customer}` } })

test('a caller waits on one, another has the lane, the device is on the third: both get the answer at once', async () => {
  const [a, b, c] = await three()
  const customer = await instances.nameAt(b, 'far', (name) => `link/${name}`)
  const app = await connect(c, customer)
  for (const text of ['first', 'second']) {
    const watch = watched(a, b, c)
    const said = await say(a.gateway.base, text, {
      waitSeconds: 25,
      ...bearer(customer),
      more: { sender: undefined },
    })
    expect(said).toMatchObject({ status: 200, body: { reply: { parts: [{ text: `echo ${text}` }] } } })
    await until(() => app.texts('outbound').includes(`echo ${text}`) || undefined)
    expect(watch()).toBeLessThan(AT_ONCE_MS)
    expect(workerOf(text)).toBe(b.gateway.base)
  }
  // The app's own way: up on one, worked on by another, down on the first.
  const watch = watched(a, b, c)
  app.tell({ t: 'send', n: 1, id: randomUUIDv7(), message: { text: 'from the app' } })
  await until(() => app.texts('outbound').includes('echo from the app') || undefined)
  expect(watch()).toBeLessThan(AT_ONCE_MS)
  expect(workerOf('from the app')).toBe(b.gateway.base)
  app.socket.close()
})

test('an answer that comes by callback on one reaches who waits on another', async () => {
  const [a, b, c] = await three()
  const customer = await instances.nameAt(b, 'later', (name) => `web/${name}`)
  bot.answer = () => ({ status: 202 })
  try {
    const waiting = say(a.gateway.base, 'call me back', { customer, waitSeconds: 25 })
    const asked = await until(() => bot.asked.find((one) => textOf(one) === 'call me back'))
    const { callbackurl = '', callbacktoken = '' } = asked.event
    const watch = watched(a, b, c)
    const answered = await fetch(callbackurl.replace(b.gateway.base, c.gateway.base), {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${callbacktoken}` },
      body: JSON.stringify({ text: 'here I am' }),
    })
    expect(answered.status).toBe(200)
    expect(await waiting).toMatchObject({ status: 200, body: { reply: { parts: [{ text: 'here I am' }] } } })
    expect(watch()).toBeLessThan(AT_ONCE_MS)
  } finally {
    bot.answer = echo
  }
})

test('a device that connects elsewhere is kicked where it was, once the new link is known to work (SEMANTICS 38)', async () => {
  const [a, , c] = await three()
  const old = await connect(a, 'mover')
  const opened = performance.now()
  const other = await connect(a, 'mover', 'tablet')
  // A link that has only just come is not taken for the older one.
  await until(() => performance.now() - opened > 2500 || undefined)
  const fresh = await connect(c, 'mover')
  expect(old.frames.some(({ t }) => t === 'kick')).toBe(false)
  const { epoch } = await until(() => fresh.frames.find(({ t }) => t === 'welcome'))
  fresh.tell({ t: 'ack', epoch, offset: 0 })
  expect(await until(() => old.frames.find(({ t }) => t === 'kick'))).toEqual({
    t: 'kick',
    code: 'replaced',
    after: 0,
  })
  fresh.tell({ t: 'ping' })
  await until(() => fresh.frames.find(({ t }) => t === 'pong'))
  expect([...fresh.frames, ...other.frames].some(({ t }) => t === 'kick')).toBe(false)
  for (const { socket } of [old, other, fresh]) socket.close()
})

test('a long poll on one is answered when another has stored the answer', async () => {
  const [a, b, c] = await three()
  const customer = await instances.nameAt(b, 'poll', (name) => `web/${name}`)
  await say(a.gateway.base, 'one', { customer, waitSeconds: 25 })
  const path = `/v1/conversations/${encodeURIComponent(`web:${customer}`)}/messages`
  const polling = fetch(`${c.gateway.base}${path}?after=2`, { headers: { prefer: 'wait=25' } })
  const watch = watched(a, b, c)
  await say(a.gateway.base, 'two', { customer })
  const page = (await (await polling).json()) as { readonly messages: readonly unknown[] } // DESIGN §16, the log
  expect(page.messages.length).toBeGreaterThan(0)
  expect(watch()).toBeLessThan(AT_ONCE_MS)
})

test('a call that changes something is made once, whichever instances are asked for it, and all get its answer', async () => {
  const all = await three()
  const ends = Promise.withResolvers<number>()
  shop.answer = () => ends.promise
  const answers = Promise.all([...all, ...all].map((one) => request(one, 'order', 'same-order')))
  await until(() => shop.asked.find(({ path }) => path === '/order'))
  const watch = watched(...all)
  ends.resolve(200)
  for (const answer of await answers) expect(answer).toMatchObject({ status: 200, body: { number: '007' } })
  expect(watch()).toBeLessThan(AT_ONCE_MS)
  expect(shop.asked.filter(({ path }) => path === '/order')).toHaveLength(1)
  for (const one of all) expect(await request(one, 'order', 'same-order')).toMatchObject({ status: 200 })
  expect(shop.asked.filter(({ path }) => path === '/order')).toHaveLength(1)
})

test('a queued write that is refused, or waits for its system, is told to its caller on another instance', async () => {
  const [a, b] = await three()
  const name = await instances.nameAt(b, 'payer', (one) => `link/${one}`)
  const pay = (key: string) =>
    post(`${a.gateway.base}/v1/requests/pay`, { sku: key }, { key, ...bearer(name) })
  shop.answer = async () => 422
  const watch = watched(a, b)
  expect(await pay('refused')).toMatchObject({ status: 422 })
  shop.answer = async () => 429
  const queued = await pay('queued')
  expect(queued.status).toBe(202)
  expect(watch()).toBeLessThan(AT_ONCE_MS)
  // He has been told: a refusal that comes now, though he might have waited for longer, is an operator's.
  shop.answer = async () => 401
  const status = queued.headers.get('location') ?? ''
  await until(async () => ((await (await fetch(status)).text()).includes('"halted"') ? true : undefined))
})

test('a breaker that opens on one instance is open on the others, with the time it has left (SEMANTICS 34)', async () => {
  const [a, b, c] = await three()
  shop.answer = async () => 200
  for (const one of [a, b, c]) expect((await request(one, 'stock')).status).toBe(200)
  shop.answer = async () => 500
  await until(async () => ((await request(a, 'stock')).body.code === 'BREAKER_OPEN' ? true : undefined))
  const asked = shop.asked.length
  for (const other of [b, c]) {
    const refused = await until(async () => {
      const answer = await request(other, 'stock')
      return answer.body.code === 'BREAKER_OPEN' ? answer : undefined
    })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
  }
  // Not by failures of their own: those would have been ten each.
  expect(shop.asked.length - asked).toBeLessThan(4)
})

test('what one instance was told stands in on the others while the system is down', async () => {
  const [a, b, c] = await three()
  shop.answer = async () => 200
  expect(await request(a, 'price')).toMatchObject({ status: 200, body: { number: '007' } })
  shop.answer = async () => 500
  for (const other of [b, c])
    expect(
      await until(async () => {
        const answer = await request(other, 'price')
        return answer.status === 200 ? answer : undefined
      }),
    ).toMatchObject({ body: { number: '007' } })
  expect(shop.asked.filter(({ path }) => path === '/price').length).toBeLessThan(4)
})

test('a limit counts over all instances', async () => {
  const all = await three()
  const asked = [...all, ...all, ...all].map((one) => request(one, 'few'))
  const refused = (await Promise.all(asked)).filter(({ body }) => body.code === 'RATE_LIMITED')
  expect(refused).toHaveLength(4)
})

test('a Redis that was restarted may have lost something: links on every instance are told, and go on (SEMANTICS 12)', async () => {
  const [a, b, c] = await three()
  const apps = [await connect(a, 'told-a'), await connect(c, 'told-c')]
  const [first] = apps[0]?.frames ?? []
  await instances.server.end('SIGKILL')
  await instances.server.begin()
  const watch = watched(a, b, c)
  for (const app of apps) {
    const reset = await until(() => app.frames.find(({ t }) => t === 'reset'), 60_000)
    expect(reset['epoch']).not.toBe(first?.['epoch'])
  }
  expect(watch()).toBeLessThan(25_000)
  await until(async () => {
    const said = await say(b.gateway.base, 'after it', {
      key: 'r1',
      ...bearer('told-c'),
      more: { sender: undefined },
    })
    return said.status < 300 || undefined
  })
  await until(() => apps[1]?.texts('outbound').includes('echo after it') || undefined, 60_000)
  for (const { socket } of apps) socket.close()
  await instances.shared(3)
})

test('an owner is frozen in the middle of an attempt: another takes over, and of his late writes none is accepted', async () => {
  const [a, b] = await three()
  const customer = await instances.nameAt(b, 'frozen', (name) => `web/${name}`)
  const slow = Promise.withResolvers<void>()
  bot.answer = async () => {
    await slow.promise
    return { body: { text: 'the late answer' } }
  }
  const waiting = say(a.gateway.base, 'freeze', { customer, key: 'k1', waitSeconds: 40 })
  await until(() => workerOf('freeze'))
  process.kill(b.gateway.pid, 'SIGSTOP')
  try {
    bot.answer = () => ({ body: { text: 'the answer of the next' } })
    expect(await waiting).toMatchObject({
      status: 200,
      body: { reply: { parts: [{ text: 'the answer of the next' }] } },
    })
    expect(await instances.holderOf(`web/${customer}`)).not.toBe(b.id)
  } finally {
    slow.resolve()
    process.kill(b.gateway.pid, 'SIGCONT')
  }
  bot.answer = echo
  // It is well again, and what it had begun has come to nothing.
  await until(() => (b.gateway.log().includes('"target":"agent bot"') ? true : undefined))
  await instances.shared(3)
  expect(texts(await readLog(b.gateway.base, `web:${customer}`))).toEqual([
    'inbound: freeze',
    'outbound: the answer of the next',
  ])
  expect(bot.asked.filter((asked) => textOf(asked) === 'freeze')).toHaveLength(2)
})

test('a rolling stop: each gives its partitions back at once, no message is lost or answered twice', async () => {
  const before = await three()
  const begun = randomUUIDv7()
  const customers = Array.from({ length: 12 }, (_, n) => `roll${n}-${begun}`)
  const said = new Map<string, number>(customers.map((customer) => [customer, 0]))
  const over = new AbortController()
  const talking = customers.map(async (customer) => {
    while (!over.signal.aborted) {
      const n = (said.get(customer) ?? 0) + 1
      const alive = await instances.list().catch(() => [])
      const { gateway } = alive[n % Math.max(1, alive.length)] ?? before[0]
      const stored = await say(gateway.base, `${customer} ${n}`, {
        customer,
        key: `${customer}-${n}`,
        waitSeconds: 20,
      }).catch(() => undefined)
      if (stored !== undefined && stored.status < 300) said.set(customer, n)
    }
  })
  for (const old of before.slice(1)) {
    instances.takeOut(old)
    expect(await old.gateway.stop()).toBe(0)
    const watch = watched(...before.filter((one) => one !== old))
    await until(async () => {
      const shares = await instances.shares()
      return !shares.has(old.id) && [...shares.values()].reduce((sum, n) => sum + n, 0) === 256
        ? true
        : undefined
    })
    expect(watch()).toBeLessThan(AT_ONCE_MS)
    await instances.add()
  }
  over.abort()
  await Promise.all(talking)
  await instances.shared(3)
  const [{ gateway }] = await three()
  for (const customer of customers) {
    const count = said.get(customer) ?? 0
    const log = await until(async () => {
      const read = texts(await readLog(gateway.base, `web:${customer}`))
      return read.length >= count * 2 ? read : undefined
    })
    const numbers = Array.from({ length: count }, (_, n) => `${customer} ${n + 1}`)
    expect(log.filter((text) => text.startsWith('inbound'))).toEqual(
      numbers.map((text) => `inbound: ${text}`),
    )
    expect(log.filter((text) => text.startsWith('outbound'))).toEqual(
      numbers.map((text) => `outbound: echo ${text}`),
    )
  }
})

test('kill -9 of a lane’s owner: taken over within 10 s, the answer counts once, nothing is lost', async () => {
  const [a, b, c] = await three()
  const run = randomUUIDv7()
  const [begun, behind, cutOrder] = [`begun ${run}`, `behind ${run}`, `cut-order-${run}`]
  const customer = await instances.nameAt(b, `killed-${run}-`, (name) => `link/${name}`)
  const app = await connect(c, customer)
  bot.answer = () => ({ hang: true })
  const sender = { ...bearer(customer), more: { sender: undefined } }
  await say(a.gateway.base, begun, { key: 'k1', ...sender })
  await until(() => workerOf(begun))
  await say(a.gateway.base, behind, { key: 'k2', ...sender })
  bot.answer = echo
  shop.answer = () => new Promise(() => undefined)
  const orders = (): number => shop.asked.filter(({ path }) => path === '/order').length
  const before = orders()
  const cut = request(b, 'order', cutOrder).catch(() => undefined)
  await until(() => orders() > before || undefined)
  instances.takeOut(b)
  await b.gateway[Symbol.asyncDispose]() // by SIGKILL
  const watch = watched(a, c)
  await until(() => bot.asked.filter((asked) => textOf(asked) === begun)[1], 60_000)
  expect(watch()).toBeLessThan(10_000)
  await until(() => app.texts('outbound').includes(`echo ${behind}`) || undefined, 60_000)
  expect(app.texts('outbound')).toEqual([`echo ${begun}`, `echo ${behind}`])
  expect(texts(await readLog(a.gateway.base, `link:${customer}`))).toEqual([
    `inbound: ${begun}`,
    `inbound: ${behind}`,
    `outbound: echo ${begun}`,
    `outbound: echo ${behind}`,
  ])
  // What it had begun to change nobody knows, and nobody does again.
  await cut
  expect(await request(a, 'order', cutOrder)).toMatchObject({
    status: 409,
    body: { code: 'OUTCOME_UNKNOWN' },
  })
  expect(await request(c, 'order', cutOrder)).toMatchObject({
    status: 409,
    body: { code: 'OUTCOME_UNKNOWN' },
  })
  expect(orders()).toBe(before + 1)
  // At least once, with the same id.
  const asked = bot.asked.filter((one) => textOf(one) === begun)
  expect(new Set(asked.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  app.socket.close()
})
