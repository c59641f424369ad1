import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { fileBox } from '../../../../../core/link/client/box-file.ts'
import { temporaryDirectory } from '../../../../support/gateway.ts'

let directory: string
beforeAll(async () => {
  directory = await temporaryDirectory()
})
afterAll(() => rm(directory, { recursive: true }))

test('what was written is there again, what was removed is not', async () => {
  const path = join(directory, 'a.sqlite')
  const box = fileBox(path)
  expect(await box.open()).toEqual(new Map())
  await box.write([
    ['one', { text: 'ü', deep: [1, null] }],
    ['__proto__', 2],
    ['gone', 3],
  ])
  await box.write([['gone', undefined]])
  await box.close()
  const again = fileBox(path)
  expect(await again.open()).toEqual(
    new Map<string, unknown>([
      ['__proto__', 2],
      ['one', { text: 'ü', deep: [1, null] }],
    ]),
  )
  await again.close()
})

test('a second process is refused: one outbox gives each number once', async () => {
  const path = join(directory, 'b.sqlite')
  const box = fileBox(path)
  await box.open()
  const other = JSON.stringify(new URL('../../../../../core/link/client/box-file.ts', import.meta.url).href)
  const script = `const { fileBox } = await import(${other}); await fileBox(${JSON.stringify(path)}).open()`
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  })
  expect(status).not.toBe(0)
  expect(stderr).toContain('database is locked')
  await box.close()
})

test('all or nothing: a write that fails leaves what was', async () => {
  const path = join(directory, 'c.sqlite')
  const box = fileBox(path)
  await box.open()
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  const broken = circular as unknown as null // no JSON, whatever its type says
  await expect(
    box.write([
      ['one', 1],
      ['two', broken],
    ]),
  ).rejects.toThrow('circular')
  await box.write([['three', 3]])
  await box.close()
  const again = fileBox(path)
  expect([...(await again.open()).keys()]).toEqual(['three'])
  await again.close()
})
