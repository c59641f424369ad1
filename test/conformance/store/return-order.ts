// Operation 5 between two answers of one conversation: the later one is not given to its waiter before the earlier one has gone out.
import { expect, test } from 'vitest'
import type { HandOver, Settle } from '../../../core/store/store.ts'
import type { StoreFactory } from '../store.ts'
import { CONVERSATION, HOME, World, answering, pushTo, settle } from './world.ts'

const WAIT_MS = 4500
const hand = (to: HandOver['to'], replyId: string): HandOver => ({
  home: HOME,
  replyId,
  by: `waiter of ${replyId}`,
  to,
})

/** `a` is answered and its push due; nobody waits for it, or for so long. */
async function answered(factory: StoreFactory, waitMs?: number): Promise<World> {
  const world = await World.make(factory)
  await world.begin('a', { ...(waitMs !== undefined && { waitMs }) })
  await world.settle(answering('a', pushTo('a')))
  return world
}

/** Then `b`, whose caller waits. */
async function bothAnswered(factory: StoreFactory): Promise<World> {
  const world = await answered(factory)
  await world.begin('b', { waitMs: WAIT_MS })
  await world.settle(answering('b', pushTo('b')))
  return world
}

export function returnOrderSuite(factory: StoreFactory): void {
  test('an answer is not its waiter’s while an earlier one is owed, in flight or to be tried again: it is pushed behind that', async () => {
    await using world = await bothAnswered(factory)
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a-push'])
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    await world.settle(settle('a-push', { kind: 'push', outcome: 'retry', delayMs: 9000 }))
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    world.advance(9000)
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a-push'])
    await world.settle(settle('a-push', { kind: 'push', attempt: 2 }))
    expect(await world.takeWork()).toMatchObject([{ id: 'b-push', attempt: 1, orphan: false }])
  })

  test('an answer that is refused to its waiter is due at once, not when its waiter’s time is over', async () => {
    await using world = await bothAnswered(factory)
    await world.takeWork()
    await world.store.handOver(hand('taken', 'b'))
    await world.settle(settle('a-push', { kind: 'push' }))
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['b-push'])
  })

  test('what has gone out holds nothing up: the next answer waits for its waiter and is his', async () => {
    await using world = await bothAnswered(factory)
    await world.takeWork()
    await world.settle(settle('a-push', { kind: 'push' }))
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: WAIT_MS + 500 })
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'ok' })
  })

  test('an answer is not its waiter’s while another waiter has an earlier one and has not said what became of it', async () => {
    await using world = await World.make(factory)
    for (const id of ['a', 'b', 'c']) {
      await world.begin(id, { waitMs: WAIT_MS })
      await world.settle(answering(id, pushTo(id)))
    }
    expect(await world.store.handOver(hand('taken', 'a'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    await world.store.handOver(hand('flushed', 'a'))
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['b-push'])
    await world.settle(settle('b-push', { kind: 'push' }))
    expect(await world.store.handOver(hand('taken', 'c'))).toEqual({ status: 'ok' })
  })

  test('an answer is not its waiter’s while an earlier one is in doubt: that may be sent again; parked it holds nothing up (SEMANTICS 6)', async () => {
    await using world = await answered(factory, WAIT_MS)
    await world.begin('b', { waitMs: 60_000 })
    await world.settle(answering('b', pushTo('b')))
    await world.store.handOver(hand('taken', 'a'))
    await world.reopen()
    world.advance(10_000)
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    expect(await world.takeWork()).toMatchObject([{ id: 'a-push', orphan: true }])
    await world.reopen('third life')
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    expect(await world.takeWork()).toMatchObject([{ id: 'a-push', orphan: true }])
    const doubt = { code: 'OUTCOME_UNKNOWN', message: 'nobody knows whether it arrived' }
    await world.settle(settle('a-push', { kind: 'push', attempt: 2, outcome: 'failed', dead: doubt }))
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'ok' })
  })

  test('an answer is not its waiter’s while a part of an earlier one is owed; parts of its own hold nothing up', async () => {
    const parts = (id: string): Pick<Settle, 'pushes'> => ({
      pushes: [0, 1].map((part) => ({ key: `${id}-push-${part}`, reply: 0, part, channel: 'wechat' })),
    })
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(answering('a', parts('a')))
    await world.begin('b', { waitMs: WAIT_MS })
    await world.settle(answering('b', parts('b')))
    await world.takeWork()
    await world.settle(settle('a-push-0', { kind: 'push' }))
    await world.takeWork()
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'pushed' })
    await world.settle(settle('a-push-1', { kind: 'push' }))
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'ok' })
    expect(await world.takeWork()).toEqual([])
  })

  test.each<readonly [string, Partial<Settle>, string]>([
    ['to another channel', pushTo('b', 'sms'), CONVERSATION],
    ['to none, as it is pulled,', {}, CONVERSATION],
    ['in another conversation', { ...pushTo('b'), conversation: 'web:ann-2' }, 'web:ann-2'],
  ])('an answer %s is its waiter’s at once, whatever else is owed', async (_what, owed, conversation) => {
    await using world = await answered(factory)
    await world.begin('b', { waitMs: WAIT_MS, conversation })
    await world.settle(answering('b', owed))
    expect(await world.store.handOver(hand('taken', 'b'))).toEqual({ status: 'ok' })
  })

  test('an answer that was appended later holds nothing up', async () => {
    await using world = await answered(factory, WAIT_MS)
    await world.begin('b')
    await world.settle(answering('b', pushTo('b')))
    expect(await world.store.handOver(hand('taken', 'a'))).toEqual({ status: 'ok' })
  })
}
