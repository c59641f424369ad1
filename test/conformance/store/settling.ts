// Operation 4: the first settle ends the step with everything it owes, every later one gets its result.
import { expect, test } from 'vitest'
import type { StoreFactory } from '../store.ts'
import {
  HOME,
  CONVERSATION,
  World,
  accept,
  answering,
  dedupe,
  expectStatus,
  message,
  pushTo,
  reply,
  settle,
  working,
} from './world.ts'

const TRIED = { target: 'agent helper', startedAt: '2026-01-02T03:04:05Z', durationMs: 12 }
const FAILURE = { code: 'AGENT_FAILED', message: 'agent "helper" failed' }

export function settlingSuite(factory: StoreFactory): void {
  test('appends all replies, writes the inbox, completes the claim and ends the step, together (SEMANTICS 4)', async () => {
    await using world = await World.make(factory)
    await world.begin('a', { ...dedupe('key'), raw: { mediaType: 'text/plain', bytes: new Uint8Array(3) } })
    const two = answering('a', { replies: [reply('r1', 'a'), reply('r2', 'a')], tried: TRIED })
    expect(await world.settle(two)).toEqual({
      status: 'settled',
      sequences: [2, 3],
      offsets: [2, 3],
      waiting: 0,
    })
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'r1', 'r2'])
    expect((await world.inbox()).map(([, id]) => id)).toEqual(['a', 'r1', 'r2'])
    expect(await world.rows('work', 'a')).toEqual([])
    expect(await world.rows('settled', 'a')).toMatchObject([
      { id: 'a', outcome: 'answered', attempts: [{ ...TRIED, attempt: 1 }] },
    ])
    expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1, waiting: 0, dead: 0, expired: 0 })
  })

  test('sent again with the same replies it gets the same numbers, and appends nothing (SEMANTICS 15)', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    const first = await world.settle(answering('a', pushTo('a')))
    expect(await world.settle(answering('a', pushTo('a')))).toEqual(first)
    expect(await world.log()).toHaveLength(2)
    expect(await world.takeWork('push')).toHaveLength(1)
    expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1 })
  })

  test('settle × settle: of two answers one counts, the other is told which (SEMANTICS 7)', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    const results = await Promise.all(
      ['r1', 'r2'].map((id) =>
        world.store.settle(
          answering('a', {
            fence: world.fence,
            replies: [reply(id, 'a')],
            reply: { data: id, origin: 'agent' },
          }),
        ),
      ),
    )
    expect(results.map((result) => result.status).sort()).toEqual(['already', 'settled'])
    const late = results.find((result) => result.status === 'already')
    expect(late).toEqual({ status: 'already', outcome: 'answered', reply: { data: 'r1', origin: 'agent' } })
    expect((await world.log()).map((row) => row.id)).toEqual(['a', 'r1'])
  })

  test('64 racing settles: one effect', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, n) =>
        world.store.settle(answering('a', { fence: world.fence, replies: [reply(`r${n}`, 'a')] })),
      ),
    )
    expect(results.filter((result) => result.status === 'settled')).toHaveLength(1)
    expect(await world.log()).toHaveLength(2)
    expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1 })
  })

  test('lane work is settled under the partition’s fence only', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    expect(await world.store.settle(answering('a'))).toEqual({ status: 'fenced' })
    expect(await world.store.settle(answering('a', { fence: { counter: 99, random: 'x' } }))).toEqual({
      status: 'fenced',
    })
    expect(await world.log()).toHaveLength(1)
  })

  test('a dead letter keeps message, bytes and every attempt, in the step that frees the lane (SEMANTICS 19)', async () => {
    await using world = await World.make(factory)
    const raw = { mediaType: 'text/xml', bytes: new Uint8Array([60, 97, 0, 255]) }
    await world.begin('a', { raw })
    await world.settle(settle('a', { outcome: 'retry', tried: { ...TRIED, failure: FAILURE } }))
    await world.accept(working('b'))
    await world.takeWork()
    const buried = settle('a', {
      attempt: 2,
      outcome: 'failed',
      failure: FAILURE,
      dead: FAILURE,
      tried: TRIED,
    })
    expect(await world.settle(buried)).toMatchObject({ waiting: 1 })
    expect(await world.dead()).toMatchObject([
      {
        id: 'a',
        kind: 'message',
        home: HOME,
        message: { ...message('a'), sequence: 1 },
        raw,
        failure: FAILURE,
        attempts: [
          { ...TRIED, attempt: 1, failure: FAILURE },
          { ...TRIED, attempt: 2 },
        ],
      },
    ])
    // A list that does not want the bytes does not read them.
    const [brief] = await world.store.find({ by: 'dead', limit: 1, brief: true })
    expect(brief).toMatchObject({ id: 'a', failure: FAILURE })
    expect(brief).not.toHaveProperty('raw')
    expect(await world.takeWork()).toMatchObject([{ id: 'b' }])
    expect(await world.ledger()).toMatchObject({
      accepted: 2,
      dead: 1,
      waiting: 1,
      settled: 0,
      deadLetters: 1,
    })
  })

  test('an attempt that asked two is two of one number, each with what came of it, whatever ends or repeats it', async () => {
    await using world = await World.make(factory)
    const first = { ...TRIED, failure: FAILURE }
    const two = { triedBefore: first, tried: { ...TRIED, target: 'agent desk' } }
    const of = (attempt: number) => [
      { ...first, attempt },
      { ...two.tried, attempt },
    ]
    await world.begin('a')
    await world.settle(settle('a', { outcome: 'retry', ...two }))
    expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: 2, attempts: of(1) }])
    await world.settle(
      settle('a', { attempt: 2, outcome: 'failed', failure: FAILURE, dead: FAILURE, ...two }),
    )
    expect(await world.dead()).toMatchObject([{ id: 'a', attempts: [...of(1), ...of(2)] }])
    expect(await world.rows('settled', 'a')).toMatchObject([{ attempts: [...of(1), ...of(2)] }])
  })

  test('dropping a dead letter is a settle of it, once; the ledger does not move', async () => {
    await using world = await World.make(factory)
    await world.begin('a', { raw: { mediaType: 'text/plain', bytes: new Uint8Array(9) } })
    await world.settle(settle('a', { outcome: 'failed', failure: FAILURE, dead: FAILURE }))
    // The late end of the attempt itself is no operator: it has a fence.
    expect(await world.store.settle(settle('a', { outcome: 'failed', fence: world.fence }))).toMatchObject({
      status: 'already',
    })
    expect(await world.dead()).toHaveLength(1)
    const drop = settle('a', { outcome: 'failed' })
    expect(await world.store.settle(drop)).toMatchObject({ status: 'settled' })
    expect(await world.store.settle(drop)).toMatchObject({ status: 'already', outcome: 'failed' })
    expect(await world.dead()).toEqual([])
    expect(await world.ledger()).toMatchObject({ accepted: 1, dead: 1, deadLetters: 0 })
  })

  test('a halt: the row stays the head of its lane and is a dead letter as well, over a restart, until it is let go', async () => {
    await using world = await World.make(factory)
    await world.begin('a', { raw: { mediaType: 'text/plain', bytes: new Uint8Array(9) } })
    await world.accept(working('b'))
    const halt = settle('a', {
      outcome: 'retry',
      delayMs: 1e12,
      dead: FAILURE,
      tried: { ...TRIED, failure: FAILURE },
    })
    expect(await world.settle(halt)).toMatchObject({ status: 'settled', waiting: 2 })
    await world.reopen()
    world.advance(60_000)
    expect(await world.takeWork()).toEqual([])
    expect(await world.dead()).toMatchObject([
      { id: 'a', halts: true, failure: FAILURE, attempts: [{ ...TRIED, attempt: 1 }] },
    ])
    expect(await world.ledger()).toMatchObject({ accepted: 2, waiting: 2, dead: 0, deadLetters: 1 })
    // An operator's word needs no fence: he may say it to any instance.
    expect(await world.store.settle(settle('a', { outcome: 'retry' }))).toMatchObject({ status: 'settled' })
    expect(await world.dead()).toEqual([])
    expect(await world.store.settle(settle('a', { outcome: 'retry' }))).toMatchObject({ status: 'fenced' })
    expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: 2, poison: false }])
    await world.settle(settle('a', { ...halt, attempt: 2 }))
    expect(await world.dead()).toMatchObject([{ attempts: [{ attempt: 1 }, { attempt: 2 }] }])
    const dropped = settle('a', { attempt: 2, outcome: 'failed', failure: FAILURE })
    expect(await world.store.settle(dropped)).toMatchObject({ status: 'settled' })
    expect(await world.dead()).toEqual([])
    expect(await world.takeWork()).toMatchObject([{ id: 'b' }])
    expect(await world.ledger()).toMatchObject({ accepted: 2, waiting: 1, settled: 1, deadLetters: 0 })
  })

  test('a replay is a new message at the end that names the old one', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(settle('a', { outcome: 'failed', failure: FAILURE, dead: FAILURE }))
    await world.accept(accept('b'))
    await world.accept(working('a2', { message: message('a2', { causationId: 'a' }) }))
    expect((await world.log()).map((row) => [row.sequence, row.id, row.causationId])).toEqual([
      [1, 'a', undefined],
      [2, 'b', undefined],
      [3, 'a2', 'a'],
    ])
    expect((await world.rows('message', 'a')).map((row) => row.message.id)).toEqual(['a', 'a2'])
  })

  test('an expired message keeps its number as a tombstone, and a duplicate is told (SEMANTICS 23, 26)', async () => {
    await using world = await World.make(factory)
    await world.begin('a', {
      ...dedupe('key'),
      message: message('a', { metadata: { secret: 'x' }, replyContext: { to: 1 }, data: { a: 1 } }),
    })
    await world.settle(settle('a', { outcome: 'expired', failure: { code: 'EXPIRED', message: 'expired' } }))
    const [gone] = await world.log()
    expect(gone).toMatchObject({ id: 'a', sequence: 1, gone: 'expired', receivedAt: message('a').receivedAt })
    for (const member of ['parts', 'data', 'metadata', 'replyContext'])
      expect(gone).not.toHaveProperty(member)
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({ state: 'expired' })
    expect(await world.ledger()).toMatchObject({ accepted: 1, expired: 1, settled: 0, waiting: 0 })
  })

  test('an answer of an older owner is kept as a note: nothing is owed for it, and the message is asked again (SEMANTICS 7)', async () => {
    await using world = await World.make(factory)
    await world.begin('a', { ...dedupe('key'), raw: { mediaType: 'text/plain', bytes: new Uint8Array(9) } })
    await world.accept(working('b'))
    await world.accept(accept('handed', { patch: { agent: 'desk', raiseEpoch: true } }))
    const late = answering('a', {
      ...pushTo('a'),
      fence: world.fence,
      expect: { ownerEpoch: 0 },
      tried: TRIED,
      patch: { agent: 'thief', raiseEpoch: true },
    })
    expect(await world.store.settle(late)).toEqual({ status: 'notOwner' })
    expect(await world.store.settle(late)).toEqual({ status: 'notOwner' })
    const log = await world.log()
    expect(log.map((row) => [row.id, row.direction])).toEqual([
      ['a', 'inbound'],
      ['b', 'inbound'],
      ['handed', 'inbound'],
      ['a-reply', 'internal'],
    ])
    expect((await world.inbox()).map(([, id]) => id)).toEqual(['a', 'b', 'handed'])
    // Its question knows it, so that an operator finds it there.
    expect((await world.rows('message', 'a')).map((row) => row.message.id)).toEqual(['a', 'a-reply'])
    const duplicate = expectStatus(await world.store.accept(working('c', dedupe('key'))), 'duplicate')
    expect(duplicate.state).toBe('running')
    expect(await world.ledger()).toMatchObject({ accepted: 3, settled: 1, waiting: 2 })
    await world.reopen()
    const [again, ...more] = await world.takeWork()
    expect(more).toEqual([])
    expect(again).toMatchObject({ id: 'a', attempt: 2, poison: false, orphan: false, ownerEpoch: 1 })
    expect(again).toMatchObject({
      agent: 'desk',
      attempts: [{ ...TRIED, attempt: 1 }],
      raw: { mediaType: 'text/plain' },
    })
    // Of the attempt before: it ends none that followed it.
    expect(await world.store.settle({ ...late, fence: world.fence })).toEqual({ status: 'notOwner' })
    expect(await world.takeWork()).toEqual([])
    const answer = answering('a', { attempt: 2, replies: [reply('r2', 'a')], expect: { ownerEpoch: 1 } })
    expect(await world.settle(answer)).toMatchObject({ sequences: [5], waiting: 1 })
    expect(await world.store.settle({ ...late, fence: world.fence })).toMatchObject({ status: 'already' })
    expect((await world.takeWork()).map(({ id }) => id)).toEqual(['b'])
    expect(await world.ledger()).toMatchObject({ accepted: 3, settled: 2, waiting: 1 })
  })

  test('a message is asked as often as its conversation changes hands meanwhile, and is no poison by that', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    for (let n = 1; n <= 5; n++) {
      await world.accept(accept(`handed ${n}`, { patch: { raiseEpoch: true } }))
      const late = answering('a', {
        attempt: n,
        replies: [reply(`r${n}`, 'a')],
        expect: { ownerEpoch: n - 1 },
      })
      expect(await world.store.settle({ ...late, fence: world.fence })).toEqual({ status: 'notOwner' })
      expect(await world.takeWork()).toMatchObject([{ id: 'a', attempt: n + 1, poison: false }])
    }
    expect(await world.settle(answering('a', { attempt: 6, expect: { ownerEpoch: 5 } }))).toBeDefined()
  })

  test('a patch changes who has the conversation, in the same step', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    await world.settle(
      answering('a', { patch: { agent: 'desk', ticket: { state: 'waiting' }, raiseEpoch: true } }),
    )
    expect(await world.store.find({ by: 'conversation', conversation: CONVERSATION })).toMatchObject([
      { agent: 'desk', ownerEpoch: 1 },
    ])
    await world.accept(working('b'))
    expect(await world.takeWork()).toMatchObject([{ id: 'b', agent: 'desk', ownerEpoch: 1 }])
    await world.settle(answering('b', { patch: { agent: null } }))
    const [row] = await world.store.find({ by: 'conversation', conversation: CONVERSATION })
    expect(row).not.toHaveProperty('agent')
  })

  test('replies go only into the home’s own conversation', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    const stray = answering('a', { home: 'web/eve', fence: world.fence })
    await expect(world.store.settle(stray)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(await world.log()).toHaveLength(1)
    await world.settle(answering('a'))
  })

  test('a push that carries no reply of its settle is refused, and nothing is settled', async () => {
    await using world = await World.make(factory)
    await world.begin('a')
    const stray = settle('a', { ...pushTo('a'), fence: world.fence })
    await expect(world.store.settle(stray)).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(await world.rows('work', 'a')).toHaveLength(1)
  })

  test('what nobody knows of is not settled', async () => {
    await using world = await World.make(factory)
    const nobody = { outcome: 'answered', fence: world.fence } as const
    expect(await world.store.settle(settle('x', nobody))).toEqual({ status: 'gone' })
    expect(await world.store.settle(settle('x', { ...nobody, kind: 'timer' }))).toEqual({
      status: 'already',
      outcome: 'expired',
    })
  })

  test('an unknown outcome becomes known by an operator, with the reply he has', async () => {
    await using world = await World.make(factory)
    await world.begin('a', dedupe('key'))
    const unknown = { code: 'OUTCOME_UNKNOWN', message: 'begun, and cut' }
    await world.settle(settle('a', { outcome: 'unknown', failure: unknown, dead: unknown }))
    expect(await world.store.settle(answering('a', { fence: world.fence }))).toMatchObject({
      status: 'already',
      outcome: 'unknown',
    })
    expect(await world.store.settle(answering('a', { attempt: 0 }))).toMatchObject({
      status: 'settled',
      sequences: [2],
    })
    expect(await world.dead()).toEqual([])
    expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({ state: 'answered' })
    expect(await world.ledger()).toMatchObject({ accepted: 1, dead: 1, settled: 0, waiting: 0 })
  })
}
