// What a plugin may run: what its hash covers, as it was read, and packages; so that a lock locks all of it.
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import type { LoadedPlugin } from '../../../../core/plugins/plugins.ts'
import { testMessage, testScope } from '../../../../core/testing.ts'

async function write(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
}

/** `links`: by the name that a link has, where it leads. */
async function load(
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
): Promise<{ root: string; shop: LoadedPlugin }> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'plugins-')))
  onTestFinished(() => rm(root, { recursive: true }))
  await write(root, files)
  for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name))
  const all = new Plugins({ log: { child: () => noLog }, builtIn: [] })
  onTestFinished(() => all[Symbol.asyncDispose]())
  const [shop] = (await all.load({ directory: root })).plugins
  if (shop === undefined) throw new Error('there is no plugin')
  return { root, shop }
}

const shopThat = (imports: string, says = "'hello'"): string => `
${imports}
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({
  name: 'shop',
  apiVersion: 1,
  agent: {
    config: z.strictObject({}),
    create: () => ({ answer: async () => ({ text: ${says} }), async [Symbol.asyncDispose]() {} }),
  },
})
`

test.each([
  ['a hidden folder', `import '../shop/.gen/rates.ts'`, '.gen/rates.ts'],
  ['a test', `import './lib/price.spec.ts?now'`, 'lib/price.spec.ts'],
  ['a hidden package', `import './.gen/node_modules/x/index.js'`, '.gen/node_modules/x/index.js'],
  [
    'a text as code',
    `import { createRequire } from 'node:module'\ncreateRequire(import.meta.url)('./a.md')`,
    'a.md',
  ],
  [
    'a hidden addon',
    `import { createRequire } from 'node:module'\ncreateRequire(import.meta.url)('./.gen/a.node')`,
    '.gen/a.node',
  ],
])('what its hash does not cover is not run: %s', async (_, imports, file) => {
  const { shop } = await load({ 'shop/index.ts': shopThat(imports), [`shop/${file}`]: '' })
  expect(shop.failure?.message).toMatch(/^shop\/index\.ts(?::\d)?: /u)
  expect(shop.failure?.message).toContain(
    `it imports shop/${file}, which is left alone by its name (.…, *.test.*, *.spec.*, *.md): rename it`,
  )
})

test('a package in its folder is run, and so is what its package.json calls #name; so is hidden data', async () => {
  const files = {
    'shop/package.json': '{"imports":{"#rate":"./rate.ts"}}',
    'shop/rate.ts': `export const rate = 'rate'`,
    'shop/node_modules/x/index.js': `module.exports = require('./.hidden.js')`,
    'shop/node_modules/x/.hidden.js': `module.exports = 'x'`,
    'shop/.cache/of.json': '{}',
    'shop/.cache/of.ts': '',
  }
  const imports = `import x from 'x'\nimport { rate } from '#rate'\nimport y from './node_modules/x/index.js'
import data from './.cache/of.json' with { type: 'json' }
const place = import.meta.resolve('./.cache/of.ts')`
  const { shop } = await load({ ...files, 'shop/index.ts': shopThat(imports) })
  expect(shop.failure).toBeUndefined()
})

test('what CommonJS asks for without its ending belongs to it like any other file, or does not', async () => {
  const asking = (asks: string): string =>
    `module.exports = require('${asks}').made(require('dragoman'), require('zod'))`
  const made = `exports.made = ({ defineAdapter }, { z }) => defineAdapter({ name: 'shop', apiVersion: 1, agent: { config: z.strictObject({}), create: () => ({}) } })`
  const own = await load({ 'shop/index.js': asking('./made'), 'shop/made.js': made })
  expect(own.shop.failure).toBeUndefined()
  const { shop } = await load({ 'shop.js': asking('./_made'), '_made.js': made })
  expect(shop.failure?.message).toMatch(/^shop\.js:1: it imports \.\/_made, which does not belong to it: /u)
})

test('what was read is not read again, and what comes later is the next version’s', async () => {
  const imports = `import { text } from './text.ts?1'`
  const says = `text + (await import('./text.ts?2')).text + (await import('./late.ts').then(() => 'late', String))`
  const { root, shop } = await load({
    'shop/index.ts': shopThat(imports, says),
    'shop/text.ts': `export const text = 'old '`,
  })
  await write(root, { 'shop/text.ts': `export const text = 'new '`, 'shop/late.ts': '' })
  const agent = shop.adapter?.agent?.create({}, testScope())
  const { signal } = new AbortController()
  await agent?.start?.(signal)
  const conversation = { id: 'c1', customer: { id: 'ann', role: 'customer' } } as const
  expect(await agent?.answer(testMessage(), conversation, signal)).toStrictEqual({
    text: 'old old Error: it imports shop/late.ts, which came after it was loaded: the next version has it',
  })
})

const RATES = 'it imports shop/.gen/rates.ts, which is left alone by its name'

test('a link makes no difference: neither of the whole folder, which is run, nor of a hidden one, which is not', async () => {
  const linked = { shop: '_shop' }
  const files = {
    '_shop/index.ts': shopThat(`import '#rate'
import data from './of.json' with { type: 'json' }
import { createRequire } from 'node:module'
createRequire(import.meta.url)('./rate')
createRequire(import.meta.url)('./.cache/of.json')
const place = import.meta.resolve('./.cache/of.ts')`),
    '_shop/package.json': '{"imports":{"#rate":"./rate.js"}}',
    '_shop/rate.js': `exports.rate = 1`,
    '_shop/of.json': '{}',
    '_shop/.cache/of.json': '{}',
    '_shop/.cache/of.ts': '',
  }
  expect((await load(files, linked)).shop.failure).toBeUndefined()
  const hidden = shopThat(`import './.gen/rates.ts'`)
  const inLinked = await load({ '_shop/index.ts': hidden, '_shop/.gen/rates.ts': '' }, linked)
  expect(inLinked.shop.failure?.message).toContain(RATES)
  const outside = await load(
    { 'shop/index.ts': hidden, '_else/rates.ts': '' },
    { 'shop/.gen': join('..', '_else') },
  )
  expect(outside.shop.failure?.message).toContain(RATES)
})

test('what is no code by its name and CommonJS runs all the same is run as it was hashed', async () => {
  const imports = `import { createRequire } from 'node:module'
const price = () => { const from = createRequire(import.meta.url); delete from.cache[from.resolve('./price.dat')]; return from('./price.dat').price }`
  const says = `(() => { try { return String(price()) } catch (error) { return error.message } })()`
  const { root, shop } = await load({
    'shop/index.ts': shopThat(`${imports}\nprice()`, says),
    'shop/price.dat': `exports.price = 1`,
  })
  expect(shop.failure).toBeUndefined()
  await write(root, { 'shop/price.dat': `exports.price = 2` })
  const agent = shop.adapter?.agent?.create({}, testScope())
  const { signal } = new AbortController()
  await agent?.start?.(signal)
  const conversation = { id: 'c1', customer: { id: 'ann', role: 'customer' } } as const
  expect(await agent?.answer(testMessage(), conversation, signal)).toStrictEqual({
    text: 'it imports shop/price.dat, which came after it was loaded: the next version has it',
  })
})
