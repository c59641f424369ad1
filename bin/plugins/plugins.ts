// `dragoman plugins`: how each plugin stands; `restart`, `lock`, `test`.
import { readFile, writeFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { readConfig } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import { findPlugins, oneOfEach, pluginsRoot } from '../../core/plugins/find.ts'
import type { PluginRow } from '../../core/plugins/plugins.ts'
import { takeSnapshot } from '../../core/plugins/snapshot.ts'
import { adminOf, byWorker, LONG_MS, table } from '../running/admin-client.ts'
import type { AdminOptions } from '../running/admin-client.ts'
import { configFile, isOwnConfig, ownPlugins } from '../config-file.ts'
import { fail } from '../fail.ts'
import { asJson, inLine } from '../printable.ts'

export async function listPlugins(options: AdminOptions): Promise<void> {
  try {
    const admin = await adminOf(options)
    const rows = (await admin('plugins')) as readonly PluginRow[] // our own admin API
    if (options.json === true) console.log(asJson(rows))
    else console.log(rows.length === 0 ? 'There are no plugins.' : readable(rows))
  } catch (error) {
    fail(error)
  }
}

/** One of several workers' says whose it is. */
type Row = PluginRow & { readonly worker?: number }

function readable(rows: readonly Row[]): string {
  const lines = byWorker(rows, [
    ['PLUGIN', 'STATE', 'VERSION', 'GENERATION', 'CALLS', 'ERRORS', 'RESTARTS', 'MB'],
    ...rows.map((row) => [
      row.name,
      row.state,
      row.hash?.slice(0, 12) ?? '-',
      String(row.generation ?? '-'),
      String(row.calls),
      String(row.errors),
      String(row.restarts),
      row.memory === null ? '-' : ((row.memory.heap + row.memory.external) / 1_048_576).toFixed(1),
    ]),
  ])
  const failures = new Set(
    rows.flatMap(({ name, failure }) => (failure === null ? [] : [inLine(`${name}: ${failure.message}`)])),
  )
  return [table(lines), ...(failures.size > 0 ? ['', 'Last failures:', ...failures] : [])].join('\n')
}

export async function restartPlugin(name: string, options: AdminOptions): Promise<void> {
  try {
    const admin = await adminOf(options)
    const row = (await admin('plugins/restart', {
      method: 'POST',
      body: { name },
      limitMs: LONG_MS,
    })) as PluginRow // our own admin API
    console.log(readable([row]))
  } catch (error) {
    fail(error)
  }
}

export interface LockOptions {
  readonly config?: string
  readonly print?: boolean
}

/** Writes what lies in the folder now into `plugins.allow`: from then on nothing else is run. */
export async function lockPlugins(options: LockOptions): Promise<void> {
  try {
    const file = configFile(options.config)
    const { plugins } = await readConfig(file, { env: process.env })
    const allow = await hashesOf(plugins.directory)
    if (options.print === true) {
      console.log(asJson(allow))
      return
    }
    if (isOwnConfig(file))
      throw new GatewayError(
        'FORBIDDEN',
        `${file} comes with dragoman: lock a config of your own, with --config`,
      )
    await writeFile(file, withLock(await readFile(file, 'utf8'), allow))
    const count = Object.keys(allow).length
    console.log(
      `${relative('.', file)}: plugins.allow has ${count} ${count === 1 ? 'plugin' : 'plugins'}; whatever else lies there is refused.`,
    )
  } catch (error) {
    fail(error)
  }
}

async function hashesOf(directory: string): Promise<Readonly<Record<string, string>>> {
  const root = await pluginsRoot(directory)
  if (root === undefined) throw new GatewayError('NOT_FOUND', `there is no folder ${directory}`)
  const taken = await Promise.all(
    oneOfEach(await findPlugins(root)).map(async (found) => ({
      found,
      taken: await takeSnapshot(found, root),
    })),
  )
  return Object.fromEntries(
    taken.flatMap((each) => {
      if (each.taken === undefined) return []
      if ('failure' in each.taken) throw new GatewayError('INTERNAL', each.taken.failure.message)
      return [[each.found.name, each.taken.snapshot.hash]]
    }),
  )
}

/** Comments and everything else stay as they are. */
function withLock(text: string, allow: Readonly<Record<string, string>>): string {
  const document = parseDocument(text)
  const before = document.toJS() as { readonly plugins?: string | { readonly path?: string } } | null // readConfig has checked it
  const path = typeof before?.plugins === 'string' ? before.plugins : before?.plugins?.path
  document.set('plugins', document.createNode({ ...(path !== undefined && { path }), allow }))
  return document.toString({ lineWidth: 0 })
}

export interface TestOptions {
  readonly config?: string
  /** Where they lie; default: the config's plugins folder. */
  readonly plugins?: string
}

/** Runs the tests beside a plugin. They need vitest, which the plugin's folder or the gateway's must have. */
export async function testPlugins(name: string | undefined, options: TestOptions): Promise<void> {
  try {
    const directory = options.plugins ?? (await ownPlugins(configFile(options.config)))
    const { runPluginTests } = await import('./plugin-tests.ts')
    process.exitCode = await runPluginTests(resolve(directory), name)
  } catch (error) {
    fail(error)
  }
}
