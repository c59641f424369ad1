// A call to a backend or an agent with its real protection: what its breaker hears of a call that was given less time than others.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Message } from '../../../../core/api.ts'
import { callAgent, callBackend } from '../../../../core/calls/calls.ts'
import { createAgent, createBackend } from '../../../../core/components/components.ts'
import type { Surroundings } from '../../../../core/components/components.ts'
import { uncounted } from '../../../../core/guard/limit-count.ts'
import type { BackendSettings } from '../../../../core/settings.ts'
import { handAgent, handBackend } from '../../../support/parts.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const around = {
  log: { debug() {}, info() {}, warn() {}, error() {} },
  onBreaker() {},
  onCalled() {},
  limit: () => uncounted,
  scope: () => ({ scope: {}, dispose: async () => undefined }),
} as unknown as Surroundings // what a backend needs of it
const settings: BackendSettings = {
  id: 'erp',
  adapter: 'erp',
  config: {},
  hash: '',
  timeoutMs: 1500,
  breaker: { errorRate: 50, minimumCalls: 4, windowMs: 10_000, openForMs: 20_000 },
  connections: 64,
  responseLimitBytes: 2 ** 20,
  operations: {},
}
const message = { id: 'm', channel: 'web', sender: { id: 'a', role: 'system' } } as unknown as Message // what a call reads

/** An operation that answers after `system.afterMs`. */
function operation(afterMs: number, over: Partial<BackendSettings> = {}) {
  const system = { afterMs, asked: 0 }
  const { adapter } = handBackend('erp', { Look: { safe: true } }, async () => {
    system.asked += 1
    await new Promise((done) => setTimeout(done, system.afterMs))
    return { data: 'ok' }
  })
  const { inUse, breakers } = createBackend({ ...settings, ...over }, adapter, around)
  const look = inUse.operation('Look')
  if (look === undefined) throw new Error('it has no such operation')
  /** `retries: false`: it stands in a lane, and waits for its place. */
  const begin = (ms: number, retries = true): Promise<string> => {
    const invocation = { operation: 'Look', params: {}, message, key: 'm', attempt: 1, ms }
    return callBackend(inUse, look, { ...invocation, retries, caller: '' }).then(
      () => 'ok',
      (error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : 'thrown'),
    )
  }
  const call = async (ms: number): Promise<string> => {
    const answer = begin(ms)
    await vi.advanceTimersByTimeAsync(ms)
    return answer
  }
  return {
    begin,
    call,
    system,
    breaker: () => breakers.get('Look'),
    state: () => breakers.get('Look')?.state,
  }
}

test('a route that gives a call less than half of the time of its operation opens the breaker for nobody else (DESIGN §7)', async () => {
  const { call, state } = operation(600)
  expect(await call(1500)).toBe('ok')
  for (let n = 0; n < 12; n += 1) expect(await call(200)).toBe('DEADLINE_EXCEEDED')
  expect([state(), await call(1500)]).toEqual(['ACTIVE', 'ok'])
})

test('a call that was given half of the time of its operation, and is too slow, counts', async () => {
  const { call, state } = operation(3000)
  for (let n = 0; n < 4; n += 1) expect(await call(750)).toBe('DEADLINE_EXCEEDED')
  expect([state(), await call(1500)]).toEqual(['OPEN', 'BREAKER_OPEN'])
})

test('a call that has lasted as long as `slow` is slow, however little time it was given (DESIGN §7)', async () => {
  const breaker = { ...settings.breaker, slowMs: 300, slowRate: 50 }
  const { call, state } = operation(1400, { breaker })
  for (let n = 0; n < 4; n += 1) {
    expect(await call(200)).toBe('DEADLINE_EXCEEDED')
    expect(await call(400)).toBe('DEADLINE_EXCEEDED')
    expect(state()).toBe(n < 3 ? 'ACTIVE' : 'OPEN') // those of 200 ms are none of the four
  }
})

test('what a call has waited for its place in the bulkhead is none of the time the operation was given', async () => {
  const { begin, state, system } = operation(450, { bulkhead: { maxCalls: 4, dryRun: false } })
  const calls = Array.from({ length: 8 }, () => begin(1000, false))
  system.afterMs = 600
  await vi.advanceTimersByTimeAsync(1000) // the second four have had 550 of 1500 ms
  const four = (outcome: string): string[] => Array<string>(4).fill(outcome)
  expect(await Promise.all(calls)).toEqual([...four('ok'), ...four('DEADLINE_EXCEEDED')])
  expect(state()).toBe('ACTIVE')
})

test('half-open, calls with too little time to prove anything are one probe in each open time, and keep nobody from probing', async () => {
  const breaker = { ...settings.breaker, openForMs: 4000 }
  const { call, state, system } = operation(60_000, { breaker })
  for (let n = 0; n < 4; n += 1) await call(1500)
  await vi.advanceTimersByTimeAsync(4000)
  const before = system.asked
  for (let n = 0; n < 50; n += 1) await call(200) // 10 s
  expect([state(), system.asked - before]).toEqual(['HALF-OPEN', 3])
  system.afterMs = 600
  expect([await call(200), await call(1500)]).toEqual(['BREAKER_OPEN', 'ok'])
})

test('a route that gives a call less than half of the time of its agent opens the breaker for nobody else; with half of it a call counts', async () => {
  let afterMs = 600
  const { adapter } = handAgent('bot', async () => {
    await new Promise((done) => setTimeout(done, afterMs))
    return { text: 'hello' }
  })
  const { inUse, breaker } = createAgent({ ...settings, id: 'bot' }, adapter, around)
  const conversation = { id: 'c', customer: message.sender }
  const call = async (ms: number): Promise<string> => {
    const answer = callAgent(inUse, { message, conversation, ms, waits: true })
    const ended = answer.then(
      () => 'ok',
      () => 'failed',
    )
    await vi.advanceTimersByTimeAsync(ms)
    return ended
  }
  for (let n = 0; n < 12; n += 1) expect(await call(200)).toBe('failed')
  expect([breaker.state, await call(1500)]).toEqual(['ACTIVE', 'ok'])
  afterMs = 3000
  for (let n = 0; n < 4; n += 1) expect(await call(750)).toBe('failed')
  expect(breaker.state).toBe('OPEN')
})
