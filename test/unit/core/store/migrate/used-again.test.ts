// SEMANTICS 2, 12: what was open in a store that was moved away may have been done where it went; who uses it again makes nothing a second time.
import { expect, test } from 'vitest'
import type { Log } from '../../../../../core/api.ts'
import { reclaimRedis } from '../../../../../core/store/migrate/redis-end.ts'
import { World, expectStatus } from '../../../../conformance/store/world.ts'
import { due, fresh, once, openWork, timer } from '../open-work.ts'
import { RedisHarness } from '../redis-harness.ts'
import { move, openEnd, places } from './moving.ts'

const at = places()

test('of a Redis that is used again, what waits has an attempt that nobody saw end, noted once; promises, released calls and halted writes stay as they are', async () => {
  await using w = await World.make(() => RedisHarness.make(at.server))
  await openWork(w)
  await w.close()
  await move(at.redis, at.folder('a'))
  const told: unknown[] = []
  const say: Log['warn'] = (_message, fields) => void told.push(fields)
  await reclaimRedis({ url: at.redis }, { debug: say, info: say, warn: say, error: say })
  {
    // As if it had been killed before it lifted the mark.
    await using end = await openEnd(at.redis)
    const mark = {
      state: 'moved',
      id: 'm',
      other: 'a',
      since: '2026-01-31T09:00:00Z',
      incarnation: 'i',
    } as const
    await end.setMark(mark, undefined)
  }
  await reclaimRedis({ url: at.redis })
  await w.openAgain()
  const found = await due(w)
  expect(found).toMatchObject({ waits: once, flies: once, 'answered-push': once })
  expect(Object.keys(found)).toHaveLength(3)
  expect(found['waits']?.attempts.at(0)?.failure?.message).toBe(
    'the store was moved away and is used again, and it may have been done where the store went',
  )
  expect(expectStatus(await w.store.claim(w.claim('again')), 'run')).toMatchObject({ id: 'call', attempt: 2 })
  w.advance(timer.delayMs)
  expect(await due(w)).toMatchObject({ promise: fresh })
  expect(told).toMatchObject([{ mayBeDone: 2 }])
})
