import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json, Log } from '../../../../core/api.ts'
import { GRACE_MS, PRESENCE_RENEW_MS } from '../../../../core/link/figures.ts'
import { createPresence } from '../../../../core/link/presence.ts'
import type { Presence } from '../../../../core/link/presence.ts'
import type { Store } from '../../../../core/store/store.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** What two instances share: values by key, each write a new version. */
function sharedStore(): Pick<Store, 'value'> & { readonly keys: () => readonly string[]; isDown: boolean } {
  const values = new Map<string, { value: Json; version: number }>()
  let version = 0
  const store = {
    isDown: false,
    keys: () => [...values.keys()],
    async value({ key, put, expect: wanted, delete: gone, ttlMs }: Parameters<Store['value']>[0]) {
      if (store.isDown) throw new GatewayError('STORE_UNAVAILABLE', 'the store is away')
      const known = values.get(key)
      if (wanted !== undefined && wanted !== (known?.version ?? 'absent'))
        return { status: 'conflict' as const, ...known }
      if (gone === true) values.delete(key)
      if (put !== undefined) {
        const own = { value: put, version: ++version }
        values.set(key, own)
        if (ttlMs !== undefined) setTimeout(() => values.get(key) === own && values.delete(key), ttlMs)
      }
      return { status: 'ok' as const, ...values.get(key) }
    },
  }
  return store
}

let store: ReturnType<typeof sharedStore>
let here: Presence
let there: Presence

beforeEach(() => {
  vi.useFakeTimers()
  store = sharedStore()
  here = createPresence({ store, log: silent, instance: 'here' })
  there = createPresence({ store, log: silent, instance: 'there' })
})
afterEach(async () => {
  await here.stop()
  await there.stop()
  vi.useRealTimers()
})

test('who has a link is present, here and at the other instances', async () => {
  expect(await here.of('link/ann')).toBe(false)
  here.enter('link/ann')
  expect([await here.of('link/ann'), await there.of('link/ann')]).toEqual([true, true])
  expect(await there.of('link/bob')).toBe(false)
})

test('who has lost his last link stays present for the grace, and is gone after it', async () => {
  here.enter('link/ann')
  here.enter('link/ann')
  here.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS * 2)
  expect(await here.of('link/ann')).toBe(true) // the other link
  here.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS - 1)
  expect(await there.of('link/ann')).toBe(true)
  await vi.advanceTimersByTimeAsync(1)
  expect([await here.of('link/ann'), await there.of('link/ann')]).toEqual([false, false])
  expect(store.keys()).toEqual([])
})

test('an instance that stops takes leave: its customers are present for the grace, others where they have a link', async () => {
  here.enter('link/ann')
  here.enter('link/bob')
  await vi.advanceTimersByTimeAsync(0)
  there.enter('link/bob')
  await vi.advanceTimersByTimeAsync(0)
  await here.stop()
  await vi.advanceTimersByTimeAsync(GRACE_MS - 1)
  expect([await there.of('link/ann'), await there.of('link/bob')]).toEqual([true, true])
  await vi.advanceTimersByTimeAsync(1)
  const next = createPresence({ store, log: silent, instance: 'next' })
  expect([await next.of('link/ann'), await next.of('link/bob')]).toEqual([false, true])
  await next.stop()
})

test('who comes back after a stop and goes is gone after the grace', async () => {
  here.enter('link/ann')
  await vi.advanceTimersByTimeAsync(0)
  await here.stop()
  there.enter('link/ann')
  await vi.advanceTimersByTimeAsync(0)
  there.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS)
  expect(await there.of('link/ann')).toBe(false)
})

test('who comes back within the grace was never away', async () => {
  here.enter('link/ann')
  here.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS - 1)
  here.enter('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS * 3)
  expect(await there.of('link/ann')).toBe(true)
})

test('who has gone over to another instance is not forgotten by the first one’s grace', async () => {
  here.enter('link/ann')
  here.leave('link/ann')
  there.enter('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS)
  expect(await here.of('link/ann')).toBe(true)
})

test('a store that is away keeps nobody from being present where his link is', async () => {
  store.isDown = true
  here.enter('link/ann')
  expect(await here.of('link/ann')).toBe(true)
  await expect(there.of('link/ann')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
})

test('who has links at two instances stays present when one of them forgets him, whoever came first', async () => {
  here.enter('link/ann')
  await vi.advanceTimersByTimeAsync(0)
  there.enter('link/ann')
  await vi.advanceTimersByTimeAsync(0)
  there.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS)
  const elsewhere = createPresence({ store, log: silent, instance: 'elsewhere' })
  expect(await elsewhere.of('link/ann')).toBe(true)
  here.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS)
  expect(await elsewhere.of('link/ann')).toBe(false)
  await elsewhere.stop()
})

test('an instance that died is not handed on by the others for as long as they live', async () => {
  here.enter('link/ann')
  await vi.advanceTimersByTimeAsync(0)
  there.enter('link/ann')
  await vi.advanceTimersByTimeAsync(10 * PRESENCE_RENEW_MS)
  const elsewhere = createPresence({ store, log: silent, instance: 'elsewhere' })
  const both = await store.value({ key: 'presence/link/ann' })
  expect(both.value).toEqual(expect.arrayContaining(['here', 'there']))
  store.isDown = true // killed, it takes no leave
  await here.stop()
  store.isDown = false
  await vi.advanceTimersByTimeAsync(4 * PRESENCE_RENEW_MS)
  there.leave('link/ann')
  await vi.advanceTimersByTimeAsync(GRACE_MS)
  expect(await elsewhere.of('link/ann')).toBe(false)
  await elsewhere.stop()
})
