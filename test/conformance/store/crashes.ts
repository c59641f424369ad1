// Crash before and after each operation's commit: acknowledged is stored, and the same id sent again has one effect.
import { describe, expect, test } from 'vitest'
import type { ScriptStep, StoreFactory } from '../store.ts'
import {
  CONVERSATION,
  HOME,
  LEASE_MS,
  World,
  accept,
  answering,
  dedupe,
  message,
  pushTo,
  reply,
  settle,
  working,
} from './world.ts'

// A process is started for each crash.
const SLOW = { timeout: 60_000 }
const UNCOMMITTED = ['begin', 'written'] as const
const fence = '$fence' as never // the child puts its own in its place
const trim = { partition: 0, olderThanMs: 3_600_000, maxBytes: 1e12, budgetMs: 1000 }
const take = { partition: 0, fence, max: 10, kinds: ['message', 'push', 'claim', 'timer'] }

/** What anybody can see of the store. */
async function visible(world: World): Promise<object> {
  const open = await world.store.find({ by: 'open', limit: 100 })
  return {
    log: (await world.log()).map((row) => [row.sequence, row.id, row.direction]),
    inbox: await world.inbox(),
    ledger: await world.ledger(),
    open: open.map((row) => (row.row === 'work' ? [row.kind, row.id, row.state, row.attempt] : row.row)),
    dead: (await world.dead()).map((row) => row.id),
  }
}

async function crashed(
  world: World,
  point: string,
  script: readonly ScriptStep[],
): Promise<readonly unknown[]> {
  await world.close()
  const answers = await world.harness.crash(point, script)
  await world.openAgain('after the crash')
  return answers
}

export function crashSuite(factory: StoreFactory): void {
  describe('before the commit nothing has happened', SLOW, () => {
    const cases: readonly (readonly [name: string, script: ScriptStep])[] = [
      ['accept', { operation: 'accept', argument: working('b', { ...dedupe('k2'), fence }) }],
      [
        'claim',
        {
          operation: 'claim',
          argument: {
            home: HOME,
            key: 'c',
            fingerprint: 'f',
            id: 'c1',
            ttlMs: 1e6,
            idempotent: false,
            fence,
            message: message('c1'),
          },
        },
      ],
      ['take', { operation: 'take', argument: take }],
      [
        'settle',
        {
          operation: 'settle',
          argument: answering('a', { ...pushTo('a'), fence, timer: { id: 't', delayMs: 9, target: 'x' } }),
        },
      ],
      ['handOver', { operation: 'handOver', argument: { home: HOME, replyId: 'p', by: 'w', to: 'taken' } }],
      ['trim', { operation: 'trim', argument: trim }],
      ['value', { operation: 'value', argument: { key: 'v', put: 1, expect: 'absent' } }],
    ]
    test.each(cases)('%s', async (operation, step) => {
      await using world = await World.make(factory)
      await world.accept(accept('old'))
      world.advance(trim.olderThanMs + 1)
      await world.passOn('first life')
      await world.begin('p', { conversation: CONVERSATION, waitMs: 60_000 })
      await world.settle(answering('p', pushTo('p')))
      await world.begin('a', dedupe('k1'))
      await world.reopen()
      const before = await visible(world)
      for (const point of UNCOMMITTED) {
        expect(await crashed(world, `${operation}:${point}`, [step])).toEqual([])
        expect(await visible(world)).toEqual(before)
        expect(await world.store.value({ key: 'v' })).toEqual({ status: 'ok' })
        expect(await world.store.find({ by: 'key', key: 'c' })).toEqual([])
      }
    })
  })

  describe('after the commit it has happened, unanswered; sent again it is the same', SLOW, () => {
    test('accept: the same sequence, one message, begun by nobody who lives', async () => {
      await using world = await World.make(factory)
      const step: ScriptStep = { operation: 'accept', argument: working('a', { ...dedupe('key'), fence }) }
      expect(await crashed(world, 'accept:committed', [step])).toEqual([])
      expect(await world.store.accept(working('a', { ...dedupe('key'), fence: world.fence }))).toEqual({
        status: 'accepted',
        sequence: 1,
        offset: 1,
        ownerEpoch: 0,
      })
      // A caller who repeats it under a new id joins the first.
      expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({
        status: 'duplicate',
        id: 'a',
        state: 'running',
      })
      expect(await world.log()).toHaveLength(1)
      expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: 2, orphan: true }])
      expect(await world.ledger()).toMatchObject({ accepted: 1, waiting: 1 })
    })

    test('claim: unknown to every duplicate (SEMANTICS 2)', async () => {
      await using world = await World.make(factory)
      const step: ScriptStep = { operation: 'claim', argument: { ...world.claim('c1'), fence } }
      expect(await crashed(world, 'claim:committed', [step])).toEqual([])
      expect(await world.store.claim(world.claim('c2'))).toEqual({ status: 'unknown', id: 'c1' })
      expect((await world.dead()).map((row) => row.id)).toEqual(['c1'])
    })

    test('take: its work is an orphan with the attempt counted', async () => {
      await using world = await World.make(factory)
      await world.accept(working('a'))
      expect(await crashed(world, 'take:committed', [{ operation: 'take', argument: take }])).toEqual([])
      expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: 2, orphan: true }])
    })

    test('settle: the answer is there once, the push is owed, the same settle gets the same numbers', async () => {
      await using world = await World.make(factory)
      await world.accept(working('a', dedupe('key')))
      const answer = answering('a', pushTo('a'))
      const script: readonly ScriptStep[] = [
        { operation: 'take', argument: take },
        { operation: 'settle', argument: { ...answer, fence } },
      ]
      expect(await crashed(world, 'settle:committed', script)).toHaveLength(1)
      expect(await world.settle(answer)).toMatchObject({ sequences: [2], offsets: [2] })
      expect(
        await world.store.settle({ ...answer, replies: [reply('other', 'a')], fence: world.fence }),
      ).toMatchObject({ status: 'already' })
      expect((await world.log()).map((row) => row.id)).toEqual(['a', 'a-reply'])
      expect(await world.takeWork()).toMatchObject([
        { kind: 'push', id: 'a-push', attempt: 1, orphan: false },
      ])
      expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1, waiting: 0 })
    })

    test('settle with a dead letter: the dead letter and the free lane are one step', async () => {
      await using world = await World.make(factory)
      await world.accept(working('a'))
      await world.accept(working('b'))
      const failure = { code: 'AGENT_FAILED', message: 'x' }
      const script: readonly ScriptStep[] = [
        { operation: 'take', argument: take },
        { operation: 'settle', argument: settle('a', { outcome: 'failed', failure, dead: failure, fence }) },
      ]
      await crashed(world, 'settle:committed', script)
      expect((await world.dead()).map((row) => row.id)).toEqual(['a'])
      expect(await world.takeWork()).toMatchObject([{ id: 'b', attempt: 1 }])
    })

    test('handOver: the right is taken, in doubt after 10 s', async () => {
      await using world = await World.make(factory)
      await world.begin('a', { waitMs: 60_000 })
      await world.settle(answering('a', pushTo('a')))
      const taken = { home: HOME, replyId: 'a', by: 'w', to: 'taken' } as const
      await crashed(world, 'handOver:committed', [{ operation: 'handOver', argument: taken }])
      expect(await world.store.handOver(taken)).toEqual({ status: 'ok' })
      expect(await world.store.handOver({ ...taken, by: 'other' })).toEqual({ status: 'other' })
      world.advance(10_000)
      expect(await world.takeWork()).toMatchObject([{ id: 'a-push', orphan: true }])
    })

    test('hello, ack and a device’s numbers', async () => {
      await using world = await World.make(factory)
      await world.accept(accept('a'))
      const hello = { home: HOME, device: 'd', boot: 'b', first: 4, epoch: '', offset: 0 }
      for (const point of UNCOMMITTED)
        await crashed(world, `hello:${point}`, [{ operation: 'hello', argument: hello }])
      await crashed(world, 'hello:committed', [{ operation: 'hello', argument: hello }])
      const welcome = await world.store.hello(hello)
      expect(welcome).toMatchObject({ status: 'welcome', next: 4, jumped: 0 })
      const ack = { home: HOME, device: 'd', boot: 'b', epoch: welcome.epoch, offset: 1 }
      for (const point of UNCOMMITTED) {
        await crashed(world, `ack:${point}`, [{ operation: 'ack', argument: ack }])
        expect(await world.store.ack({ ...ack, offset: 0 })).toEqual({ status: 'ok', cursor: 0 })
      }
      await crashed(world, 'ack:committed', [{ operation: 'ack', argument: ack }])
      expect(await world.store.ack({ ...ack, offset: 0 })).toEqual({ status: 'ok', cursor: 1 })
      const sent = accept('m4', { device: { device: 'd', boot: 'b', n: 4 }, ...dedupe('id-4') })
      await crashed(world, 'accept:committed', [{ operation: 'accept', argument: sent }])
      expect(await world.store.accept(sent)).toMatchObject({ status: 'accepted', sequence: 2 })
      expect(await world.store.hello({ ...hello, first: 5 })).toMatchObject({ next: 5, jumped: 0 })
    })

    test('value and lease: the version is there, the lease is void and its counter is used', async () => {
      await using world = await World.make(factory)
      const put = { key: 'v', put: 1, expect: 'absent' } as const
      await crashed(world, 'value:committed', [{ operation: 'value', argument: put }])
      expect(await world.store.value(put)).toMatchObject({ status: 'conflict', value: 1 })
      const before = world.fence.counter
      // The child's own lease is the first it asks for.
      await crashed(world, 'lease:committed', [])
      expect(world.fence.counter).toBeGreaterThan(before + 1)
    })

    test('trim: cut is cut, and the rest goes on', async () => {
      await using world = await World.make(factory)
      await world.accept(accept('a'))
      world.advance(Math.max(LEASE_MS, trim.olderThanMs) + 1)
      await crashed(world, 'trim:committed', [{ operation: 'trim', argument: trim }])
      expect(await world.log()).toEqual([])
      expect(await world.accept(accept('b'))).toMatchObject({ sequence: 2, offset: 2 })
    })
  })

  test('of what was answered before the crash nothing is missing', SLOW, async () => {
    await using world = await World.make(factory)
    const script = Array.from({ length: 30 }, (_, n): ScriptStep => ({
      operation: 'accept',
      argument: working(`m${n}`),
    }))
    const answers = await crashed(world, 'accept:written#21', script)
    expect(answers).toHaveLength(20)
    expect((await world.log()).map((row) => row.id)).toEqual(Array.from({ length: 20 }, (_, n) => `m${n}`))
    expect(await world.ledger()).toMatchObject({ accepted: 20, waiting: 20 })
  })
}
