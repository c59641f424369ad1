import { randomUUIDv7 } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Log } from '../../../../core/api.ts'
import { createUplink } from '../../../../core/link/uplink.ts'
import type { UplinkOptions } from '../../../../core/link/uplink.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import type { Store } from '../../../../core/store/store.ts'
import { until } from '../../../support/gateway.ts'
import { LINK_YAML, ann, bob, changed, connectApp, linkHouse } from '../../../support/link.ts'
import { metric, post } from '../../../support/rest.ts'

test('hello is welcomed, a send is ok when it is stored, and both it and its answer come down in order (DESIGN §12)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  expect(app.frames).toEqual([
    {
      t: 'welcome',
      epoch: expect.any(String),
      top: 0,
      oldest: 1,
      recovered: true,
      next: 1,
      refused: [],
      window: { up: 32, down: 64 },
      heartbeat: 25,
      inbox: expect.stringMatching(/^[\w-]{22}$/u),
    },
  ])
  const id = randomUUIDv7()
  await app.say(1, 'hello', id)
  const ok = app.last('ok')
  expect(ok).toEqual({ t: 'ok', n: 1, id, messageId: expect.any(String), sequence: 1, duplicate: false })
  expect(await house.rows(ok?.messageId ?? '')).toContainEqual(expect.objectContaining({ row: 'message' }))
  expect(await app.texts(2)).toEqual(['hello', 'echo hello'])
  expect(app.messages.map(({ offset }) => offset)).toEqual([1, 2])
  expect(app.messages[0]?.message).toMatchObject({
    direction: 'inbound',
    conversation: 'link:ann',
    externalId: id,
  })
  expect(app.messages[0]?.message).not.toHaveProperty('raw')
  expect(app.messages[1]?.message).toMatchObject({ direction: 'outbound', causationId: ok?.messageId })
})

test('a used number again is the stored result again; a number beyond the next is a gap (DESIGN §12)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  const id = randomUUIDv7()
  await app.say(1, 'one', id)
  await app.say(1, 'one', id)
  await app.say(3, 'three')
  expect(app.frames.filter(({ t }) => t === 'ok' || t === 'gap')).toMatchObject([
    { t: 'ok', duplicate: false, sequence: 1 },
    { t: 'ok', duplicate: true, sequence: 1 },
    { t: 'gap', next: 2 },
  ])
  await app.say(2, 'two')
  expect(app.last('ok')).toMatchObject({ n: 2, duplicate: false })
})

test('the same id from another boot is a duplicate, and its number advances', async () => {
  await using house = await linkHouse()
  const id = randomUUIDv7()
  const first = connectApp(house.host)
  await first.hello()
  await first.say(1, 'once', id)
  const again = connectApp(house.host, { boot: 'boot-2' })
  await again.hello()
  await again.say(1, 'once', id)
  await again.say(2, 'twice')
  expect(again.frames.filter(({ t }) => t === 'ok')).toMatchObject([
    { n: 1, duplicate: true, sequence: 1, messageId: first.last('ok')?.messageId },
    { n: 2, duplicate: false },
  ])
})

test('the same id by POST /v1/messages, then over a link, is stored once (SEMANTICS 8)', async () => {
  await using house = await linkHouse()
  const id = randomUUIDv7()
  const posted = await post(
    `${house.base}/v1/messages`,
    { text: 'once' },
    { key: id, headers: { authorization: 'Bearer ann' } },
  )
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'once', id)
  expect(app.last('ok')).toMatchObject({ messageId: posted.body.id, duplicate: true, sequence: 1 })
  expect(await app.texts(2)).toEqual(['once', 'echo once'])
})

test('frames of one device are taken one at a time, over all its links', async () => {
  let atOnce = 0
  let most = 0
  const around = (store: Store): Store =>
    changed(store, {
      async accept(request) {
        most = Math.max(most, ++atOnce)
        try {
          return await store.accept(request)
        } finally {
          atOnce--
        }
      },
    })
  await using house = await linkHouse({ around })
  const one = connectApp(house.host)
  const two = connectApp(house.host)
  await one.hello()
  await two.hello()
  const ids = Array.from({ length: 20 }, () => randomUUIDv7())
  await Promise.all(ids.flatMap((id, at) => [one.say(at + 1, `m${at}`, id), two.say(at + 1, `m${at}`, id)]))
  expect(most).toBe(1)
  const log = await house.host.log('link:ann', 0, { identity: ann })
  expect(log.messages.filter(({ direction }) => direction === 'inbound')).toHaveLength(20)
})

test('a final refusal uses its number up, is told in nak, ok and welcome, until first has passed it (SEMANTICS 14)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.raw({ t: 'send', n: 1, id: 'bad-1', message: { text: 'a', parts: [] } })
  await app.raw({ t: 'send', n: 2, id: 'bad-2', message: { text: 'x', color: 'red' } })
  expect(app.frames.filter(({ t }) => t === 'nak')).toMatchObject([
    { n: 1, id: 'bad-1', code: 'DECODE_FAILED', retry: false },
    { n: 2, id: 'bad-2', code: 'DECODE_FAILED', retry: false, message: expect.stringContaining('color') },
  ])
  await app.say(3, 'good')
  const refused = [
    { n: 1, id: 'bad-1', code: 'DECODE_FAILED' },
    { n: 2, id: 'bad-2', code: 'DECODE_FAILED' },
  ]
  expect(app.last('ok')).toMatchObject({ n: 3, refused })
  const again = connectApp(house.host)
  await again.hello({ first: 2 })
  expect(again.last('welcome')).toMatchObject({ next: 4, refused: refused.slice(1) })
  // The nak was lost: the same frame does not pass for stored, even if it is whole now.
  await again.say(2, 'x', 'bad-2')
  expect(again.last('nak')).toMatchObject({ n: 2, code: 'DECODE_FAILED', retry: false })
  await again.tell({ t: 'ack', epoch: again.last('welcome')?.epoch ?? '', offset: 0, first: 4 })
  await again.say(4, 'more')
  expect(again.last('ok')).not.toHaveProperty('refused')
  const last = connectApp(house.host)
  await last.hello({ first: 5 })
  expect(last.last('welcome')).toMatchObject({ next: 5, refused: [] })
})

test('a number without an id that a message could have is used up, its refusal is told, and the queue moves on', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  const ids = [undefined, '', 12, 'x'.repeat(257), 'a\u0001b', '\uD800']
  for (const [at, id] of ids.entries())
    await app.raw({ t: 'send', n: at + 1, ...(id !== undefined && { id }), message: { text: 'x' } })
  expect(app.frames.filter(({ t }) => t === 'nak')).toMatchObject(
    ids.map((_id, at) => ({ n: at + 1, code: 'DECODE_FAILED', retry: false })),
  )
  await app.say(ids.length + 1, 'good')
  expect(app.last('ok')).toMatchObject({ n: ids.length + 1 })
  const again = connectApp(house.host)
  await again.hello({ first: 1 })
  expect(again.last('welcome')?.refused.map(({ n }) => n)).toEqual(ids.map((_id, at) => at + 1))
})

test('whole numbers are counters however they are written; what is said keeps every digit', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.raw('{"t":"hello","v":1.0,"device":"phone","boot":"b","first":1.0,"epoch":"","offset":0.0}')
  expect(app.last('welcome')).toMatchObject({ next: 1 })
  await app.raw('{"t":"send","n":1.0,"id":"f-1","message":{"type":"t","data":{"price":1.10}}}')
  expect(app.last('ok')).toMatchObject({ n: 1, id: 'f-1' })
  await app.raw('{"t":"send","n":2e0,"id":"f-2","message":{"text":"x"}}')
  expect(app.last('ok')).toMatchObject({ n: 2 })
  await app.raw('{"t":"send","n":3.5,"id":"f-3","message":{"text":"x"}}')
  expect(app.last('nak')).toMatchObject({ id: 'f-3', code: 'DECODE_FAILED' })
  const { messages } = await house.host.log('link:ann', 0, { identity: ann })
  expect(messages.find(({ externalId }) => externalId === 'f-1')?.data).toEqual({ price: '1.10' })
})

test("another's conversation and another's content under one id are refused for good, and the queue moves on", async () => {
  await using house = await linkHouse()
  const other = connectApp(house.host, { who: bob })
  await other.hello()
  await other.tell({ t: 'send', n: 1, id: 'b-1', message: { text: 'mine', conversation: 'shop:1' } })
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'first', 'a-1')
  await app.tell({ t: 'send', n: 2, id: 'a-2', message: { text: 'let me in', conversation: 'shop:1' } })
  await app.say(3, 'other text', 'a-1')
  await app.say(4, 'fine', 'a-4')
  expect(app.frames.filter(({ t }) => t === 'ok' || t === 'nak')).toMatchObject([
    { t: 'ok', n: 1 },
    { t: 'nak', n: 2, code: 'FORBIDDEN', retry: false },
    { t: 'nak', n: 3, code: 'IDEMPOTENCY_MISMATCH', retry: false },
    { t: 'ok', n: 4, refused: [{ n: 2 }, { n: 3 }] },
  ])
})

test('an event is stored and not shown in the inbox; a request is refused with where it belongs', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.tell({
    t: 'send',
    n: 1,
    id: 'e-1',
    message: { kind: 'event', type: 'app.opened', data: { a: 1 } },
  })
  expect(app.last('ok')).toMatchObject({ n: 1 })
  await app.raw({ t: 'send', n: 2, id: 'r-1', message: { kind: 'request', type: 'GetOrder' } })
  expect(app.last('nak')).toMatchObject({ n: 2, retry: false })
})

test('an id that is older than the memory, from a boot this gateway did not know then, is TOO_OLD (SEMANTICS 41)', async () => {
  await using house = await linkHouse()
  const hex = (Date.now() - 73 * 3_600_000).toString(16).padStart(12, '0')
  const old = `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8def-0123456789ab`
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'from a backup', old)
  expect(app.last('nak')).toMatchObject({ n: 1, id: old, code: 'TOO_OLD', retry: false })
  await app.say(2, 'new')
  expect(app.last('ok')).toMatchObject({ n: 2, refused: [{ n: 1, code: 'TOO_OLD' }] })
})

test('SEMANTICS 41: with a memory of an hour or less, what was written before the first hello is new for half of it', async () => {
  await using house = await linkHouse({ yaml: `${LINK_YAML}store: { dedupe: 1h }` })
  const madeAgo = (minutes: number): string => {
    const hex = (Date.now() - minutes * 60_000).toString(16).padStart(12, '0')
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8def-0123456789ab`
  }
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'typed in the tunnel', madeAgo(28))
  expect(app.last('ok')).toMatchObject({ n: 1, duplicate: false })
  await app.say(2, 'typed long before', madeAgo(32))
  expect(app.last('nak')).toMatchObject({ n: 2, code: 'TOO_OLD', retry: false })
})

test('an old id is not too old from a boot that was known when it was made, nor where it is a duplicate', async () => {
  await using house = await linkHouse()
  const hex = (Date.now() - 73 * 3_600_000).toString(16).padStart(12, '0')
  const old = `${hex.slice(0, 8)}-${hex.slice(8)}-7abc-8def-0123456789ab`
  await post(
    `${house.base}/v1/messages`,
    { text: 'held' },
    { key: old, headers: { authorization: 'Bearer ann' } },
  )
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'held', old)
  expect(app.last('ok')).toMatchObject({ n: 1, duplicate: true })
})

test('what the store cannot take now gets no ok: nak with retry, and the transport is told not to acknowledge', async () => {
  let isDown = false
  const around = (store: Store): Store =>
    changed(store, {
      accept: async (request) => {
        if (isDown) throw new GatewayError('STORE_UNAVAILABLE', 'the disk is gone', { notExecuted: true })
        return store.accept(request)
      },
    })
  await using house = await linkHouse({ around })
  const app = connectApp(house.host)
  await app.hello()
  isDown = true
  await expect(app.say(1, 'lost?', 'x-1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(app.last('nak')).toEqual({
    t: 'nak',
    n: 1,
    id: 'x-1',
    code: 'STORE_UNAVAILABLE',
    message: 'the disk is gone',
    retry: true,
    after: 1000,
  })
  expect(app.last('ok')).toBeUndefined()
  isDown = false
  await app.say(1, 'lost?', 'x-1')
  expect(app.last('ok')).toMatchObject({ n: 1, duplicate: false })
})

test('a full lane is nak with retry, and the number is not used up (SEMANTICS 28)', async () => {
  const yaml = `
channels: { app: { adapter: app } }
agents: { bot: { adapter: bot } }
routes: [ { agent: bot } ]
lanes: { limit: 2 }
`
  await using house = await linkHouse({ yaml })
  const gate = Promise.withResolvers<void>()
  house.agent.answer = async () => {
    await gate.promise
    return undefined
  }
  const app = connectApp(house.host)
  await app.hello()
  for (const n of [1, 2, 3, 4]) await app.say(n, `m${n}`, `f-${n}`)
  const nak = app.last('nak')
  expect(nak).toMatchObject({ code: 'OVERLOADED', retry: true, after: 5000 })
  gate.resolve()
  await until(async () => {
    await app.say(nak?.n ?? 0, `m${nak?.n}`, `f-${nak?.n}`)
    return app.last('ok')?.n === nak?.n ? true : undefined
  })
})

test('SEMANTICS 27: what comes over a link enters and waits with its channel’s priority, and a route’s goes before it', async () => {
  const yaml = `
channels: { app: { adapter: app, priority: high }, web: { adapter: rest } }
agents: { bot: { adapter: bot } }
routes: [ { when: "parts[0].text = 'now'", agent: bot, priority: urgent }, { agent: bot } ]
`
  await using house = await linkHouse({ yaml })
  const offered = (name: string): Promise<number> =>
    metric(house.base, `dragoman_limits_total{limit="admission",name="${name}",result="offered"}`)
  const before = await offered('high')
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'soon')
  await app.say(2, 'now')
  await until(() => house.agent.asked.length === 2 || undefined)
  expect(house.agent.asked.map(({ message }) => message.priority)).toEqual(['high', 'urgent'])
  expect(await offered('high')).toBe(before + 2)
})

test('what is nak INTERNAL, as our own mistake, stands in the log that the frame speaks of', async () => {
  const error = vi.fn<Log['error']>()
  const mistake = new TypeError('x is not a function')
  const uplink = createUplink({
    pipeline: { append: () => Promise.reject(mistake) },
    log: { ...noLog, error },
    admission: { enter: () => undefined },
    limited: () => undefined,
    telemetry: { intake() {} },
    dedupeMs: 1000,
    now: Date.now,
    isChannel: () => true,
  } as unknown as UplinkOptions) // and nothing else
  const outbox = {
    channel: { id: 'app', adapter: 'app' },
    identity: ann,
    home: 'link/ann',
    device: 'd',
    boot: 'b',
  }
  const taken = await uplink.take(outbox, { t: 'send', n: 7, id: 'f-7', message: { text: 'hello' } })
  expect(taken).toMatchObject({ status: 'later', error: { code: 'INTERNAL', cause: mistake } })
  expect(error.mock.calls).toEqual([
    [
      'what came over a link was not taken in',
      { id: 'f-7', n: 7, error: expect.objectContaining({ cause: mistake }) },
    ],
  ])
})
