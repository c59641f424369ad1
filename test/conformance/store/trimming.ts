// Operation 13: fronts only, the inbox before the log, and never heads, open work, pushes or dead letters (SEMANTICS 23).
import { expect, test } from 'vitest'
import type { Trim } from '../../../core/store/store.ts'
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
  pushTo,
  settle,
  working,
} from './world.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const old: Trim = { partition: 0, olderThanMs: HOUR, maxBytes: Number.MAX_SAFE_INTEGER, budgetMs: 1000 }

async function trimAll(world: World, over: Partial<Trim> = {}): Promise<number> {
  let removed = 0
  for (let call = 0; call < 1000; call++) {
    const result = await world.store.trim({ ...old, ...over })
    removed += result.removed
    if (!result.more) return removed
  }
  throw new Error('trim comes to no end')
}

export function trimSuite(factory: StoreFactory): void {
  test('cuts what is older from the front, and a read below says so', async () => {
    await using world = await World.make(factory)
    for (const id of ['a', 'b']) await world.accept(accept(id))
    world.advance(HOUR + 1)
    await world.accept(accept('c'))
    expect(await trimAll(world)).toBeGreaterThan(0)
    const page = expectStatus(
      await world.store.read({ home: HOME, log: { conversation: CONVERSATION }, after: 0, limit: 10 }),
      'rows',
    )
    expect(page).toMatchObject({ next: 3, top: 3, oldest: 3, truncated: true })
    expect(page.rows.map((row) => row.message.id)).toEqual(['c'])
    const inbox = expectStatus(
      await world.store.read({ home: HOME, log: { inbox: true }, after: 0, limit: 10 }),
      'rows',
    )
    expect(inbox).toMatchObject({ next: 3, top: 3, oldest: 3, truncated: true })
    expect(await trimAll(world)).toBe(0)
  })

  test('heads outlive content: numbers go on after everything was cut, also over a restart', async () => {
    await using world = await World.make(factory)
    for (const id of ['a', 'b'])
      await world.accept(accept(id, { patch: { raiseEpoch: true, agent: 'desk' } }))
    world.advance(HOUR + 1)
    await trimAll(world)
    expect(await world.log()).toEqual([])
    expect(
      await world.store.read({ home: HOME, log: { conversation: CONVERSATION }, after: 2, limit: 9 }),
    ).toMatchObject({ rows: [], oldest: 3, top: 2 })
    await world.reopen()
    expect(await world.store.find({ by: 'conversation', conversation: CONVERSATION })).toMatchObject([
      { top: 2, oldest: 3, ownerEpoch: 2, agent: 'desk', lastAt: message('a').receivedAt },
    ])
    expect(await world.accept(accept('c'))).toMatchObject({ sequence: 3, offset: 3, ownerEpoch: 2 })
    expect(await world.store.accept(accept('d', { home: 'web/eve' }))).toEqual({ status: 'forbidden' })
  })

  test('claims and outcomes outlive content, until their own time', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    await world.settle(answering('a'))
    world.advance(HOUR + 1)
    await trimAll(world)
    expect(await world.log()).toEqual([])
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({
      status: 'duplicate',
      id: 'a',
      conversation: CONVERSATION,
      sequence: 1,
      state: 'answered',
      reply: { origin: 'agent' },
    })
    world.advance(3 * DAY)
    await trimAll(world)
    expect(await world.store.find({ by: 'key', key: 'key' })).toEqual([])
    expect(await world.store.accept(working('c', dedupe('key')))).toMatchObject({
      status: 'accepted',
      sequence: 3,
    })
  })

  test('open work holds its log row and all behind it, the inbox is cut; settled, it goes', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a'))
    await world.accept(working('b', { raw: { mediaType: 'text/plain', bytes: new Uint8Array([7]) } }))
    await world.accept(accept('c'))
    await world.accept(accept('d', { conversation: 'web:ann-2' }))
    world.advance(HOUR + 1)
    await trimAll(world)
    expect((await world.log()).map((row) => row.id)).toEqual(['b', 'c'])
    expect(await world.log('web:ann-2')).toEqual([])
    expect(await world.inbox()).toEqual([])
    await world.passOn('later')
    expect(await world.takeWork()).toMatchObject([
      { id: 'b', message: { sequence: 2 }, raw: { bytes: new Uint8Array([7]) } },
    ])
    await world.settle(settle('b', { outcome: 'taken' }))
    await trimAll(world)
    expect(await world.log()).toEqual([])
    expect(await world.ledger()).toMatchObject({ accepted: 4, settled: 4, waiting: 0 })
  })

  test('unsent pushes and waiting callbacks hold what they are about', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(answering('a', { ...pushTo('a'), timer: { id: 't', delayMs: 10 * DAY, target: 'x' } }))
    world.advance(5 * DAY)
    await trimAll(world)
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'a-reply'])
    await world.passOn('later')
    const [push] = await world.takeWork('push')
    expect(push?.message.id).toBe('a-reply')
    await world.settle(settle('a-push', { kind: 'push' }))
    expect(await world.store.settle(settle('t', { kind: 'timer', attempt: 0 }))).toMatchObject({
      status: 'settled',
    })
    await trimAll(world)
    expect(await world.log()).toEqual([])
  })

  test('dead letters stay with message and bytes while the log is cut', async () => {
    await using world = await World.make(factory)
    const raw = { mediaType: 'text/plain', bytes: new Uint8Array([9, 9]) }
    await world.begin('a', { raw })
    await world.settle(settle('a', { outcome: 'failed', dead: { code: 'AGENT_FAILED', message: 'x' } }))
    world.advance(100 * DAY)
    await trimAll(world)
    expect(await world.log()).toEqual([])
    expect(await world.dead()).toMatchObject([
      { id: 'a', message: { id: 'a', parts: [{ text: 'text of a' }] }, raw },
    ])
    expect(await world.store.settle(settle('a', { outcome: 'failed' }))).toMatchObject({ status: 'settled' })
    expect(await world.dead()).toEqual([])
  })

  test('what retention may not remove does not cost the rest: dead letters and waiting work count nothing', async () => {
    await using world = await World.make(factory)
    const large = (id: string) => ({
      conversation: `web:${id}`,
      message: message(id, {
        conversation: `web:${id}`,
        parts: [{ kind: 'text' as const, text: 'x'.repeat(300_000) }],
      }),
      raw: { mediaType: 'text/plain', bytes: new Uint8Array(300_000).fill(120) },
    })
    for (const id of ['a', 'b', 'c']) await world.accept(accept(id))
    for (let n = 0; n < 10; n++) {
      await world.begin(`dead${n}`, large(`dead${n}`))
      await world.settle(
        settle(`dead${n}`, {
          conversation: `web:dead${n}`,
          outcome: 'failed',
          dead: { code: 'X', message: 'x' },
        }),
      )
    }
    for (let n = 0; n < 4; n++) await world.accept(working(`waits${n}`, large(`waits${n}`)))
    const size = { olderThanMs: 100 * DAY, maxBytes: 5_000_000 }
    expect(await trimAll(world, size)).toBe(0)
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'b', 'c'])
    // What may go is still held to it: the oldest first.
    expect(await trimAll(world, { ...size, maxBytes: 2_500_000 })).toBeGreaterThan(0)
    expect(await world.log()).toEqual([])
    expect(await world.log('web:dead9')).toHaveLength(1)
    expect(await world.dead()).toHaveLength(10)
    expect(await world.ledger()).toMatchObject({ waiting: 4 })
  })

  test('a settled callback is remembered for 72 h', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(settle('a', { outcome: 'taken', timer: { id: 't', delayMs: 1000, target: 'x' } }))
    await world.store.settle(answering('t', { kind: 'timer', attempt: 0 }))
    world.advance(3 * DAY - 1)
    await trimAll(world)
    expect(await world.store.settle(settle('t', { kind: 'timer', attempt: 0 }))).toMatchObject({
      status: 'already',
      outcome: 'answered',
    })
    world.advance(2)
    await trimAll(world)
    expect(await world.store.settle(settle('t', { kind: 'timer', attempt: 0 }))).toEqual({
      status: 'already',
      outcome: 'expired',
    })
  })

  test('devices are kept 90 days after their last use (SEMANTICS 13)', async () => {
    await using world = await World.make(factory)
    const hello = { home: HOME, device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }
    await world.store.hello(hello)
    await world.accept(accept('m1', { device: { device: 'd', boot: 'b', n: 1 } }))
    world.advance(90 * DAY - 1)
    await trimAll(world)
    expect(await world.store.hello({ ...hello, first: 2 })).toMatchObject({ next: 2, jumped: 0 })
    world.advance(90 * DAY + 1)
    await trimAll(world)
    expect(await world.store.hello({ ...hello, first: 2 })).toMatchObject({ next: 2, jumped: 1 })
  })

  test('by size: the oldest go first until it fits, by age nothing would', async () => {
    await using world = await World.make(factory)
    const text = 'x'.repeat(10_000)
    const big = (id: string) => accept(id, { message: message(id, { parts: [{ kind: 'text', text }] }) })
    await Promise.all(Array.from({ length: 300 }, (_, n) => world.accept(big(`m${n}`))))
    await trimAll(world, { olderThanMs: DAY, maxBytes: 1_500_000 })
    const left = await world.log()
    expect(left.length).toBeGreaterThan(20)
    expect(left.length).toBeLessThan(200)
    expect(left.at(-1)?.sequence).toBe(300)
    expect(left.map((row) => row.sequence)).toEqual(left.map((_, n) => 301 - left.length + n))
  })

  test('a small budget does a little and says that there is more; twice is as once', async () => {
    await using world = await World.make(factory)
    await Promise.all(Array.from({ length: 200 }, (_, n) => world.accept(accept(`m${n}`))))
    world.advance(HOUR + 1)
    const first = await world.store.trim({ ...old, budgetMs: 0 })
    expect(first.more).toBe(true)
    expect(await world.log()).not.toEqual([])
    await trimAll(world, { budgetMs: 1 })
    expect(await world.log()).toEqual([])
  })

  test('trim beside read: a reader sees whole pages, and a cut in front of it as truncated', async () => {
    await using world = await World.make(factory)
    await Promise.all(Array.from({ length: 300 }, (_, n) => world.accept(accept(`m${n}`))))
    world.advance(HOUR + 1)
    await Promise.all(Array.from({ length: 100 }, (_, n) => world.accept(accept(`n${n}`))))
    const trimmed = trimAll(world, { budgetMs: 0 })
    let after = 0
    const seen: number[] = []
    let cuts = 0
    while (after < 400) {
      const page = expectStatus(
        await world.store.read({ home: HOME, log: { conversation: CONVERSATION }, after, limit: 7 }),
        'rows',
      )
      const numbers = page.rows.map((row) => row.message.sequence)
      const from = page.truncated ? page.oldest : after + 1
      if (page.truncated) cuts++
      expect(numbers).toEqual(numbers.map((_, n) => from + n))
      seen.push(...numbers)
      after = page.next
    }
    await trimmed
    expect(seen.slice(-100)).toEqual(Array.from({ length: 100 }, (_, n) => 301 + n))
    expect(cuts).toBeGreaterThan(0)
  })
}
