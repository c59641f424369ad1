// Logs that cannot be read: what heals is waited for, what does not holds up the inbox no longer than it must.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { memoryBox } from '../../../../../core/link/client/box.ts'
import { catchUp } from '../../../../../core/link/client/catch-up.ts'
import type { Ledger } from '../../../../../core/link/client/ledger.ts'
import { msg, openLedger } from './fake-links.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** One that has seen a message of each of these, and then a gap. */
async function behind(...conversations: readonly string[]): Promise<Ledger> {
  const { ledger } = await openLedger()
  ledger.begin('e1')
  for (const [index, conversation] of conversations.entries())
    ledger.take(msg(index + 1, `of ${conversation}`, { conversation, sequence: 7 }))
  await ledger.durable()
  ledger.moveTo('e1', 9)
  return ledger
}

const page = (): Response => Response.json({ messages: [], next: 7, truncated: false })
const problem = (status: number): Response =>
  new Response('{}', { status, headers: { 'content-type': 'application/problem+json; charset=utf-8' } })

function start(ledger: Ledger, answer: (url: string) => Response, isOnline = (): boolean => true) {
  const asked: string[] = []
  vi.stubGlobal('fetch', async (url: string) => {
    asked.push(url)
    return answer(url)
  })
  const ending = new AbortController()
  const done = catchUp({
    ledger,
    base: 'http://gateway',
    token: async () => 'ann',
    isOnline,
    signal: ending.signal,
  })
  return { asked, done, end: () => ending.abort() }
}

test('a token that never comes is asked for again, and the log is read with the next one', async () => {
  const ledger = await behind('link:ann')
  vi.stubGlobal('fetch', async () => page())
  let asked = 0
  const done = catchUp({
    ledger,
    base: 'http://gateway',
    token: () => (++asked === 1 ? Promise.withResolvers<string>().promise : Promise.resolve('ann')),
    isOnline: () => true,
    signal: new AbortController().signal,
  })
  await vi.advanceTimersByTimeAsync(20_000)
  expect(ledger.owed).toEqual([])
  expect(await done).toEqual({ isWhole: true })
})

const no = (): never => {
  throw new TypeError('Failed to fetch')
}

test.each([400, 404, 405, 414])(
  'a log that is answered with %i is gone, and the next one is read',
  async (status) => {
    const ledger = await behind('..', 'link:ann')
    const { done } = start(ledger, (url) => (url.includes('/../') ? problem(status) : page()))
    await vi.advanceTimersByTimeAsync(1000)
    expect(await done).toMatchObject({ isWhole: false })
    expect(ledger.owed).toEqual([])
  },
)

test.each([401, 408, 429, 503])(
  'a log that is answered with %i is asked for again without end',
  async (status) => {
    const ledger = await behind('link:ann')
    let isWell = false
    const { asked, done } = start(ledger, () => (isWell ? page() : new Response('', { status })))
    await vi.advanceTimersByTimeAsync(600_000)
    expect(asked.length).toBeGreaterThan(20)
    expect(ledger.owed).toHaveLength(1)
    isWell = true
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await done).toEqual({ isWhole: true })
  },
)

test.each([403, 404, 410])(
  'what a network on the way answers with %i is not what the gateway says of the log: it is asked for again',
  async (status) => {
    const ledger = await behind('link:ann')
    let isLetThrough = false
    const login = (): Response => new Response('<html>Log in</html>', { status })
    const { done } = start(ledger, () => (isLetThrough ? page() : login()))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(ledger.owed).toHaveLength(1)
    isLetThrough = true
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await done).toEqual({ isWhole: true })
  },
)

test.each([
  ['no CORS headers', no],
  ['an error', () => new Response('', { status: 500 })],
])('online, a log that cannot be fetched is given up after a while, with why: %s', async (_name, answer) => {
  const ledger = await behind('link:ann')
  const { asked, done } = start(ledger, answer)
  await vi.advanceTimersByTimeAsync(200_000)
  const { isWhole, why } = await done
  expect([isWhole, asked.length]).toEqual([false, 10])
  expect(why).toMatch(/^the log of "link:ann" could not be read: /u)
  expect(ledger.owed).toEqual([])
})

test('without any link a log is never given up: the network is away', async () => {
  const ledger = await behind('link:ann')
  const { asked, done, end } = start(ledger, no, () => false)
  await vi.advanceTimersByTimeAsync(600_000)
  expect(asked.length).toBeGreaterThan(20)
  expect(ledger.owed).toHaveLength(1)
  end()
  await vi.advanceTimersByTimeAsync(0)
  await done
})

test('a restored log that ends before all that is kept here: what was shown and forgotten is not shown again, what came since is (SEMANTICS 12)', async () => {
  const { ledger, said } = await openLedger(memoryBox(), 3)
  const at = (minute: number): string => `2026-01-01T00:${String(minute).padStart(2, '0')}:00.000Z`
  ledger.begin('e1')
  const first = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => msg(n, `m${n}`, { receivedAt: at(n) }))
  for (const message of first) ledger.take(message)
  await ledger.durable()
  ledger.moveTo('e2', 6)
  const restored = first.slice(0, 4)
  const since = [5, 6].map((n) => ({ ...msg(n, `since ${n}`, { receivedAt: at(n + 30) }), epoch: 'e2' }))
  const pages = [restored, since, []].map((rows) => rows.map(({ message }) => message))
  const { done } = start(ledger, (url) => {
    if (url.endsWith('?after=7')) return problem(410)
    const messages = pages.shift() ?? []
    return Response.json({ messages, next: messages.at(-1)?.sequence ?? 6, truncated: false })
  })
  await vi.advanceTimersByTimeAsync(1000)
  expect(await done).toEqual({ isWhole: true })
  ledger.begin('e2')
  for (const message of restored) ledger.take({ ...message, epoch: 'e2' })
  for (const message of since) ledger.take(message)
  await ledger.durable()
  expect(said.map(({ text }) => text)).toEqual([
    ...first.map((_, index) => `m${index + 1}`),
    'since 5',
    'since 6',
  ])
})

test('another log under the same name, as of a gateway with an empty store, is shown whole', async () => {
  const { ledger, said } = await openLedger(memoryBox(), 1)
  ledger.begin('e1')
  for (const n of [1, 2, 3]) ledger.take(msg(n, `m${n}`))
  await ledger.durable()
  ledger.moveTo('e2', 1)
  const pages = [[msg(1, 'new', { receivedAt: '2026-02-01T00:00:00.000Z' }).message], []]
  const { done } = start(ledger, (url) =>
    url.endsWith('?after=2')
      ? problem(410)
      : Response.json({ messages: pages.shift(), next: 1, truncated: false }),
  )
  await vi.advanceTimersByTimeAsync(1000)
  await done
  expect(said.map(({ text }) => text)).toEqual(['m1', 'm2', 'm3', 'new'])
})
