// Operation 2: an unsafe call is claimed before it begins, and an outcome nobody knows is said (SEMANTICS 2).
import { expect, test } from 'vitest'
import { partitionLease } from '../../../core/store/figures.ts'
import type { StoreFactory } from '../store.ts'
import { HOME, LEASE_MS, World, accept, dedupe, expectStatus, message, settle, working } from './world.ts'

const ANSWER = { data: { order: '007' }, origin: 'backend' } as const

export function callsSuite(factory: StoreFactory): void {
  test('runs once: the same id again runs on, another joins, both get the stored answer', async () => {
    await using world = await World.make(factory)
    const claim = world.claim('c1')
    expect(await world.store.claim(claim)).toEqual({ status: 'run', id: 'c1', attempt: 1 })
    expect(await world.store.claim(claim)).toEqual({ status: 'run', id: 'c1', attempt: 1 })
    expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'running', id: 'c1' })
    const done = settle('c1', { kind: 'claim', reply: ANSWER })
    expect(await world.store.settle(done)).toMatchObject({ status: 'settled', sequences: [] })
    expect(await world.store.settle(done)).toEqual({ status: 'already', outcome: 'answered', reply: ANSWER })
    const stored = { status: 'done', id: 'c1', outcome: 'answered', reply: ANSWER }
    expect(await world.store.claim(world.claim('c2'))).toEqual(stored)
    expect(await world.store.claim(claim)).toEqual(stored)
  })

  test('another fingerprint is a mismatch, running or done (SEMANTICS 8)', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    expect(await world.store.claim(world.claim('c2', { fingerprint: 'other' }))).toEqual({
      status: 'mismatch',
    })
    await world.store.settle(settle('c1', { kind: 'claim', reply: ANSWER }))
    expect(await world.store.claim(world.claim('c2', { fingerprint: 'other' }))).toEqual({
      status: 'mismatch',
    })
  })

  test('64 racing claims of one key run once', async () => {
    await using world = await World.make(factory)
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, n) => world.store.claim(world.claim(`c${n}`))),
    )
    expect(results.filter((result) => result.status === 'run')).toHaveLength(1)
    expect(results.filter((result) => result.status === 'running')).toHaveLength(63)
  })

  test('begun by an owner who is gone: unknown for every duplicate, and in the dead letters with its bytes', async () => {
    await using world = await World.make(factory)
    const raw = { mediaType: 'text/xml', bytes: new Uint8Array([60, 0, 255]) }
    await world.store.claim(world.claim('c1', { raw }))
    await world.passOn('other')
    expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'unknown', id: 'c1' })
    expect(await world.store.claim(world.claim('c3'))).toEqual({ status: 'unknown', id: 'c1' })
    const [dead] = await world.dead()
    expect(dead).toMatchObject({ id: 'c1', kind: 'claim', home: HOME, failure: { code: 'OUTCOME_UNKNOWN' } })
    expect(dead?.raw?.bytes).toEqual(raw.bytes)
    expect(dead?.message).toEqual({ ...message('c1', { kind: 'request', type: 'PlaceOrder' }), sequence: 0 })
    expect(await world.takeWork()).toEqual([])
  })

  test('the lost attempt of a call nobody knows the end of is in its dead letter and its trace, with its moment', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    await world.passOn('other')
    await world.store.claim(world.claim('c2'))
    const lost = { attempt: 1, durationMs: 0, failure: { code: 'OUTCOME_UNKNOWN' } }
    const startedAt = expect.stringMatching(/^\d{4}-\d\d-\d\dT/u)
    const attempts = [{ ...lost, startedAt }]
    expect(await world.dead()).toMatchObject([{ id: 'c1', attempts }])
    const rows = await world.store.find({ by: 'id', id: 'c1' })
    expect(rows.filter(({ row }) => row === 'settled')).toMatchObject([{ outcome: 'unknown', attempts }])
  })

  test('an idempotent call of an owner who is gone runs again with the same id', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1', { idempotent: true }))
    await world.passOn('other')
    expect(await world.store.claim(world.claim('c2', { idempotent: true }))).toEqual({
      status: 'run',
      id: 'c1',
      attempt: 2,
    })
    expect(await world.store.claim(world.claim('c3', { idempotent: true }))).toEqual({
      status: 'running',
      id: 'c1',
    })
  })

  test('the owner’s restart leaves the call to take, as an orphan, once', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    expect(await world.takeWork('claim')).toEqual([])
    await world.reopen()
    const [orphan, ...more] = await world.takeWork('claim')
    expect(more).toEqual([])
    expect(orphan).toMatchObject({ kind: 'claim', id: 'c1', attempt: 2, orphan: true, poison: false })
    expect(orphan?.attempts).toMatchObject([{ attempt: 1, failure: { code: 'OUTCOME_UNKNOWN' } }])
    // Whoever took it has it now.
    expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'running', id: 'c1' })
    const failure = { code: 'OUTCOME_UNKNOWN', message: 'nobody saw its end' }
    await world.settle(
      settle('c1', { kind: 'claim', attempt: 2, outcome: 'unknown', failure, dead: failure }),
    )
    expect(await world.store.claim(world.claim('c3'))).toEqual({ status: 'unknown', id: 'c1' })
  })

  test('an operator makes the unknown known, and the dead letter goes with it', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    await world.passOn('other')
    await world.store.claim(world.claim('c2'))
    expect(await world.dead()).toHaveLength(1)
    await world.store.settle(settle('c1', { kind: 'claim', attempt: 0, reply: ANSWER }))
    expect(await world.dead()).toEqual([])
    expect(await world.store.claim(world.claim('c3'))).toMatchObject({ status: 'done', reply: ANSWER })
  })

  test('released without an effect, the next with its key makes it again, under the first id', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    const tried = { target: 'backend orders', startedAt: '2026-01-02T03:04:05Z', durationMs: 3 }
    const release = settle('c1', { kind: 'claim', outcome: 'retry', delayMs: 60_000, tried })
    expect(await world.store.settle(release)).toMatchObject({ status: 'settled' })
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: 60_000 })
    expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'run', id: 'c1', attempt: 2 })
    expect(await world.store.claim(world.claim('c3'))).toEqual({ status: 'running', id: 'c1' })
    // The release of the first attempt, sent again, does not end the second.
    await world.store.settle(release)
    expect(await world.store.claim(world.claim('c3'))).toEqual({ status: 'running', id: 'c1' })
    await world.store.settle({ ...release, attempt: 2 })
    await world.reopen()
    expect(await world.store.claim(world.claim('c4'))).toEqual({ status: 'run', id: 'c1', attempt: 3 })
    await world.store.settle({ ...release, attempt: 3 })
    world.advance(60_000)
    expect(await world.takeWork()).toMatchObject([
      { kind: 'claim', id: 'c1', attempt: 4, orphan: false, poison: false },
    ])
  })

  test('SEMANTICS 2: released, it is stored for who brings its key to be stored, under the id it was called with, once', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    const release = settle('c1', { kind: 'claim', outcome: 'retry', delayMs: 60_000 })
    await world.store.settle(release)
    await world.reopen()
    const key = dedupe('call-key')
    expect(await world.store.accept(working('m1', key))).toEqual({ status: 'released', id: 'c1' })
    expect(await world.store.accept(working('c1', dedupe('call-key', 'other')))).toEqual({
      status: 'mismatch',
    })
    expect(await world.log()).toEqual([])
    const stored = { status: 'accepted', sequence: 1, attempt: 1 }
    const begun = working('c1', { ...key, fence: world.fence })
    expect(await world.store.accept(begun)).toMatchObject(stored)
    expect(await world.store.accept(begun)).toMatchObject(stored)
    expect((await world.take()).nextDueMs).toBeUndefined()
    const duplicate = { status: 'duplicate', id: 'c1', sequence: 1, state: 'running' }
    expect(await world.store.accept(working('m2', key))).toMatchObject(duplicate)
    expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'running', id: 'c1' })
    // The release of the call, sent again, does not end what is stored, and is told nothing of it.
    expect(await world.store.settle(release)).toEqual({ status: 'gone' })
    await world.reopen('third life')
    world.advance(60_000)
    expect(await world.takeWork()).toMatchObject([{ kind: 'message', id: 'c1', attempt: 2 }])
    await world.settle(settle('c1', { attempt: 2, reply: ANSWER }))
    const done = { status: 'done', id: 'c1', outcome: 'answered', reply: ANSWER }
    expect(await world.store.claim(world.claim('c3'))).toEqual(done)
    expect(await world.log()).toMatchObject([{ id: 'c1', sequence: 1 }])
    expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1, waiting: 0 })
    expect(await world.store.find({ by: 'open', limit: 10 })).toEqual([])
  })

  test('an accept that is refused leaves the released call as it was, and one that is made again is joined', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    await world.store.settle(settle('c1', { kind: 'claim', outcome: 'retry', delayMs: 60_000 }))
    const full = working('c1', { ...dedupe('call-key'), work: { lane: 'l', priority: 1, limit: 0 } })
    expect(await world.store.accept(full)).toEqual({ status: 'full', waiting: 0 })
    expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'run', id: 'c1', attempt: 2 })
    for (const id of ['c1', 'm1'])
      expect(await world.store.accept(working(id, dedupe('call-key')))).toMatchObject({
        status: 'duplicate',
        id: 'c1',
        state: 'begun',
      })
    expect(await world.log()).toEqual([])
  })

  test('who does not hold the partition claims under a lease of his own in it, and is an orphan for its holder when that is over', async () => {
    await using world = await World.make(factory)
    const { store } = world
    const own = { name: `${partitionLease(0)}/two`, owner: 'two', ttlMs: 10_000 }
    const { fence } = expectStatus(await store.lease(own), 'held')
    expect(await store.claim(world.claim('c1', { fence }))).toEqual({ status: 'run', id: 'c1', attempt: 1 })
    expect(await world.takeWork()).toEqual([])
    expect(await store.claim(world.claim('c2'))).toEqual({ status: 'running', id: 'c1' })
    world.advance(10_000)
    expect(await world.takeWork()).toMatchObject([{ kind: 'claim', id: 'c1', orphan: true }])
  })

  test('a call is no part of the ledger’s accepted', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    expect(await world.ledger()).toMatchObject({ accepted: 0, settled: 0, waiting: 0 })
    await world.store.settle(settle('c1', { kind: 'claim', reply: ANSWER }))
    expect(await world.ledger()).toMatchObject({ accepted: 0, settled: 0, waiting: 0 })
  })

  test('under a lease that is over nothing begins, and what is stored is still told', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    await world.store.settle(settle('c1', { kind: 'claim', reply: ANSWER }))
    world.advance(LEASE_MS + 1)
    await expect(world.store.claim(world.claim('c2', { key: 'another' }))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      notExecuted: true,
    })
    expect(await world.store.claim(world.claim('c3'))).toMatchObject({ status: 'done' })
  })

  test('the claim of an accepted message answers a call of the same key', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a', dedupe('call-key')))
    expect(await world.store.claim(world.claim('c1'))).toEqual({ status: 'done', id: 'a', outcome: 'taken' })
  })

  test('a completed claim ends with its time, an unknown one waits for its operator', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1', { ttlMs: 1000 }))
    await world.store.claim(world.claim('c2', { ttlMs: 1000, key: 'other' }))
    await world.store.settle(settle('c1', { kind: 'claim', reply: ANSWER }))
    await world.passOn('other')
    expect(await world.store.claim(world.claim('c3'))).toMatchObject({ status: 'run', id: 'c3' })
    expect(await world.store.claim(world.claim('c4', { key: 'other' }))).toEqual({
      status: 'unknown',
      id: 'c2',
    })
    world.advance(10_000)
    expect(await world.store.claim(world.claim('c5', { key: 'other' }))).toEqual({
      status: 'unknown',
      id: 'c2',
    })
  })
}
