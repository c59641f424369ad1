// Operations 10 and 11: leases with fences that never come twice, and small values by compare-and-set.
import { expect, test } from 'vitest'
import type { Json } from '../../../core/api.ts'
import type { StoreFactory } from '../store.ts'
import { World, expectStatus } from './world.ts'

const lease = (owner: string, name = 'probe/orders.GetOrder') => ({ name, owner, ttlMs: 10_000 })

export function leasesSuite(factory: StoreFactory): void {
  test('one holds it, renews it with the same fence, and the other is told how long', async () => {
    await using world = await World.make(factory)
    const first = expectStatus(await world.store.lease(lease('one')), 'held')
    expect(first.remainingMs).toBe(10_000)
    world.advance(4000)
    expect(await world.store.lease(lease('two'))).toEqual({ status: 'busy', remainingMs: 6000 })
    expect(await world.store.lease(lease('one'))).toEqual(first)
    expect(await world.store.lease(lease('two'))).toEqual({ status: 'busy', remainingMs: 10_000 })
  })

  test('of 64 that race one gets it', async () => {
    await using world = await World.make(factory)
    const results = await Promise.all(Array.from({ length: 64 }, (_, n) => world.store.lease(lease(`o${n}`))))
    expect(results.filter((result) => result.status === 'held')).toHaveLength(1)
  })

  test('run out or released it goes on with a higher counter (SEMANTICS 20)', async () => {
    await using world = await World.make(factory)
    const first = expectStatus(await world.store.lease(lease('one')), 'held')
    world.advance(10_000)
    const second = expectStatus(await world.store.lease(lease('two')), 'held')
    expect(second.fence.counter).toBeGreaterThan(first.fence.counter)
    expect(second.fence.random).not.toBe(first.fence.random)
    expect(await world.store.lease({ ...lease('one'), release: true })).toMatchObject({ status: 'busy' })
    expect(await world.store.lease({ ...lease('two'), release: true })).toEqual({ status: 'released' })
    expect(await world.store.lease({ ...lease('two'), release: true })).toEqual({ status: 'released' })
    const third = expectStatus(await world.store.lease(lease('one')), 'held')
    expect(third.fence.counter).toBeGreaterThan(second.fence.counter)
  })

  test('a lease let go and a value that is announced are hinted at, to who watches them', async () => {
    await using world = await World.make(factory)
    const watch = world.store.watch(['lease:probe/orders.GetOrder', 'value:told', 'value:quiet'])
    const hints = watch[Symbol.asyncIterator]()
    await world.store.lease(lease('one'))
    await world.store.value({ key: 'quiet', put: 1 })
    await world.store.value({ key: 'told', put: 1, expect: 12_345, announce: true })
    await world.store.lease({ ...lease('one'), release: true })
    expect((await hints.next()).value).toBe('lease:probe/orders.GetOrder')
    await world.store.value({ key: 'told', put: 1, announce: true })
    expect((await hints.next()).value).toBe('value:told')
    await world.store.value({ key: 'told', delete: true, announce: true })
    expect((await hints.next()).value).toBe('value:told')
    watch.close()
  })

  test('a lease that ran out and nobody else took goes on for its owner', async () => {
    await using world = await World.make(factory)
    const first = expectStatus(await world.store.lease(lease('one')), 'held')
    world.advance(60_000)
    expect(expectStatus(await world.store.lease(lease('one')), 'held').fence).toEqual(first.fence)
  })

  test('leases of a process that ended are void, and the counter does not go back', async () => {
    await using world = await World.make(factory)
    const first = expectStatus(await world.store.lease(lease('one')), 'held')
    await world.reopen()
    const second = expectStatus(await world.store.lease(lease('two')), 'held')
    expect(second.fence.counter).toBeGreaterThan(first.fence.counter)
  })

  test('a thousand names that ran out make room for others', async () => {
    await using world = await World.make(factory)
    await Promise.all(Array.from({ length: 1500 }, (_, n) => world.store.lease(lease('one', `state/${n}`))))
    world.advance(10_001)
    const again = await Promise.all(
      Array.from({ length: 1500 }, (_, n) => world.store.lease(lease('two', `state/${n}`))),
    )
    expect(again.every((result) => result.status === 'held')).toBe(true)
  })

  test('values are put, read, compared and deleted by version', async () => {
    await using world = await World.make(factory)
    expect(await world.store.value({ key: 'k' })).toEqual({ status: 'ok' })
    const value: Json = { state: 'OPEN', list: ['1', 2, null] }
    const put = expectStatus(await world.store.value({ key: 'k', put: value }), 'ok')
    expect(await world.store.value({ key: 'k' })).toEqual({ status: 'ok', value, version: put.version })
    const conflict = { status: 'conflict', value, version: put.version }
    expect(await world.store.value({ key: 'k', put: 1, expect: 'absent' })).toEqual(conflict)
    expect(await world.store.value({ key: 'k', put: 1, expect: 12_345 })).toEqual(conflict)
    const next = await world.store.value({ key: 'k', put: null, expect: put.version ?? 0 })
    expect(next).toMatchObject({ status: 'ok', value: null })
    expect(await world.store.value({ key: 'k', delete: true, expect: put.version ?? 0 })).toMatchObject({
      status: 'conflict',
    })
    expect(await world.store.value({ key: 'k', delete: true })).toEqual({ status: 'ok' })
    const fresh = expectStatus(await world.store.value({ key: 'k', put: value, expect: 'absent' }), 'ok')
    expect(fresh.version).toBeGreaterThan(put.version ?? Infinity)
  })

  test('of 64 that put a nonce one wins', async () => {
    await using world = await World.make(factory)
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, n) =>
        world.store.value({ key: 'nonce', put: n, expect: 'absent', ttlMs: 1000 }),
      ),
    )
    expect(results.filter((result) => result.status === 'ok')).toHaveLength(1)
  })

  test('a value ends with its time', async () => {
    await using world = await World.make(factory)
    await world.store.value({ key: 'k', put: 1, ttlMs: 1000 })
    world.advance(999)
    expect(await world.store.value({ key: 'k' })).toMatchObject({ value: 1 })
    world.advance(1)
    expect(await world.store.value({ key: 'k' })).toEqual({ status: 'ok' })
    expect(await world.store.value({ key: 'k', put: 2, expect: 'absent' })).toMatchObject({ status: 'ok' })
  })

  test('a value is written under a live fence, and survives a restart', async () => {
    await using world = await World.make(factory)
    const held = expectStatus(await world.store.lease(lease('one')), 'held')
    expect(await world.store.value({ key: 'k', put: 1, fence: held.fence })).toMatchObject({ status: 'ok' })
    world.advance(10_000)
    expect(await world.store.value({ key: 'k', put: 2, fence: held.fence })).toMatchObject({
      status: 'conflict',
      value: 1,
    })
    await world.reopen()
    expect(await world.store.value({ key: 'k' })).toMatchObject({ value: 1 })
  })

  test('more than 64 kB of JSON text is refused', async () => {
    await using world = await World.make(factory)
    expect(await world.store.value({ key: 'k', put: 'x'.repeat(65_534) })).toMatchObject({ status: 'ok' })
    await expect(world.store.value({ key: 'k', put: 'x'.repeat(65_535) })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    })
    await expect(world.store.value({ key: 'k', put: '你'.repeat(30_000) })).rejects.toMatchObject({
      code: 'TOO_LARGE',
    })
  })
}
