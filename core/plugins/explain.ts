// Why a plugin cannot be loaded, in words its author can act on: file, line, problem, cure.
import { execFile } from 'node:child_process'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import * as api from '../api.ts'
import { masked } from '../log/masked.ts'
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
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return notFound(thrown, plugin)
  if (code === NOT_ITS_OWN) return notItsOwn(thrown, plugin)
  const place = syntaxPlace(thrown) ?? placeOf(thrown, root) ?? (await unlocated(thrown, plugin))
  if (isOfSource(thrown, root) || String(code).endsWith('TYPESCRIPT_SYNTAX'))
    return failureAt(root, place, withCure(firstLine(thrown.message), syntaxCure(thrown.message)))
  if (/^adapter (?:is|has|")/.test(thrown.message))
    return failureAt(root, place, withCure(thrown.message, adapterCure(thrown.message)))
  return failureAt(
    root,
    place,
    `it throws "${firstLine(thrown.message)}" while it is loaded: ${scopeCure(thrown.message) ?? NOTHING_RUNS}`,
  )
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
    [/import (?:equals|=)|export =/, 'write `import … from` and `export default`'],
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

// Cannot find package 'x' imported from /…/shop.ts · Cannot find module '/…/x.ts' imported from /…/shop.ts
function notFound(error: Error, { file: entry, root, text }: Imported): Failure {
  const [, kind = 'module', wanted = '', from] =
    /^Cannot find (package|module) '([^']+)'(?: imported from (?:file:\/\/)?([^\n?]+))?/.exec(
      error.message,
    ) ?? []
  const file = from ?? placeOf(error, root)?.file ?? entry
  const last = wanted.split('/').at(-1) ?? wanted
  const line = lineOf(text(file), [`${last}'`, `${last}"`])
  const place = { file, ...(line !== undefined && { line }) }
  if (/^(?:dragoman|zod)(?:\/|$)/.test(wanted))
    return failureAt(
      root,
      place,
      `it asks for "${wanted}" from outside its folder: write \`import … from '${wanted}'\` in its own code, to which the gateway lends it`,
    )
  if (kind === 'package' || !wanted.startsWith('/'))
    return failureAt(
      root,
      place,
      `it imports "${wanted}", which neither its folder nor the gateway has: run \`npm install ${wanted}\` there`,
    )
  return failureAt(
    root,
    place,
    `it imports ${relative(root, wanted)}, which does not exist: write the name as it is on disk, with its ending (./x.ts)`,
  )
}

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
