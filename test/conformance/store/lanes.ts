// Operation 3: lanes hold their head only, attempts are begun durably, orphans come back, poison is named.
import { expect, test } from 'vitest'
import type { StoreFactory } from '../store.ts'
import { LEASE_MS, World, accept, answering, message, pushTo, settle, working } from './world.ts'

const lane = (name: string, priority = 1) => ({
  conversation: name,
  work: { lane: name, priority, limit: 100 },
})
const raw = { mediaType: 'application/json', bytes: new Uint8Array([1, 2, 3]) }

export function lanesSuite(factory: StoreFactory): void {
  test('hands out heads, one of each lane, with message, raw bytes and attempt (SEMANTICS 16)', async () => {
    await using world = await World.make(factory)
    await world.accept(working('a', { ...lane('one'), raw }))
    await world.accept(working('b', lane('one')))
    await world.accept(working('c', lane('two')))
    const { work, waiting, nextDueMs } = await world.take()
    expect(work.map((row) => row.id)).toEqual(['a', 'c'])
    expect(work[0]).toMatchObject({
      kind: 'message',
      home: 'web/ann',
      lane: 'one',
      attempt: 1,
      poison: false,
      orphan: false,
      ownerEpoch: 0,
      heldMs: 0,
      attempts: [],
    })
    expect(work[0]?.message.sequence).toBe(1)
    expect(work[0]?.raw).toEqual(raw)
    expect(work[1]?.raw).toBeUndefined()
    expect(waiting).toBe(1)
    expect(nextDueMs).toBeUndefined()
    expect(await world.takeWork()).toEqual([])
  })

  test('a head says whether its caller may still wait, whoever takes it', async () => {
    await using world = await World.make(factory)
    await world.accept(working('a', { conversation: 'one', waitMs: 5000 }))
    await world.accept(working('b', { conversation: 'two', waitMs: 1000 }))
    await world.accept(working('c', { conversation: 'three' }))
    world.advance(1000)
    const taken = await world.takeWork()
    expect(taken.map(({ id, awaited }) => [id, awaited])).toEqual([
      ['a', true],
      ['b', undefined],
      ['c', undefined],
    ])
  })

  test('the next of a lane comes when its head has ended, in the order of append', async () => {
    await using world = await World.make(factory)
    for (const id of ['a', 'b', 'c']) await world.accept(working(id))
    const order: string[] = []
    for (;;) {
      const [head] = await world.takeWork()
      if (head === undefined) break
      order.push(head.id)
      const { waiting } = await world.settle(answering(head.id))
      expect(waiting).toBe(3 - order.length)
    }
    expect(order).toEqual(['a', 'b', 'c'])
  })

  test('a lane has the highest priority of what waits in it, and keeps its order (SEMANTICS 27)', async () => {
    await using world = await World.make(factory)
    await world.accept(working('slow', lane('slow', 0)))
    await world.accept(working('normal', lane('normal', 1)))
    await world.accept(working('first', lane('mixed', 0)))
    await world.accept(working('urgent', lane('mixed', 3)))
    expect((await world.take(['message'], 1)).work.map((row) => row.id)).toEqual(['first'])
    expect((await world.takeWork('message')).map((row) => row.id)).toEqual(['normal', 'slow'])
    await world.settle(answering('first', { conversation: 'mixed' }))
    expect((await world.takeWork('message')).map((row) => row.id)).toEqual(['urgent'])
  })

  test('a delayed head holds its lane until its time, by the store’s clock', async () => {
    await using world = await World.make(factory)
    const delayed = { lane: 'l', priority: 1, limit: 10, delayMs: 5000 }
    await world.accept(working('a', { work: delayed }))
    await world.accept(working('b', { work: { lane: 'l', priority: 1, limit: 10 } }))
    expect(await world.take()).toMatchObject({ work: [], waiting: 2, nextDueMs: 5000 })
    world.advance(4999)
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: 1 })
    world.advance(1)
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a'])
  })

  test('more than was asked for stays due', async () => {
    await using world = await World.make(factory)
    for (const name of ['x', 'y', 'z']) await world.accept(working(name, lane(name)))
    expect(await world.take(['message'], 2)).toMatchObject({
      work: [{ id: 'x' }, { id: 'y' }],
      waiting: 1,
      nextDueMs: 0,
    })
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['z'])
  })

  test('take ends at 8 MB of bodies and raw bytes, and says that more is due', async () => {
    await using world = await World.make(factory)
    const heavy = (id: string, chars: number) =>
      working(id, {
        ...lane(id),
        message: message(id, { conversation: id, parts: [{ kind: 'text', text: 'x'.repeat(chars) }] }),
        raw: { mediaType: 'text/plain', bytes: new Uint8Array(chars).fill(120) },
      })
    for (let n = 0; n < 12; n++) await world.accept(heavy(`m${n}`, 500_000))
    const first = await world.take()
    expect(first.work.map((row) => row.id)).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6', 'm7', 'm8'])
    expect(first).toMatchObject({ waiting: 3, nextDueMs: 0 })
    for (const { bytes } of first.work) expect(bytes).toBeGreaterThan(1_000_000)
    const second = await world.take()
    expect(second.work.map((row) => [row.id, row.attempt])).toEqual([
      ['m9', 1],
      ['m10', 1],
      ['m11', 1],
    ])
    expect(second.nextDueMs).toBeUndefined()
  })

  test('only the kinds asked for are taken', async () => {
    await using world = await World.make(factory)
    await world.accept(working('a'))
    expect(await world.takeWork('push', 'timer', 'claim')).toEqual([])
    expect(await world.takeWork('message')).toHaveLength(1)
  })

  test('a frozen owner is fenced: it takes nothing, settles nothing, and its successor has the work (SEMANTICS 20)', async () => {
    await using world = await World.make(factory)
    const frozen = world.fence
    await world.begin('a')
    await world.passOn('successor')
    const late = { partition: 0, fence: frozen, max: 10, kinds: ['message'] as const }
    expect(await world.store.take(late)).toEqual({ status: 'fenced' })
    expect(await world.store.settle(answering('a', { fence: frozen }))).toEqual({ status: 'fenced' })
    expect(await world.store.settle(settle('a', { outcome: 'retry', fence: frozen }))).toEqual({
      status: 'fenced',
    })
    expect((await world.accept(working('b', { ...lane('idle'), fence: frozen }))).attempt).toBeUndefined()
    const [orphan] = await world.takeWork('message')
    expect(orphan).toMatchObject({ id: 'a', attempt: 2, orphan: true })
    await world.settle(answering('a', { attempt: 2 }))
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'a-reply'])
  })

  test('a lease that ran out begins nothing, also before another has it; what it began may still be settled', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    world.advance(LEASE_MS + 1)
    const take = { partition: 0, fence: world.fence, max: 10, kinds: ['message'] as const }
    expect(await world.store.take(take)).toEqual({ status: 'fenced' })
    expect(
      (await world.accept(working('b', { ...lane('idle'), fence: world.fence }))).attempt,
    ).toBeUndefined()
    expect(await world.store.settle(answering('a', { fence: world.fence }))).toMatchObject({
      status: 'settled',
    })
  })

  test('what was in flight when the process ended is due at once, as an orphan with its attempt noted', async () => {
    await using world = await World.make(factory)
    await world.begin('a', { raw })
    await world.accept(working('b'))
    await world.reopen()
    const [orphan, ...more] = await world.takeWork()
    expect(more).toEqual([])
    expect(orphan).toMatchObject({ id: 'a', attempt: 2, orphan: true, poison: false, raw })
    expect(orphan?.attempts).toMatchObject([{ attempt: 1, failure: { code: 'OUTCOME_UNKNOWN' } }])
  })

  test('a message accepted behind an orphan does not hide it', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.reopen()
    await world.accept(working('b', { fence: world.fence }))
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['a'])
  })

  test('begun three times and never ended, the fourth is poison (SEMANTICS 16)', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    for (const life of [2, 3]) {
      await world.reopen(`life ${life}`)
      expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: life, poison: false }])
    }
    await world.reopen('life 4')
    expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: 4, poison: true, orphan: true }])
  })

  test('attempts that ended by retry are no poison', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    for (let attempt = 1; attempt <= 5; attempt++) {
      const tried = { target: 'agent helper', startedAt: '2026-01-02T03:04:05Z', durationMs: 7 }
      await world.settle(settle('a', { attempt, outcome: 'retry', delayMs: 1000, tried }))
      expect(await world.takeWork()).toEqual([])
      world.advance(1000)
      expect(await world.takeWork()).toMatchObject([
        { id: 'a', attempt: attempt + 1, poison: false, orphan: false, heldMs: attempt * 1000 },
      ])
    }
    const [row] = await world.rows('work', 'a')
    expect(row?.attempts.map((one) => one.attempt)).toEqual([1, 2, 3, 4, 5])
  })

  test('SEMANTICS 19: the lives of a head add up in `heldMs`, and what lies between them does not count', async () => {
    await using world = await World.make(factory)
    const taken = async () => (await world.takeWork()).map(({ id, heldMs }) => [id, heldMs])
    await world.begin('flying', lane('one'))
    await world.begin('waiting', lane('two'))
    for (const id of ['flying', 'waiting'])
      await world.settle(settle(id, { outcome: 'retry', delayMs: 1000 }))
    world.advance(5000)
    expect((await world.takeWork()).map(({ heldMs }) => heldMs)).toEqual([5000, 5000])
    await world.settle(settle('waiting', { attempt: 2, outcome: 'retry', delayMs: 2000 }))

    await world.reopen()
    world.advance(60_000)
    expect(await taken()).toEqual([
      ['flying', 5000],
      ['waiting', 7000],
    ])
    world.advance(3000)
    for (const id of ['flying', 'waiting'])
      await world.settle(settle(id, { attempt: 3, outcome: 'retry', delayMs: 1000 }))
    world.advance(1000)
    expect((await world.takeWork()).map(({ heldMs }) => heldMs)).toEqual([9000, 11_000])

    await world.reopen()
    world.advance(60_000)
    expect(await taken()).toEqual([
      ['flying', 9000],
      ['waiting', 11_000],
    ])
  })

  test('a retry of an attempt that is over does not end the one in flight', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(settle('a', { outcome: 'retry' }))
    expect(await world.takeWork()).toMatchObject([{ attempt: 2 }])
    await world.settle(settle('a', { outcome: 'retry' }))
    expect(await world.takeWork()).toEqual([])
    expect(await world.rows('work', 'a')).toMatchObject([{ state: 'flight', attempt: 2 }])
  })

  test('what waited before a restart waits after it, in its order and with its time', async () => {
    await using world = await World.make(factory)
    await world.accept(working('a', lane('one')))
    await world.accept(working('b', lane('one', 3)))
    await world.accept(working('c', lane('two', 2)))
    await world.accept(working('d', { work: { lane: 'late', priority: 1, limit: 9, delayMs: 60_000 } }))
    await world.reopen()
    expect(await world.take()).toMatchObject({
      work: [{ id: 'a' }, { id: 'c' }],
      waiting: 2,
      nextDueMs: 60_000,
    })
  })

  test('pushes and messages of one name are different lanes', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(answering('a', pushTo('a')))
    await world.accept(accept('b', { work: { lane: 'push:wechat:web:ann', priority: 1, limit: 1 } }))
    expect((await world.takeWork()).map((row) => `${row.kind} ${row.id}`).sort()).toEqual([
      'message b',
      'push a-push',
    ])
  })
}
