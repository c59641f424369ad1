// Mistakes of plugin authors, each told with its file, its line, the problem and the cure (plugins/README).
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { explainLate } from '../../../../core/plugins/explain.ts'
import { Plugins } from '../../../../core/plugins/plugins.ts'
import { temporaryDirectory } from '../../../support/gateway.ts'
import { versioned } from '../../../support/plugin-sources.ts'

/** By a plugin's name: its files, and what its author is told. */
type Mistakes = Readonly<Record<string, readonly [files: Readonly<Record<string, string>>, told: RegExp]>>

/** Loads all of them at once. */
async function expectTold(mistakes: Mistakes): Promise<void> {
  const root = await temporaryDirectory()
  onTestFinished(async () => rm(root, { recursive: true }))
  for (const [files] of Object.values(mistakes))
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, name)), { recursive: true })
      await writeFile(join(root, name), text)
    }
  await using set = new Plugins({ log: { child: () => noLog }, builtIn: [], limits: { loadMs: 30_000 } })
  const { plugins } = await set.load({ directory: root })
  expect(Object.fromEntries(plugins.map(({ name, failure }) => [name, failure?.message]))).toEqual(
    Object.fromEntries(
      Object.entries(mistakes).map(([name, [, told]]) => [name, expect.stringMatching(told)]),
    ),
  )
}

const importing = (name: string): string => `const a = 1\nimport x from '${name}'\nexport default x`
const requiring = (name: string): string => `const a = 1\nmodule.exports = require('${name}')`

test('a name that cannot be imported is told whole, with its line and with what is wrong with it', async () => {
  await expectTold({
    address: [
      { 'address.ts': importing('https://esm.sh/x') },
      /^address\.ts:2: .*"https:\/\/esm\.sh\/x", and a plugin imports packages and its own files/u,
    ],
    built: [
      { 'built.ts': importing('fs/promisess') },
      /^built\.ts:2: .*"fs\/promisess", and Node has no such module/u,
    ],
    inner: [
      { 'inner.ts': importing('dragoman/core/api.ts') },
      /^inner\.ts:2: .*"dragoman\/core\/api\.ts", which that package does not offer: write `dragoman`/u,
    ],
    node: [{ 'node.ts': importing('node:fss') }, /^node\.ts:2: .*"node:fss", and Node has no such module/u],
    schema: [
      { 'schema.ts': importing('zod/v5') },
      /^schema\.ts:2: .*"zod\/v5", which that package does not offer: write `zod`/u,
    ],
    scoped: [
      { 'scoped.ts': importing('@scope/pkg/sub') },
      /^scoped\.ts:2: .*"@scope\/pkg\/sub", .*: run `npm install @scope\/pkg` there$/u,
    ],
  })
})

test('CommonJS: what cannot be required is told as what cannot be imported, and a missing file is no package', async () => {
  await expectTold({
    address: [
      { 'address.js': requiring('https://esm.sh/x') },
      /^address\.js:2: .*a plugin imports packages and its own/u,
    ],
    alone: [
      { 'alone.js': requiring('./lib') },
      /^alone\.js:2: it imports lib, which does not exist: make it a folder with an index\.ts/u,
    ],
    built: [{ 'built.js': requiring('fs/promisess') }, /^built\.js:2: .*Node has no such module/u],
    file: [
      { 'file/index.js': requiring('./lib') },
      /^file\/index\.js:2: it imports file\/lib, which does not exist: write the name as it is on disk/u,
    ],
    helper: [
      { 'helper/index.js': requiring('./a/h.js'), 'helper/a/h.js': requiring('../lib') },
      /^helper\/a\/h\.js:2: it imports helper\/lib, which does not exist/u,
    ],
    schema: [
      { 'schema.js': requiring('zod/v5') },
      /^schema\.js:2: .*"zod\/v5", which that package does not/u,
    ],
  })
})

test('broken JSON that it imports is told by its own name and line', async () => {
  const json = importing('./d.json').replace("json'", "json' with { type: 'json' }")
  await expectTold({
    cut: [
      { 'cut/index.ts': json, 'cut/d.json': '{\n  "a":\n' },
      /^cut\/d\.json:2: Unexpected end of JSON input: mend the JSON$/u,
    ],
    required: [
      { 'required/index.js': requiring('./d.json'), 'required/d.json': '{\n  "a": 1,\n}' },
      /^required\/d\.json:3: .*: mend the JSON$/u,
    ],
    token: [
      { 'token/index.ts': json, 'token/d.json': '{\n  "a": "x",\n  "b": x\n}' },
      /^token\/d\.json:3: Unexpected token 'x', .*: mend the JSON$/u,
    ],
  })
})

test('syntax that does not run here is told with what to write instead', async () => {
  const decorated = 'const d = (x) => x\nclass A {\n  @d x = 1\n}\nexport default A'
  await expectTold({
    assigned: [
      { 'assigned.ts': 'const a = 1\nexport = a' },
      /^assigned\.ts:2: .*write `import … from` and `export default`$/u,
    ],
    decorated: [{ 'decorated.js': decorated }, /^decorated\.js:3: .*decorators do not run here: call the/u],
    late: [
      {
        'late/index.ts': "void import('./lazy.ts')\nawait new Promise((end) => setTimeout(end, 5000))",
        'late/lazy.ts': 'const a = 1\nfoo bar',
      },
      /^late\/lazy\.ts:2: [^:]+: mend the syntax \(nobody caught it\)$/u,
    ],
    typed: [{ 'typed.ts': decorated }, /^typed\.ts:3: .*decorators do not run here: call the function$/u],
  })
})

test('a role that is misspelt beside another is refused', async () => {
  await expectTold({
    slip: [
      { 'slip.ts': versioned('slip', 1).replace('agent: {', 'agnet: {') },
      /^slip\.ts:\d+: the default export has `agnet` \(did you mean `agent`\?\): write `agent`$/u,
    ],
  })
})

/** Of an npm package, by its folder: its package.json and its code. */
function installed(folder: string, exports: unknown, code: string): Readonly<Record<string, string>> {
  return {
    [`${folder}/package.json`]: JSON.stringify({ type: 'module', exports }),
    [`${folder}/i.js`]: code,
  }
}

test('what a package does not offer, and what a package that it imports cannot load, is told by the name of that package', async () => {
  const inner = installed('inner/node_modules/@a/dep', './i.js', "import 'sub/deep'")
  await expectTold({
    built: [
      {
        'built/index.ts': importing('dep'),
        ...installed('built/node_modules/dep', './i.js', "import 'node:nonsense'"),
      },
      /^built\/index\.ts: what it imports cannot be loaded: No such built-in module: node:nonsense$/u,
    ],
    inner: [
      {
        'inner/index.ts': importing('@a/dep'),
        ...inner,
        ...installed('inner/node_modules/sub', './i.js', ''),
      },
      /^inner\/index\.ts:2: the package @a\/dep, which it imports, cannot be loaded: Package subpath '\.\/deep' is not/u,
    ],
    main: [
      {
        'main/index.ts': `import { z } from 'zod'\n${importing('dep')}\nvoid z`,
        ...installed('main/node_modules/dep', { './a': './i.js' }, ''),
      },
      /^main\/index\.ts:3: it imports "dep", which has no main export: import one of the names under "exports" in its/u,
    ],
    scoped: [
      {
        'scoped/index.ts': importing('@a/dep/sub'),
        ...installed('scoped/node_modules/@a/dep', './i.js', ''),
      },
      /^scoped\/index\.ts:2: it imports "@a\/dep\/sub", which that package does not offer: write `@a\/dep`, or/u,
    ],
  })
})

test("a plugin's own error is told as it is, though it begins as Node's word of a module that is not there", async () => {
  await expectTold({
    coded: [
      { 'coded.ts': "throw Object.assign(new Error('no A12'), { code: 'MODULE_NOT_FOUND' })" },
      /^coded\.ts:1: it throws "no A12" while it is loaded/u,
    ],
  })
  const plugin = { file: '/p/shop.ts', root: '/p', text: () => "await import('left-pad')" }
  const late = (message: string): string | undefined => explainLate(new Error(message), plugin)?.message
  expect(late("Cannot find module 'A12' in the kitchen catalogue")).toBeUndefined()
  expect(late("Cannot find module 'A12'")).toBeUndefined()
  expect(late("Cannot find package 'PCK-9' imported from Shenzhen")).toBeUndefined()
  const told = expect.stringMatching(/^shop\.ts:1: .*: run `npm install left-pad` there$/u) as unknown
  expect(late("Cannot find package 'left-pad' imported from /p/shop.ts")).toEqual(told)
  expect(late("Cannot find module 'left-pad'\nRequire stack:\n- /p/shop.ts")).toEqual(told)
})
