// What only the embedded store promises of its writer: failed writes told and isolated, a dead writer replaced, a bounded queue.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { accept, answering, message, settle, working } from '../../../conformance/store/world.ts'
import { SqliteHarness, worldOn } from './sqlite-harness.ts'

const make = () => SqliteHarness.make()

test('a failed commit fails all of its group as unknown; sent again each has one effect (SEMANTICS 39)', async () => {
  const made = await worldOn()
  await using w = made.world
  await w.begin('a')
  const group = () => [
    ...Array.from({ length: 20 }, (_, n) => w.store.accept(accept(`m${n}`))),
    w.store.settle(answering('a', { fence: w.fence })),
  ]
  for (const commit of ['fails', 'lost'] as const) {
    made.harness.faults = { commit }
    const failed = await Promise.allSettled(group())
    expect(
      failed.every(
        (result) => result.status === 'rejected' && String(result.reason).includes('cannot be written'),
      ),
    ).toBe(true)
    expect(w.store.health()).toMatchObject({ writable: false })
  }
  made.harness.faults = {}
  await expect.poll(() => w.ledger().then(() => w.store.health().writable)).toBe(true)
  // The settle of the second round was committed and nobody was told; it is not settled twice.
  const again = await Promise.all(group())
  expect(again.map((result) => result.status)).toEqual([
    ...Array.from({ length: 20 }, () => 'accepted'),
    'settled',
  ])
  expect(await w.log()).toHaveLength(22)
  expect((await w.log()).map((row) => row.sequence)).toEqual(Array.from({ length: 22 }, (_, n) => n + 1))
  expect(await w.ledger()).toMatchObject({ accepted: 21, settled: 21, waiting: 0 })
})

test('more than waits for the writer is refused before it is queued', { timeout: 30_000 }, async () => {
  await using w = (await worldOn()).world
  const all = await Promise.allSettled(
    Array.from({ length: 20_050 }, (_, n) => w.store.accept(accept(`m${n}`, { inbox: false }))),
  )
  const refused = all.filter((result) => result.status === 'rejected')
  expect(refused).toHaveLength(50)
  expect(refused[0]).toMatchObject({ reason: { code: 'OVERLOADED', notExecuted: true } })
  expect(await w.ledger()).toMatchObject({ accepted: 20_000 })
})

test('the fence of a lease whose commit failed does not come again for another', async () => {
  const made = await worldOn()
  await using w = made.world
  made.harness.faults = { commit: 'fails' }
  await expect(w.store.lease({ name: 'probe/x', owner: 'one', ttlMs: 1000 })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
  })
  made.harness.faults = {}
  const one = await w.store.lease({ name: 'probe/x', owner: 'one', ttlMs: 1000 })
  const two = await w.store.lease({ name: 'probe/y', owner: 'two', ttlMs: 1000 })
  if (one.status !== 'held' || two.status !== 'held') throw new Error('not held')
  expect(two.fence.counter).toBeGreaterThan(one.fence.counter)
})

test('an operation that cannot be carried out fails alone (SEMANTICS 39)', async () => {
  const made = await worldOn()
  await using w = made.world
  const broken = message('broken')
  const results = await Promise.allSettled([
    w.store.accept(accept('a')),
    w.store.accept(working('b')),
    // No caller may: the type says number, the table takes no text.
    w.store.accept(
      accept('c', { message: broken, dedupe: { key: 'k', fingerprint: 'f', ttlMs: Number.NaN } }),
    ),
    w.store.accept(accept('d')),
  ])
  expect(results.map((result) => result.status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  expect(results[2]).toMatchObject({ reason: { code: 'INTERNAL' } })
  expect((await w.log()).map((row) => [row.sequence, row.id])).toEqual([
    [1, 'a'],
    [2, 'b'],
    [3, 'd'],
  ])
  expect(await w.takeWork()).toMatchObject([{ id: 'b', attempt: 1 }])
  expect(await w.ledger()).toMatchObject({ accepted: 3, settled: 2, waiting: 1 })
  expect(w.store.health()).toEqual({ writable: true })
})

test('a released call whose accept cannot be carried out is still made again, or ends with its time', async () => {
  await using w = (await worldOn()).world
  await w.store.claim(w.claim('c1'))
  await w.store.settle(settle('c1', { kind: 'claim', outcome: 'retry', delayMs: 60_000 }))
  // No caller may, as above.
  const broken = { dedupe: { key: 'call-key', fingerprint: 'same', ttlMs: Number.NaN } }
  for (const asked of [working('c1', broken), accept('c1', broken)]) {
    await expect(w.store.accept(asked)).rejects.toMatchObject({ code: 'INTERNAL' })
    expect(await w.take()).toMatchObject({ work: [], nextDueMs: 60_000 })
  }
  // Stored without work, it leaves its lane too.
  await w.accept(accept('c1', { dedupe: { ...broken.dedupe, ttlMs: 1000 } }))
  expect((await w.take()).nextDueMs).toBeUndefined()
})

test('durations with fractions are whole milliseconds in the store', async () => {
  await using w = (await worldOn()).world
  await w.accept(
    working('a', {
      waitMs: 0.5,
      work: { lane: 'l', priority: 1, limit: 9, delayMs: 10.2 },
      dedupe: { key: 'k', fingerprint: 'f', ttlMs: Infinity },
    }),
  )
  expect(await w.take()).toMatchObject({ work: [], nextDueMs: 11 })
  await w.store.value({ key: 'v', put: 1, ttlMs: 0.1 })
  expect(await w.store.value({ key: 'v' })).toMatchObject({ value: 1 })
})

test(
  'a writer that dies is started anew: what was asked is unknown, what was answered is there',
  { timeout: 20_000 },
  async () => {
    const made = await worldOn()
    await using w = made.world
    await w.begin('a')
    made.harness.faults = { writer: 'dies' }
    await expect(w.store.accept(accept('b'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(w.store.health()).toMatchObject({ writable: false })
    // Why is the operator's: it may name the folder.
    await expect(w.store.accept(accept('c'))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: 'the store cannot be used',
      cause: { message: expect.stringContaining('writer failed') },
    })
    made.harness.faults = undefined
    await expect.poll(() => w.store.health().writable, { timeout: 20_000 }).toBe(true)
    await expect
      .poll(() =>
        w.store.accept(accept('d')).then(
          (result) => result.status,
          () => 'not yet',
        ),
      )
      .toBe('accepted')
    expect((await w.log()).map((row) => row.id)).toEqual(['a', 'd'])
    // Its leases are void like any dead owner's.
    expect(await w.store.settle(answering('a', { fence: w.fence }))).toEqual({ status: 'fenced' })
  },
)

test('after it is closed everything is refused, and closing again is nothing', async () => {
  await using harness = await make()
  const store = await harness.open()
  const last = store.accept(accept('a'))
  await store[Symbol.asyncDispose]()
  expect(await last).toMatchObject({ status: 'accepted' })
  await expect(store.accept(accept('b'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  await store[Symbol.asyncDispose]()
})

test('a crash point that is none is told before anything is opened', async () => {
  await using harness = await make()
  await expect(harness.open({ hooks: { crash: 'settle:sometime' } })).rejects.toThrow('settle:sometime')
})

test('thousands of requests of one turn are answered in their order', { timeout: 30_000 }, async () => {
  await using w = (await worldOn()).world
  const results = await Promise.all(Array.from({ length: 5000 }, (_, n) => w.accept(accept(`m${n}`))))
  expect(results.map((result) => result.sequence)).toEqual(results.map((_, n) => n + 1))
})

const tmpfs = mountSmall()
test.skipIf(tmpfs === undefined)(
  'a file system that is really full: nothing is lost, and it goes on by itself when there is room (needs to mount a tmpfs)',
  { timeout: 60_000 },
  async () => {
    if (tmpfs === undefined) return
    const directory = await mkdtemp(join(tmpfs.path, 'store-'))
    try {
      const ballast = join(tmpfs.path, 'ballast')
      await writeFile(ballast, Buffer.alloc(8 * 1024 * 1024))
      await using harness = await make()
      await using store = await harness.open({ directory, reserveBytes: 0, hooks: {} })
      const stored: string[] = []
      const parts = [{ kind: 'text' as const, text: 'x'.repeat(100_000) }]
      for (let n = 0, isFull = false; !isFull; n++)
        try {
          await store.accept(accept(`m${n}`, { message: message(`m${n}`, { parts }) }))
          stored.push(`m${n}`)
        } catch {
          isFull = true // what the error says is looked at below
        }
      expect(store.health()).toMatchObject({ writable: false, reason: expect.stringContaining('full') })
      await expect(store.accept(accept('late'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      await rm(ballast)
      await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
      await store.accept(accept('after'))
      const log = await store.read({
        home: 'web/ann',
        log: { conversation: 'web:ann' },
        after: 0,
        limit: 1000,
      })
      if (log.status !== 'rows') throw new Error('no rows')
      expect(log.rows.map((row) => row.message.id)).toEqual([...stored, 'after'])
    } finally {
      tmpfs.unmount()
    }
  },
)

/** Only root may; elsewhere the page limit of the shared suite stands in. */
function mountSmall(): { readonly path: string; unmount(): void } | undefined {
  const path = join(tmpdir(), `dragoman-tmpfs-${process.pid}`)
  try {
    execFileSync('mkdir', ['-p', path])
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', path], { stdio: 'ignore' })
  } catch {
    return undefined // not allowed here, which is the reason for the skip
  }
  return { path, unmount: () => execFileSync('umount', ['-l', path]) }
}
