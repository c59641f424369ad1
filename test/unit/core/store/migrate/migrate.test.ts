// A store moved to Redis and back: nothing is missing, nothing is there twice, whoever uses either side keeps it from happening.
import { describe, expect, test } from 'vitest'
import { PARTITIONS, metaKey, partitionOf } from '../../../../../core/store/redis/partitions.ts'
import type { Store } from '../../../../../core/store/store.ts'
import {
  accept,
  dedupe,
  expectStatus,
  message,
  settle,
  working,
} from '../../../../conformance/store/world.ts'
import { seeded } from '../../../../faults/random.ts'
import { HOUR, conversationOf, dedupeOf, fill, hold, homeOf, keyOf } from './filling.ts'
import type { Filled } from './filling.ts'
import { isRedis, move, moveUntil, openStore, places } from './moving.ts'

const USERS = Array.from({ length: 12 }, (_, user) => user)
const STEPS = process.env['FAULTS'] === 'full' ? 6000 : 160
/** Ids looked at one by one: each asks all partitions. What all rows have in common the migration itself compares. */
const LOOKED_AT = 4

const at = places()

/** Everything a gateway could ask: logs and inboxes with their numbers, claims, work, dead letters, values, the ledger. */
async function everything(store: Store, { ids }: Filled) {
  const rows = async (home: string, log: { conversation: string } | { inbox: true }) => {
    const result = expectStatus(await store.read({ home, log, after: 0, limit: 1000 }), 'rows')
    // A tombstone's offset is told by one store alone.
    const told = result.rows.map((row) => ('gone' in row.message ? { message: row.message } : row))
    return { ...result, rows: told }
  }
  const found: Record<string, unknown> = {
    incarnation: store.incarnation,
    ledger: await store.find({ by: 'ledger' }),
    dead: await store.find({ by: 'dead', limit: 1000 }),
  }
  for (const user of USERS) {
    found[`log ${user}`] = await rows(homeOf(user), { conversation: conversationOf(user) })
    found[`inbox ${user}`] = await rows(homeOf(user), { inbox: true })
  }
  for (const id of ids.filter((_, index) => index % Math.ceil(ids.length / LOOKED_AT) === 0)) {
    const about = await store.find({ by: 'id', id })
    // How long until it is due goes on with time, what is open in which order is the lanes' affair, and `find` by id promises no order.
    found[id] = about
      .map((row) => (row.row === 'work' ? { ...row, dueMs: row.dueMs > HOUR / 2, lane: '' } : row))
      .toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  found['conversation'] = await store.find({ by: 'conversation', conversation: conversationOf(3) })
  for (let token = 0; token < 7; token++)
    found[`token ${token}`] = await store.value({ key: `token/${token}` })
  return found
}

async function filled(place: string, what: string) {
  await using store = await openStore(place)
  const filling = await fill(store, seeded(what), STEPS)
  return { filling, before: await everything(store, filling) }
}

/** Ids without a row, before all others: what accepts leave that were broken off by a missing right. */
function leaveBroken(home: string): void {
  const rows = metaKey('dragoman:', partitionOf(home, PARTITIONS)).replace(/meta$/u, 'rows')
  for (let left = 1; left <= 20; left++) at.server.cli('ZADD', rows, `0.${left + 10}`, `left${left}`)
}

describe.each([
  { way: 'a folder to Redis', ends: () => [at.folder('a'), at.redis] as const },
  { way: 'Redis to a folder', ends: () => [at.redis, at.folder('b')] as const },
])('from $way', ({ way, ends }) => {
  test(
    'what can be asked has the same answers: sequences, offsets, claims, attempts, bytes, incarnation',
    { timeout: 90_000 },
    async () => {
      const [from, to] = ends()
      const { filling, before } = await filled(from, way)
      if (isRedis(from)) leaveBroken(homeOf(1))
      const { rows } = await move(from, to)
      for (const { kind, rows: count } of rows) expect(count, kind).toBeGreaterThan(0)
      await using store = await openStore(to)
      expect(await everything(store, filling)).toEqual(before)
    },
  )

  test(
    'killed again and again it goes on where it was and ends with the same',
    { timeout: 120_000 },
    async () => {
      const [from, to] = ends()
      const { filling, before } = await filled(from, way)
      let furthest = 0
      for (const nth of [1, 3]) {
        const { isKilled, output } = await moveUntil(from, to, nth)
        expect(isKilled, output).toBe(true)
        if (nth > 1) expect(output).toContain(`resumed ${furthest}`)
        furthest = Math.max(...[...output.matchAll(/copy (\d+)/gu)].map(([, done]) => Number(done)))
        // Neither side is anybody's meanwhile.
        await expect(openStore(from)).rejects.toMatchObject({
          message: expect.stringContaining('is being moved to'),
        })
        await expect(openStore(to)).rejects.toMatchObject({
          message: expect.stringContaining('unfinished migration'),
        })
      }
      const last = await moveUntil(from, to, undefined)
      expect(last.output).toContain('done')
      await using store = await openStore(to)
      expect(await everything(store, filling)).toEqual(before)
    },
  )

  test(
    'a gateway goes on there: a duplicate gets its stored answer, lanes their heads in order, a device its numbers',
    { timeout: 60_000 },
    async () => {
      const [from, to] = ends()
      const answered = { parts: [{ kind: 'text', text: 'yes' }], origin: 'agent' } as const
      const ann = { home: homeOf(1), conversation: conversationOf(1) }
      const device = { home: ann.home, device: 'phone', boot: 'one', first: 1 }
      const working1 = (id: string, over: object = {}) =>
        working(id, {
          ...ann,
          ...dedupeOf(1, id),
          message: { ...message(id), conversation: ann.conversation },
          ...over,
        })
      let epoch: string
      {
        await using store = await openStore(from)
        const fence = (await hold(store, 'first'))(1)
        await store.accept(working1('q', { fence, device: { device: 'phone', boot: 'one', n: 1 } }))
        const replies = [
          { ...message('q-reply'), conversation: ann.conversation, direction: 'outbound' as const },
        ]
        const push = { key: 'q-push', reply: 0, part: -1, channel: 'wechat' }
        await store.settle(settle('q', { ...ann, fence, reply: answered, replies, pushes: [push] }))
        for (const id of ['w1', 'w2', 'w3'])
          await store.accept(
            working1(id, { fence, raw: { mediaType: 'x/y', bytes: new Uint8Array([255, 0]) } }),
          )
        const call = { ...message('call'), kind: 'request' as const }
        await store.claim({
          home: ann.home,
          key: keyOf(1, 'call'),
          fingerprint: 'f',
          id: 'call',
          ttlMs: HOUR,
          idempotent: false,
          fence,
          message: call,
        })
        await store.settle(
          settle('call', { home: ann.home, kind: 'claim', reply: { data: { order: 7 }, origin: 'backend' } }),
        )
        await store.claim({
          home: ann.home,
          key: keyOf(1, 'lost'),
          fingerprint: 'f',
          id: 'lost',
          ttlMs: HOUR,
          idempotent: false,
          fence,
          message: { ...call, id: 'lost' },
        })
        await store.accept(
          working1('refused', {
            device: { device: 'phone', boot: 'one', n: 2, refuse: { code: 'TOO_LARGE', limit: 9 } },
          }),
        )
        epoch = expectStatus(await store.hello({ ...device, epoch: '', offset: 0 }), 'welcome').epoch
        await store.ack({ ...device, epoch, offset: 2 })
      }
      await move(from, to)
      await using store = await openStore(to)
      expect(await store.accept(working1('other id', dedupe(keyOf(1, 'q'), 'another')))).toMatchObject({
        status: 'mismatch',
      })
      const again = { ...working1('again'), ...dedupeOf(1, 'q') }
      expect(await store.accept(again)).toMatchObject({
        status: 'duplicate',
        id: 'q',
        sequence: 1,
        state: 'answered',
        reply: answered,
      })
      expect(await store.hello({ ...device, epoch, offset: 2 })).toMatchObject({
        status: 'welcome',
        epoch,
        top: 5,
        next: 3,
        recovered: true,
        refused: [{ n: 2, id: 'refused', code: 'TOO_LARGE' }],
      })
      const fence = (await hold(store, 'second'))(1)
      const partition = store.partitionOf(ann.home)
      const take = async (...kinds: ('message' | 'push' | 'claim')[]) =>
        expectStatus(await store.take({ partition, fence, max: 9, kinds }), 'taken').work
      // Its owner is gone: begun once, and nobody knows how that ended.
      expect(await take('message')).toMatchObject([
        { id: 'w1', attempt: 2, orphan: true, raw: { mediaType: 'x/y', bytes: new Uint8Array([255, 0]) } },
      ])
      expect(await take('push')).toMatchObject([
        { id: 'q-push', attempt: 1, target: 'wechat', message: { id: 'q-reply', sequence: 2 } },
      ])
      await store.settle(settle('w1', { ...ann, fence, attempt: 2 }))
      expect(await take('message')).toMatchObject([{ id: 'w2', attempt: 1, orphan: false }])
      expect(
        await store.accept(
          accept('next', { ...ann, message: { ...message('next'), conversation: ann.conversation } }),
        ),
      ).toMatchObject({ sequence: 6, offset: 6 })
      const claim = {
        home: ann.home,
        fingerprint: 'f',
        ttlMs: HOUR,
        idempotent: false,
        fence,
        message: message('x'),
      }
      expect(await store.claim({ ...claim, key: keyOf(1, 'call'), id: 'x' })).toMatchObject({
        status: 'done',
        id: 'call',
        reply: { data: { order: 7 } },
      })
      expect(await store.claim({ ...claim, key: keyOf(1, 'lost'), id: 'y' })).toEqual({
        status: 'unknown',
        id: 'lost',
      })
    },
  )

  test(
    'what retention has cut stays cut: heads, an outcome whose message is gone, an inbox that begins later (SEMANTICS 23)',
    { timeout: 60_000 },
    async () => {
      const [from, to] = ends()
      const ann = { home: homeOf(1), conversation: conversationOf(1) }
      const cut = { ...ann, log: { conversation: ann.conversation }, after: 0, limit: 9 }
      const of = (id: string) => ({
        ...ann,
        ...dedupe(keyOf(1, id)),
        message: { ...message(id), conversation: ann.conversation },
      })
      let before: unknown
      {
        await using store = await openStore(from)
        const fence = (await hold(store, 'first'))(1)
        for (const id of ['a', 'b']) {
          await store.accept(working(id, { ...of(id), fence }))
          await store.settle(
            settle(id, { ...ann, fence, reply: { parts: [{ kind: 'text', text: id }], origin: 'agent' } }),
          )
        }
        await store.accept(working('held', { ...of('held'), fence }))
        const trim = {
          partition: store.partitionOf(ann.home),
          olderThanMs: -1,
          maxBytes: 1e9,
          budgetMs: 1000,
        }
        while ((await store.trim(trim)).more);
        before = await store.read(cut)
      }
      await move(from, to)
      await using store = await openStore(to)
      expect(before).toMatchObject({ oldest: 3, top: 3, truncated: true })
      expect(await store.read(cut)).toEqual(before)
      expect(await store.read({ home: ann.home, log: { inbox: true }, after: 0, limit: 9 })).toMatchObject({
        rows: [],
        oldest: 4,
        top: 3,
      })
      expect(await store.accept(accept('x', of('a')))).toMatchObject({
        status: 'duplicate',
        id: 'a',
        reply: { parts: [{ text: 'a' }] },
      })
      expect(await store.accept(accept('y', of('y')))).toMatchObject({ sequence: 4, offset: 4 })
    },
  )
})
