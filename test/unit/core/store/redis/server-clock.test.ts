// SEMANTICS 25: on Redis, `TIME` rules.
import { afterEach, expect, test, vi } from 'vitest'
import type { Log } from '../../../../../core/api.ts'
import { ServerClock } from '../../../../../core/store/redis/server-clock.ts'

const HERE = Date.parse('2026-01-02T03:04:05Z')
const MINUTES_20 = 20 * 60_000

afterEach(() => vi.useRealTimers())

/** A server whose clock is so far ahead, and whose answer takes so long. */
const server = (aheadMs: number, tookMs = 0) => ({
  time: async () => {
    await vi.advanceTimersByTimeAsync(tookMs / 2)
    const now = Date.now() + aheadMs
    await vi.advanceTimersByTimeAsync(tookMs / 2)
    return [Math.floor(now / 1000), (now % 1000) * 1000]
  },
})

function clock(): { readonly clock: ServerClock; readonly lines: unknown[] } {
  vi.useFakeTimers({ now: HERE })
  const lines: unknown[] = []
  const say = (level: string) => (_message: string, fields?: object) => lines.push([level, fields])
  const log = { warn: say('warn'), info: say('info') } as unknown as Log // it says no more
  return { clock: new ServerClock(log), lines }
}

test.each([MINUTES_20, -MINUTES_20])(
  'a server that is %d ms ahead is followed, and said once',
  async (aheadMs) => {
    const { clock: own, lines } = clock()
    for (let n = 0; n < 3; n++) await own.look(server(aheadMs, 10))
    expect(own.now).toBe(Date.now() + aheadMs)
    expect(lines).toEqual([['warn', { redisAheadMs: aheadMs }]])
    await own.look(server(0))
    expect(own.now).toBe(Date.now())
    expect(lines.at(-1)).toEqual(['info', { redisAheadMs: 0 }])
  },
)

test('what the way there may have made of the difference is none', async () => {
  const { clock: own, lines } = clock()
  await own.look(server(90))
  await own.look(server(1900, 2000))
  expect(own.now).toBe(Date.now())
  await own.look(server(1900))
  expect(own.now).toBe(Date.now() + 1900)
  expect(lines).toEqual([])
})
