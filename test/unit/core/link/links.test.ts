import { expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Store } from '../../../../core/store/store.ts'
import { ann, changed, connectApp, linkHouse } from '../../../support/link.ts'

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
  await vi.waitFor(() => expect(house.log()).toContain('an inbox could not be read'), 10_000)
})

test.each(['ok', 'nak', 'reset', 'welcome'] as const)(
  'a link whose peer takes no %s any more holds up no other link of its device',
  async (stuck) => {
    await using house = await linkHouse()
    const old = connectApp(house.host, {
      taken: ({ t }) => (t === stuck ? new Promise(() => undefined) : undefined),
    })
    void old.hello()
    if (stuck !== 'welcome') await old.next('welcome')
    if (stuck === 'ok') void old.say(1, 'from the tunnel', 's-1')
    if (stuck === 'nak') void old.raw({ t: 'send', n: 1, id: 'x', message: { text: 'a', parts: [] } })
    if (stuck === 'reset') void old.tell({ t: 'ack', epoch: old.last('welcome')?.epoch ?? '', offset: 99 })
    await old.next(stuck)
    const fresh = connectApp(house.host)
    void fresh.hello()
    const { next } = await fresh.next('welcome')
    void fresh.say(next, 'out of it', 's-2')
    expect(await fresh.next('ok')).toMatchObject({ n: next, duplicate: false })
    // A link without a welcome has nobody's place.
    expect(old.last('kick')?.code).toBe(stuck === 'welcome' ? undefined : 'replaced')
  },
)
