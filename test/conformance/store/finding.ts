// Operation 12: what is found of a message, of a key, of a customer; and the ledger (SEMANTICS 36).
import { expect, test } from 'vitest'
import type { StoreFactory } from '../store.ts'
import {
  CONVERSATION,
  HOME,
  World,
  accept,
  answering,
  dedupe,
  message,
  pushTo,
  settle,
  working,
} from './world.ts'

export function findingSuite(factory: StoreFactory): void {
  test('by id: the message, what it caused, claim, work, outcome and pushes', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    expect((await world.store.find({ by: 'id', id: 'a' })).map((row) => row.row)).toEqual([
      'message',
      'claim',
      'work',
    ])
    expect(await world.rows('work', 'a')).toMatchObject([
      { kind: 'message', state: 'flight', attempt: 1, lane: CONVERSATION, home: HOME },
    ])
    await world.settle(answering('a', pushTo('a')))
    expect(await world.rows('work', 'a')).toMatchObject([
      { kind: 'push', id: 'a-push', state: 'waiting', dueMs: 0, home: HOME },
    ])
    expect((await world.rows('message', 'a')).map((row) => row.message.id)).toEqual(['a', 'a-reply'])
    expect((await world.rows('message', 'a-reply')).map((row) => row.message.id)).toEqual(['a-reply'])
    expect(await world.rows('claim', 'a')).toMatchObject([{ key: 'key', id: 'a', state: 'answered' }])
    expect(await world.rows('settled', 'a')).toMatchObject([{ id: 'a', outcome: 'answered' }])
    expect(await world.store.find({ by: 'id', id: 'nobody' })).toEqual([])
  })

  test('by id: a call that is in no log', async () => {
    await using world = await World.make(factory)
    await world.store.claim(world.claim('c1'))
    expect(await world.store.find({ by: 'id', id: 'c1' })).toMatchObject([
      { row: 'claim' },
      { row: 'work', home: HOME },
    ])
    await world.store.settle(settle('c1', { kind: 'claim' }))
    expect((await world.store.find({ by: 'id', id: 'c1' })).map((row) => row.row)).toEqual([
      'claim',
      'settled',
    ])
  })

  test('by key', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    expect(await world.store.find({ by: 'key', key: 'key' })).toMatchObject([
      { row: 'claim', id: 'a', state: 'running' },
    ])
    await world.store.claim(world.claim('c1'))
    expect(await world.store.find({ by: 'key', key: 'call-key' })).toMatchObject([
      { id: 'c1', state: 'begun' },
    ])
    expect(await world.store.find({ by: 'key', key: 'none' })).toEqual([])
  })

  test('by customer: the conversations in every home, the last active first', async () => {
    await using world = await World.make(factory)
    const at = (minute: number) => `2026-01-02T03:0${minute}:00.000Z`
    const place = (home: string, conversation: string, minute: number) =>
      accept(`${conversation}-${minute}`, {
        home,
        conversation,
        message: message(`${conversation}-${minute}`, { conversation, receivedAt: at(minute) }),
      })
    await world.accept(place('web/ann', 'web:ann', 1))
    await world.accept(place('link/ann', 'link:ann', 2))
    await world.accept(place('web/eve', 'web:eve', 3))
    await world.accept(place('web/ann', 'web:ann', 4))
    const found = await world.store.find({ by: 'customer', customer: 'ann', limit: 10 })
    expect(found).toEqual([
      {
        row: 'conversation',
        conversation: 'web:ann',
        home: 'web/ann',
        customer: 'ann',
        channel: 'web',
        top: 2,
        oldest: 1,
        ownerEpoch: 0,
        lastAt: at(4),
      },
      {
        row: 'conversation',
        conversation: 'link:ann',
        home: 'link/ann',
        customer: 'ann',
        channel: 'web',
        top: 1,
        oldest: 1,
        ownerEpoch: 0,
        lastAt: at(2),
      },
    ])
    expect(await world.store.find({ by: 'customer', customer: 'ann', limit: 1 })).toHaveLength(1)
    expect(await world.store.find({ by: 'conversation', conversation: 'none' })).toEqual([])
  })

  test('by customer: a conversation of any name, and never one that is only named like him', async () => {
    await using world = await World.make(factory)
    const names: Readonly<Record<string, readonly string[]>> = {
      'web/ann': ['case-42', 'web:ann', 'web:ann b', 'x/y:z'],
      'web/bob': ['case:ann', 'ann', 'web:'],
      'web/a:b/c': ['web:a:b/c'],
    }
    for (const [home, conversations] of Object.entries(names))
      for (const conversation of conversations)
        await world.accept(accept(`${home} ${conversation}`, { home, conversation }))
    for (const [home, conversations] of Object.entries(names)) {
      const customer = home.slice('web/'.length)
      const found = await world.store.find({ by: 'customer', customer, limit: 10 })
      expect(found).toHaveLength(conversations.length)
      expect(new Set(found.map((row) => 'conversation' in row && row.conversation))).toEqual(
        new Set(conversations),
      )
      for (const row of found) expect(row).toMatchObject({ home, customer })
    }
    for (const conversation of Object.values(names).flat())
      expect(await world.store.find({ by: 'conversation', conversation })).toMatchObject([{ conversation }])
  })

  test('open work and dead letters in pages that go on where the last row was, also when that is gone', async () => {
    await using world = await World.make(factory)
    for (const id of ['a', 'b', 'c', 'd'])
      await world.accept(
        working(id, { conversation: `web:${id}`, work: { lane: id, priority: 1, limit: 9 } }),
      )
    const open = async (after?: string) =>
      (await world.store.find({ by: 'open', limit: 2, ...(after !== undefined && { after }) })).map((row) =>
        'id' in row ? row.id : '',
      )
    expect(await open()).toEqual(['a', 'b'])
    await world.takeWork()
    const gone = { code: 'AGENT_FAILED', message: 'gone' }
    await world.settle(settle('b', { outcome: 'failed', dead: gone, conversation: 'web:b' }))
    expect(await open('b')).toEqual(['c', 'd'])
    for (const id of ['c', 'd'])
      await world.settle(settle(id, { outcome: 'failed', dead: gone, conversation: `web:${id}` }))
    const dead = async (after?: string) =>
      (await world.store.find({ by: 'dead', limit: 2, ...(after !== undefined && { after }) })).map((row) =>
        'id' in row ? row.id : '',
      )
    expect(await dead()).toEqual(['b', 'c'])
    await world.store.settle(settle('c', { outcome: 'failed' }))
    expect(await dead('c')).toEqual(['d'])
  })

  test('by lane: what is in it, in its order', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.accept(working('b'))
    expect(await world.store.find({ by: 'lane', lane: CONVERSATION, limit: 10 })).toMatchObject([
      { id: 'a', state: 'flight' },
      { id: 'b', state: 'waiting' },
    ])
    expect(await world.store.find({ by: 'lane', lane: CONVERSATION, limit: 1 })).toHaveLength(1)
  })

  test('accepted = settled + expired + dead + waiting, through every way a message can end and over a restart', async () => {
    await using world = await World.make(factory)
    const check = async (expected: object) => {
      const row = await world.ledger()
      expect(row.accepted).toBe(row.settled + row.expired + row.dead + row.waiting)
      expect(row).toMatchObject(expected)
    }
    await world.accept(accept('stored', dedupe('key')))
    await check({ accepted: 1, settled: 1 })
    await world.store.accept(accept('duplicate', dedupe('key')))
    await check({ accepted: 1 })
    for (const id of ['answered', 'taken', 'failed', 'expired', 'unknown', 'dead', 'waiting'])
      await world.accept(working(id, { work: { lane: id, priority: 1, limit: 9 } }))
    await world.takeWork()
    await check({ accepted: 8, waiting: 7, settled: 1 })
    for (const outcome of ['answered', 'taken', 'failed', 'expired', 'unknown'] as const)
      await world.settle(settle(outcome, { outcome }))
    await world.settle(settle('dead', { outcome: 'failed', dead: { code: 'AGENT_FAILED', message: 'x' } }))
    await world.settle(settle('waiting', { outcome: 'retry' }))
    const end = { accepted: 8, settled: 5, expired: 1, dead: 1, waiting: 1, deadLetters: 1 }
    await check(end)
    await world.reopen()
    await check(end)
    await world.store.accept(accept('refused', { home: 'web/eve' }))
    await check(end)
    expect(await world.inbox(HOME)).toHaveLength(8)
  })
}
