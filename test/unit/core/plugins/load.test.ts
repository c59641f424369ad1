import { chmod, mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

import { expect, onTestFinished, test } from 'vitest'

import { GatewayError } from '../../../../core/api.ts'
import type { Adapter } from '../../../../core/api.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import type { LoadedPlugin, PluginsOptions, Where } from '../../../../core/plugins/plugins.ts'
import { testMessage, testScope } from '../../../../core/testing.ts'

interface Seen {
  /** Without those that stand in for a plugin. */
  readonly adapters: readonly string[]
  readonly plugins: readonly LoadedPlugin[]
}
type LoadOptions = Pick<PluginsOptions, 'limits'> & Pick<Where, 'allow'>

async function loadPlugins(
  directory: string,
  builtIn: readonly string[] = [],
  { limits = {}, ...allowed }: LoadOptions = {},
): Promise<Seen> {
  const set = new Plugins({ log: { child: () => noLog }, builtIn, limits })
  onTestFinished(() => set[Symbol.asyncDispose]())
  return seen(await set.load({ directory, ...allowed }))
}

function seen({ plugins }: { readonly plugins: readonly LoadedPlugin[] }): Seen {
  return { plugins, adapters: plugins.flatMap(({ adapter }) => adapter?.name ?? []) }
}

/** A plugins folder somewhere, without a package.json, gone after the test. */
async function folder(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'plugins-')))
  onTestFinished(async () => rm(root, { recursive: true }))
  await write(root, files)
  return root
}

async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
}

async function load(files: Readonly<Record<string, string>>, options?: LoadOptions): Promise<Seen> {
  return loadPlugins(await folder(files), ['rest', 'soap'], options)
}

/** The failure of the only plugin. */
async function failureOf(files: Readonly<Record<string, string>>, options?: LoadOptions) {
  const { plugins, adapters } = await load(files, options)
  expect([plugins.length, adapters.length]).toStrictEqual([1, 0])
  return plugins[0]?.failure
}

const plugin = (name: string, more = ''): string => `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
${more}
export default defineAdapter({
  name: '${name}',
  apiVersion: 1,
  agent: {
    config: z.strictObject({}),
    create: () => ({ answer: async () => ({ text: 'from ${name}' }), async [Symbol.asyncDispose]() {} }),
  },
})
`

test('files and folders with index.ts are loaded; tests, hidden, private and other files are not (DESIGN §9)', async () => {
  const { adapters, plugins } = await load({
    'one.ts': plugin('one'),
    'two.js': plugin('two'),
    'three/index.ts': plugin('three', "import { helper } from './helper.ts'\nhelper()"),
    'three/helper.ts': 'export const helper = (): string => "h"',
    'one.test.ts': 'throw new Error("a test was run")',
    'types.d.ts': 'export type A = 1',
    '_draft.ts': 'throw new Error("a draft was run")',
    '.hidden.ts': 'throw new Error("a hidden file was run")',
    'node_modules/x/index.js': 'throw new Error("a package was run")',
    'README.md': '# hello',
    'data.json': '{}',
  })
  expect(plugins.filter(({ failure }) => failure !== undefined)).toStrictEqual([])
  expect(adapters).toStrictEqual(['one', 'three', 'two'])
  for (const { hash } of plugins) expect(hash).toMatch(/^[0-9a-f]{64}$/)
})

test('a folder that does not exist has no plugins, nor has an empty one', async () => {
  expect(await loadPlugins(join(tmpdir(), 'no-such-folder-of-plugins'))).toStrictEqual({
    adapters: [],
    plugins: [],
  })
  expect(await loadPlugins(await folder({}))).toStrictEqual({ adapters: [], plugins: [] })
})

test('dragoman is this gateway: an error of a plugin is a GatewayError here', async () => {
  const { plugins } = await load({
    'thrower.ts': `
      import { defineAdapter, GatewayError } from 'dragoman'
      import { z } from 'zod'
      export default defineAdapter({ name: 'thrower', apiVersion: 1, backend: {
        config: z.strictObject({}),
        create: () => ({
          operations: {},
          call: async () => { throw new GatewayError('BACKEND_FAILED', 'x') },
          async [Symbol.asyncDispose]() {},
        }),
      } })`,
    'node_modules/dragoman/package.json': '{"name":"dragoman","type":"module","exports":"./index.js"}',
    'node_modules/dragoman/index.js':
      'export const defineAdapter = (a) => a; export class GatewayError extends Error {}',
  })
  const backend = plugins[0]?.adapter?.backend?.create({}, testScope())
  await backend?.start?.(new AbortController().signal)
  const call = { operation: 'x', params: {}, message: testMessage(), key: 'k', attempt: 1 }
  await expect(backend?.call(call, new AbortController().signal)).rejects.toSatisfy(
    (error) => error instanceof GatewayError && error.code === 'BACKEND_FAILED' && error.message === 'x',
  )
})

test('a package in the plugin’s own folder comes before the gateway’s', async () => {
  const { adapters, plugins } = await load({
    'own.ts': plugin('own', 'if (!("mine" in z)) throw new Error("not the own zod")'),
    'node_modules/zod/package.json': '{"name":"zod","type":"module","exports":"./index.js"}',
    'node_modules/zod/index.js': `export const z = { mine: true, strictObject: () => ({ '~standard': {} }) }`,
  })
  expect(plugins[0]?.failure).toBeUndefined()
  expect(adapters).toHaveLength(1)
})

test('"type": "commonjs" in a package.json above does not matter: npm init writes it', async () => {
  const root = await folder({
    'package.json': '{"type":"commonjs"}',
    'plugins/one/index.ts': plugin('one', "import './helper.js'"),
    'plugins/one/helper.js': 'export const a = 1',
    'plugins/two.js': plugin('two'),
    'plugins/three.js': `
      const { defineAdapter } = require('dragoman')
      const { z } = require('zod')
      module.exports = defineAdapter({ name: 'three', apiVersion: 1, agent: { config: z.strictObject({}), create: () => ({}) } })`,
  })
  const { plugins, adapters } = await loadPlugins(join(root, 'plugins'))
  expect(plugins.map(({ failure }) => failure)).toStrictEqual([undefined, undefined, undefined])
  expect(adapters).toHaveLength(3)
})

test('a link that leads out of the folder is refused, one within it is followed', async () => {
  const elsewhere = await folder({ 'real.ts': plugin('outside') })
  const root = await folder({ '_real.ts': plugin('inside') })
  await symlink(join(elsewhere, 'real.ts'), join(root, 'far.ts'))
  await symlink(join(root, '_real.ts'), join(root, 'near.ts'))
  const { plugins, adapters } = await loadPlugins(root)
  expect(adapters).toStrictEqual(['inside'])
  expect(plugins[0]?.failure?.message).toMatch(
    /^far\.ts: it is a link that leads out of the plugins folder, to .*: put/,
  )
})

test.each<[string, string, number]>([
  ['the folder of the plugins', '.', 0o777],
  ['a plugin', 'shop.ts', 0o666],
  ['a folder', 'tools', 0o777],
  ['a file in it', 'tools/helper.ts', 0o646],
])('%s that everybody may write is refused', async (_, place, mode) => {
  const root = await folder({
    'shop.ts': plugin('shop'),
    'tools/index.ts': plugin('tools'),
    'tools/helper.ts': '',
  })
  await chmod(join(root, place), mode)
  const { plugins } = await loadPlugins(root)
  const refused = plugins.filter(({ failure }) => failure?.message.includes('chmod o-w'))
  expect(refused).toHaveLength(place === '.' ? 2 : 1)
})

test('loaded again, a plugin and its helpers are what is on the disk now, and what has not changed is the same', async () => {
  const root = await folder({
    'shop/index.ts': plugin('shop', "import { value } from './value.ts'\nexport const held = value"),
    'shop/value.ts': 'export const value = "old"',
    'same.ts': plugin('same'),
    'bad.ts': 'enum A {}',
  })
  await using set = new Plugins({ log: { child: () => noLog }, builtIn: [] })
  const first = seen(await set.load({ directory: root }))
  set.adopt(1)
  await write(root, {
    'shop/value.ts': 'export const value = "new"\nthrow new Error("the new helper ran")',
    'bad.ts': plugin('bad'),
  })
  const second = seen(await set.load({ directory: root }))
  expect(second.plugins.find(({ name }) => name === 'shop')?.failure?.message).toContain('the new helper ran')
  expect(second.plugins.find(({ name }) => name === 'bad')?.failure).toBeUndefined()
  const named = ({ plugins }: Seen, wanted: string): Adapter | undefined =>
    plugins.find(({ name }) => name === wanted)?.adapter
  expect(named(first, 'same')).toBeDefined()
  expect(named(second, 'same')).toBe(named(first, 'same'))
  expect(named(second, 'shop')).toBe(named(first, 'shop'))
})

test.each<[string, Readonly<Record<string, string>>, number | undefined, readonly string[]]>([
  [
    'an enum',
    { 'shop.ts': `const a = 1\nexport enum Size { small }\n${plugin('shop')}` },
    2,
    ['enum', 'union of texts'],
  ],
  [
    'a parameter property',
    { 'shop.ts': 'class A {\n  constructor(private x: number) {}\n}\nexport default A' },
    2,
    ['parameter property', 'in the constructor'],
  ],
  ['a namespace', { 'shop.ts': 'namespace A { export const x = 1 }\nexport default A' }, 1, ['namespace']],
  ['broken TypeScript', { 'shop.ts': 'const a = 1\n\nexport default {{{\n' }, 3, ['mend the syntax']],
  [
    'broken JavaScript',
    { 'shop.js': 'export const a = 1\n\nfoo bar\nexport default 1' },
    3,
    ['mend the syntax'],
  ],
  ['broken JSON-like text', { 'shop.js': '{"name": "shop", "apiVersion": 1}' }, 1, ['shop.js:1']],
  [
    'no default export',
    { 'shop.ts': 'export const adapter = 1' },
    undefined,
    ['no default export', 'defineAdapter'],
  ],
  ['an empty file', { 'shop.ts': '' }, undefined, ['no default export']],
  [
    'a class as the export',
    { 'shop.ts': '\nexport default class {}' },
    2,
    ['not an object', 'defineAdapter'],
  ],
  [
    'a wrong apiVersion',
    { 'shop.ts': plugin('shop').replace('apiVersion: 1', 'apiVersion: 2') },
    5,
    ['apiVersion 2', 'apiVersion: 1'],
  ],
  ['a wrong name', { 'shop.ts': plugin('My Shop') }, 5, ['"My Shop"', 'lower case']],
  [
    'an adapter that offers nothing',
    { 'shop.ts': "export default {\n  name: 'shop', apiVersion: 1 }" },
    1,
    ['offers none', 'a backend or an agent'],
  ],
  [
    'a config that is no schema',
    { 'shop.ts': "export default { name: 'shop', apiVersion: 1, agent: { config: {}, create() {} } }" },
    1,
    ['not a schema', 'z.strictObject'],
  ],
  [
    'a type imported as a value',
    { 'shop.ts': `const a = 1\nimport { Json } from 'dragoman'\nexport default a as Json` },
    2,
    ['Json', 'import type'],
  ],
  [
    'a file of another ending, which would be skipped without a word',
    { 'shop.tsx': 'export default 1' },
    undefined,
    ['a .ts or a .js file', 'rename it'],
  ],
  [
    'a name that dragoman has not',
    { 'shop.ts': `import { defineAdaptor } from 'dragoman'\nexport default defineAdaptor({})` },
    1,
    ['defineAdaptor', 'write one of', 'defineAdapter'],
  ],
  [
    'a default import of dragoman',
    { 'shop.ts': `import dragoman from 'dragoman'\nexport default dragoman` },
    1,
    ["import { defineAdapter } from 'dragoman'"],
  ],
  [
    'a package nobody has',
    { 'shop.ts': `const a = 1\nimport x from 'no-such-package-here'\nexport default x` },
    2,
    ['no-such-package-here', 'npm install'],
  ],
  [
    'a helper that is not there',
    { 'shop.ts': `import x from './helper'\nexport default x`, '_helper.ts': '' },
    1,
    ['does not exist', 'ending'],
  ],
  [
    'a file that is not its own',
    {
      'shop.ts': `const a = 1\nimport x from './_shared.ts'\nexport default x`,
      '_shared.ts': 'export default 1',
    },
    2,
    ['./_shared.ts', 'does not belong to it', 'folder with an index.ts'],
  ],
  [
    'a throw while loading',
    { 'shop.ts': `const a = 1\n\nthrow new Error('no database')` },
    3,
    ['no database', '`start`'],
  ],
  [
    'a text that it reads and that is none',
    { 'shop.ts': `const a = 1\n\nJSON.parse('{bad')\nexport default a` },
    3,
    ['it throws "', 'in JSON at position 1', '`start`'],
  ],
  ['a throw of a text', { 'shop.ts': `throw 'boom'` }, undefined, ['"boom"', '`start`']],
  [
    'a throw of something that throws when it is looked at',
    {
      'shop.ts': `throw Object.defineProperty(new Error('x'), 'stack', { get() { throw new Error('again') } })`,
    },
    undefined,
    ['cannot be read'],
  ],
  [
    'a default export that throws when it is looked at',
    { 'shop.ts': `export default { get name() { throw new Error('no peeking') } }` },
    1,
    ['no peeking'],
  ],
  ['a throw of nothing', { 'shop.ts': 'throw undefined' }, undefined, ['undefined']],
  [
    'a broken helper',
    { 'shop/index.ts': "import './helper.ts'", 'shop/helper.ts': '\nenum A {}' },
    2,
    ['shop/helper.ts:2'],
  ],
  ['a folder without entry', { 'shop/main.ts': plugin('shop') }, undefined, ['no index.ts', '_']],
  [
    'the name of a built-in',
    { 'shop.ts': plugin('rest') },
    undefined,
    ['"rest"', 'built-in', 'another name'],
  ],
])('%s is refused with file, line, problem and cure', async (_, files, line, words) => {
  const failure = await failureOf(files)
  expect(failure?.message).toMatch(
    line === undefined ? /^shop(\.[jt]sx?)?(\/\w+\.ts)?: / : new RegExp(`^shop[\\w./]*:${line}: `),
  )
  expect(failure?.line).toBe(line)
  expect(failure?.file).toMatch(/^\/.*shop/)
  for (const word of words) expect(failure?.message).toContain(word)
  expect(failure?.message).not.toMatch(/\?v=|node:internal|\n/)
})

test('of two plugins with one name the one whose file is called so stays, the other is told', async () => {
  const { adapters, plugins } = await load({
    'a.ts': plugin('shop'),
    'c.ts': plugin('other'),
    'shop/index.ts': plugin('shop'),
  })
  expect(adapters).toStrictEqual(['other', 'shop'])
  expect(plugins.map(({ failure }) => failure?.message)).toStrictEqual([
    'a.ts: the name "shop" belongs to the plugin shop/index.ts: give this one another name',
    undefined,
    undefined,
  ])
})

test('a bad plugin does not stop the others, nor one that never finishes', async () => {
  const { adapters, plugins } = await load(
    {
      'bad.ts': 'enum A {}',
      'good.ts': plugin('good'),
      'hangs.ts': `await new Promise(() => {})\n${plugin('hangs')}`,
      'worse.ts': 'throw null',
    },
    { limits: { loadMs: 4000 } },
  )
  expect(adapters).toStrictEqual(['good'])
  expect(plugins.map(({ name, failure }) => [name, failure === undefined])).toStrictEqual([
    ['bad', false],
    ['good', true],
    ['hangs', false],
    ['worse', false],
  ])
  expect(plugins[2]?.failure?.message).toMatch(/^hangs\.ts: it has not finished loading after 4 s/)
})

test('only allowed plugins are even imported', async () => {
  const files = { 'good.ts': plugin('good'), 'evil.ts': 'throw new Error("it ran")' }
  const { plugins, adapters } = await load(files, { allow: ['good'] })
  expect([plugins.length, adapters[0]]).toStrictEqual([1, 'good'])
})
