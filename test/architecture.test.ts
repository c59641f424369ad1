import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { posix } from 'node:path'

import { expect, test } from 'vitest'

import packageJson from '../package.json' with { type: 'json' }
import { readImports } from './support/imports.ts'

const root = new URL('../', import.meta.url)

const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '--deduplicate'],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((file) => file !== '' && existsSync(new URL(file, root)))

const source = (file: string): string => readFileSync(new URL(file, root), 'utf8')
const isCode = (file: string): boolean => /\.[cm]?[jt]s$/.test(file)
const shipped = files.filter((file) => isCode(file) && /^(?:adapters|core|config|plugins|bin)\//.test(file))

/** What a file may import besides itself and `node:*`: files of the house, a folder with its slash; and packages. */
interface Rule {
  readonly files: 'any' | readonly string[]
  readonly packages: 'any' | readonly string[]
}

const API = 'core/api.ts'
const TESTING = 'core/testing.ts'
/** JSONata is compiled in three rooms, and none may bring an engine that backtracks. */
const REGULAR = 'core/regular-expressions.ts'

/** DESIGN §15, the table; `adapters/data` travels with an adapter as `adapters/xml` does. */
function ruleOf(file: string): Rule {
  const [top = '', second = '', ...below] = file.split('/')
  const example = isExample(file) && below.length > 1 ? `${below[0] ?? ''}/` : ''
  const own = `${top}/${second}${below.length > 0 ? '/' : ''}${example}`
  if (file === API) return { files: [], packages: [] }
  if (top === 'adapters')
    return { files: [own, API, REGULAR, 'adapters/xml/', 'adapters/data/'], packages: 'any' }
  if (top === 'plugins') return { files: [own, API, ...(isTest(file) ? [TESTING] : [])], packages: 'any' }
  if (top === 'core' && second === 'agents') return { files: [own, API], packages: 'any' }
  if (top === 'core') return { files: ['core/'], packages: 'any' }
  if (top === 'config') return { files: ['config/', API, REGULAR], packages: ['zod', 'yaml', 'jsonata'] }
  return { files: 'any', packages: 'any' }
}

/** An example of a plugin: who copies it installs the packages that its own package.json names. */
function isExample(file: string): boolean {
  return file.startsWith('plugins/_examples/')
}

function isTest(file: string): boolean {
  return /\.test\.[jt]s$/.test(file)
}

/** The conformance suites are run by vitest, which their authors install; it is never needed to run a gateway. */
function isSuite(file: string): boolean {
  return /^(?:core\/testing(?:\/\w+)?|bin\/plugins\/plugin-tests)\.ts$/.test(file)
}

/** Adapters, agents and plugins know the interface by its name, so that they run anywhere. */
function namesTheInterface(file: string): boolean {
  return /^(?:adapters|plugins|core\/agents)\//.test(file)
}

/** Which rules the imports of a file break, in words. */
function violations(file: string, text: string): readonly string[] {
  const rule = ruleOf(file)
  return readImports(text).flatMap(({ specifier, line }) => {
    const at = `${file}:${line}`
    if (specifier === undefined)
      return /^(?:core\/plugins|bin)\//.test(file)
        ? []
        : [`${at} imports what is computed: nobody can check it`]
    const problem = violation(file, specifier, rule)
    return problem === undefined ? [] : [`${at} ${problem}`]
  })
}

function violation(file: string, specifier: string, rule: Rule): string | undefined {
  if (specifier === 'opossum' && file !== 'core/guard/breaker.ts')
    return 'imports opossum: only core/guard/breaker.ts may'
  if (isBuiltin(specifier)) return file === API ? `imports ${specifier}` : undefined
  const target = targetOf(file, specifier)
  if (target === undefined) {
    const [scope = '', name = ''] = specifier.split('/')
    const wanted = scope.startsWith('@') ? `${scope}/${name}` : scope
    if (rule.packages !== 'any' && !rule.packages.includes(wanted)) return `imports the package ${wanted}`
    const isTried = isSuite(file) || isTest(file) || isExample(file)
    const declared = isTried ? { ...packageJson.devDependencies } : {}
    return Object.hasOwn({ ...declared, ...packageJson.dependencies }, wanted)
      ? undefined
      : `imports ${wanted}, which package.json does not name as a dependency`
  }
  if (!covers(rule.files, target)) return `imports ${target}`
  if (target === API && namesTheInterface(file) && specifier !== 'dragoman')
    return `imports ${specifier}: the interface is called dragoman there`
  return undefined
}

function covers(allowed: Rule['files'], target: string): boolean {
  if (allowed === 'any') return true
  return allowed.some((place) => target === place || (place.endsWith('/') && target.startsWith(place)))
}

/** The file of the house that is meant; undefined for a package. */
function targetOf(file: string, specifier: string): string | undefined {
  if (specifier === 'dragoman') return 'core/api.ts'
  if (specifier.startsWith('dragoman/')) return `core/${specifier.slice('dragoman/'.length)}.ts`
  return /^\.{0,2}\//.test(specifier) ? posix.join(posix.dirname(file), specifier) : undefined
}

test('imports keep to the table of DESIGN §15', () => {
  expect(shipped.length).toBeGreaterThan(20)
  expect(shipped.flatMap((file) => violations(file, source(file)))).toStrictEqual([])
})

test.each([
  ['adapters/rest/x.ts', "import { accept } from '../../core/pipeline.ts'"],
  ['adapters/rest/x.ts', "import type { Message } from '../../core/api.ts'"],
  ['adapters/rest/x.ts', "import { testChannel } from 'dragoman/testing'"],
  ['adapters/rest/x.ts', "import soap from '../soap/index.ts'"],
  ['adapters/rest/x.ts', "export * from '../../config/load.ts'"],
  ['adapters/rest/x.ts', "const a = await import('../../bin/dragoman.ts')"],
  ['adapters/rest/x.ts', "let a: typeof import('../../core/store/store.ts')"],
  ['adapters/rest/x.ts', "new Worker(new URL('../../core/store/writer.ts', import.meta.url))"],
  ['adapters/rest/x.ts', 'import(name)'],
  ['adapters/rest/x.ts', "import 'left-pad'"],
  ['core/agents/x.ts', "import { deliver } from '../deliver.ts'"],
  ['core/pipeline.ts', "import rest from '../adapters/rest/index.ts'"],
  ['core/pipeline.ts', "import type { Config } from '../config/config.ts'"],
  ['core/pipeline.ts', "import Breaker from 'opossum'"],
  ['core/pipeline.ts', "import { test } from 'vitest'"],
  ['core/api.ts', "import { hash } from 'node:crypto'"],
  ['core/api.ts', "import { z } from 'zod'"],
  ['config/load.ts', "import { loadPlugins } from '../core/plugins/load.ts'"],
  ['config/load.ts', "import pino from 'pino'"],
  ['plugins/shop.ts', "import orders from './sample-orders.ts'"],
  ['plugins/shop.ts', "import { parseJson } from '../adapters/data/json.ts'"],
  ['plugins/shop/index.ts', "import { x } from '../other/x.ts'"],
  ['plugins/_examples/shop/index.ts', "import { x } from '../other/x.ts'"],
])('%s may not: %s', (file, text) => {
  expect(violations(file, text)).toHaveLength(1)
})

test.each([
  [
    'adapters/rest/x.ts',
    "import { z } from 'zod'\nimport type { Draft } from 'dragoman'\nimport { y } from './y.ts'",
  ],
  ['adapters/soap/x.ts', "import { read } from '../xml/reader.ts'\nimport { hash } from 'node:crypto'"],
  [
    'core/agents/webhook.ts',
    "import { Webhook } from 'standardwebhooks'\nimport { GatewayError } from 'dragoman'",
  ],
  ['core/guard/breaker.ts', "import Breaker from 'opossum'\nimport { GatewayError } from '../api.ts'"],
  ['config/load.ts', "import type { Adapter } from '../core/api.ts'\nimport { parse } from 'yaml'"],
  ['plugins/shop/index.ts', "import { x } from './x.ts'\nimport { defineAdapter } from 'dragoman'"],
  [
    'plugins/shop/index.test.ts',
    "import { testChannel } from 'dragoman/testing'\nimport { test } from 'vitest'",
  ],
  [
    'bin/dragoman.ts',
    "import '../core/gateway.ts'\nimport rest from '../adapters/rest/index.ts'\nawait import(name)",
  ],
])('%s may: %s', (file, text) => {
  expect(violations(file, text)).toStrictEqual([])
})

test('imports are found in every form, and not where they are only talked about', () => {
  const text = [
    "import a from 'a'",
    "import type { B } from 'b'",
    "import 'c'",
    "import {\n  d,\n} from 'd'",
    "export { e } from 'e'",
    "export * as f from 'f'",
    "const g = await import('g')",
    "type H = import('h').H",
    "const i = require('i')",
    "import.meta.resolve('j')",
    "new URL('./k.ts', import.meta.url)",
    '// import x from "comment"',
    "/* import('comment') */",
    'const t = `import x from "template" ${await import(`l`)} import("template")`',
    'const s = "import x from \'text\'"',
    "const r = /import 'regex'|[/'\"]/.test(s)",
    "Array.from('not')",
    "new URL('./not.json', import.meta.url)",
    'this.#import(not, not); node.import(not)',
    "new Worker(new URL('worker.ts', import.meta.url))",
    'await import(computed)',
    "const m = a / b; import('m') / 2",
    "const n = `${{ a: `${'x'}` }}`; export * from 'n'",
  ].join('\n')
  expect(readImports(text).map(({ specifier }) => specifier)).toStrictEqual([
    'a',
    'b',
    'c',
    'd',
    'e',
    'f',
    'g',
    'h',
    'i',
    'j',
    './k.ts',
    'l',
    './worker.ts',
    undefined,
    'm',
    'n',
  ])
  expect(readImports(text).at(3)?.line).toBe(6)
})

test('only the house stands at the top: what else there is belongs into one of its folders (DESIGN §15)', () => {
  const house =
    /^(?:adapters|core|config|plugins|bin|test|package(?:-lock)?\.json|tsconfig\.json|README\.md|CHANGELOG\.md|CONTRIBUTING\.md|LICENSE|\..+)$/
  expect(files).toContain('package.json')
  const strangers = new Set(
    files.map((file) => file.split('/')[0] ?? '').filter((entry) => !house.test(entry)),
  )
  expect([...strangers]).toStrictEqual([])
})

// DESIGN §4: the public interface is one file that imports nothing, most of it contract comments.
const ONE_FILE_BY_DESIGN = 'core/api.ts'

test('no file is longer than 400 lines: past that there are two things in it (STYLE)', () => {
  const long = files
    .filter((file) => isCode(file) && !file.startsWith('test/fixtures/') && file !== ONE_FILE_BY_DESIGN)
    .map((file) => ({ file, lines: source(file).split('\n').length - 1 }))
    .filter(({ lines }) => lines > 400)
  expect(long).toStrictEqual([])
})
