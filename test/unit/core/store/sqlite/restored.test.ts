// SEMANTICS 2, 12: what a file that is a copy says of its open work, and what it leaves as it is.
import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { migrate } from '../../../../../core/store/migrate/migrate.ts'
import { openSqliteEnd, reclaimDirectory } from '../../../../../core/store/migrate/sqlite-end.ts'
import { expectStatus, working } from '../../../../conformance/store/world.ts'
import type { World } from '../../../../conformance/store/world.ts'
import { due, fresh, lane, lost, once, openWork, timer } from '../open-work.ts'
import { worldOn } from '../sqlite-harness.ts'

const WITNESS = 'dragoman.witness'
/** As if the file had been copied into the folder: no note beside it knows it. */
async function openCopy(w: World, data: string): Promise<void> {
  await w.close()
  await rm(join(data, WITNESS))
  await w.openAgain()
}

test('a copy of a copy notes nothing twice', async () => {
  const { harness, world } = await worldOn()
  await using w = world
  await w.accept(working('waits', lane('1')))
  for (const _time of [1, 2]) await openCopy(w, harness.data)
  expect(await due(w)).toMatchObject({ waits: once })
})

test('a copy notes at what waits an attempt that nobody saw end; promises, released calls and halted writes stay as they are', async () => {
  const { harness, world } = await worldOn()
  await using w = world
  await openWork(w)
  await openCopy(w, harness.data)
  const found = await due(w)
  expect(found).toMatchObject({ waits: once, flies: once, 'answered-push': once })
  expect(Object.keys(found)).toHaveLength(3)
  expect(expectStatus(await w.store.claim(w.claim('again')), 'run')).toMatchObject({ id: 'call', attempt: 2 })
  w.advance(timer.delayMs)
  expect(await due(w)).toMatchObject({ promise: fresh })
})

test('a file that the note beside it knows is no copy, also one whose folder has another name now', async () => {
  const { harness, world } = await worldOn()
  await using w = world
  await openWork(w)
  await w.reopen()
  await w.close()
  await rename(harness.data, `${harness.data}2`)
  await rename(`${harness.data}2`, harness.data)
  await w.openAgain()
  expect(await due(w)).toMatchObject({ waits: fresh, 'answered-push': fresh })
})

test('started again, a copy that was recognised is not one once more', async () => {
  const { harness, world } = await worldOn()
  await using w = world
  await openWork(w)
  await openCopy(w, harness.data)
  const { incarnation } = w.store
  await w.reopen()
  expect(w.store.incarnation).toBe(incarnation)
  expect((await due(w))['waits']).toMatchObject(once)
})

test('a copy that is migrated takes its doubt along; a store that is migrated has none, and has it where it is used again', async () => {
  const { harness, world } = await worldOn()
  await using w = world
  await openWork(w)
  await w.close()
  const moveTo = async (name: string): Promise<string> => {
    const to = join(harness.directory, name)
    await using source = openSqliteEnd({ directory: harness.data, create: false })
    await using target = openSqliteEnd({ directory: to, create: true })
    await migrate({ source, target })
    return to
  }
  const attemptsIn = async (directory: string) => {
    await using store = await harness.open({ directory })
    const rows = await store.find({ by: 'id', id: 'waits' })
    return rows.flatMap((row) => (row.row === 'work' ? row.attempts : []))
  }
  expect(await attemptsIn(await moveTo('one'))).toEqual([])
  reclaimDirectory(harness.data)
  expect(await attemptsIn(harness.data)).toMatchObject([lost])
  await rm(join(harness.data, WITNESS))
  expect(await attemptsIn(await moveTo('two'))).toMatchObject([lost])
})
