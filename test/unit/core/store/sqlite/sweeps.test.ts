// Trim of the embedded store comes to its end, whatever holds what it looks at, and gives pages back on the way.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Trim } from '../../../../../core/store/store.ts'
import { accept, answering, message, pushTo, settle, working } from '../../../../conformance/store/world.ts'
import type { World } from '../../../../conformance/store/world.ts'
import { worldOn } from '../sqlite-harness.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const whole: Trim = { partition: 0, olderThanMs: DAY, maxBytes: Number.MAX_SAFE_INTEGER, budgetMs: 10_000 }
const slice: Trim = { ...whole, budgetMs: 0 }

/** How often it was called until it said that nothing is left, and what it removed. */
async function trimAll(world: World, over: Partial<Trim> = {}): Promise<{ calls: number; removed: number }> {
  let removed = 0
  for (let calls = 1; calls <= 200; calls++) {
    const result = await world.store.trim({ ...slice, ...over })
    removed += result.removed
    if (!result.more) return { calls, removed }
  }
  throw new Error('trim comes to no end')
}

async function pushed(world: World, n: number, ttlMs: number): Promise<void> {
  const [id, conversation] = [`m${n}`, `web:${n}`]
  await world.begin(id, { conversation, dedupe: { key: id, fingerprint: 'same', ttlMs } })
  await world.settle(answering(id, { conversation, ...pushTo(id) }))
}

test('1,000 settled pushes whose claims outlive 72 h are walked over once, and what comes after them is swept', async () => {
  const { world } = await worldOn()
  await using _ = world
  await Promise.all(Array.from({ length: 1000 }, (_none, n) => pushed(world, n, 30 * DAY)))
  const { work } = await world.take(['push'], 1000)
  await Promise.all(
    work.map(({ id, attempt }) => world.settle(settle(id, { kind: 'push', attempt, outcome: 'taken' }))),
  )
  await world.store.value({ key: 'v', put: 1, ttlMs: 4 * DAY + HOUR })
  world.advance(4 * DAY)
  // Two messages each, in the log and in the inbox.
  expect(await world.store.trim(whole)).toEqual({ removed: 1000 * 2 * 2, more: false })
  world.advance(2 * HOUR)
  expect((await trimAll(world)).removed).toBe(1)
  expect(await trimAll(world)).toEqual({ calls: 1, removed: 0 })
  expect(await world.rows('settled', 'm1-push')).toHaveLength(1)
  world.advance(27 * DAY)
  await world.store.trim(whole)
  expect(await world.rows('settled', 'm1-push')).toEqual([])
})

test('below the reserve each call gives pages back, also while much is looked at in vain', async () => {
  const { world, harness } = await worldOn()
  await using _ = world
  await Promise.all(Array.from({ length: 1000 }, (_none, n) => pushed(world, n, 30 * DAY)))
  const large = [{ kind: 'text', text: 'x'.repeat(100_000) }] as const
  for (let n = 0; n < 50; n++)
    await world.accept(accept(`l${n}`, { message: message(`l${n}`, { parts: large }) }))
  world.advance(4 * DAY)
  await world.store.trim(whole)
  world.advance(HOUR)
  const file = join(harness.data, 'dragoman.db')
  await world.reopen()
  const before = (await stat(file)).size
  harness.setRoom('reserve')
  expect((await world.store.trim(slice)).more).toBe(true)
  await world.reopen('third life')
  expect(before - (await stat(file)).size).toBeGreaterThanOrEqual(64 * 4096)
})

test('what may not be removed is weighed over as many calls as it takes, and told where it alone is too large', async () => {
  const { world } = await worldOn()
  await using _ = world
  const raw = { mediaType: 'text/plain', bytes: new Uint8Array(20_000).fill(120) }
  await world.accept(accept('settled'))
  await Promise.all(
    Array.from({ length: 250 }, (_none, n) =>
      world.accept(working(`m${n}`, { conversation: `web:${n}`, raw })),
    ),
  )
  const maxBytes = 3_000_000
  expect(await world.store.trim({ ...slice, maxBytes })).toEqual({ removed: 0, more: true })
  expect((await trimAll(world, { maxBytes })).removed).toBe(0)
  expect(await world.store.trim({ ...whole, maxBytes })).toEqual({
    removed: 0,
    more: false,
    keptBytes: expect.closeTo(250 * 20_630, -5),
  })
  expect(await world.log()).toHaveLength(1)
  expect(await world.store.trim({ ...whole, maxBytes: 10_000_000 })).toEqual({ removed: 0, more: false })
})
