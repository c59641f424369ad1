import type * as fs from 'node:fs'
import { appendFile, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { watchPlugins } from '../../../../core/plugins/watch.ts'
import type { WatchPluginsOptions } from '../../../../core/plugins/watch.ts'
import { until } from '../../../support/gateway.ts'

const { blind } = vi.hoisted(() => ({ blind: { isOn: false } }))
vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>()
  return {
    ...real,
    watch: (...args: Parameters<typeof real.watch>) => {
      if (blind.isOn) throw new Error('no more watches')
      return real.watch(...args)
    },
  }
})

interface Watched {
  readonly root: string
  /** How often a change was told, the look at the start left out. */
  readonly changes: () => number
}

async function watched(options: WatchPluginsOptions = {}): Promise<Watched> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'watch-')))
  await mkdir(join(root, 'shop'))
  await writeFile(join(root, 'shop', 'index.ts'), '1')
  let told = 0
  const watching = watchPlugins(
    () => root,
    async () => {
      told += 1
    },
    options,
  )
  onTestFinished(async () => {
    await watching[Symbol.asyncDispose]()
    await rm(root, { recursive: true, force: true })
  })
  await until(() => (told === 1 ? true : undefined))
  return { root, changes: () => told - 1 }
}

test.each([
  ['by the signs of the system', false],
  ['by looking, where it gives none', true],
])('a file saved, renamed into place, changed in a folder, removed: %s', async (_, isBlind) => {
  blind.isOn = isBlind
  onTestFinished(() => {
    blind.isOn = false
  })
  const { root, changes } = await watched({ pollMs: isBlind ? 50 : 60_000 })
  const next = async (count: number): Promise<true> => until(() => (changes() >= count ? true : undefined))
  await writeFile(join(root, 'new.ts'), 'x')
  await next(1)
  await writeFile(join(root, '.new.swp'), 'xy')
  await rename(join(root, '.new.swp'), join(root, 'new.ts'))
  await next(2)
  await writeFile(join(root, 'shop', 'helper.ts'), 'h')
  await next(3)
  await rm(join(root, 'new.ts'))
  await next(4)
})

test('what a link leads to is changed, and links are swapped as in a volume of Kubernetes: both are told', async () => {
  const { root, changes } = await watched({ pollMs: 50 })
  const next = async (count: number): Promise<true> => until(() => (changes() >= count ? true : undefined))
  for (const [place, file] of [
    ['_src', 'ln.ts'],
    ['..1', 'km.ts'],
    ['..2', 'km.ts'],
  ] as const) {
    await mkdir(join(root, place))
    await writeFile(join(root, place, file), place)
  }
  await symlink('..1', join(root, '..data'))
  await symlink('_src/ln.ts', join(root, 'ln.ts'))
  await next(1)
  await writeFile(join(root, '_src', 'ln.ts'), '2')
  await next(2)
  await rm(join(root, 'ln.ts'))
  await next(3)
  await symlink('../_src/ln.ts', join(root, 'shop', 'ln.ts'))
  await next(4)
  await writeFile(join(root, '_src', 'ln.ts'), '3')
  await next(5)
  await symlink('..data/km.ts', join(root, 'km.ts'))
  await next(6)
  await symlink('..2', join(root, '..data_tmp'))
  await rename(join(root, '..data_tmp'), join(root, '..data'))
  await next(7)
})

test('what is written in pieces is told when it has been left alone', async () => {
  const { root, changes } = await watched({ settleMs: 1500 })
  for (let piece = 0; piece < 10; piece++) {
    await appendFile(join(root, 'big.ts'), 'x'.repeat(100))
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(changes()).toBe(0)
  }
  await until(() => (changes() === 1 ? true : undefined))
})

test('packages, tests, drafts and other files are not looked at', async () => {
  const { root, changes } = await watched({ pollMs: 20 })
  await mkdir(join(root, 'shop', 'node_modules'))
  for (const file of [
    'shop/node_modules/a.js',
    'shop/index.test.ts',
    'shop/README.md',
    '_draft.ts',
    'notes.txt',
    'x.test.ts',
  ])
    await writeFile(join(root, file), 'x')
  await writeFile(join(root, 'last.ts'), 'x')
  await until(() => (changes() > 0 ? true : undefined))
  expect(changes()).toBe(1)
})

test('npm is done with the packages of a plugin: that is told, also beside a plugin of one file', async () => {
  const { root, changes } = await watched({ pollMs: 50 })
  await writeFile(join(root, 'one.ts'), '1')
  await until(() => (changes() === 1 ? true : undefined))
  for (const [told, folder] of [
    [2, join(root, 'shop')],
    [3, root],
  ] as const) {
    await mkdir(join(folder, 'node_modules'))
    await writeFile(join(folder, 'node_modules', '.package-lock.json'), '{}')
    await until(() => (changes() === told ? true : undefined))
  }
})

test('the first sign names the plugin, before it has settled; what is no plugin and what has gone give none', async () => {
  const told = new Set<string>()
  const { root, changes } = await watched({
    settleMs: 1000,
    pollMs: 60_000,
    onSign: (name) => void told.add(name),
  })
  for (const file of ['.late.ts', '_draft.ts', 'notes.txt', 'x.test.ts'])
    await writeFile(join(root, file), 'x')
  await writeFile(join(root, 'shop', 'index.ts'), '2')
  await until(() => (told.has('shop') ? true : undefined))
  expect(changes()).toBe(0)
  await until(() => (changes() === 1 ? true : undefined))
  await rename(join(root, '.late.ts'), join(root, 'late.ts'))
  await until(() => (told.has('late') ? true : undefined))
  await until(() => (changes() === 2 ? true : undefined))
  told.clear()
  await rm(join(root, 'late.ts'))
  await until(() => (changes() === 3 ? true : undefined))
  expect([...told]).toEqual([])
})
