import { randomUUIDv7 } from 'node:crypto'
import { expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Store } from '../../../../core/store/store.ts'
import { until } from '../../../support/gateway.ts'
import { ann, bob, connectApp, linkHouse } from '../../../support/link.ts'
import { post } from '../../../support/rest.ts'

// ─── Up ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('hello is welcomed, a send is ok when it is stored, and both it and its answer come down in order (DESIGN §12)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  expect(app.frames).toEqual([
    {
      t: 'welcome',
      epoch: expect.any(String),
      top: 0,
      recovered: true,
      next: 1,
      refused: [],
      window: { up: 32, down: 64 },
      heartbeat: 25,
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

// ─── Down ────────────────────────────────────────────────────────────────────────────────────────────────────────────

test('at most 64 are pushed beyond the last ack, and the ack brings the next (DESIGN §12)', async () => {
  await using house = await linkHouse()
  house.agent.answer = async () => undefined
  const writer = connectApp(house.host, { device: 'writer' })
  await writer.hello()
  for (let n = 1; n <= 100; n++) await writer.say(n, `m${n}`)
  const reader = connectApp(house.host, { device: 'reader' })
  await reader.hello()
  await reader.link.caughtUp()
  expect(reader.messages).toHaveLength(64)
  const { epoch } = await reader.next('welcome')
  await reader.tell({ t: 'ack', epoch, offset: 10 })
  await reader.link.caughtUp()
  expect(reader.messages.map(({ offset }) => offset)).toEqual(Array.from({ length: 74 }, (_, at) => at + 1))
})

test('a link goes on where the last one stopped: hello with epoch and offset gets what comes after it', async () => {
  await using house = await linkHouse()
  const first = connectApp(house.host)
  await first.hello()
  await first.say(1, 'one')
  await first.texts(2)
  const { epoch } = await first.next('welcome')
  await first.tell({ t: 'ack', epoch, offset: 1 })
  first.link.close()
  const second = connectApp(house.host)
  await second.hello({ first: 2, epoch, offset: 1 })
  expect(second.last('welcome')).toMatchObject({ epoch, top: 2, recovered: true, next: 2 })
  expect(await second.texts(1)).toEqual(['echo one'])
})

test('every device of a customer has all of his messages, another customer none (SEMANTICS 10)', async () => {
  await using house = await linkHouse()
  const phone = connectApp(house.host)
  const tablet = connectApp(house.host, { device: 'tablet', boot: 't-1' })
  const stranger = connectApp(house.host, { who: bob })
  for (const app of [phone, tablet, stranger]) await app.hello()
  await phone.say(1, 'hi')
  expect(await tablet.texts(2)).toEqual(['hi', 'echo hi'])
  await phone.texts(2)
  await stranger.link.caughtUp()
  expect(stranger.messages).toEqual([])
})

test('an ack beyond the inbox, or of another epoch, is answered by reset, and the link goes on from there (SEMANTICS 12, 38)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'one')
  await app.texts(2)
  const { epoch } = await app.next('welcome')
  await app.tell({ t: 'ack', epoch, offset: 99 })
  expect(app.last('reset')).toMatchObject({ epoch, top: 2 })
  await app.say(2, 'two')
  expect(await app.texts(4)).toEqual(['one', 'echo one', 'two', 'echo two'])
})

test('a cursor of another epoch, or beyond the top, is answered by reset and then by a welcome that is not recovered', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await app.say(1, 'one')
  await app.texts(2)
  const { epoch } = await app.next('welcome')
  for (const cursor of [
    { epoch: 'elsewhere', offset: 1 },
    { epoch, offset: 77 },
  ]) {
    const lost = connectApp(house.host, { device: 'lost' })
    await lost.hello(cursor)
    expect(lost.frames).toMatchObject([
      { t: 'reset', epoch, top: 2 },
      { t: 'welcome', epoch, top: 2, recovered: false, next: 1 },
    ])
    await lost.link.caughtUp()
    expect(lost.messages).toEqual([])
  }
})

test('numbers the store has lost are jumped under a new epoch; other links of the customer are told by reset (SEMANTICS 13)', async () => {
  await using house = await linkHouse()
  const phone = connectApp(house.host)
  const tablet = connectApp(house.host, { device: 'tablet' })
  await phone.hello()
  await tablet.hello()
  await phone.say(1, 'one')
  await tablet.texts(2)
  const { epoch } = await phone.next('welcome')
  const ahead = connectApp(house.host)
  await ahead.hello({ first: 9, epoch, offset: 2 })
  expect(ahead.last('welcome')).toMatchObject({ next: 9, recovered: false })
  expect(ahead.last('welcome')?.epoch).not.toBe(epoch)
  expect(house.log()).toContain('numbers of a device were lost')
  await ahead.say(9, 'nine')
  expect(await tablet.next('reset')).toMatchObject({ epoch: ahead.last('welcome')?.epoch })
  // An ack of the time before does nothing more.
  const before = tablet.frames.length
  await tablet.tell({ t: 'ack', epoch, offset: 2 })
  expect(tablet.frames.slice(before).filter(({ t }) => t === 'reset')).toEqual([])
})

test('a slow reader holds up only himself, and what was read for him is forgotten', async () => {
  await using house = await linkHouse()
  house.agent.answer = async () => undefined
  const gate = Promise.withResolvers<void>()
  const slow = connectApp(house.host, {
    device: 'slow',
    taken: (frame) => (frame.t === 'msg' ? gate.promise : undefined),
  })
  await slow.hello()
  const writer = connectApp(house.host, { device: 'writer' })
  await writer.hello()
  for (let n = 1; n <= 40; n++) await writer.say(n, `m${n}`)
  await writer.texts(40)
  expect(slow.messages).toHaveLength(1)
  gate.resolve()
  expect(await slow.texts(40)).toEqual(Array.from({ length: 40 }, (_, at) => `m${at + 1}`))
})

// ─── Overlap, limits, end ────────────────────────────────────────────────────────────────────────────────────────────

test('the older link is kicked only when the new welcome was answered (SEMANTICS 38)', async () => {
  await using house = await linkHouse()
  const old = connectApp(house.host)
  await old.hello()
  const fresh = connectApp(house.host)
  await fresh.tell(
    { t: 'hello', v: 1, device: 'phone', boot: 'boot-1', first: 1, epoch: '', offset: 0 },
    { t: 'send', n: 1, id: 's-1', message: { text: 'sent before the welcome was seen' } },
  )
  expect(old.last('kick')).toBeUndefined()
  await old.say(2, 'still here')
  expect(old.last('ok')).toMatchObject({ n: 2 })
  const { epoch } = await fresh.next('welcome')
  await fresh.tell({ t: 'ack', epoch, offset: 0 })
  expect(old.last('kick')).toEqual({ t: 'kick', code: 'replaced', after: 0 })
  const seen = old.frames.length
  await old.say(3, 'too late')
  await fresh.say(3, 'mine')
  expect(fresh.last('ok')).toMatchObject({ n: 3, duplicate: false })
  await fresh.texts(4)
  expect(old.frames).toHaveLength(seen)
})

test('another device, or a link for one exchange, takes nobody’s place', async () => {
  await using house = await linkHouse()
  const standing = connectApp(house.host)
  await standing.hello()
  for (const other of [{ device: 'tablet' }, { transient: true }]) {
    const app = connectApp(house.host, other)
    await app.hello()
    await app.tell({ t: 'ack', epoch: app.last('welcome')?.epoch ?? '', offset: 0 })
    app.link.close()
  }
  await standing.tell({ t: 'ping' })
  expect(standing.frames.map(({ t }) => t)).toEqual(['welcome', 'pong'])
})

test('a link bound to one device kicks who says hello for another', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host, { only: 'phone', device: 'other' })
  await app.hello()
  expect(app.frames).toMatchObject([{ t: 'kick', code: 'auth' }])
})

test('before hello a send comes again later, an ack is refused, a ping is answered', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.say(1, 'early', 'e-1')
  await app.tell({ t: 'ack', epoch: '', offset: 0 }, { t: 'ping' }, { t: 'signal', name: 'typing' })
  expect(app.frames).toMatchObject([
    { t: 'nak', n: 1, id: 'e-1', retry: true, message: 'say hello first' },
    { t: 'nak', message: 'say hello first' },
    { t: 'pong' },
  ])
})

test('a link is a customer’s: programs and agents are refused', async () => {
  await using house = await linkHouse()
  expect(() => connectApp(house.host, { who: { role: 'program', id: 'crm' } })).toThrow(
    expect.objectContaining({ code: 'AUTH_FAILED' }),
  )
  expect(() => connectApp(house.host, { who: { role: 'agent', id: 'eve' } })).toThrow(
    expect.objectContaining({ code: 'FORBIDDEN' }),
  )
})

test.each([
  ['no JSON', '{"t":'],
  ['bytes that are no UTF-8', new Uint8Array([0x7b, 0xff])],
  ['half a million brackets', '['.repeat(500_000)],
  ['deep nesting that is whole', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
  ['a number', '7'],
  ['null', 'null'],
  ['an unknown frame', '{"t":"bye"}'],
  [
    'a hello of another version',
    '{"t":"hello","v":2,"device":"d","boot":"b","first":1,"epoch":"","offset":0}',
  ],
  [
    'a hello with a control character',
    '{"t":"hello","v":1,"device":"a\\u0000","boot":"b","first":1,"epoch":"","offset":0}',
  ],
  ['257 frames', JSON.stringify(Array.from({ length: 257 }, () => ({ t: 'ping' })))],
])('%s gets one nak, and the link goes on', async (_what, text) => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.raw(text)
  expect(app.frames).toMatchObject([{ t: 'nak', retry: false }])
  expect(JSON.stringify(app.frames)).not.toMatch(/\.ts:\d|\bat \/|node:/u)
  await app.hello()
  expect(app.last('welcome')).toMatchObject({ next: 1 })
})

test('a frame above 64 KiB is too_large and uses its number up, in an array too (DESIGN §16)', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  const frame = (n: number, chars: number) => ({
    t: 'send',
    n,
    id: `l-${n}`,
    message: { text: 'x'.repeat(chars) },
  })
  await app.raw(JSON.stringify(frame(1, 65_536)))
  await app.raw(JSON.stringify([frame(2, 40_000), frame(3, 65_536), frame(4, 40_000)]))
  expect(app.frames.slice(1).filter(({ t }) => t !== 'msg')).toMatchObject([
    { t: 'nak', n: 1, id: 'l-1', code: 'too_large', retry: false },
    { t: 'ok', n: 2 },
    { t: 'nak', n: 3, code: 'too_large' },
    {
      t: 'ok',
      n: 4,
      refused: [
        { n: 1, code: 'too_large' },
        { n: 3, code: 'too_large' },
      ],
    },
  ])
})

test('data nested too deep for a message is refused for good', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  const deep = `${'['.repeat(5000)}${']'.repeat(5000)}`
  await app.raw(`{"t":"send","n":1,"id":"d-1","message":{"text":"x","data":${deep}}}`)
  expect(app.last('nak')).toMatchObject({ n: 1, code: 'DECODE_FAILED', retry: false })
})

test('names such as __proto__ are names: devices, boots, ids, members (hostile input)', async () => {
  await using house = await linkHouse()
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const app = connectApp(house.host, { device: name, boot: name })
    await app.hello()
    await app.raw(`{"t":"send","n":1,"id":"${name}","message":{"text":"x","data":{"__proto__":{"a":1}}}}`)
    expect(app.last('ok')).toMatchObject({ n: 1, id: name, duplicate: false })
    app.link.close()
  }
  const { messages } = await house.host.log('link:ann', 0, { identity: ann })
  expect(JSON.stringify(messages[0]?.data)).toBe('{"__proto__":{"a":1}}')
  expect(({} as Record<string, unknown>)['a']).toBeUndefined()
})

test('more arrivals at once than a link holds are told to come again, not kept', async () => {
  await using house = await linkHouse()
  const app = connectApp(house.host)
  await app.hello()
  await Promise.all(Array.from({ length: 400 }, (_, at) => app.say(at + 1, `m${at}`, `q-${at}`)))
  const naks = app.frames.filter(({ t }) => t === 'nak')
  expect(naks.length).toBeGreaterThan(100)
  expect(naks[0]).toMatchObject({ code: 'OVERLOADED', retry: true })
  await app.say(257, 'm256', 'q-256')
  expect(app.last('ok')).toMatchObject({ n: 257 })
})

test('a transport that is gone ends the link: what it says afterwards is not taken', async () => {
  await using house = await linkHouse()
  let isThere = true
  const app = connectApp(house.host, { taken: () => isThere })
  await app.hello()
  isThere = false
  await app.say(1, 'x')
  isThere = true
  const seen = app.frames.length
  await app.say(2, 'y')
  await app.tell({ t: 'ping' })
  expect(app.frames).toHaveLength(seen)
  const { messages } = await house.host.log('link:ann', 0, { identity: ann })
  expect(messages.filter(({ direction }) => direction === 'inbound')).toHaveLength(1)
})

test('when the gateway stops every app is sent elsewhere, spread over some seconds', async () => {
  await using house = await linkHouse()
  const apps = [connectApp(house.host), connectApp(house.host, { device: 'tablet' })]
  for (const app of apps) await app.hello()
  await house.stop()
  for (const app of apps) {
    const kick = app.last('kick')
    expect(kick).toMatchObject({ code: 'moved' })
    expect(kick?.after).toBeLessThan(3000)
  }
})

test('a store that stumbles while an inbox is read is asked again', async () => {
  let fails = 0
  const around = (store: Store): Store =>
    changed(store, {
      read: async (request) => {
        if ('inbox' in request.log && fails-- > 0) throw new GatewayError('STORE_UNAVAILABLE', 'not now')
        return store.read(request)
      },
    })
  await using house = await linkHouse({ around })
  const app = connectApp(house.host)
  await app.hello()
  fails = 1
  await app.say(1, 'one')
  expect(await app.texts(2)).toEqual(['one', 'echo one'])
  await vi.waitFor(() => expect(house.log()).toContain('an inbox could not be read'))
})

/** The store with some operations of our own. */
function changed(store: Store, own: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => {
      if (Object.hasOwn(own, name)) return Reflect.get(own, name)
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) : member
    },
  })
}
