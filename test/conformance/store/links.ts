// Operations 6 and 7 and the device numbers of accept: holes, jumps, lost answers, refusals, cursors (SEMANTICS 12, 13, 14, 38).
import { expect, test } from 'vitest'
import type { Accept, Ack, Hello, HelloResult } from '../../../core/store/store.ts'
import type { StoreFactory } from '../store.ts'
import { HOME, World, accept, dedupe, expectStatus } from './world.ts'

const HOUR = 3_600_000

const hello = (over: Partial<Hello> = {}): Hello => ({
  home: HOME,
  device: 'phone',
  boot: 'boot-1',
  first: 1,
  epoch: '',
  offset: 0,
  ...over,
})
type Refuse = Partial<NonNullable<NonNullable<Accept['device']>['refuse']>>
const ack = (over: Partial<Ack>): Ack => ({
  home: HOME,
  device: 'phone',
  boot: 'boot-1',
  epoch: '',
  offset: 0,
  ...over,
})
const sent = (n: number, over: Partial<Accept> = {}): Accept =>
  accept(`m${n}`, { device: { device: 'phone', boot: 'boot-1', n }, ...dedupe(`id-${n}`), ...over })
const refusing = (n: number, id = `m${n}`, refuse: Refuse = {}): Accept => {
  const plain = accept(id, {
    device: { device: 'phone', boot: 'boot-1', n, refuse: { code: 'DECODE_FAILED', limit: 9, ...refuse } },
  })
  return { ...plain, message: { ...plain.message, externalId: `frame-${n}` } }
}

async function welcome(
  world: World,
  over: Partial<Hello> = {},
): Promise<Extract<HelloResult, { status: 'welcome' }>> {
  return expectStatus(await world.store.hello(hello(over)), 'welcome')
}

export function linkSuite(factory: StoreFactory): void {
  test('a new device is welcome, twice the same', async () => {
    await using world = await World.make(factory)
    const first = await welcome(world)
    expect(first).toMatchObject({ top: 0, oldest: 1, next: 1, refused: [], recovered: true, jumped: 0 })
    expect(first.epoch).toContain(world.store.incarnation)
    expect(await welcome(world)).toEqual(first)
  })

  test('numbers go up by one; a hole is named and nothing is stored', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    await world.accept(sent(1))
    expect(await world.store.accept(sent(3))).toEqual({ status: 'gap', next: 2 })
    await world.accept(sent(2))
    await world.accept(sent(3))
    expect((await welcome(world, { first: 4 })).next).toBe(4)
    expect((await world.log()).map((row) => row.id)).toEqual(['m1', 'm2', 'm3'])
  })

  test('a used number again is the duplicate it stored; under an unknown id it is used, and nothing is stored', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    await world.accept(sent(1))
    expect(await world.store.accept({ ...sent(1), message: accept('again').message })).toMatchObject({
      status: 'duplicate',
      id: 'm1',
      sequence: 1,
    })
    expect(
      await world.store.accept(sent(1, { ...dedupe('never seen'), message: accept('new').message })),
    ).toEqual({ status: 'used' })
    expect(await world.store.accept(refusing(1, 'another'))).toEqual({ status: 'used' })
    expect(await world.log()).toHaveLength(1)
    expect(await welcome(world)).toMatchObject({ next: 2, refused: [] })
  })

  test('the same id from another boot is a duplicate, and that boot’s number advances', async () => {
    await using world = await World.make(factory)
    await world.accept(sent(1))
    const moved = {
      ...sent(1),
      message: accept('other').message,
      device: { device: 'phone', boot: 'boot-2', n: 1 },
    }
    expect(await world.store.accept(moved)).toMatchObject({ status: 'duplicate', id: 'm1' })
    expect((await welcome(world, { boot: 'boot-2', first: 2 })).next).toBe(2)
  })

  test('a refusal that could be lifted does not use the number up', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    const full = sent(1, { work: { lane: 'l', priority: 1, limit: 0 } })
    expect(await world.store.accept(full)).toMatchObject({ status: 'full' })
    expect(await world.store.accept(sent(1, { home: HOME }))).toMatchObject({ status: 'accepted' })
  })

  test('a final refusal uses its number up and is remembered until the app has passed it (SEMANTICS 14)', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    expect(await world.store.accept(refusing(1))).toEqual({ status: 'accepted', sequence: 0, ownerEpoch: 0 })
    expect(await world.store.accept(refusing(1))).toEqual({ status: 'accepted', sequence: 0, ownerEpoch: 0 })
    // The nak was lost: the app sends the frame again, and it does not pass for stored.
    expect(await world.store.accept(sent(1))).toMatchObject({
      status: 'duplicate',
      sequence: 0,
      state: 'failed',
      failure: { code: 'DECODE_FAILED' },
    })
    await world.accept(sent(2))
    const refused = [{ n: 1, id: 'frame-1', code: 'DECODE_FAILED' }]
    expect(await welcome(world)).toMatchObject({ next: 3, refused })
    expect(await welcome(world, { first: 1 })).toMatchObject({ refused })
    expect(await welcome(world, { first: 2 })).toMatchObject({ refused: [] })
    expect((await world.log()).map((row) => row.id)).toEqual(['m2'])
    expect(await world.ledger()).toMatchObject({ accepted: 1, settled: 1 })
  })

  test('what is stored under a number comes with the refusals up to it, whoever had them refused (SEMANTICS 14)', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    expect(await world.store.accept(sent(1))).not.toHaveProperty('refused')
    await world.store.accept(refusing(2))
    await world.store.accept(refusing(3, 'm3', { code: 'FORBIDDEN' }))
    const refused = [
      { n: 2, id: 'frame-2', code: 'DECODE_FAILED' },
      { n: 3, id: 'frame-3', code: 'FORBIDDEN' },
    ]
    expect(await world.store.accept(sent(4))).toMatchObject({ status: 'accepted', sequence: 2, refused })
    // The same operation again, and the same frame again.
    expect(await world.store.accept(sent(4))).toMatchObject({ status: 'accepted', sequence: 2, refused })
    const again = { ...sent(4), message: accept('again').message }
    expect(await world.store.accept(again)).toMatchObject({ status: 'duplicate', id: 'm4', refused })
    expect(await world.store.accept(sent(1))).not.toHaveProperty('refused')
    const elsewhere = { ...sent(1), device: { device: 'phone', boot: 'boot-2', n: 1 } }
    expect(await world.store.accept(elsewhere)).not.toHaveProperty('refused')
    await welcome(world, { first: 3 })
    expect(await world.store.accept(sent(5))).toMatchObject({ refused: refused.slice(1) })
    await welcome(world, { first: 6 })
    expect(await world.store.accept(sent(6))).not.toHaveProperty('refused')
  })

  test('refusals come in the order of their numbers', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    for (let n = 1; n <= 12; n++) await world.store.accept(refusing(n, `m${n}`, { limit: 12 }))
    await world.store.ack(ack({ epoch, first: 2 }))
    const accepted = expectStatus(await world.store.accept(sent(13)), 'accepted')
    expect(accepted.refused?.map((one) => one.n)).toEqual([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })

  test('a boot with as many refusals as it may have gets no other: its number is not used up; what is whole is stored', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    for (const n of [1, 2]) await world.store.accept(refusing(n, `m${n}`, { limit: 2 }))
    const third = refusing(3, 'm3', { limit: 2 })
    expect(await world.store.accept(third)).toEqual({ status: 'full', waiting: 2 })
    // One that is kept is the same result again.
    expect(await world.store.accept(refusing(2, 'm2', { limit: 2 }))).toMatchObject({ status: 'accepted' })
    expect(await world.store.accept(sent(3))).toMatchObject({ status: 'accepted', sequence: 1 })
    await world.store.ack(ack({ epoch, first: 2 }))
    expect(await world.store.accept(refusing(4, 'm4', { limit: 2 }))).toMatchObject({ status: 'accepted' })
    expect((await welcome(world)).refused.map((one) => one.n)).toEqual([2, 4])
  })

  test('a refused number is told by the id it was refused under, also when that id comes whole or for another reason', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    await world.store.accept(refusing(1))
    const whole = sent(1)
    const before = { status: 'duplicate', id: 'frame-1', sequence: 0, failure: { code: 'DECODE_FAILED' } }
    for (const externalId of ['frame-1', 'another'])
      expect(await world.store.accept({ ...whole, message: { ...whole.message, externalId } })).toMatchObject(
        before,
      )
    expect(await world.store.accept(refusing(1, 'm1', { code: 'FORBIDDEN' }))).toMatchObject(before)
  })

  test('a refusal beyond a hole is a gap as well', async () => {
    await using world = await World.make(factory)
    await welcome(world)
    expect(await world.store.accept(refusing(2))).toEqual({ status: 'gap', next: 1 })
    expect(await welcome(world)).toMatchObject({ next: 1, refused: [] })
  })

  test('numbers the store has lost are jumped, under a new epoch if it had known the boot (SEMANTICS 13)', async () => {
    await using world = await World.make(factory)
    const before = await welcome(world)
    await world.accept(sent(1))
    const after = await welcome(world, { first: 6, epoch: before.epoch, offset: 1 })
    expect(after).toMatchObject({ next: 6, jumped: 4, recovered: false, top: 1 })
    expect(after.epoch).not.toBe(before.epoch)
    expect(await welcome(world, { first: 6 })).toMatchObject({ next: 6, jumped: 0, epoch: after.epoch })
    await world.accept(sent(6))
    // The other devices of the customer learn that their cursors are of a past that may be gone.
    expect(
      await world.store.hello(hello({ device: 'tablet', epoch: before.epoch, offset: 1 })),
    ).toMatchObject({
      status: 'reset',
      epoch: after.epoch,
      top: 2,
    })
  })

  test('a boot the store never knew jumps without a new epoch', async () => {
    await using world = await World.make(factory)
    const known = await welcome(world)
    expect(await welcome(world, { boot: 'boot-2', first: 9 })).toMatchObject({
      next: 9,
      jumped: 8,
      epoch: known.epoch,
      recovered: true,
    })
  })

  test('offsets are gapless and the same for all devices of a customer (SEMANTICS 10)', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    await world.accept(accept('a'))
    await world.accept(accept('b', { conversation: 'web:ann-2' }))
    expect((await welcome(world, { epoch, offset: 0 })).top).toBe(2)
    expect((await welcome(world, { device: 'tablet', boot: 'tablet-1' })).top).toBe(2)
    expect(await world.inbox()).toEqual([
      [1, 'a'],
      [2, 'b'],
    ])
  })

  test('a cursor only goes up; beyond the top it is refused (SEMANTICS 38)', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    for (const id of ['a', 'b', 'c']) await world.accept(accept(id))
    expect(await world.store.ack(ack({ epoch, offset: 2 }))).toEqual({ status: 'ok', cursor: 2 })
    expect(await world.store.ack(ack({ epoch, offset: 2 }))).toEqual({ status: 'ok', cursor: 2 })
    expect(await world.store.ack(ack({ epoch, offset: 1 }))).toEqual({ status: 'ok', cursor: 2 })
    expect(await world.store.ack(ack({ epoch, offset: 4 }))).toEqual({ status: 'ahead' })
    expect(await world.store.ack(ack({ epoch: 'another', offset: 1 }))).toEqual({ status: 'ahead' })
    expect(await world.store.ack(ack({ home: 'web/nobody', epoch, offset: 1 }))).toEqual({ status: 'ahead' })
    expect(await world.store.ack(ack({ boot: 'boot-2', epoch, offset: 1 }))).toEqual({
      status: 'ok',
      cursor: 1,
    })
  })

  test('an ack that names the outbox drops the refusals it has passed', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    await world.store.accept(refusing(1))
    await world.store.accept(refusing(2))
    await world.store.ack(ack({ epoch, first: 2 }))
    expect((await welcome(world)).refused.map((one) => one.n)).toEqual([2])
  })

  test('a cursor beyond the top or of another epoch gets reset, with what to go on from (SEMANTICS 12)', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    await world.accept(accept('a'))
    expect(await welcome(world, { epoch, offset: 1 })).toMatchObject({ recovered: true })
    expect(await world.store.hello(hello({ epoch, offset: 2 }))).toMatchObject({
      status: 'reset',
      epoch,
      top: 1,
      oldest: 1,
    })
    expect(await world.store.hello(hello({ epoch: 'other.1', offset: 0 }))).toMatchObject({
      status: 'reset',
      epoch,
      top: 1,
      oldest: 1,
    })
  })

  test('an offset without an epoch is a cursor of none: only 0 is a beginning (SEMANTICS 12)', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    await world.accept(accept('a'))
    for (const offset of [1, 99])
      expect(await world.store.hello(hello({ epoch: '', offset }))).toMatchObject({
        status: 'reset',
        epoch,
        top: 1,
      })
    expect(await welcome(world, { epoch: '', offset: 0 })).toMatchObject({ recovered: true, top: 1 })
  })

  test('an inbox that no longer reaches back to the cursor is not recovered, and one that just does is (SEMANTICS 23)', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    for (const id of ['a', 'b']) await world.accept(accept(id))
    await world.store.ack(ack({ epoch, offset: 1 }))
    world.advance(HOUR + 1)
    await world.accept(accept('c'))
    const trim = { partition: 0, olderThanMs: HOUR, maxBytes: Number.MAX_SAFE_INTEGER, budgetMs: 1000 }
    while ((await world.store.trim(trim)).more) continue
    expect(await welcome(world, { epoch, offset: 1 })).toMatchObject({
      recovered: false,
      epoch,
      oldest: 3,
      top: 3,
    })
    expect(await world.store.read({ home: HOME, log: { inbox: true }, after: 1, limit: 9 })).toMatchObject({
      truncated: true,
    })
    expect(await welcome(world, { epoch, offset: 2 })).toMatchObject({ recovered: true, top: 3 })
    expect(await welcome(world, { epoch, offset: 3 })).toMatchObject({ recovered: true })
    expect(await world.store.hello(hello({ epoch, offset: 4 }))).toMatchObject({ status: 'reset', oldest: 3 })
    // A device that has seen nothing has not seen what is gone either.
    expect(await welcome(world, { device: 'tablet', boot: 'tablet-1' })).toMatchObject({ recovered: false })
  })

  test('numbers, refusals and cursors survive a restart', async () => {
    await using world = await World.make(factory)
    const { epoch } = await welcome(world)
    await world.accept(sent(1))
    await world.store.accept(refusing(2))
    await world.store.ack(ack({ epoch, offset: 1 }))
    await world.reopen()
    expect(await welcome(world, { epoch, offset: 1 })).toMatchObject({
      epoch,
      next: 3,
      refused: [{ n: 2 }],
      recovered: true,
    })
    expect(await world.store.ack(ack({ epoch, offset: 0 }))).toEqual({ status: 'ok', cursor: 1 })
  })
}
