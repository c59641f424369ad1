import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { memoryBox } from '../../../../../core/link/client/box.ts'
import type { App } from './fake-links.ts'
import { openApp } from './fake-links.ts'

let app: App

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => {
  app.conductor.close()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)
const kinds = (): readonly string[] => app.links.map(({ kind, isClosed }) => (isClosed ? `(${kind})` : kind))

test('the best link is tried first, alone; when it is welcomed nothing else is opened', async () => {
  app = await openApp()
  await pass(100)
  expect(kinds()).toEqual(['websocket'])
  await app.links[0]?.welcome()
  await app.links[0]?.say({ t: 'pong' })
  expect(app.status()).toBe('online websocket')
  await pass(20_000)
  expect(kinds()).toEqual(['websocket'])
})

test('2.5 s without a welcome: the next kind beside it, and after as long the last (DESIGN §12)', async () => {
  app = await openApp()
  await pass(2400)
  expect(kinds()).toEqual(['websocket'])
  await pass(300)
  expect(kinds()).toEqual(['websocket', 'mqtt'])
  await pass(2500)
  expect(kinds()).toEqual(['websocket', 'mqtt', 'http'])
})

test('two failures: the next kind at once; a single one is only tried again (DESIGN §12)', async () => {
  app = await openApp()
  await pass(10)
  app.links[0]?.lose()
  await pass(400)
  expect(kinds()).toEqual(['(websocket)', 'websocket'])
  app.links[1]?.lose()
  await pass(250)
  expect(kinds().slice(2)).toContain('mqtt')
})

test('the first welcome is taken; worse ones that are being opened are closed, a better one may still take over', async () => {
  app = await openApp()
  await pass(5400)
  expect(kinds()).toEqual(['websocket', 'mqtt', 'http'])
  await app.of('mqtt')[0]?.welcome()
  expect(kinds()).toEqual(['websocket', 'mqtt', '(http)'])
  await app.of('websocket')[0]?.welcome()
  expect(app.status()).toBe('online websocket')
})

test('make before break: the former link is closed when the new one has answered, not before', async () => {
  app = await openApp()
  await pass(2700)
  const [websocket] = app.of('websocket')
  const [mqtt] = app.of('mqtt')
  await mqtt?.welcome()
  await mqtt?.say({ t: 'pong' })
  await websocket?.welcome()
  await pass(300)
  expect(mqtt?.isClosed).toBe(false)
  await websocket?.say({ t: 'pong' })
  await pass(300)
  expect([mqtt?.isClosed, websocket?.isClosed]).toEqual([true, false])
})

test('on a worse link the better one is tried beside it, ever less often while it fails (DESIGN §12)', async () => {
  app = await openApp()
  await pass(2700)
  const [mqtt] = app.of('mqtt')
  app.of('websocket')[0]?.lose()
  await mqtt?.welcome()
  const beat = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 1000) {
      await mqtt?.say({ t: 'pong' })
      await pass(1000)
    }
  }
  const tries: number[] = []
  let before = app.of('websocket').length
  for (let second = 0; second < 90; second++) {
    await beat(1000)
    const now = app.of('websocket')
    if (now.length === before) continue
    before = now.length
    tries.push(second)
    now.at(-1)?.lose()
  }
  expect(app.status()).toBe('online mqtt')
  expect(mqtt?.isClosed).toBe(false)
  const pauses = tries.slice(1).map((at, index) => at - (tries[index] ?? 0))
  expect(tries[0]).toBeGreaterThanOrEqual(8)
  expect(pauses.length).toBeGreaterThanOrEqual(2)
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b))
})

test('what is sent goes over the link that is used, and goes on over the next where its welcome wants it', async () => {
  app = await openApp()
  for (const text of ['one', 'two', 'three']) await app.send(text)
  await pass(100)
  const [first] = app.links
  await first?.welcome()
  expect(first?.numbers).toEqual([1, 2, 3])
  first?.lose()
  await pass(600)
  const second = app.links.at(-1)
  expect(second?.up[0]).toMatchObject({ t: 'hello', first: 1 })
  // The gateway has stored the first, and the answer was lost.
  await second?.welcome({ next: 2 })
  expect(second?.numbers).toEqual([2, 3])
  await second?.ok()
  expect(app.ledger.waiting).toBe(0)
})

test('nothing is sent a second time over the same link; one that gives no answer is closed in 4 to 15 s (DESIGN §12)', async () => {
  app = await openApp(['websocket'])
  await pass(100)
  const [link] = app.links
  await link?.welcome()
  await link?.say({ t: 'pong' })
  await app.send('one')
  await pass(3800)
  expect([link?.numbers, link?.isClosed]).toEqual([[1], false])
  await pass(1000)
  expect([link?.numbers, link?.isClosed]).toEqual([[1], true])
  await pass(600)
  await app.links.at(-1)?.welcome()
  expect(app.links.at(-1)?.numbers).toEqual([1])
})

test('a slow network is given more time: 4 × SRTT + 2 s, 15 s at most', async () => {
  app = await openApp(['websocket'])
  await pass(100)
  const [link] = app.links
  await pass(3000)
  await link?.welcome()
  for (let round = 0; round < 12; round++) {
    app.conductor.hurry() // pings
    await pass(3000)
    await link?.say({ t: 'pong' })
  }
  await app.send('one')
  await pass(12_500)
  expect(link?.isClosed).toBe(false)
  await pass(2500)
  expect(link?.isClosed).toBe(true)
})

test('a link that is idle for as long as the gateway says is pinged, and closed when that is not answered', async () => {
  app = await openApp(['websocket'])
  await pass(100)
  const [link] = app.links
  await link?.welcome()
  await link?.say({ t: 'pong' })
  const pings = (): number => link?.up.filter(({ t }) => t === 'ping').length ?? 0
  const before = pings()
  await pass(24_000)
  expect(pings()).toBe(before)
  await pass(2000)
  expect(pings()).toBe(before + 1)
  await pass(5000)
  expect(link?.isClosed).toBe(true)
})

test('another process of this device takes over: no fight, until something is sent here', async () => {
  app = await openApp(['websocket'])
  await pass(100)
  await app.links[0]?.welcome()
  await app.links[0]?.say({ t: 'pong' })
  await pass(5000)
  await app.links[0]?.say({ t: 'kick', code: 'replaced', after: 0 })
  expect(app.status()).toBe('elsewhere')
  await pass(60_000)
  expect(app.links).toHaveLength(1)
  await app.send('back')
  await pass(500)
  expect(app.links).toHaveLength(2)
  await app.links[1]?.welcome()
  expect([app.status(), app.links[1]?.numbers]).toEqual(['online websocket', [1]])
})

test('kicked because the gateway heard of our own other link late: it is a lost link, not another process', async () => {
  app = await openApp(['websocket', 'mqtt'])
  await pass(2700)
  await app.of('mqtt')[0]?.welcome()
  await pass(100)
  await app.of('websocket')[0]?.welcome()
  await app.of('websocket')[0]?.say({ t: 'kick', code: 'replaced', after: 0 })
  expect(app.status()).toBe('connecting')
  await pass(3000)
  expect(app.links.length).toBeGreaterThan(2)
})

test('moved: back when the gateway says, not before', async () => {
  app = await openApp(['websocket'])
  await pass(100)
  await app.links[0]?.welcome()
  await app.links[0]?.say({ t: 'kick', code: 'moved', after: 2000 })
  await pass(1900)
  expect(app.links).toHaveLength(1)
  await pass(800)
  expect(app.links).toHaveLength(2)
})

test('a token that is no good is told, and asked for again after a while', async () => {
  app = await openApp(['http'])
  await pass(100)
  app.links[0]?.refuse()
  expect(app.status()).toBe('refused')
  await pass(25_000)
  expect(app.links).toHaveLength(1)
  await pass(6000)
  expect(app.links).toHaveLength(2)
})

test('a token that has run out is renewed at once, and nobody is told that it was refused', async () => {
  app = await openApp(['websocket'])
  await pass(100)
  await app.links[0]?.welcome()
  await app.links[0]?.say({ t: 'kick', code: 'auth', after: 0 })
  expect(app.status()).toBe('connecting')
  await pass(1000)
  expect(app.links).toHaveLength(2)
})

test('so is one that a request over HTTP no longer gets in with; the next one that is no good is told', async () => {
  app = await openApp(['http'])
  await pass(100)
  await app.links[0]?.welcome()
  app.links[0]?.refuse()
  expect(app.status()).toBe('connecting')
  await pass(1000)
  expect(app.links).toHaveLength(2)
  app.links[1]?.refuse()
  expect(app.status()).toBe('refused')
  await pass(25_000)
  expect(app.links).toHaveLength(2)
})

test('a token that never comes keeps no kind of link from being tried again', async () => {
  app = await openApp(['websocket'], { token: () => new Promise(() => undefined) })
  await pass(16_000)
  expect(app.states.at(-1)).toEqual({
    what: 'link',
    status: 'connecting',
    reason: 'websocket: the token takes too long',
  })
})

test('a token that cannot be had while the network is away is no refused one: it is asked for again soon, and why is told', async () => {
  let isAway = true
  app = await openApp(['websocket'], {
    async token() {
      if (isAway) throw new TypeError('fetch failed')
      return 'ann'
    },
  })
  await pass(20_000)
  expect(app.states.filter(({ what }) => what === 'link')).toEqual([
    { what: 'link', status: 'connecting', reason: 'websocket: no token: TypeError: fetch failed' },
  ])
  isAway = false
  await pass(8200)
  await app.links[0]?.welcome()
  expect(app.status()).toBe('online websocket')
})

test('while there is no link the reason of the last failure is told, but not instead of a refusal', async () => {
  app = await openApp(['websocket', 'http'])
  await pass(100)
  app.links[0]?.lose('closed with 1006')
  expect(app.states.at(-1)).toEqual({
    what: 'link',
    status: 'connecting',
    reason: 'websocket: closed with 1006',
  })
  await pass(2700)
  app.of('http')[0]?.refuse()
  app.of('websocket')[1]?.lose('closed with 1006')
  expect(app.status()).toBe('refused')
})

test('a link that cannot even be opened is a failure like any other', async () => {
  const fails = (): never => {
    throw new TypeError('an insecure WebSocket may not be opened')
  }
  app = await openApp(['websocket', 'http'], { open: { websocket: fails } })
  await pass(1500)
  await app.of('http')[0]?.welcome()
  expect(app.status()).toBe('online http')
})

test('tries are never more than 8 s apart: after a long blackout it is back soon', async () => {
  app = await openApp(['websocket'])
  vi.mocked(Math.random).mockReturnValue(0.999)
  const times: number[] = []
  for (let at = 0; at < 120_000; at += 200) {
    const open = app.links.at(-1)
    if (open !== undefined && !open.isClosed) {
      times.push(at)
      open.lose()
      open.isClosed = true
    }
    await pass(200)
  }
  const pauses = times.slice(1).map((at, index) => at - (times[index] ?? 0))
  expect(pauses.length).toBeGreaterThan(10)
  expect(Math.max(...pauses)).toBeLessThanOrEqual(8400)
})

test('where the inbox is to be read from another place hello is said anew at once: no link has failed, and nobody is told so (SEMANTICS 12, 23)', async () => {
  app = await openApp()
  await pass(10)
  // Restored, and then cut.
  app.ledger.begin('e0')
  await app.links[0]?.welcome({ recovered: false, top: 8, oldest: 7 })
  await pass(1)
  await app.links[1]?.welcome({ recovered: false, top: 8, oldest: 7 })
  await pass(1)
  await app.links[2]?.welcome({ top: 8 })
  expect(kinds()).toEqual(['(websocket)', '(websocket)', 'websocket'])
  expect(app.links[2]?.up[0]).toMatchObject({ t: 'hello', epoch: 'e1', offset: 6 })
  await app.links[2]?.say({ t: 'reset', epoch: 'e2', top: 3, oldest: 1, why: 'restored' })
  await pass(1)
  expect(kinds().slice(3)).toEqual(['websocket'])
  expect(app.states.filter(({ what }) => what === 'link')).toEqual([
    { what: 'link', status: 'online', link: 'websocket' },
    { what: 'link', status: 'connecting' },
  ])
})

test('a gateway that names another place each time is called ever less often, as one whose links fail', async () => {
  app = await openApp(['websocket'])
  for (let count = 0; count < 200; count++) {
    await pass(50)
    const link = app.links.at(-1)
    if (link?.isClosed === false) await link.welcome({ recovered: false, epoch: `e${count + 2}` })
  }
  expect(app.links.length).toBeLessThan(12)
})

test('an old copy of the outbox starts a new boot: its messages keep their ids under new numbers', async () => {
  app = await openApp(['websocket'])
  const one = await app.send('one')
  await pass(100)
  const { up } = app.links[0] ?? { up: [] }
  await app.links[0]?.welcome({ next: 40 })
  await pass(1000)
  expect(app.links[0]?.isClosed).toBe(true)
  const hello = app.links[1]?.up[0]
  expect(hello).toMatchObject({ t: 'hello', first: 1 })
  expect(hello).not.toMatchObject({ boot: up[0]?.t === 'hello' ? up[0].boot : '' })
  await app.links[1]?.welcome()
  expect(app.links[1]?.up).toContainEqual({ t: 'send', n: 1, id: one.id, message: { text: 'one' } })
})

test('a welcome that wants a number behind what was never sent: it is an old copy, and nothing of it is taken for stored (SEMANTICS 13)', async () => {
  app = await openApp(['websocket', 'mqtt'])
  for (const text of ['one', 'two', 'three']) await app.send(text)
  await pass(2700)
  const [websocket, mqtt] = [app.of('websocket')[0], app.of('mqtt')[0]]
  await mqtt?.welcome({ next: 3 })
  await pass(1000)
  // The other link spoke for the former boot as well.
  expect([websocket?.isClosed, mqtt?.isClosed, app.ledger.waiting]).toEqual([true, true, 3])
  await app.links.at(-1)?.welcome()
  expect(app.links.at(-1)?.numbers).toEqual([1, 2, 3])
})

test('an app that was killed between sending and the answer believes the welcome of its next life: no new boot', async () => {
  const box = memoryBox()
  app = await openApp(['websocket'], { box })
  const one = await app.send('one')
  await pass(100)
  await app.links[0]?.welcome()
  await app.ledger.durable()
  const [hello] = app.links[0]?.up ?? []
  app.conductor.close()
  app = await openApp(['websocket'], { box })
  await pass(100)
  await app.links[0]?.welcome({ next: 2 })
  expect(app.links[0]?.up[0]).toMatchObject({ boot: hello?.t === 'hello' && hello.boot, first: 1 })
  expect([app.links[0]?.isClosed, app.ledger.waiting]).toEqual([false, 0])
  expect(app.states).toContainEqual({ what: 'mark', id: one.id, mark: 'stored' })
})
