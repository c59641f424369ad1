// SEMANTICS 34: counts are each instance's own, an OPEN is told with the time it has left, one instance probes at a time.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json, Log } from '../../../../core/api.ts'
import { loadBreakers } from '../../../../core/guard/breakers.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import type { Breaker, BreakerSnapshot } from '../../../../core/guard/breaker.ts'
import { createLead } from '../../../../core/guard/probes.ts'
import type { Lease, LeaseResult, Store, ValueOp, ValueResult } from '../../../../core/store/store.ts'
import { until } from '../../../support/gateway.ts'
import { instance, isOperation, options, shared } from './shared-value.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }

async function fail(breaker: Breaker): Promise<void> {
  const failing = breaker.run(async () => {
    throw new GatewayError('BACKEND_FAILED', 'down')
  })
  await failing.catch(() => undefined)
}

test('an OPEN is adopted with its remaining time, a later instance begins with it, and an echo changes nothing', async () => {
  const store = shared()
  const [a, b] = [await instance(store()), await instance(store())]
  await fail(a.breaker)
  expect(b.breaker.state).toBe('ACTIVE')
  await fail(a.breaker)
  expect(a.breaker.state).toBe('OPEN')
  await until(() => b.breaker.state === 'OPEN' || undefined)
  expect(Math.abs(b.breaker.retryAfterMs() - a.breaker.retryAfterMs())).toBeLessThan(5000)
  expect(b.breaker.openedAt).toBe(a.breaker.openedAt)
  await expect(b.breaker.run(async () => 1)).rejects.toMatchObject({
    code: 'BREAKER_OPEN',
    notExecuted: true,
  })
  expect((await instance(store())).breaker.state).toBe('OPEN')
})

test('a clock that goes wrong on one instance does not shorten what another takes over', async () => {
  const store = shared()
  const first = store()
  const [b] = [await instance(store())]
  const now = Date.now()
  const theirs: BreakerSnapshot = {
    state: 'OPEN',
    openedAt: now - 3_600_000,
    until: now - 3_590_000,
    openForMs: 60_000,
    reason: 'down',
  }
  const put = { 'orders.Get': { ...theirs, leftMs: 10_000 } } as unknown as Json // plain data
  await first.value({ key: 'core/breakers', put, announce: true })
  await until(() => b.breaker.state === 'OPEN' || undefined)
  expect(b.breaker.retryAfterMs()).toBeGreaterThan(5000)
})

test('put out of service and on again by hand on one, it is so on all; both have their say about others', async () => {
  const store = shared()
  const [a, b] = [await instance(store()), await instance(store())]
  a.breaker.off('maintenance', 60_000)
  await until(() => b.breaker.state === 'OFF' || undefined)
  const other: BreakerSnapshot = {
    state: 'OFF',
    openedAt: 1,
    until: Date.now() + 60_000,
    openForMs: 60_000,
    reason: 'x',
  }
  b.memory.keep('billing', 'Pay', other)
  a.memory.keep('mail', 'Send', { ...other, openedAt: 2 })
  await until(() => (a.memory.saved('billing', 'Pay') && b.memory.saved('mail', 'Send')) ?? undefined)
  b.breaker.on()
  await until(() => a.breaker.state === 'ACTIVE' || undefined)
  expect(a.memory.saved('mail', 'Send')).toMatchObject({ openedAt: 2 })
})

test('what could not be stored, or not read, while the store was away is told when it is back, without another change', async () => {
  const store = shared()
  const away = new Set<object>()
  const leaving = () => {
    const { value, ...rest } = store()
    const one = {
      ...rest,
      async value(asked: ValueOp): Promise<ValueResult> {
        if (away.has(one)) throw new GatewayError('STORE_UNAVAILABLE', 'the store cannot be used')
        return value(asked)
      },
    }
    return one
  }
  const [first, second] = [leaving(), leaving()]
  const [a, b] = [await instance(first), await instance(second)]
  away.add(first)
  a.breaker.off('maintenance', 60_000)
  expect(await a.memory.flushed()).toBe(false)
  away.delete(first)
  await until(() => b.breaker.state === 'OFF' || undefined)

  away.add(second)
  a.breaker.on()
  expect(await a.memory.flushed()).toBe(true)
  expect(b.breaker.state).toBe('OFF')
  away.delete(second)
  await until(() => b.breaker.state === 'ACTIVE' || undefined)

  away.add(first)
  for (const _ of [1, 2]) await fail(a.breaker)
  expect([a.breaker.state, await a.memory.flushed()]).toEqual(['OPEN', false])
  b.breaker.off('maintenance', 60_000)
  expect(await b.memory.flushed()).toBe(true)
  away.delete(first)
  await until(() => a.breaker.state === 'OFF' || undefined)
  expect([await a.memory.flushed(), (await instance(store())).breaker.state]).toEqual([true, 'OFF'])
  for (const { memory } of [a, b]) memory[Symbol.dispose]()
})

test('one instance probes; the others are told to wait, and a store that is away keeps nobody from it', async () => {
  const holders = new Map<string, string>()
  let isDown = false
  const leases: Pick<Store, 'lease' | 'partitions'> = {
    partitions: 256,
    async lease({ name, owner, release }: Lease): Promise<LeaseResult> {
      if (isDown) throw new GatewayError('STORE_UNAVAILABLE', 'away')
      const holder = holders.get(name)
      if (release === true) holders.delete(name)
      else if (holder !== undefined && holder !== owner) return { status: 'busy', remainingMs: 1000 }
      else holders.set(name, owner)
      return release === true
        ? { status: 'released' }
        : { status: 'held', fence: { counter: 1, random: 'r' }, remainingMs: 1000 }
    },
  }
  expect(createLead({ ...leases, partitions: 1 }, 'alone')).toBeUndefined()
  const [first, second, third] = ['a', 'b', 'c'].map((name) => createLead(leases, name))
  const right = await first?.('orders.Get')
  expect(right).toBeDefined()
  expect(await second?.('orders.Get')).toBeUndefined()
  expect(await second?.('orders.Put')).toBeDefined()
  right?.[Symbol.dispose]()
  expect(await third?.('orders.Get')).toBeDefined()
  isDown = true
  expect(await first?.('orders.Get')).toBeDefined()

  const saved: BreakerSnapshot = {
    state: 'OPEN',
    openedAt: Date.now(),
    until: Date.now(),
    openForMs: 60_000,
    reason: 'down',
  }
  const breaker = createBreaker('orders.Get', options, { saved, lead: async () => undefined })
  await until(() => breaker.state === 'HALF-OPEN' || undefined)
  let calls = 0
  const call = async (): Promise<number> => ++calls
  await expect(breaker.run(call)).rejects.toMatchObject({ code: 'BREAKER_OPEN', retryAfterMs: 1000 })
  expect(calls).toBe(0)
  const led = createBreaker('orders.Get', options, { saved, lead: async () => ({ [Symbol.dispose]() {} }) })
  await until(() => led.state === 'HALF-OPEN' || undefined)
  expect(await led.run(call)).toBe(1)
  breaker.dispose()
  led.dispose()
})

test('what is said while it is being written is written next', async () => {
  const store = shared()
  const { memory } = await instance(store())
  const off: BreakerSnapshot = { state: 'OFF', openedAt: 1, until: 2e12, openForMs: 1000, reason: 'x' }
  memory.keep('erp', 'Look', off)
  memory.keep('erp', 'Order', off)
  await memory.flushed()
  memory.forget('erp')
  memory.keep('erp', 'Other', off)
  await memory.flushed()
  const later = (await instance(store())).memory
  expect(['Look', 'Order', 'Other'].map((name) => later.saved('erp', name)?.state)).toEqual([
    undefined,
    undefined,
    'OFF',
  ])
})

const day = 86_400_000
const hour = 3_600_000

test.each([20 * day, 30 * day])(
  'SEMANTICS 25: after a start with the clock %d ms back an OFF lasts no longer than it had left',
  async (backMs) => {
    const store = shared()
    const now = Date.now()
    const put = {
      'orders.Get': {
        state: 'OFF',
        openedAt: now + backMs,
        until: now + backMs + 2 * hour,
        openForMs: 1000,
        reason: 'x',
        leftMs: 2 * hour,
      },
    }
    await store().value({ key: 'core/breakers', put })
    const { breaker } = await instance(store())
    expect(breaker.state).toBe('OFF')
    expect(breaker.retryAfterMs()).toBeGreaterThan(2 * hour - 60_000)
    expect(breaker.retryAfterMs()).toBeLessThanOrEqual(2 * hour)
    breaker.dispose()
  },
)

test('of more than are remembered what is OFF by hand stays, then what is OPEN longest; that is told once', async () => {
  const told: string[] = []
  const store = shared()
  const memory = await loadBreakers({
    store: store(),
    log: { ...log, warn: (text) => void told.push(text) },
    onOther: () => undefined,
  })
  const now = Date.now()
  const open = (leftMs: number): BreakerSnapshot => ({
    state: 'OPEN',
    openedAt: now - leftMs,
    until: now + leftMs,
    openForMs: 60_000,
    reason: 'down',
  })
  memory.keep('orders', 'Get', { ...open(hour), state: 'OFF' })
  for (let n = 1; n <= 200; n++) memory.keep('erp', `Op${n}`, open(n * 1000))
  await memory.flushed()
  memory.keep('erp', 'Op201', open(201_000))
  await memory.flushed()
  const later = await loadBreakers({ store: store(), log, onOther: () => undefined })
  const state = (n: number): string | undefined => later.saved('erp', `Op${n}`)?.state
  expect(later.saved('orders', 'Get')?.state).toBe('OFF')
  expect([state(1), state(52), state(53), state(201)]).toEqual([undefined, undefined, 'OPEN', 'OPEN'])
  expect(told).toHaveLength(1)
})

test('an OFF is put on again on all instances also where more are open than are remembered', async () => {
  const store = shared()
  const [a, b] = [await instance(store()), await instance(store())]
  a.breaker.off('maintenance', hour)
  const left = Date.now() + hour
  const open = { state: 'OPEN', openedAt: 1, until: left, openForMs: 1000, reason: 'x' } as const
  for (let n = 1; n <= 200; n++) a.memory.keep('erp', `Op${n}`, open)
  await a.memory.flushed()
  expect([a.breaker.state, b.breaker.state]).toEqual(['OFF', 'OFF'])
  b.breaker.on()
  await until(() => a.breaker.state === 'ACTIVE' || undefined)
})

const allOff = (now: number, leftMs: number): BreakerSnapshot => ({
  state: 'OFF',
  openedAt: now,
  until: now + leftMs,
  openForMs: leftMs,
  reason: 'all',
})

test('SEMANTICS 34: of what was said of all operations and of one the later counts, here, on another instance and in the next life', async () => {
  const store = shared()
  const [a, b] = [await instance(store()), await instance(store())]
  a.memory.keep('orders', '*', allOff(Date.now(), 60_000))
  await until(() => b.breaker.state === 'OFF' || undefined)
  a.breaker.off('one', 5 * hour)
  await until(() => b.breaker.reason === 'one' || undefined)
  await a.memory.flushed()
  expect((await instance(store())).breaker.retryAfterMs()).toBeGreaterThan(4 * hour)
  b.breaker.on()
  await until(() => a.breaker.state === 'ACTIVE' || undefined)
  await b.memory.flushed()
  const later = await instance(store())
  expect(later.breaker.state).toBe('ACTIVE')
  expect(later.memory.saved('orders', 'Put')).toMatchObject({ state: 'OFF', reason: 'all' })
  later.memory.keep('orders', '*', allOff(Date.now(), hour))
  await until(() => (a.breaker.state === 'OFF' && b.breaker.state === 'OFF') || undefined)
  expect((await instance(store())).breaker.reason).toBe('all')
  a.memory.forget('orders')
  await until(() => b.breaker.state === 'ACTIVE' || undefined)
})

test('an operation put on again while all are OFF stays so after it was OPEN, and by clocks that disagree', async () => {
  const store = shared()
  const a = await instance(store())
  const ahead = Date.now() + 30_000
  a.memory.keep('orders', '*', allOff(ahead, hour))
  a.breaker.off('all', hour)
  a.breaker.on()
  await fail(a.breaker)
  await fail(a.breaker)
  expect(a.breaker.state).toBe('OPEN')
  await a.memory.flushed()
  expect((await instance(store())).breaker.state).toBe('OPEN')
  a.breaker.on()
  await a.memory.flushed()
  const next = await instance(store())
  expect(next.breaker.state).toBe('ACTIVE')
  next.memory.keep('orders', '*', allOff(Date.now(), hour))
  await next.memory.flushed()
  expect((await instance(store())).breaker.state).toBe('OFF')
})

test('an exception to an OFF goes with it', async () => {
  const store = shared()
  const { breaker, memory } = await instance(store())
  memory.keep('orders', '*', allOff(Date.now(), 50))
  breaker.off('all', hour)
  breaker.on()
  await memory.flushed()
  const names = async () =>
    Object.keys((await store().value({ key: 'core/breakers' })).value ?? {}).filter(isOperation)
  expect(await names()).toEqual(['orders.*', 'orders.Get'])
  await until(() => memory.saved('orders', 'Put') === undefined || undefined)
  memory.keep('erp', 'Look', allOff(Date.now(), hour))
  await memory.flushed()
  expect(await names()).toEqual(['orders.*', 'erp.Look'])
})

test.each(['Get', '*'])('an OPEN takes the place of no OFF of %s before its time is over', async (meant) => {
  const { memory } = await instance(shared()())
  const at = (state: BreakerSnapshot['state'], forMs: number): BreakerSnapshot => {
    const now = Date.now()
    return { state, openedAt: now, until: now + forMs, openForMs: forMs, reason: state }
  }
  memory.keep('orders', meant, at('OFF', 60_000))
  memory.keep('orders', 'Get', at('OPEN', 5000))
  expect(memory.saved('orders', 'Get')).toMatchObject({ state: 'OFF' })
  memory.keep('orders', 'Get', undefined)
  memory.keep('orders', 'Get', at('OPEN', 5000))
  expect(memory.saved('orders', 'Get')).toMatchObject({ state: 'OPEN' })
})
