// A store that lost how the breakers stand, while instances know it.
import { expect, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { loadBreakers } from '../../../../core/guard/breakers.ts'
import { until } from '../../../support/gateway.ts'
import { instance, isOperation, shared } from './shared-value.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }

test('a store that came back empty puts nothing on: what is OFF is told to it again, to those that begin later too', async () => {
  const store = shared()
  const [a, b] = [await instance(store()), await instance(store())]
  a.breaker.off('maintenance', 60_000)
  b.memory.keep('billing', 'Pay', {
    state: 'OFF',
    openedAt: Date.now(),
    until: Date.now() + 30,
    openForMs: 60_000,
    reason: 'for a moment',
  })
  await until(() => (b.breaker.state === 'OFF' && a.memory.saved('billing', 'Pay')) || undefined)
  await until(() => Date.now() > (a.memory.saved('billing', 'Pay')?.until ?? 0) || undefined)
  store.empty()
  store.look()
  const { value } = store()
  const found = await until(async () => (await value({ key: 'core/breakers' })).value)
  expect(found).toMatchObject({ 'orders.Get': { state: 'OFF', reason: 'maintenance' } })
  expect(Object.keys(found as object).filter(isOperation)).toEqual(['orders.Get']) // what was over by then is not said again
  expect(await Promise.all([a.memory.flushed(), b.memory.flushed()])).toEqual([true, true])
  using later = await loadBreakers({ store: store(), log, onOther: () => undefined })
  expect(later.saved('orders', 'Get')).toMatchObject({ state: 'OFF', reason: 'maintenance' })
  expect([a.breaker.state, b.breaker.state]).toEqual(['OFF', 'OFF'])
  a.breaker.on()
  await until(() => (b.breaker.state === 'ACTIVE' && later.saved('orders', 'Get') === undefined) || undefined)
})

test('a store that came back empty, where another instance was first there: what was OFF stays so, and what that one said stands', async () => {
  const off = { state: 'OFF', until: Date.now() + 60_000, openForMs: 60_000, reason: 'maintenance' } as const
  for (const isWritten of [false, true]) {
    const store = shared()
    const [a, b] = [await instance(store()), await instance(store())]
    a.breaker.off('maintenance', 60_000)
    await until(() => b.breaker.state === 'OFF' || undefined)
    store.empty()
    using third = await loadBreakers({ store: store(), log, onOther: () => undefined })
    third.keep('erp', 'Get', { ...off, openedAt: Date.now() })
    expect(await third.flushed()).toBe(true)
    // Its version is the same as that of the data that is gone.
    if (isWritten) a.memory.keep('mail', 'Send', { ...off, openedAt: Date.now() })
    store.look()
    const all = ['orders.Get', 'erp.Get', ...(isWritten ? ['mail.Send'] : [])].toSorted()
    await until(async () => {
      const { value } = await store().value({ key: 'core/breakers' })
      return (
        Object.keys(value ?? {})
          .filter(isOperation)
          .toSorted()
          .join() === all.join() || undefined
      )
    })
    await until(() => third.saved('orders', 'Get'))
    expect([a.breaker.state, b.breaker.state]).toEqual(['OFF', 'OFF'])
    for (const memory of [a.memory, b.memory, third])
      expect(memory.saved('erp', 'Get')).toMatchObject({ state: 'OFF' })
    a.breaker.on()
    await until(
      () => (b.breaker.state === 'ACTIVE' && third.saved('orders', 'Get') === undefined) || undefined,
    )
  }
})
