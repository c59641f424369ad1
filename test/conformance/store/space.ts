// SEMANTICS 42: no room is said, never half-written; what drains the store goes on at the reserve; room is noticed by itself.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { StoreFactory } from '../store.ts'
import { HOME, World, accept, answering, dedupe, message, settle, working } from './world.ts'

const large = (id: string) =>
  accept(id, { message: message(id, { parts: [{ kind: 'text', text: 'x'.repeat(50_000) }] }), inbox: true })

/** Accepts until there is no room. Resolves what was acknowledged, and the refusal. */
async function fill(world: World): Promise<{ stored: readonly string[]; refusal: GatewayError }> {
  const stored: string[] = []
  for (let n = 0; n < 1000; n++)
    try {
      await world.store.accept(large(`m${n}`))
      stored.push(`m${n}`)
    } catch (error) {
      return { stored, refusal: GatewayError.from(error) }
    }
  throw new Error('there is no end of the room')
}

export function spaceSuite(factory: StoreFactory): void {
  test('at the reserve accept and claim stop, settle, ack, hello, trim and take go on', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    await world.accept(working('b'))
    const { epoch } = await world.store.hello({
      home: HOME,
      device: 'd',
      boot: 'b',
      first: 1,
      epoch: '',
      offset: 0,
    })
    world.harness.setRoom('reserve')
    await expect(world.store.accept(accept('c'))).rejects.toMatchObject({
      code: 'OVERLOADED',
      notExecuted: true,
    })
    await expect(world.store.claim(world.claim('d'))).rejects.toMatchObject({ code: 'OVERLOADED' })
    expect(world.store.health()).toMatchObject({ writable: false })
    expect(await world.store.accept(working('e', dedupe('key')))).toMatchObject({ status: 'duplicate' })
    expect(await world.store.accept(working('b'))).toMatchObject({ status: 'accepted', sequence: 2 })
    await world.settle(answering('a'))
    expect(await world.takeWork()).toMatchObject([{ id: 'b' }])
    await world.settle(answering('b'))
    expect(await world.store.ack({ home: HOME, device: 'd', boot: 'b', epoch, offset: 1 })).toMatchObject({
      status: 'ok',
    })
    expect(
      await world.store.trim({ partition: 0, olderThanMs: 1e9, maxBytes: 1e12, budgetMs: 100 }),
    ).toMatchObject({ more: false })
    world.harness.setRoom('enough')
    expect(await world.store.accept(accept('c'))).toMatchObject({ status: 'accepted' })
    expect(world.store.health()).toEqual({ writable: true })
    expect(await world.ledger()).toMatchObject({ accepted: 3, settled: 3 })
  })

  test('without any room nothing is acknowledged that is not stored, and nothing is half stored', async () => {
    await using world = await World.make(factory)
    world.harness.setRoom('none')
    const { stored, refusal } = await fill(world)
    expect(refusal.code).toBe('STORE_UNAVAILABLE')
    expect(world.store.health()).toMatchObject({ writable: false })
    const log = await world.log()
    expect(log.map((row) => row.id)).toEqual(stored)
    expect(log.map((row) => row.sequence)).toEqual(stored.map((_, n) => n + 1))
    expect((await world.inbox()).map(([offset, id]) => [offset, id])).toEqual(
      stored.map((id, n) => [n + 1, id]),
    )
    expect(await world.ledger()).toMatchObject({ accepted: stored.length, settled: stored.length })
    await world.reopen()
    expect((await world.log()).map((row) => row.id)).toEqual(stored)
  })

  test('of a group only what fits fails alone or all fail: acknowledged is stored', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    world.harness.setRoom('none')
    const results = await Promise.allSettled([
      ...Array.from({ length: 50 }, (_, n) => world.store.accept(large(`m${n}`))),
      world.store.settle(settle('a', { outcome: 'taken', fence: world.fence })),
    ])
    const stored = results.flatMap((result, n) => (result.status === 'fulfilled' && n < 50 ? [`m${n}`] : []))
    expect(stored.length).toBeLessThan(50)
    expect((await world.log()).map((row) => row.id)).toEqual(['a', ...stored])
    const ledger = await world.ledger()
    expect(ledger.accepted).toBe(stored.length + 1)
    expect(ledger.waiting).toBe(results.at(-1)?.status === 'fulfilled' ? 0 : 1)
  })

  test('room is noticed without a restart and without being asked', async () => {
    await using world = await World.make(factory)
    world.harness.setRoom('none')
    const { stored } = await fill(world)
    expect(world.store.health().writable).toBe(false)
    world.harness.setRoom('enough')
    await world.ledger()
    await expect.poll(() => world.store.health(), { timeout: 20_000 }).toEqual({ writable: true })
    await world.accept(accept('after'))
    expect((await world.log()).map((row) => row.id)).toEqual([...stored, 'after'])
  })
}
