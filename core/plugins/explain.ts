// Why a plugin cannot be loaded, in words its author can act on: file, line, problem, cure.
import { execFile } from 'node:child_process'
import { isBuiltin } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import * as api from '../api.ts'
import { masked } from '../log/masked.ts'
import { jsonLine } from './json-line.ts'
import { NOT_ITS_OWN } from './resolve.ts'

export interface Failure {
  /** `shop.ts:3: the problem: the cure`. */
  readonly message: string
  readonly file?: string
  readonly line?: number
}

interface Place {
  readonly file: string
  readonly line?: number
}

/** A failure at a place the loader knows itself; `root` is the plugins folder, which is left out of the message. */
export function failureAt(root: string, place: Place, problem: string): Failure {
  const where = place.line === undefined ? '' : `:${place.line}`
  return { message: `${relative(root, place.file)}${where}: ${masked(problem)}`, ...place }
}

/** A plugin as it was imported, whatever lies on the disk by now. */
export interface Imported {
  /** The entry, absolute. */
  readonly file: string
  readonly root: string
  /** Of its own files; nothing for any other. */
  readonly text: (file: string) => string
}

/** Explains what importing a plugin threw. */
export async function explain(thrown: unknown, plugin: Imported): Promise<Failure> {
  const { file: entry, root, text } = plugin
  const other = otherLanguage(text(entry))
  if (other !== undefined)
    return failureAt(
      root,
      { file: entry, line: 1 },
      `it is ${other}, not code: what is configured belongs into gateway.yaml; a plugin begins with \`export default defineAdapter({ … })\``,
    )
  if (!(thrown instanceof Error))
    return failureAt(
      root,
      { file: entry },
      `it throws ${preview(thrown)} while it is loaded: ${NOTHING_RUNS}`,
    )
  const code = 'code' in thrown ? thrown.code : undefined
  if (/^(?:ERR_)?MODULE_NOT_FOUND$/.test(String(code)) && NOT_FOUND.test(thrown.message))
    return notFound(thrown, plugin)
  if (code === NOT_ITS_OWN) return notItsOwn(thrown, plugin)
  const misnaming = misnamed(thrown)
  if (misnaming !== undefined) return misnamedAt(thrown, misnaming, plugin)
  const ofJson = jsonFailure(thrown, plugin)
  if (ofJson !== undefined) return ofJson
  const place = syntaxPlace(thrown) ?? placeOf(thrown, root) ?? (await unlocated(thrown, plugin))
  if (isOfSource(thrown, root) || String(code).endsWith('TYPESCRIPT_SYNTAX'))
    return brokenAt(thrown, place, plugin)
  if (/^adapter (?:is|has|")/.test(thrown.message))
    return failureAt(root, place, withCure(thrown.message, adapterCure(thrown.message)))
  return failureAt(
    root,
    place,
    `it throws "${firstLine(thrown.message)}" while it is loaded: ${scopeCure(thrown.message) ?? NOTHING_RUNS}`,
  )
}

/**
 * What was thrown later, by a file that is imported only then and is broken or not there; undefined: it is anything else. Name, message
 * and stack are enough, which is what crosses from a worker.
 */
export function explainLate(thrown: Error, plugin: Imported): Failure | undefined {
  const { root } = plugin
  if (NOT_FOUND.test(thrown.message)) return notFound(thrown, plugin)
  const place = thrown.name === 'SyntaxError' ? syntaxPlace(thrown) : undefined
  return place?.file.startsWith(`${root}/`) === true ? brokenAt(thrown, place, plugin) : undefined
}

function brokenAt(error: Error, place: Place, plugin: Imported): Failure {
  const cure = isDecorator(error, place, plugin) ? NO_DECORATORS : syntaxCure(error.message)
  return failureAt(plugin.root, place, withCure(firstLine(error.message), cure))
}

/** A JSON file that it imports: Node names that one before the problem. */
function jsonFailure(error: Error, { root, text }: Imported): Failure | undefined {
  const [, file = '', problem = ''] = /^(\/[^\n]+?\.json): ([^]*)$/.exec(error.message) ?? []
  if (!(error instanceof SyntaxError) || !file.startsWith(`${root}/`)) return undefined
  const [, told] = /\(line (\d+) column/.exec(problem) ?? []
  const line = told === undefined ? jsonLine(text(file), problem) : Number(told)
  return failureAt(root, { file, line }, `${problem.replaceAll(/\s+/g, ' ')}: mend the JSON`)
}

/** What to do about a name of CommonJS in a module. */
function scopeCure(message: string): string | undefined {
  const [, name] = /^(\w+) is not defined in ES module scope/.exec(message) ?? []
  switch (name) {
    case 'require':
      return 'write `import … from`'
    case 'module':
    case 'exports':
      return 'write `export default`'
    case '__dirname':
    case '__filename':
      return `write \`import.meta.${name.slice(2)}\``
    default:
      return message.startsWith('Dynamic require of ')
        ? 'bundle it as CommonJS (esbuild: `--format=cjs`), which has a `require`'
        : undefined
  }
}

/** Not one that the plugin's own code threw, of a text it read: `JSON.parse` at the top of it. */
function isOfSource(error: Error, root: string): boolean {
  return (
    error instanceof SyntaxError && (syntaxPlace(error) !== undefined || placeOf(error, root) === undefined)
  )
}

/** What to do about a problem that `adapterProblem` found. */
export function adapterCure(problem: string): string {
  const known = [
    [/apiVersion/, 'write `apiVersion: 1`'],
    [/has the name/, "write `name: 'my-protocol'`"],
    [/offers none/, 'give it a channel, a backend or an agent'],
    [/is not a schema/, 'write `config: z.strictObject({ … })`'],
    [/create is not/, 'write `create: (config, scope) => ({ … })`'],
  ] as const
  return (
    known.find(([pattern]) => pattern.test(problem))?.[1] ?? 'write `export default defineAdapter({ … })`'
  )
}

/** The first line that has one of these texts in it. */
export function lineOf(code: string, texts: readonly string[]): number | undefined {
  const index = code.split('\n').findIndex((line) => texts.some((text) => line.includes(text)))
  return index === -1 ? undefined : index + 1
}

const CHECK_MS = 5000
const NO_DECORATORS = 'decorators do not run here: call the function'
const NOTHING_RUNS = 'do such work in `create` or `start`, where the gateway can report it'

function syntaxCure(message: string): string {
  const [, named, source] =
    /module '([^']+)' does not provide an export named '?([^']+)'?/.exec(message) ?? []
  if (named === 'dragoman') return cureOfName(source ?? '')
  const known = [
    [
      /enum/,
      "TypeScript runs as it is written here: use a union of texts, `type Size = 'small' | 'large'`, or an object `as const`",
    ],
    [/parameter property/, 'declare the member and assign it in the constructor'],
    [/namespace|module keyword/, 'use exports of a file of its own'],
    [/import (?:equals|=)|export (?:=|assignment)/, 'write `import … from` and `export default`'],
    [/does not provide an export/, 'a type needs `import type`; otherwise the name is not exported there'],
  ] as const
  // Others name the cure themselves ("Instead, use the 'as' syntax").
  return (
    known.find(([pattern]) => pattern.test(message))?.[1] ??
    (/instead/i.test(message) ? '' : 'mend the syntax')
  )
}

function cureOfName(name: string): string {
  if (name === 'default') return "import by name, `import { defineAdapter } from 'dragoman'`"
  const values = Object.keys(api).join(', ')
  return /^[A-Z]/.test(name)
    ? `if it is a type, write \`import type { ${name} } from 'dragoman'\`; what is none is ${values}`
    : `write one of ${values}`
}

/** Node's word, whole: a plugin's own error may begin like it (`Cannot find module 'A12' in the catalogue`). */
const NOT_FOUND =
  /^Cannot find (package|module) '([^']+)'(?: imported from (?:file:\/\/)?(\/[^\n?]+)|\nRequire stack:\n|\. Please verify that the package\.json )/

function notFound(error: Error, plugin: Imported): Failure {
  const { root, file: entry, text } = plugin
  const [, kind = 'module', wanted = '', from] = NOT_FOUND.exec(error.message) ?? []
  const required = /^Require stack:\n- (.+)$/m.exec(error.message)?.[1]
  const file = from ?? placeOf(error, root)?.file ?? (isOwn(required, root) ? required : undefined) ?? entry
  const asker = from ?? required ?? file
  if (wanted.startsWith('/') && kind === 'module') return fileNotFound(wanted, { file, plugin })
  if (wanted.startsWith('.')) return fileNotFound(join(dirname(asker), wanted), { file, plugin })
  const { name, line } = asked(text(file), escaped(wanted))
  const place = { file, ...(line !== undefined && { line }) }
  return failureAt(root, place, isOwn(asker, root) ? whyNot(name ?? wanted) : whyNotOutside(name ?? wanted))
}

function fileNotFound(
  path: string,
  { file, plugin: { root, file: entry, text } }: { readonly file: string; readonly plugin: Imported },
): Failure {
  const last = basename(path)
  const line = lineOf(text(file), [`${last}'`, `${last}"`])
  const place = { file, ...(line !== undefined && { line }) }
  const isAlone = dirname(entry) === root
  const cure = `${isAlone ? 'make it a folder with an index.ts, and ' : ''}write the name as it is on disk, with its ending (./x.ts)`
  return failureAt(root, place, `it imports ${relative(root, path)}, which does not exist: ${cure}`)
}

/** A name that a plugin's own code asks for, and that nobody has. */
function whyNot(name: string): string {
  if (/^[a-z][a-z+.-]+:/.test(name)) return whyNoScheme(name)
  if (isBuiltin(name.split('/')[0] ?? '')) return noBuiltIn(name)
  if (LENT.test(name)) return notOffered(name)
  return `it imports "${name}", which neither its folder nor the gateway has: run \`npm install ${packageOf(name)}\` there`
}

/** Of a name with what is behind it. */
function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}

function whyNotOutside(name: string): string {
  return LENT.test(name)
    ? `it asks for "${name}" from outside its folder: write \`import … from '${name}'\` in its own code, to which the gateway lends it`
    : whyNot(name)
}

interface Misnaming {
  /** What stands in the code for it. */
  readonly pattern: string
  readonly why: (name: string) => string
}

/** What Node says of a name by a code of its own. Undefined: it is another error. */
function misnamed(error: Error): Misnaming | undefined {
  const { message } = error
  switch ('code' in error ? error.code : undefined) {
    case 'ERR_UNKNOWN_BUILTIN_MODULE':
      return { pattern: escaped(message.split(': ')[1] ?? ''), why: noBuiltIn }
    case 'ERR_PACKAGE_PATH_NOT_EXPORTED': {
      const [, below = ''] = /'\.(\/[^']+)'/.exec(message) ?? []
      const name = installedIn(/ in (\/[^\n]*?package\.json)/.exec(message)?.[1])
      // Our own, and one that is a link, do not say by their folder how they are called.
      const called = name === undefined ? (below === '' ? '(?!)' : `[^'"\`]+`) : escaped(name)
      return { pattern: called + escaped(below), why: notOffered }
    }
    case 'ERR_UNSUPPORTED_ESM_URL_SCHEME':
      return {
        pattern: `${escaped(/'([a-z+.-]+:)'/.exec(message)?.[1] ?? '')}[^'"\`]*`,
        why: whyNoScheme,
      }
    default:
      return undefined
  }
}

/** Where the plugin's own code has the name, else of whoever has it: a package that it imports. */
function misnamedAt(
  error: Error,
  { pattern, why }: Misnaming,
  { file: entry, root, text }: Imported,
): Failure {
  const [, asker] = / imported from (?:file:\/\/)?([^\n?]+)/.exec(error.message) ?? []
  const own = isOwn(asker, root) ? asker : placeOf(error, root)?.file
  const file = own ?? entry
  const { name, line } = asked(text(file), pattern)
  if (name !== undefined) return failureAt(root, { file, ...(line !== undefined && { line }) }, why(name))
  const inside = installedIn(asker)
  const told = `cannot be loaded: ${firstLine(error.message)}`
  if (inside === undefined) return failureAt(root, { file }, `what it imports ${told}`)
  const at = asked(text(file), escaped(inside)).line
  return failureAt(
    root,
    { file, ...(at !== undefined && { line: at }) },
    `the package ${inside}, which it imports, ${told}`,
  )
}

/** The name of the package that a file lies in, if it was installed. */
function installedIn(path = ''): string | undefined {
  return /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]
}

function isOwn(path = '', root: string): boolean {
  return path.startsWith(`${root}/`) && !path.includes('/node_modules/')
}

/** A name that matches as the code has it, whole, and its line. Node tells a package without what is behind it. */
function asked(text: string, pattern: string): { readonly name?: string; readonly line?: number } {
  const found = new RegExp(`['"\`](${pattern}(?:/[^'"\`\\n]*)?)['"\`]`).exec(text)
  if (found?.[1] === undefined) return {}
  return { name: found[1], line: text.slice(0, found.index).split('\n').length }
}

const LENT = /^(?:dragoman|zod)(?:\/|$)/

const noBuiltIn = (name: string): string =>
  `it imports "${name}", and Node has no such module: write the name as Node has it (\`node:fs/promises\`)`

const notOffered = (name: string): string =>
  name === packageOf(name)
    ? `it imports "${name}", which has no main export: import one of the names under "exports" in its package.json`
    : `it imports "${name}", which that package does not offer: write \`${packageOf(name)}\`, or another name under "exports" in its package.json`

const whyNoScheme = (name: string): string =>
  `it imports "${name}", and a plugin imports packages and its own files alone: install the package there, or put the file beside it`

function notItsOwn(error: Error, { file: entry, root, text }: Imported): Failure {
  const wanted = 'specifier' in error ? String(error.specifier) : ''
  const file = placeOf(error, root)?.file ?? entry
  const line = lineOf(text(file), [`${wanted}'`, `${wanted}"`])
  return failureAt(root, { file, ...(line !== undefined && { line }) }, error.message)
}

/** Config that was saved as a plugin; as code some of it would even be valid (labels), and fail in words that help nobody. */
function otherLanguage(text: string): 'JSON' | 'YAML' | undefined {
  if (/^\s*[{[]/.test(text)) {
    try {
      JSON.parse(text)
      return 'JSON'
    } catch {
      return undefined // code, with whatever is wrong in it
    }
  }
  const lines = text.split('\n').filter((line) => !/^\s*(?:#.*|\/\/.*|---)?$/.test(line))
  const isCode = /\b(?:import|export|require|const|let|function|class)\b|=>|;\s*$/m.test(text)
  return !isCode && lines.length > 0 && lines.every((line) => /^\s*(?:- )?[\w-]+:(?:\s|$)|^\s*- /.test(line))
    ? 'YAML'
    : undefined
}

/** Node shows the line and, below it, where in it the problem is; where it does not, the line begins with it. */
function isDecorator(error: Error, { file, line }: Place, { text }: Imported): boolean {
  const [, code = '', mark = ''] = (error.stack ?? '').split('\n')
  if (/^\s*\^+\s*$/.test(mark)) return code[mark.indexOf('^')] === '@'
  return line !== undefined && /^\s*@\w/.test(text(file).split('\n')[line - 1] ?? '')
}

// Node puts `FILE:LINE` before the code of a syntax error.
function syntaxPlace(error: Error): Place | undefined {
  const [, address = '', line] = /^((?:file:\/\/)?\/[^\n]*?):(\d+)\n/.exec(error.stack ?? '') ?? []
  return line === undefined ? undefined : { file: pathOf(address), line: Number(line) }
}

/** The topmost line of a plugin's own code in an error's stack. */
export function placeOf(error: Error, root: string): Place | undefined {
  for (const [, address = '', line] of (error.stack ?? '').matchAll(
    /((?:file:\/\/)?\/[^\s()?]+):(\d+):\d+/g,
  )) {
    const file = pathOf(address)
    if (file.startsWith(`${root}/`) && !file.includes('/node_modules/')) return { file, line: Number(line) }
  }
  return undefined
}

// Importing does not say where a module of plain JavaScript is broken; checking it does: `[stdin]:3`.
async function unlocated(error: Error, { file: entry, text }: Imported): Promise<Place> {
  if (!(error instanceof SyntaxError)) return { file: entry }
  const said = await new Promise<string>((resolve) => {
    const check = execFile(
      process.execPath,
      ['--check', '--input-type=module', '-'],
      { timeout: CHECK_MS, env: {} },
      (_failed, _stdout, stderr) => resolve(stderr),
    )
    check.stdin?.on('error', () => resolve('')).end(text(entry))
  })
  const [, line] = /^\[stdin\]:(\d+)$/m.exec(said) ?? []
  return { file: entry, ...(line !== undefined && { line: Number(line) }) }
}

function escaped(text: string): string {
  return text.replaceAll(/\W/g, '\\$&')
}

function pathOf(address: string): string {
  return address.startsWith('file:') ? fileURLToPath(address) : address
}

function withCure(problem: string, cure: string): string {
  return cure === '' ? problem : `${problem}: ${cure}`
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? ''
}

function preview(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : `a ${typeof value}`
}
