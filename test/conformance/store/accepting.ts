// Operation 1: one id, one sequence; one key, one message; and everything an accept may be refused for.
import { expect, test } from 'vitest'
import type { StoreFactory } from '../store.ts'
import {
  CONVERSATION,
  HOME,
  World,
  accept,
  answering,
  dedupe,
  expectStatus,
  message,
  settle,
  working,
} from './world.ts'

export function acceptingSuite(factory: StoreFactory): void {
  test('gives sequences and inbox offsets without holes, and keeps the message as it was given', async () => {
    await using world = await World.make(factory)
    const first = message('a', {
      metadata: { constructor: 'data', note: '\u{1F600} 你好' },
      data: { n: '1.10' },
    })
    expect(await world.store.accept(accept('a', { message: first }))).toEqual({
      status: 'accepted',
      sequence: 1,
      offset: 1,
      ownerEpoch: 0,
    })
    await world.accept(accept('b', { inbox: false }))
    await world.accept(accept('c'))
    const log = await world.log()
    expect(log.map(({ id, sequence }) => [id, sequence])).toEqual([
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ])
    expect(log[0]).toEqual({ ...first, sequence: 1 })
    expect(await world.inbox()).toEqual([
      [1, 'a'],
      [2, 'c'],
    ])
  })

  test('keeps members named __proto__ as data', async () => {
    await using world = await World.make(factory)
    const data = JSON.parse('{"__proto__":{"polluted":true},"constructor":1}') as { readonly constructor: 1 } // as written there
    await world.accept(accept('a', { message: message('a', { data }) }))
    const [stored] = await world.log()
    expect(Object.keys(stored?.data ?? {})).toEqual(['__proto__', 'constructor'])
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('the same message id again is the same result and one effect (SEMANTICS 15)', async () => {
    await using world = await World.make(factory)
    const begun = working('a', { fence: world.fence })
    const first = await world.store.accept(begun)
    expect(await world.store.accept(begun)).toEqual(first)
    const plain = accept('b', dedupe('key'))
    const second = await world.store.accept(plain)
    expect(await world.store.accept(plain)).toEqual(second)
    expect(await world.log()).toHaveLength(2)
    expect(await world.ledger()).toMatchObject({ accepted: 2, settled: 1, waiting: 1 })
  })

  test('the same id again is not begun a second time once its attempt has ended', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(answering('a'))
    expect(await world.store.accept(working('a', { fence: world.fence }))).toEqual({
      status: 'accepted',
      sequence: 1,
      offset: 1,
      ownerEpoch: 0,
    })
    expect(await world.takeWork()).toEqual([])
  })

  test('the same id again is answered the same even where a new one would be refused', async () => {
    await using world = await World.make(factory)
    const one = working('a', {
      work: { lane: CONVERSATION, priority: 1, limit: 1 },
      expect: { ownerEpoch: 0 },
    })
    const first = await world.store.accept(one)
    expect(await world.store.accept(one)).toEqual(first)
    await world.accept(accept('b', { patch: { raiseEpoch: true } }))
    expect(await world.store.accept(one)).toEqual({ ...first, ownerEpoch: 1 })
  })

  test('a key that is claimed joins: the first id, its state, then its answer (SEMANTICS 1)', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    const running = await world.store.accept(working('b', dedupe('key')))
    expect(running).toEqual({
      status: 'duplicate',
      id: 'a',
      conversation: CONVERSATION,
      sequence: 1,
      state: 'running',
    })
    await world.settle(answering('a'))
    const done = expectStatus(await world.store.accept(working('c', dedupe('key'))), 'duplicate')
    expect(done).toMatchObject({ id: 'a', sequence: 1, state: 'answered' })
    expect(done.reply?.parts?.[0]?.text).toBe('answer to a')
    expect(await world.log()).toHaveLength(2)
  })

  test('a duplicate of what was stored without work is told that it was taken', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a', dedupe('key')))
    expect(await world.store.accept(accept('b', dedupe('key')))).toMatchObject({
      status: 'duplicate',
      state: 'taken',
    })
  })

  test('a duplicate gets the failure its first one ended with', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    const failure = { code: 'AGENT_FAILED', message: 'agent "helper" failed' }
    await world.settle(settle('a', { outcome: 'failed', failure, dead: failure }))
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({
      status: 'duplicate',
      state: 'failed',
      failure,
    })
  })

  test('the same key with another fingerprint is a mismatch, and no stored answer leaves (SEMANTICS 8)', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key', 'one'))
    await world.settle(answering('a'))
    expect(await world.store.accept(working('b', dedupe('key', 'other')))).toEqual({ status: 'mismatch' })
    expect(await world.log()).toHaveLength(2)
  })

  test('64 racing accepts of one key: one accepted, 63 duplicates of it', async () => {
    await using world = await World.make(factory)
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, n) => world.store.accept(working(`m${n}`, dedupe('key')))),
    )
    expect(results.filter((result) => result.status === 'accepted')).toHaveLength(1)
    const duplicates = results.filter((result) => result.status === 'duplicate')
    expect(duplicates).toHaveLength(63)
    expect(new Set(duplicates.map((duplicate) => duplicate.id)).size).toBe(1)
    expect(await world.log()).toHaveLength(1)
    expect(await world.ledger()).toMatchObject({ accepted: 1, waiting: 1 })
  })

  test('a completed claim ends with its time, one whose work is open does not (SEMANTICS 1)', async () => {
    await using world = await World.make(factory)
    const short = { dedupe: { key: 'done', fingerprint: 'same', ttlMs: 1000 } }
    const open = { dedupe: { key: 'open', fingerprint: 'same', ttlMs: 1000 } }
    await world.accept(accept('a', short))
    await world.accept(working('b', open))
    world.advance(999)
    expect(await world.store.accept(accept('c', short))).toMatchObject({ status: 'duplicate', id: 'a' })
    world.advance(1)
    expect(await world.store.accept(accept('d', short))).toMatchObject({ status: 'accepted' })
    expect(await world.store.accept(working('e', open))).toMatchObject({ status: 'duplicate', id: 'b' })
  })

  test('a conversation belongs to its first home for ever (SEMANTICS 9)', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    expect(await world.store.accept(accept('b', { home: 'web/eve' }))).toEqual({ status: 'forbidden' })
    expect(await world.store.accept(accept('c', { home: 'web/eve', conversation: 'web:eve' }))).toMatchObject(
      {
        status: 'accepted',
        sequence: 1,
        offset: 1,
      },
    )
    expect(await world.log()).toHaveLength(1)
  })

  test('of two homes that race for a conversation one gets it', async () => {
    await using world = await World.make(factory)
    const results = await Promise.all(
      ['web/ann', 'web/eve'].map((home, n) =>
        world.store.accept(accept(`m${n}`, { home, conversation: 'shared' })),
      ),
    )
    expect(results.map((result) => result.status).sort()).toEqual(['accepted', 'forbidden'])
  })

  test('under an owner epoch that is over nothing is stored', async () => {
    await using world = await World.make(factory)
    expect(await world.accept(accept('a', { patch: { agent: 'desk', raiseEpoch: true } }))).toMatchObject({
      ownerEpoch: 1,
    })
    expect(await world.store.accept(accept('b', { expect: { ownerEpoch: 0 } }))).toEqual({
      status: 'notOwner',
    })
    expect(await world.store.accept(accept('c', { expect: { ownerEpoch: 1 } }))).toMatchObject({
      sequence: 2,
    })
  })

  test('a full lane refuses with what waits in it, other lanes and what is in flight do not count (SEMANTICS 28)', async () => {
    await using world = await World.make(factory)
    const work = { lane: CONVERSATION, priority: 1, limit: 2 }
    await world.begin('a', { work })
    await world.accept(working('b', { work }))
    await world.accept(working('c', { work }))
    expect(await world.store.accept(working('d', { work }))).toEqual({ status: 'full', waiting: 2 })
    expect(await world.store.accept(working('e', { work: { ...work, lane: 'other' } }))).toMatchObject({
      status: 'accepted',
    })
    await world.settle(answering('a'))
    expect((await world.takeWork()).map((row) => row.id)).toEqual(['e', 'b'])
    expect(await world.store.accept(working('d', { work }))).toMatchObject({ status: 'accepted' })
    expect(await world.ledger()).toMatchObject({ accepted: 5, waiting: 4, settled: 1 })
  })

  test('attempt 1 begins in an idle lane under a live fence only', async () => {
    await using world = await World.make(factory)
    expect(await world.accept(working('a', { fence: world.fence }))).toMatchObject({ attempt: 1 })
    expect((await world.accept(working('b', { fence: world.fence }))).attempt).toBeUndefined()
    const stale = { ...world.fence, random: 'forged' }
    const other = { conversation: 'web:ann-2' }
    expect((await world.accept(working('c', { ...other, fence: stale }))).attempt).toBeUndefined()
    const late = { conversation: 'web:ann-3', work: { lane: 'l', priority: 1, limit: 10, delayMs: 5 } }
    expect((await world.accept(working('d', { ...late, fence: world.fence }))).attempt).toBeUndefined()
  })

  test('accepts of many homes at once are each whole', async () => {
    await using world = await World.make(factory)
    await Promise.all(
      Array.from({ length: 300 }, (_, n) =>
        world.accept(accept(`m${n}`, { home: `web/u${n % 30}`, conversation: `web:u${n % 30}` })),
      ),
    )
    for (let user = 0; user < 30; user++) {
      const log = await world.log(`web:u${user}`, `web/u${user}`)
      expect(log.map((row) => row.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
      expect((await world.inbox(`web/u${user}`)).map(([offset]) => offset)).toEqual([
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
      ])
    }
    expect(await world.log(CONVERSATION, HOME)).toEqual([])
  })
}
