// The request that waits for news, where what is between does not let it wait; time is the test's own.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { DownFrame } from '../../../../../core/api.ts'
import { openHttp } from '../../../../../core/link/client/transport-http.ts'
import type { Transport } from '../../../../../core/link/client/types.ts'
import { msg, welcome } from './fake-links.ts'

/** What answers a request that may wait so many seconds, 0: that may not. */
type Way = (waitS: number) => Promise<Response>

const opened: Transport[] = []
beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  for (const transport of opened.splice(0)) transport.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const pass = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)
const frames = (...all: readonly DownFrame[]): Response => Response.json({ frames: all })

async function after(ms: number, response: () => Response): Promise<Response> {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return response()
}

function open(way: Way) {
  const waits: number[] = []
  const gone: unknown[] = []
  vi.stubGlobal('fetch', async (_address: string, { headers }: { headers: Record<string, string> }) => {
    const waitS = Number(headers['prefer']?.replace('wait=', '') ?? 0)
    waits.push(waitS)
    return way(waitS)
  })
  const transport = openHttp({
    address: 'http://gateway/v1/link',
    token: 'ann',
    device: 'd',
    hello: () => ({ t: 'hello', v: 1, device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }),
    onFrames: async () => undefined,
    onGone: (why) => gone.push(why),
    patienceMs: () => 5000,
  })
  opened.push(transport)
  return { waits, gone, send: () => transport.send([{ t: 'ping' }]) }
}

test('where no wait is granted an idle link asks ever less often, and soon again after each send', async () => {
  const { waits, send } = open(() => after(10, () => frames(welcome())))
  await pass(120_000)
  expect(waits.length).toBeGreaterThan(120 / 15)
  expect(waits.length).toBeLessThan(120 / 5)
  const before = waits.length
  send()
  await pass(4000)
  // The send itself, and three that look for what it brought.
  expect(waits.length - before).toBe(4)
})

test.each([
  ['what waited as long as it may', (waitS: number) => after(waitS * 1000, () => frames(welcome())), 15_000],
  ['what brought something', () => after(300, () => frames(welcome(), msg(1, 'a'))), 300],
])('after %s the next request follows at once', async (_name, way, everyMs) => {
  const { waits } = open(way)
  await pass(60_000)
  expect(waits.length).toBeGreaterThanOrEqual(60_000 / everyMs)
})

const fails = (): never => {
  throw new TypeError('fetch failed')
}
test.each([
  ['a 504', 10_000, () => new Response('', { status: 504 })],
  ['a 502', 7000, () => new Response('', { status: 502 })],
  ['a cut', 5000, fails],
  ['a cut', 3500, fails],
])(
  'what is between ends requests with %s after %i ms: the link asks for less, and lives',
  async (_name, mostMs, end) => {
    const { waits, gone } = open((waitS) =>
      after(Math.min(waitS * 1000, mostMs), () => (waitS * 1000 > mostMs ? end() : frames(welcome()))),
    )
    await pass(70_000)
    expect(gone).toEqual([])
    const [first, cut, ...fewer] = waits
    expect([first, cut, new Set(fewer).size]).toEqual([0, 15, 1])
    await pass(600_000)
    expect(gone).toEqual([])
    expect(waits.filter((waitS) => waitS * 1000 > mostMs)).toHaveLength(3)
  },
)

test('after one single cut the link is back at its full wait in five minutes', async () => {
  let isCut = false
  const { waits, gone } = open((waitS) => {
    if (waitS === 0 || isCut) return after(waitS * 1000, () => frames(welcome()))
    isCut = true
    return after(6000, () => new Response('', { status: 502 }))
  })
  await pass(60_000)
  expect([waits.slice(0, 3), waits.at(-1)]).toEqual([[0, 15, 3], 3])
  await pass(270_000)
  expect(waits.at(-1)).toBe(15)
  expect(gone).toEqual([])
})

test.each([
  ['at once', 1000, 2],
  ['as soon as less is asked for', 8000, 3],
])('a gateway that is gone is told %s (a proxy says so after %i ms)', async (_when, ms, requests) => {
  const { waits, gone } = open((waitS) =>
    waitS === 0 ? after(0, () => frames(welcome())) : after(ms, () => new Response('', { status: 504 })),
  )
  await pass(20_000)
  expect(gone).toEqual([{ reason: 'answered with 504', isRefused: false }])
  expect(waits.length).toBe(requests)
})

test.each([
  [200, 'what came was no frame (text/html, from http://portal.example/login)'],
  [404, 'answered with 404 (text/html, from http://portal.example/login)'],
])(
  'the login page of a network (%i) is named, not taken for an answer of the gateway',
  async (status, reason) => {
    const { gone } = open(async () => {
      const page = new Response('<html>', { status, headers: { 'content-type': 'text/html; charset=utf-8' } })
      Object.defineProperties(page, {
        redirected: { value: true },
        url: { value: 'http://portal.example/login?back=/v1/link' },
      })
      return page
    })
    await pass(10)
    expect(gone).toMatchObject([{ reason }])
  },
)
