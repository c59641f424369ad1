import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { App, FakeLink } from './fake-links.ts'
import { msg, openApp, welcome } from './fake-links.ts'

let app: App
let link: FakeLink

beforeEach(async () => {
  vi.useFakeTimers()
  app = await openApp(['websocket'])
  await vi.advanceTimersByTimeAsync(10)
  const [first] = app.links
  if (first === undefined) throw new Error('no link was opened')
  link = first
})
afterEach(() => {
  app.conductor.close()
  vi.useRealTimers()
})

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)
const refused = { t: 'nak', message: 'not now', retry: true } as const

test('hello first, with the lowest number that waits; the ack tells the gateway that the welcome came (SEMANTICS 38)', async () => {
  expect(link.up).toEqual([
    { t: 'hello', v: 1, device: app.ledger.device, boot: expect.any(String), first: 1, epoch: '', offset: 0 },
  ])
  await link.welcome()
  expect(link.up.slice(1)).toEqual([{ t: 'ack', epoch: 'e1', offset: 0, first: 1 }, { t: 'ping' }])
})

test('at most 32 are on their way, and what is answered makes room (DESIGN §12)', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, at) => app.send(`m${at}`)))
  await link.welcome()
  expect(link.numbers).toEqual(Array.from({ length: 32 }, (_, at) => at + 1))
  await link.ok()
  expect(link.numbers).toEqual(Array.from({ length: 50 }, (_, at) => at + 1))
})

test('a gap goes back to what is wanted, once, however often it is said (DESIGN §12)', async () => {
  for (const text of ['a', 'b', 'c']) await app.send(text)
  await link.welcome()
  await link.say({ t: 'gap', next: 2 }, { t: 'gap', next: 2 })
  await pass(2000)
  expect(link.numbers).toEqual([1, 2, 3, 2, 3])
})

test('refused for now: the same number again after the time the gateway names, in order', async () => {
  for (const text of ['a', 'b']) await app.send(text)
  await link.welcome()
  await link.say({ ...refused, n: 1, code: 'OVERLOADED', after: 3000 }, { t: 'gap', next: 1 })
  await link.say({ t: 'pong' })
  await pass(2500)
  expect(link.numbers).toEqual([1, 2])
  await pass(800)
  expect(link.numbers).toEqual([1, 2, 1, 2])
})

test('refused for good: its number is used up, the app is told, the queue moves on (SEMANTICS 14)', async () => {
  const bad = await app.send('bad')
  const good = await app.send('good')
  await link.welcome()
  await link.say({ t: 'nak', n: 1, id: bad.id, code: 'too_large', message: 'too large', retry: false })
  await link.say({ t: 'ok', n: 2, id: good.id, messageId: 'g', sequence: 1, duplicate: false })
  expect(app.ledger.waiting).toBe(0)
  expect(app.states).toContainEqual({ what: 'mark', id: bad.id, mark: 'refused', code: 'too_large' })
  expect(app.states).toContainEqual({ what: 'mark', id: good.id, mark: 'stored' })
})

test('a welcome says what became of what was on its way: stored, or refused (SEMANTICS 14)', async () => {
  const one = await app.send('one')
  const two = await app.send('two')
  await link.welcome()
  await link.welcome({ next: 3, refused: [{ n: 2, id: two.id, code: 'FORBIDDEN' }] }) // as each answer over HTTP begins
  expect(link.numbers).toEqual([1, 2])
  expect(app.states).toContainEqual({ what: 'mark', id: one.id, mark: 'stored' })
  expect(app.states).toContainEqual({ what: 'mark', id: two.id, mark: 'refused', code: 'FORBIDDEN' })
})

test('what comes is acknowledged when it is durable here, and what comes twice is shown once', async () => {
  await link.welcome()
  await link.say(msg(1, 'a'), msg(2, 'b'))
  await link.say(msg(1, 'a'), msg(2, 'b'), msg(3, 'c'))
  expect(app.said.map(({ text }) => text)).toEqual(['a', 'b', 'c'])
  expect(link.up.filter(({ t }) => t === 'ack')).toMatchObject([{ offset: 0 }, { offset: 2 }, { offset: 3 }])
})

test('a hole in the inbox ends the link: the next one begins where this one was', async () => {
  await link.welcome()
  await link.say(msg(1, 'a'))
  await link.say(msg(3, 'c'))
  expect(link.isClosed).toBe(true)
  await pass(600)
  expect(app.links[1]?.up[0]).toMatchObject({ t: 'hello', epoch: 'e1', offset: 1 })
  expect(app.said.map(({ text }) => text)).toEqual(['a'])
})

test('a number that is asked for and was stored already ends the link: hello tells the gateway where we are (SEMANTICS 13)', async () => {
  await app.send('a')
  await link.welcome()
  await link.ok()
  await app.send('b')
  await link.say({ t: 'gap', next: 1 })
  expect(link.isClosed).toBe(true)
  await pass(600)
  expect(app.links[1]?.up[0]).toMatchObject({ t: 'hello', first: 2 })
})

test('the inbox flows and nothing of ours is answered: after 30 s the link is given up', async () => {
  await link.welcome()
  await link.say({ t: 'pong' })
  await app.send('mute')
  for (let offset = 1; offset <= 29; offset++) {
    await link.say(msg(offset, `m${offset}`))
    await pass(1000)
  }
  expect(link.isClosed).toBe(false)
  for (let offset = 30; offset <= 32; offset++) {
    await link.say(msg(offset, `m${offset}`))
    await pass(1000)
  }
  expect(link.isClosed).toBe(true)
})

test.each([0, 3])(
  'a restored store told in one answer, reset and welcome, is heeded once: hello anew, and that link is the one that sends; an inbox of %i (SEMANTICS 12)',
  async (top) => {
    await link.welcome()
    await link.say(msg(1, 'a'))
    const moves = vi.spyOn(app.ledger, 'moveTo')
    const place = { epoch: 'e2', top, oldest: 1 }
    // As an answer over HTTP has them.
    await link.say({ t: 'reset', ...place, why: 'restored' }, welcome({ ...place, recovered: false }))
    await pass(1)
    const [, second] = app.links
    expect([app.links.length, link.isClosed, second?.up[0]]).toMatchObject([
      2,
      true,
      { epoch: '', offset: 0 },
    ])
    await second?.welcome({ epoch: 'e2', top })
    await app.send('after')
    expect(second?.numbers).toEqual([1])
    expect(moves).toHaveBeenCalledTimes(1)
    expect(app.status()).toBe('online websocket')
  },
)

test('a link whose place was taken says no more where the inbox goes on: the one that took it has said so', async () => {
  app.conductor.close()
  app = await openApp(['websocket', 'http'])
  await pass(2700)
  const [http] = app.of('http')
  await http?.welcome()
  await app.of('websocket')[0]?.welcome()
  const late = welcome({ recovered: false, top: 8, oldest: 9 })
  await http?.say(late, { t: 'pong' })
  expect([app.ledger.place, app.status()]).toMatchObject([{ offset: 0 }, 'online websocket'])
})
