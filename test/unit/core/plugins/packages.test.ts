// The packages a plugin brings along: npm leaves a mark when it is done with them, and then they are loaded.
import { mkdir, mkdtemp, realpath, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { versioned } from '../../../support/plugin-sources.ts'

const named = versioned('shop', 1).replace("name: 'shop'", 'name')

interface Opened {
  readonly hasChanged: () => Promise<boolean>
  /** Loads, and lets it run: the name of the adapter, which the package gives, why it is no other, and the hash. */
  readonly taken: () => Promise<{ readonly name?: string; readonly failure?: string; readonly hash: string }>
  /** As npm begins. */
  readonly clear: () => Promise<void>
  /** As npm ends, at this second. */
  readonly install: (name: string, atS: number) => Promise<void>
}

async function opened(file: string): Promise<Opened> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'plugins-')))
  const plugins = new Plugins({ log: { child: () => noLog }, builtIn: [] })
  onTestFinished(async () => {
    await plugins[Symbol.asyncDispose]()
    await rm(root, { recursive: true })
  })
  const entry = join(root, file)
  const modules = join(dirname(entry), 'node_modules')
  await mkdir(dirname(entry), { recursive: true })
  await writeFile(entry, `import { name } from 'naming'\n${named}`)
  let generation = 0
  return {
    hasChanged: () => plugins.hasChanged({ directory: root }),
    async taken() {
      const [one] = (await plugins.load({ directory: root })).plugins
      plugins.adopt(++generation)
      const { adapter, failure, hash = '' } = one ?? {}
      return {
        ...(adapter !== undefined && { name: adapter.name }),
        ...(failure !== undefined && { failure: failure.message }),
        hash,
      }
    },
    clear: () => rm(modules, { recursive: true }),
    async install(name, atS) {
      const folder = join(modules, 'naming')
      await mkdir(folder, { recursive: true })
      await writeFile(join(folder, 'package.json'), '{"name":"naming","exports":"./index.js"}')
      await writeFile(join(folder, 'index.js'), `exports.name = ${JSON.stringify(name)}`)
      const mark = join(modules, '.package-lock.json')
      await writeFile(mark, '{}')
      await utimes(mark, atS, atS)
    },
  }
}

const files = ['shop/index.ts', 'shop.ts']

test.each(files)('%s lacked a package: it is tried again when npm has brought it', async (file) => {
  const { hasChanged, taken, install } = await opened(file)
  const before = await taken()
  expect(before.failure).toContain('run `npm install naming` there')
  expect(await hasChanged()).toBe(false)
  await install('first', 1)
  expect(await hasChanged()).toBe(true)
  expect(await taken()).toStrictEqual({ name: 'first', hash: before.hash })
  expect(await hasChanged()).toBe(false)
})

test.each(files)(
  'other packages beside %s make another version of the same hash, not before npm is done with them',
  async (file) => {
    const { hasChanged, taken, clear, install } = await opened(file)
    await install('first', 1)
    const before = await taken()
    await clear()
    expect(await hasChanged()).toBe(false)
    expect(await taken()).toStrictEqual(before)
    await install('second', 2)
    expect(await hasChanged()).toBe(true)
    expect(await taken()).toStrictEqual({ ...before, name: 'second' })
    expect(await hasChanged()).toBe(false)
  },
)

test('a package that cannot be loaded is refused once, and the version before goes on until npm has brought another', async () => {
  const { hasChanged, taken, clear, install } = await opened('shop/index.ts')
  await install('first', 1)
  const before = await taken()
  await install('', 2)
  expect(await taken()).toMatchObject({ name: 'first', failure: expect.stringContaining('name') })
  expect(await hasChanged()).toBe(false)
  await clear()
  expect(await hasChanged()).toBe(false)
  expect(await taken()).toMatchObject({ name: 'first' })
  await install('third', 3)
  expect(await taken()).toStrictEqual({ name: 'third', hash: before.hash })
})
