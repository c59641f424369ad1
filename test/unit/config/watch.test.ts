// Files that change under the gateway, in every way editors and deployments write them.
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, stat, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { watchConfig } from '../../../config/watch.ts'
import type { WatchOptions } from '../../../config/watch.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragoman-watch-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true, force: true })
})

/** Events alone: no test of them may pass by polling. */
const EVENTS: WatchOptions = { debounceMs: 5, pollMs: 3_600_000 }
const POLLING: WatchOptions = { debounceMs: 3_600_000, pollMs: 5 }

/** Whole at any moment: a file that is written in place is empty for a while, and that is a change too. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}.new`, text)
  await rename(`${file}.new`, file)
}

async function watching(names: readonly string[], options: WatchOptions) {
  const seen: string[][] = []
  const watch = watchConfig(
    names.map((name) => join(folder, name)),
    (changed) => void seen.push(changed.map((path) => path.slice(folder.length + 1))),
    options,
  )
  await watch.ready
  return { seen, watch, [Symbol.asyncDispose]: () => watch.close() }
}

test.each([
  ['events', EVENTS],
  ['polling', POLLING],
])(
  'a file written again, replaced by a rename, or gone and back is reported with its new content (%s)',
  async (_, options) => {
    const file = join(folder, 'a.yaml')
    await writeFile(file, '1')
    const contents: string[] = []
    await using watch = watchConfig([file], () => void contents.push(readFileSync(file, 'utf8')), options)
    await watch.ready
    const isReported = (text: string): Promise<void> =>
      vi.waitFor(() => expect(contents.at(-1)).toBe(text), 10_000)
    await writeFile(file, '2')
    await isReported('2')
    await replace(file, '3')
    await isReported('3')
    await unlink(file)
    await writeFile(file, '4')
    await isReported('4')
    await replace(file, '5')
    await isReported('5')
  },
)

test('the same content, a touch and another file of the folder are no change', async () => {
  await writeFile(join(folder, 'a.yaml'), '1')
  await writeFile(join(folder, 'b.yaml'), '1')
  await using run = await watching(['a.yaml', 'b.yaml'], EVENTS)
  await replace(join(folder, 'a.yaml'), '1')
  await utimes(join(folder, 'a.yaml'), new Date(), new Date())
  await writeFile(join(folder, 'other'), '1')
  await replace(join(folder, 'b.yaml'), '2')
  await vi.waitFor(() => expect(run.seen).toEqual([['b.yaml']]), 10_000)
})

test('a folder behind a symbolic link that is swapped is seen, as deployments of containers do it', async () => {
  for (const version of ['v1', 'v2']) {
    await mkdir(join(folder, version))
    await writeFile(join(folder, version, 'a.yaml'), version)
  }
  await symlink('v1', join(folder, 'current'))
  await symlink(join('current', 'a.yaml'), join(folder, 'a.yaml'))
  await using run = await watching(['a.yaml'], EVENTS)
  await symlink('v2', join(folder, 'next'))
  await rename(join(folder, 'next'), join(folder, 'current'))
  await vi.waitFor(() => expect(run.seen).toEqual([['a.yaml']]), 10_000)
})

test('a file that is not there yet is reported when it comes, also with its folder', async () => {
  await using run = await watching(['sub/a.yaml'], POLLING)
  await mkdir(join(folder, 'sub'))
  await replace(join(folder, 'sub/a.yaml'), '1')
  await vi.waitFor(() => expect(run.seen).toEqual([['sub/a.yaml']]), 10_000)
})

test('a file that changed while it was being loaded is reported without another sign, one from before is not', async () => {
  const [before, after] = [join(folder, 'before.yaml'), join(folder, 'after.yaml')]
  await writeFile(before, '1')
  const { ctimeMs } = await stat(before)
  await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(ctimeMs + 50), 10_000)
  const since = Date.now() - 20
  await writeFile(after, 'not what was loaded')
  await using run = await watching(['before.yaml', 'after.yaml'], { ...EVENTS, since })
  await vi.waitFor(() => expect(run.seen).toEqual([['after.yaml']]), 10_000)
})

test('many writes are one change, and calls do not overlap', async () => {
  const file = join(folder, 'a.yaml')
  await writeFile(file, 'x')
  let running = 0
  let most = 0
  const gates: (() => void)[] = []
  await using watch = watchConfig(
    [file],
    async () => {
      most = Math.max(most, ++running)
      await new Promise<void>((resolve) => gates.push(resolve))
      running--
    },
    { debounceMs: 5, pollMs: 5 },
  )
  await watch.ready
  for (let index = 0; index < 20; index++) await writeFile(file, String(index))
  await vi.waitFor(() => expect(gates).toHaveLength(1), 10_000)
  await writeFile(file, 'last')
  gates[0]?.()
  await vi.waitFor(() => expect(gates).toHaveLength(2), 10_000)
  gates[1]?.()
  expect(most).toBe(1)
})

test('what the listener throws is handed on, and the watch goes on', async () => {
  const file = join(folder, 'a.yaml')
  await writeFile(file, '1')
  const errors: unknown[] = []
  await using watch = watchConfig(
    [file],
    () => {
      throw new Error('bad config')
    },
    { ...EVENTS, onError: (error) => void errors.push(error) },
  )
  await watch.ready
  await replace(file, '2')
  await vi.waitFor(() => expect(errors).toMatchObject([{ message: 'bad config' }]), 10_000)
  await replace(file, '3')
  await vi.waitFor(() => expect(errors).toHaveLength(2), 10_000)
})

test('after close nothing is called any more', async () => {
  const file = join(folder, 'a.yaml')
  await writeFile(file, '1')
  const first = await watching(['a.yaml'], POLLING)
  await using second = await watching(['a.yaml'], POLLING)
  await first.watch.close()
  await writeFile(file, '2')
  await vi.waitFor(() => expect(second.seen).toHaveLength(1), 10_000)
  expect(first.seen).toEqual([])
})

test('followed anew, it knows the files of now: new ones wherever they are, those that stay as they were, no others', async () => {
  await mkdir(join(folder, 'other'))
  const names = ['left.yaml', 'stays.yaml', 'other/new.yaml', 'other/late.yaml'] as const
  for (const name of names) await replace(join(folder, name), '1')
  await using run = await watching(['left.yaml', 'stays.yaml'], EVENTS)
  await vi.waitFor(async () => {
    await replace(join(folder, 'stays.yaml'), `${Math.random()}`)
    expect(run.seen.length).toBeGreaterThan(0)
  }, 10_000)
  const changed = Math.max((await stat(join(folder, 'other/new.yaml'))).ctimeMs, Date.now())
  await vi.waitFor(async () => {
    await replace(join(folder, 'other/late.yaml'), 'not what was loaded')
    expect((await stat(join(folder, 'other/late.yaml'))).ctimeMs).toBeGreaterThan(changed + 1)
  }, 10_000)
  const followed = ['stays.yaml', 'other/new.yaml', 'other/late.yaml']
  run.watch.follow(
    followed.map((name) => join(folder, name)),
    changed + 1,
  )
  await vi.waitFor(() => expect(run.seen.at(-1)).toEqual(['other/late.yaml']), 10_000)
  await replace(join(folder, 'left.yaml'), '2')
  await replace(join(folder, 'other/new.yaml'), '2')
  await vi.waitFor(() => expect(run.seen.at(-1)).toEqual(['other/new.yaml']), 10_000)
  await replace(join(folder, 'stays.yaml'), '2')
  await vi.waitFor(() => expect(run.seen.at(-1)).toEqual(['stays.yaml']), 10_000)
  expect(run.seen.flat()).not.toContain('left.yaml')
})
