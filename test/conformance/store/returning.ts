// Operation 5 and what settle owes: pushes, the return right, callbacks and their timers (SEMANTICS 5, 6, 7, 17, 30).
import { expect, test } from 'vitest'
import type { HandOver, Settle } from '../../../core/store/store.ts'
import type { StoreFactory } from '../store.ts'
import { HOME, World, accept, answering, dedupe, pushTo, reply, settle, working } from './world.ts'

const WAIT_MS = 4500
const hand = (to: HandOver['to'], by = 'waiter'): HandOver => ({ home: HOME, replyId: 'a', by, to })

async function answered(factory: StoreFactory, waitMs?: number): Promise<World> {
  const world = await World.make(factory)
  await world.begin('a', { ...dedupe('key'), ...(waitMs !== undefined && { waitMs }) })
  await world.settle(answering('a', pushTo('a')))
  return world
}

/** Taken by a bot that answers later: its timer is `a-timer`. */
async function takenByBot(factory: StoreFactory, waitMs?: number): Promise<World> {
  const world = await World.make(factory)
  await world.begin('a', { ...dedupe('key'), ...(waitMs !== undefined && { waitMs }) })
  const timer = { id: 'a-timer', delayMs: 60_000, target: 'bot' }
  await world.settle(settle('a', { outcome: 'taken', timer }))
  return world
}

const callback = (over: Partial<Settle> = {}): Settle =>
  answering('a-timer', {
    kind: 'timer',
    attempt: 0,
    replies: [reply('late', 'a')],
    expect: { ownerEpoch: 0 },
    ...over,
  })

export function returningSuite(factory: StoreFactory): void {
  test('a push is due half a second after the waiter’s time, and carries the reply', async () => {
    await using world = await answered(factory, WAIT_MS)
    expect(await world.take()).toMatchObject({ work: [], waiting: 1, nextDueMs: WAIT_MS + 500 })
    world.advance(WAIT_MS + 499)
    expect(await world.takeWork()).toEqual([])
    world.advance(1)
    const [push] = await world.takeWork()
    expect(push).toMatchObject({
      kind: 'push',
      id: 'a-push',
      lane: 'push:wechat:web:ann',
      target: 'wechat',
      part: -1,
      attempt: 1,
    })
    expect(push?.message).toMatchObject({ id: 'a-reply', sequence: 2 })
    expect(await world.settle(settle('a-push', { kind: 'push' }))).toMatchObject({ status: 'settled' })
    expect(await world.store.settle(settle('a-push', { kind: 'push', fence: world.fence }))).toEqual({
      status: 'already',
      outcome: 'answered',
    })
    expect(await world.takeWork()).toEqual([])
  })

  test('without a waiter it is due at once; a duplicate that waits puts it off while the work runs', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    await world.store.accept(working('b', { ...dedupe('key'), waitMs: 2000 }))
    await world.store.accept(working('c', { ...dedupe('key'), waitMs: 1000 }))
    await world.begin('x', { conversation: 'web:ann-2' })
    await world.settle(answering('x', { ...pushTo('x'), conversation: 'web:ann-2' }))
    await world.settle(answering('a', pushTo('a')))
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['x-push'])
    world.advance(2500)
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a-push'])
  })

  test('taken, then flushed: no push, and a duplicate gets the same reply again', async () => {
    await using world = await answered(factory, WAIT_MS)
    expect(await world.store.handOver(hand('taken'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver(hand('taken'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver(hand('taken', 'another'))).toEqual({ status: 'other' })
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({
      state: 'answered',
      pushed: true,
    })
    expect(await world.store.handOver(hand('flushed'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver(hand('flushed'))).toEqual({ status: 'ok' })
    world.advance(60_000)
    expect(await world.takeWork()).toEqual([])
    const duplicate = await world.store.accept(working('c', dedupe('key')))
    expect(duplicate).toMatchObject({ state: 'answered', reply: { origin: 'agent' } })
    expect(duplicate).not.toHaveProperty('pushed')
    expect(await world.rows('claim', 'a')).toMatchObject([{ handed: 'flushed' }])
  })

  test('taken, then back: pushed now', async () => {
    await using world = await answered(factory, WAIT_MS)
    await world.store.handOver(hand('taken'))
    expect(await world.takeWork()).toEqual([])
    expect(await world.store.handOver(hand('back', 'another'))).toEqual({ status: 'other' })
    expect(await world.store.handOver(hand('back'))).toEqual({ status: 'ok' })
    expect(await world.takeWork()).toMatchObject([{ id: 'a-push', orphan: false }])
    expect(await world.store.handOver(hand('back'))).toEqual({ status: 'pushed' })
  })

  test('taken and never reported: after 10 s it is in doubt, and its push comes as an orphan', async () => {
    await using world = await answered(factory, WAIT_MS)
    await world.store.handOver(hand('taken'))
    world.advance(9999)
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: 1 })
    world.advance(1)
    expect(await world.takeWork()).toMatchObject([{ id: 'a-push', orphan: true, attempt: 1 }])
    expect(await world.store.handOver(hand('flushed'))).toEqual({ status: 'pushed' })
    expect(await world.ledger()).toMatchObject({ inDoubt: 1 })
  })

  test('a right taken before a restart is in doubt after it', async () => {
    await using world = await answered(factory, WAIT_MS)
    await world.store.handOver(hand('taken'))
    await world.reopen()
    expect(await world.takeWork()).toEqual([])
    world.advance(10_000)
    expect(await world.takeWork()).toMatchObject([{ id: 'a-push', orphan: true }])
  })

  test('once a push has begun nobody takes the right, and duplicates get the bare acknowledgement', async () => {
    await using world = await answered(factory)
    await world.takeWork()
    expect(await world.store.handOver(hand('taken'))).toEqual({ status: 'pushed' })
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({
      state: 'answered',
      pushed: true,
    })
    await world.settle(settle('a-push', { kind: 'push', outcome: 'retry', delayMs: 1000 }))
    expect(await world.store.handOver(hand('taken'))).toEqual({ status: 'pushed' })
    world.advance(1000)
    await world.takeWork()
    await world.settle(settle('a-push', { kind: 'push', attempt: 2 }))
    expect(await world.store.handOver(hand('taken'))).toEqual({ status: 'pushed' })
    expect(await world.store.accept(working('c', dedupe('key')))).toMatchObject({ pushed: true })
  })

  test('settle × handOver: before the answer there is no right, after it one of two waiters has it', async () => {
    await using world = await World.make(factory)
    await world.begin('a', { waitMs: WAIT_MS })
    const [early, , ...late] = await Promise.all([
      world.store.handOver(hand('taken')),
      world.store.settle(answering('a', { ...pushTo('a'), fence: world.fence })),
      world.store.handOver(hand('taken', 'one')),
      world.store.handOver(hand('taken', 'two')),
    ])
    expect(early).toEqual({ status: 'other' })
    expect(late.map((result) => result.status)).toEqual(['ok', 'other'])
  })

  test('the right of a reply that owes no push is anybody’s', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(answering('a'))
    expect(await world.store.handOver(hand('taken', 'one'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver(hand('taken', 'two'))).toEqual({ status: 'ok' })
    expect(await world.store.handOver({ ...hand('flushed'), replyId: 'a request' })).toEqual({ status: 'ok' })
  })

  test('pushes of a conversation go in order: one that fails holds those behind it (SEMANTICS 30)', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    const parts = [0, 1].map((part) => ({ key: `a-push-${part}`, reply: 0, part, channel: 'wechat' }))
    await world.settle(answering('a', { pushes: parts }))
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a-push-0'])
    await world.settle(settle('a-push-0', { kind: 'push', outcome: 'retry', delayMs: 100 }))
    expect(await world.takeWork()).toEqual([])
    world.advance(100)
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a-push-0'])
    await world.settle(settle('a-push-0', { kind: 'push', attempt: 2 }))
    expect((await world.takeWork()).map((row) => [row.id, row.part])).toEqual([['a-push-1', 1]])
  })

  test('a push found sending after a restart is in doubt, and parked it is a dead letter (SEMANTICS 6)', async () => {
    await using world = await answered(factory)
    await world.takeWork()
    await world.reopen()
    expect(await world.takeWork()).toMatchObject([{ id: 'a-push', attempt: 2, orphan: true }])
    const doubt = { code: 'OUTCOME_UNKNOWN', message: 'nobody knows whether it arrived' }
    await world.settle(settle('a-push', { kind: 'push', attempt: 2, outcome: 'failed', dead: doubt }))
    expect(await world.dead()).toMatchObject([
      {
        id: 'a-push',
        kind: 'push',
        home: HOME,
        part: -1,
        target: 'wechat',
        message: { id: 'a-reply', sequence: 2 },
        failure: doubt,
      },
    ])
    expect(await world.ledger()).toMatchObject({
      accepted: 1,
      settled: 1,
      dead: 0,
      deadLetters: 1,
      inDoubt: 1,
    })
  })

  test('a callback answers once: first wins, the same again gets the same (SEMANTICS 7)', async () => {
    await using world = await takenByBot(factory)
    const answer = callback({ pushes: [{ key: 'late-push', reply: 0, part: -1, channel: 'wechat' }] })
    const first = await world.store.settle(answer)
    expect(first).toMatchObject({ status: 'settled', sequences: [2], offsets: [2] })
    expect(await world.store.settle(answer)).toEqual({ ...first, waiting: 0 })
    const other = callback({ replies: [reply('another', 'a')], reply: { data: 2, origin: 'agent' } })
    expect(await world.store.settle(other)).toMatchObject({ status: 'already', outcome: 'answered' })
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'late'])
    world.advance(60_000)
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['late-push'])
    const duplicate = await world.store.accept(working('b', dedupe('key')))
    expect(duplicate).toMatchObject({ state: 'answered', reply: { parts: [{ text: 'answer to a-timer' }] } })
    expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1, waiting: 0 })
  })

  test('a duplicate that waits for a callback puts its push off', async () => {
    await using world = await takenByBot(factory)
    await world.store.accept(working('b', { ...dedupe('key'), waitMs: WAIT_MS }))
    await world.store.settle(
      callback({ pushes: [{ key: 'late-push', reply: 0, part: -1, channel: 'wechat' }] }),
    )
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: WAIT_MS + 500 })
  })

  test('a callback that does not come is the timer’s: due once, under a fence, and later ones are told (SEMANTICS 17)', async () => {
    await using world = await takenByBot(factory)
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: 60_000 })
    world.advance(60_000)
    const [timer, ...more] = await world.takeWork()
    expect(more).toEqual([])
    expect(timer).toMatchObject({
      kind: 'timer',
      id: 'a-timer',
      target: 'bot',
      attempt: 1,
      message: { id: 'a' },
    })
    const failure = { code: 'DEADLINE_EXCEEDED', message: 'no answer came' }
    await world.settle(settle('a-timer', { kind: 'timer', outcome: 'failed', failure }))
    expect(await world.store.settle(callback())).toEqual({ status: 'already', outcome: 'failed', failure })
    expect(await world.log()).toHaveLength(1)
  })

  test('a promised answer that is missed after the message expired leaves a tombstone, counted as expired (SEMANTICS 23, 26)', async () => {
    await using world = await takenByBot(factory)
    world.advance(60_000)
    await world.takeWork()
    const failure = { code: 'EXPIRED', message: 'no answer came before the message expired' }
    const expired = settle('a-timer', { kind: 'timer', outcome: 'expired', failure })
    expect(await world.settle(expired)).toMatchObject({ status: 'settled' })
    const again = { ...expired, fence: world.fence }
    expect(await world.store.settle(again)).toMatchObject({ status: 'already', outcome: 'expired', failure })
    const [gone, ...more] = await world.log()
    expect(gone).toMatchObject({ id: 'a', sequence: 1, gone: 'expired' })
    expect(gone).not.toHaveProperty('parts')
    expect(more).toEqual([])
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({ state: 'expired', failure })
    expect(await world.ledger()).toMatchObject({ accepted: 1, expired: 1, settled: 0, dead: 0, waiting: 0 })
    await world.reopen()
    expect(await world.log()).toMatchObject([{ id: 'a', gone: 'expired' }])
    expect(await world.ledger()).toMatchObject({ accepted: 1, expired: 1, settled: 0, dead: 0, waiting: 0 })
  })

  test('a callback that races its timer: one of the two decides', async () => {
    await using world = await takenByBot(factory)
    world.advance(60_000)
    await world.takeWork()
    const [late, gaveUp] = await Promise.all([
      world.store.settle(callback()),
      world.store.settle(settle('a-timer', { kind: 'timer', outcome: 'failed', fence: world.fence })),
    ])
    expect(late.status).toBe('settled')
    expect(gaveUp).toMatchObject({ status: 'already', outcome: 'answered' })
  })

  test('callback × hand-off: after it the answer is a note, told as such each time, and the timer stands as it did', async () => {
    await using world = await takenByBot(factory)
    const [, first] = await Promise.all([
      world.store.accept(accept('handed', { patch: { agent: 'desk', raiseEpoch: true } })),
      world.store.settle(callback()),
    ])
    expect(first).toEqual({ status: 'notOwner' })
    expect(await world.store.settle(callback())).toEqual({ status: 'notOwner' })
    expect((await world.log()).map((row) => [row.id, row.direction])).toEqual([
      ['a', 'inbound'],
      ['handed', 'inbound'],
      ['late', 'internal'],
    ])
    expect((await world.rows('message', 'a')).map((row) => row.message.id)).toEqual(['a', 'late'])
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: 60_000 })
    world.advance(60_000)
    expect(await world.takeWork()).toMatchObject([{ id: 'a-timer', attempt: 1, attempts: [], ownerEpoch: 1 }])
    // Whoever is at work on it by now is not disturbed, by an answer nor by a hand-off.
    const another = callback({ replies: [reply('another', 'a')] })
    const handOff = callback({ outcome: 'taken', replies: [], inbox: false })
    for (const late of [callback(), another, handOff])
      expect(await world.store.settle(late)).toEqual({ status: 'notOwner' })
    expect(await world.takeWork()).toEqual([])
    const fallback = answering('a-timer', {
      kind: 'timer',
      replies: [reply('fallback', 'a')],
      expect: { ownerEpoch: 1 },
    })
    expect(await world.settle(fallback)).toMatchObject({ sequences: [5] })
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'handed', 'late', 'another', 'fallback'])
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({ state: 'answered' })
    expect(await world.ledger()).toMatchObject({ accepted: 2, settled: 2, waiting: 0 })
  })

  test('a missed callback whose fallback answers for an older owner is due again at once (SEMANTICS 7, 17)', async () => {
    await using world = await takenByBot(factory)
    world.advance(60_000)
    await world.takeWork()
    await world.accept(accept('handed', { patch: { agent: 'desk', raiseEpoch: true } }))
    const late = callback({ attempt: 1, fence: world.fence })
    expect(await world.store.settle(late)).toEqual({ status: 'notOwner' })
    expect(await world.store.settle(late)).toEqual({ status: 'notOwner' })
    expect(await world.takeWork()).toMatchObject([
      { id: 'a-timer', attempt: 2, target: 'bot', ownerEpoch: 1, agent: 'desk' },
    ])
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'handed', 'late'])
  })
}
