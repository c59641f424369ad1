// The deadline: every call ends, whatever it does with its signal.
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { recorded } from './servers.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const what = 'backend "orders", operation "GetOrder"'

test('a call that settles in time comes out unchanged, value or error, and its timer is cleared', async () => {
  const error = new TypeError('as thrown')
  await expect(withDeadline({ ms: 1_000, what }, () => Promise.resolve(7))).resolves.toBe(7)
  await expect(withDeadline({ ms: 1_000, what }, () => Promise.reject(error))).rejects.toBe(error)
  expect(vi.getTimerCount()).toBe(0)
})

test('a call that ignores its signal still ends at the deadline with DEADLINE_EXCEEDED (DESIGN §7)', async () => {
  const ended = withDeadline({ ms: 2_000, what }, () => new Promise(() => {}))
  const outcome = ended.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1_999)
  expect(vi.getTimerCount()).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(await outcome).toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    notExecuted: false,
    message: `${what}: no answer within 2000 ms`,
  })
  expect(vi.getTimerCount()).toBe(0)
})

test('the call hears of its end by its signal, with the reason its caller gets', async () => {
  let heard: unknown
  const ended = withDeadline(
    { ms: 50, what },
    (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => {
          heard = signal.reason
          reject(new Error('stopped'))
        })
      }),
  )
  const outcome = ended.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(50)
  expect(await outcome).toBe(heard)
  expect(heard).toBeInstanceOf(GatewayError)
})

test('a call that says at its deadline that nothing was executed is believed (SEMANTICS 3)', async () => {
  const waiting = (reason: unknown): Promise<unknown> => {
    const call = (signal: AbortSignal): Promise<never> =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(reason))
      }).then(() => Promise.reject(new Error('not reached')))
    return withDeadline({ ms: 50, what }, call).catch((error: unknown) => error)
  }
  const unsent = waiting(new GatewayError('BACKEND_FAILED', 'no description', { notExecuted: true }))
  const sent = waiting(new GatewayError('BACKEND_FAILED', 'the line broke'))
  await vi.advanceTimersByTimeAsync(50)
  expect(await unsent).toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: true })
  expect(await sent).toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: false })
  expect(vi.getTimerCount()).toBe(0)
})

test("the end of one call aborts no sibling's signal (TRAPS opossum: one abortController per breaker)", async () => {
  const signals: AbortSignal[] = []
  const never = (signal: AbortSignal): Promise<never> => {
    signals.push(signal)
    return new Promise(() => {})
  }
  const short = withDeadline({ ms: 10, what }, never).catch((error: unknown) => error)
  void withDeadline({ ms: 1_000, what }, never).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(10)
  await short
  expect(signals.map((signal) => signal.aborted)).toEqual([true, false])
})

test('a failure after the end is logged at debug level and is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const onUnhandled = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', onUnhandled)
  const { log, lines } = recorded()
  const call = Promise.withResolvers<string>()
  const ended = withDeadline({ ms: 10, what, log }, () => call.promise).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(10)
  expect(await ended).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
  call.reject(new Error('too late'))
  vi.useRealTimers()
  await new Promise((resolve) => setImmediate(resolve)) // unhandled rejections are reported between two turns of the loop
  process.off('unhandledRejection', onUnhandled)
  expect(lines).toEqual([`debug ${what}: failed after its end`])
  expect(unhandled).toEqual([])
})

test("the caller's end is the call's end, with the reason given there", async () => {
  const caller = new AbortController()
  const reason = new GatewayError('EXPIRED', 'nobody waits any more')
  const ended = withDeadline({ ms: 1_000, what, signal: caller.signal }, () => new Promise(() => {}))
  caller.abort(reason)
  await expect(ended).rejects.toBe(reason)
  expect(vi.getTimerCount()).toBe(0)
})

test.each([undefined, 'client closed', new Error('socket hang up')])(
  "a caller's end with the reason %s is an AbortError, so that nobody takes it for a failure",
  async (reason) => {
    const caller = new AbortController()
    const ended = withDeadline({ ms: 1_000, what, signal: caller.signal }, () => new Promise(() => {}))
    caller.abort(reason)
    await expect(ended).rejects.toMatchObject({ name: 'AbortError' })
  },
)

test('nothing stays registered at a long-lived caller signal', async () => {
  const caller = new AbortController()
  for (let i = 0; i < 20; i += 1)
    await withDeadline({ ms: 1_000, what, signal: caller.signal }, () => Promise.resolve(i))
  expect(getEventListeners(caller.signal, 'abort')).toEqual([])
})

test.each([0, -5, Number.NaN])('with %s ms left the call is not begun, and the error says so', async (ms) => {
  let begun = false
  const ended = withDeadline({ ms, what }, async () => {
    begun = true
  })
  await expect(ended).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: true })
  expect(begun).toBe(false)
})

test('a caller who has already gone begins nothing', async () => {
  let begun = false
  const ended = withDeadline({ ms: 1_000, what, signal: AbortSignal.abort() }, async () => {
    begun = true
  })
  await expect(ended).rejects.toMatchObject({ name: 'AbortError' })
  expect(begun).toBe(false)
})

test('a deadline longer than a timer can hold does not end at once', async () => {
  const call = Promise.withResolvers<string>()
  const ended = withDeadline({ ms: Infinity, what }, () => call.promise)
  await vi.advanceTimersByTimeAsync(24 * 3_600_000)
  call.resolve('at last')
  await expect(ended).resolves.toBe('at last')
})

test('a call that throws instead of returning a promise is a rejection', async () => {
  const error = new RangeError('at once')
  const ended = withDeadline({ ms: 1_000, what }, () => {
    throw error
  })
  await expect(ended).rejects.toBe(error)
  expect(vi.getTimerCount()).toBe(0)
})
