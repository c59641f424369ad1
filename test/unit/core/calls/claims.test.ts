// Joining a claimed call of another instance (SEMANTICS 33, 35): its end is found also where nobody hints at it.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Reply } from '../../../../core/api.ts'
import { createClaims } from '../../../../core/calls/claims.ts'
import type { Call, ClaimsOptions } from '../../../../core/calls/claims.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import type { Normalised } from '../../../../core/normalise.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Settle, Store, Work } from '../../../../core/store/store.ts'
import { testMessage } from '../../../../core/testing.ts'
import { Waiters } from '../../../../core/return/waiters.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A call that runs elsewhere and ends after `endsMs`; who asks waits for 1100 ms, and nothing is ever hinted at. */
function joiner(endsMs: number) {
  const begun = performance.now()
  const isOver = (): boolean => performance.now() - begun >= endsMs
  const reply = { data: 'done', origin: 'backend' }
  const store = {
    watch: () => new Hints().watch([]),
    claim: async () => ({ status: 'running', id: 'first' }),
    find: async () => [
      { row: 'claim', id: 'first', ...(isOver() ? { state: 'answered', reply } : { state: 'begun' }) },
    ],
  } as unknown as Store // what joining asks of it
  const hold = { fence: { counter: 1, random: 'r' }, isLive: true, [Symbol.dispose]() {} }
  const claims = createClaims({
    store,
    log: noLog,
    lanes: { callHold: async () => hold },
    waiters: new Waiters({ store, look: async () => undefined }),
  } as unknown as ClaimsOptions) // and nothing else
  const wanted: Call = { what: 'it', safe: false, repeatable: false, ms: 100, make: () => Promise.reject() }
  const normalised = { message: testMessage(), home: 'web/ann' } as unknown as Normalised // as above
  return claims.call(normalised, wanted)
}

test('a call that ends elsewhere in the last moment of the wait is found when the wait is over', async () => {
  const joined = joiner(1099)
  await vi.advanceTimersByTimeAsync(1200)
  expect(await joined).toMatchObject({ first: 'first', reply: { data: 'done' } })
})

test('a call that has not ended by then is still at work', async () => {
  const joined = joiner(60_000)
  const failed = joined.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1200)
  expect(await failed).toMatchObject({ code: 'DEADLINE_EXCEEDED' })
})

/** Claims that make calls of their own. */
function calling(
  store: Store,
  waiters = new Waiters({ store, look: async () => undefined }),
  more: Partial<ClaimsOptions> = {},
) {
  const hold = { fence: { counter: 1, random: 'r' }, isLive: true, [Symbol.dispose]() {} }
  return createClaims({
    store,
    log: noLog,
    lanes: { callHold: async () => hold },
    waiters,
    stopped: new AbortController().signal,
    now: () => 0,
    telemetry: { ended() {} },
    ...more,
  } as unknown as ClaimsOptions) // and nothing else
}

test('SEMANTICS 2: a call that is made again in the moment the one before is released runs until it has ended', async () => {
  const settled = Promise.withResolvers<unknown>()
  const claimed = Promise.withResolvers<unknown>()
  const claim = vi.fn<() => Promise<unknown>>(() => claimed.promise)
  claim.mockResolvedValueOnce({ status: 'run', id: 'first', attempt: 1 })
  const settle = vi.fn<() => Promise<unknown>>(async () => ({ status: 'settled', waiting: 0 }))
  settle.mockReturnValueOnce(settled.promise)
  const store = { watch: () => new Hints().watch([]), claim, settle } as unknown as Store // what calling asks of it
  const claims = calling(store)
  const answer = Promise.withResolvers<Reply>()
  const make = vi.fn<Call['make']>(() => answer.promise)
  make.mockRejectedValueOnce(new GatewayError('BACKEND_FAILED', 'refused', { notExecuted: true }))
  const wanted: Call = { what: 'it', safe: false, repeatable: false, ms: 100, make }
  const dedupe = { key: 'k', fingerprint: 'f', ttlMs: 1000 }
  const normalised = { message: testMessage(), home: 'web/ann', dedupe } as unknown as Normalised // as above
  const first = claims.call(normalised, wanted)
  await vi.advanceTimersByTimeAsync(0)
  const second = claims.call(normalised, wanted)
  // The store answers both in one turn.
  settled.resolve({ status: 'settled', waiting: 0 })
  claimed.resolve({ status: 'run', id: 'first', attempt: 2 })
  await expect(first).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  await vi.advanceTimersByTimeAsync(0)
  expect(make).toHaveBeenCalledTimes(2)
  expect(claims.isRunning('first')).toBe(true)
  answer.resolve({ data: 'done', origin: 'backend' })
  expect(await second).toMatchObject({ reply: { data: 'done' } })
  expect(claims.isRunning('first')).toBe(false)
})

test('SEMANTICS 15: a refused call says so also where its release was sent again and its id is a stored write’s by then', async () => {
  const settle = vi.fn<() => Promise<unknown>>(async () => ({ status: 'gone' }))
  settle.mockRejectedValueOnce(new GatewayError('STORE_UNAVAILABLE', 'the answer was lost'))
  const claim = async () => ({ status: 'run', id: 'first', attempt: 1 })
  const store = { watch: () => new Hints().watch([]), claim, settle } as unknown as Store // what calling asks of it
  const waiters = new Waiters({ store, look: async () => undefined })
  const claims = calling(store, waiters)
  const refused = new GatewayError('BACKEND_FAILED', 'refused', { notExecuted: true })
  const make = () => Promise.reject(refused)
  const wanted: Call = { what: 'it', safe: false, repeatable: false, ms: 100, make }
  const dedupe = { key: 'k', fingerprint: 'f', ttlMs: 1000 }
  const normalised = { message: testMessage(), home: 'web/ann', dedupe } as unknown as Normalised // as above
  const writer = waiters.register('first', { ms: 1000 })
  const called = claims.call(normalised, wanted).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(100)
  expect(settle).toHaveBeenCalledTimes(2)
  expect(await called).toBe(refused)
  // Who waits for the write is told by that.
  waiters.resolve('first', { outcome: 'answered' })
  expect(await writer.ended).toEqual({ outcome: 'answered' })
})

test('a message that was taken and not answered yet is no answer of a call: its own way tells of it', async () => {
  const store = { claim: async () => ({ status: 'done', id: 'first', outcome: 'taken' }) }
  const hold = { [Symbol.dispose]() {} }
  const claims = createClaims({ store, lanes: { callHold: async () => hold } } as unknown as ClaimsOptions) // and nothing else
  const wanted: Call = { what: 'it', safe: false, repeatable: false, ms: 100, make: () => Promise.reject() }
  const normalised = { message: testMessage(), home: 'web/ann' } as unknown as Normalised // as above
  expect(await claims.call(normalised, wanted)).toEqual({ status: 'stored', isWrite: false })
})

test('SEMANTICS 16: a call whose preparation the gateway did not live through is not prepared again', async () => {
  const claims = createClaims({ log: noLog } as unknown as ClaimsOptions) // recovery asks for nothing else
  const prepare = vi.fn<() => Promise<Call>>()
  const work = { kind: 'claim', orphan: true, poison: true, isUnroutable: true } as unknown as Work // what it looks at
  expect(await claims.recover(work, prepare)).toMatchObject({ outcome: 'unknown', dead: true })
  expect(prepare).not.toHaveBeenCalled()
})

test('SEMANTICS 2: that a call which was cut off is not made again is no second attempt of it', async () => {
  const claims = createClaims({ log: noLog } as unknown as ClaimsOptions) // recovery asks for nothing else
  const work = { kind: 'claim', orphan: true, poison: false } as unknown as Work // what it looks at
  expect(await claims.recover(work, async () => once)).toMatchObject({ outcome: 'unknown', idle: true })
})

const done: Reply = { data: 'done', origin: 'backend' }
const once: Call = { what: 'it', safe: false, repeatable: false, ms: 100, make: async () => done }
const away = new GatewayError('STORE_UNAVAILABLE', 'away')
const keyed = {
  message: testMessage(),
  home: 'web/ann',
  dedupe: { key: 'k', fingerprint: 'f', ttlMs: 1000 },
} as unknown as Normalised // what a call is claimed with

/** A store that lets each call run, and whose settle is this. */
function storing(settle: (settle: Settle) => Promise<unknown>) {
  const asked = vi.fn<(asked: Settle) => Promise<unknown>>(settle)
  const claim = vi.fn<() => Promise<unknown>>(async () => ({ status: 'run', id: 'first', attempt: 1 }))
  const store = { watch: () => new Hints().watch([]), claim, settle: asked } as unknown as Store // what calling asks of it
  return { store, settle: asked, claim }
}

test.each([
  [
    'a write: nobody knows, and no retry is asked for',
    once,
    { code: 'OUTCOME_UNKNOWN', cause: { code: 'STORE_UNAVAILABLE' } },
  ],
  ['what may be made again: later', { ...once, repeatable: true }, { code: 'STORE_UNAVAILABLE' }],
])(
  'SEMANTICS 2: a call that was made and is not stored when its time is over is not waited for; %s',
  async (_what, wanted, error) => {
    let isAway = true
    const { store } = storing(() => (isAway ? Promise.reject(away) : Promise.resolve({ status: 'settled' })))
    const claims = calling(store)
    const called = claims.call(keyed, wanted).catch((thrown: unknown) => thrown)
    await vi.advanceTimersByTimeAsync(1200)
    expect(await called).toMatchObject(error)
    expect(claims.isRunning('first')).toBe(true)
    isAway = false
    await vi.advanceTimersByTimeAsync(3000)
    expect(claims.isRunning('first')).toBe(false)
  },
)

test('SEMANTICS 2: a write that was made is not known of where the gateway stops before its answer is stored', async () => {
  const stop = new AbortController()
  const { store } = storing(() => Promise.reject(away))
  const called = calling(store, undefined, { stopped: stop.signal }).call(keyed, once)
  const told = called.catch((thrown: unknown) => thrown)
  await vi.advanceTimersByTimeAsync(200)
  stop.abort()
  expect(await told).toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    retry: false,
    cause: { code: 'STORE_UNAVAILABLE' },
  })
})

test.each([
  [
    'a write: unknown, and a dead letter',
    once,
    'OUTCOME_UNKNOWN',
    { outcome: 'unknown', dead: expect.anything() },
  ],
  [
    'what may be made again: failed, and released',
    { ...once, repeatable: true },
    'BACKEND_FAILED',
    { outcome: 'retry' },
  ],
])(
  'an answer that is too large for the store ends its call without it, and says how large it is; %s',
  async (_what, wanted, code, end) => {
    const large = new GatewayError('TOO_LARGE', 'no text of more than 16 bytes, and this has 17')
    const { store, settle } = storing(({ reply }) =>
      reply === undefined ? Promise.resolve({ status: 'settled' }) : Promise.reject(large),
    )
    await expect(calling(store).call(keyed, wanted)).rejects.toMatchObject({
      code,
      side: 'backend',
      message: expect.stringContaining('and this has 17'),
    })
    expect(settle).toHaveBeenCalledTimes(2)
    expect(settle).toHaveBeenLastCalledWith(expect.objectContaining({ ...end, kind: 'claim', id: 'first' }))
  },
)

test('a claim that the store lost while its call was made: the caller has the answer, and a repeat of the key finds it', async () => {
  const said: unknown[] = []
  const log = { ...noLog, error: (text: string, fields: unknown) => void said.push([text, fields]) }
  const { store, settle, claim } = storing(async () => ({ status: 'settled' }))
  settle.mockResolvedValueOnce({ status: 'gone' })
  // Who held the partition before the loss has to get it anew.
  claim.mockResolvedValueOnce({ status: 'run', id: 'first', attempt: 1 }).mockRejectedValueOnce(away)
  const called = calling(store, undefined, { log }).call(keyed, once)
  await vi.advanceTimersByTimeAsync(100)
  expect(await called).toMatchObject({ reply: { data: 'done' } })
  expect(claim).toHaveBeenCalledTimes(3)
  expect(settle).toHaveBeenCalledTimes(2)
  expect(settle).toHaveBeenLastCalledWith(
    expect.objectContaining({ id: 'first', outcome: 'answered', reply: done }),
  )
  expect(said).toEqual([['the store lost a call while it was made', { id: 'first', isStoredAgain: true }]])
})
