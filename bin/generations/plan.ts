// `dragoman plan`: what a change of config or plugins would start, stop and keep, against the running gateway.
import { GatewayError } from '../../core/api.ts'
import { adminOf, table } from '../running/admin-client.ts'
import type { AdminOptions } from '../running/admin-client.ts'
import { tellPlugins } from '../check.ts'
import { ConfigError, configFile, loadOnce } from '../config-file.ts'
import { fail } from '../fail.ts'
import { partsOf } from './plan-parts.ts'
import type { ComponentPart, Parts, Role, RunningParts } from './plan-parts.ts'
import { asJson } from '../printable.ts'

export interface PlanOptions extends AdminOptions {
  /** 2 where something would change. */
  readonly exitCode?: boolean
}

export interface Planned {
  readonly role: Role
  readonly id: string
  readonly adapter: string
  /** Of a component that is replaced. */
  readonly why?: string
}

export interface Plan {
  /** The generation that runs; null: none, everything starts. */
  readonly against: number | null
  readonly start: readonly Planned[]
  readonly replace: readonly Planned[]
  readonly stop: readonly Planned[]
  readonly keep: readonly Planned[]
  /** A null hash: it is not there. */
  readonly plugins: readonly {
    readonly name: string
    readonly from: string | null
    readonly to: string | null
  }[]
  /** Sections that change at once: `routes`, `limits` … */
  readonly live: readonly string[]
  /** Sections whose change is used after the next start. */
  readonly nextStart: readonly string[]
}

/** Exit status 1 where it could not be taken over; what is wrong is told as `dragoman check` tells it. */
export async function plan(options: PlanOptions): Promise<void> {
  const file = configFile(options.config)
  try {
    const running = await runningParts(options)
    const overrides = running?.overrides ?? (options.data === undefined ? {} : { data: options.data })
    await using loaded = await loadOnce(file, { overrides })
    if (!tellPlugins(file, loaded)) return
    const plugins = loaded.plugins.plugins.map(({ name, adapter, hash }) => ({
      name,
      adapter: adapter?.name ?? null,
      hash: adapter === undefined ? null : hash,
    }))
    const made = planOf(running, partsOf(loaded.config, plugins))
    console.log(options.json === true ? asJson(made) : readable(made))
    if (options.exitCode === true && changes(made)) process.exitCode = 2
  } catch (error) {
    fail(error)
  }
}

/** Undefined: no gateway runs on the data. */
async function runningParts(options: PlanOptions): Promise<RunningParts | undefined> {
  try {
    const admin = await adminOf(options)
    return (await admin('generations/running')) as RunningParts // our own admin API
  } catch (error) {
    if (error instanceof ConfigError) return undefined // it is loaded next, and told with all that is wrong
    if (error instanceof GatewayError && error.code === 'CHANNEL_GONE') return undefined
    throw error
  }
}

/** What taking over `next` means for what runs. A component stays whose keys, files and plugin are the same. */
export function planOf(running: RunningParts | undefined, next: Parts): Plan {
  const before = new Map((running?.components ?? []).map((part) => [nameOf(part), part]))
  const after = new Map(next.components.map((part) => [nameOf(part), part]))
  const start: Planned[] = []
  const replace: Planned[] = []
  const keep: Planned[] = []
  for (const [name, part] of after) {
    const old = before.get(name)
    const why = old && whyReplaced(old, part)
    if (old === undefined) start.push(planned(part))
    else if (why === undefined) keep.push(planned(part))
    else replace.push({ ...planned(part), why })
  }
  return {
    against: running?.generation ?? null,
    start,
    replace,
    stop: [...before].flatMap(([name, part]) => (after.has(name) ? [] : [planned(part)])),
    keep,
    plugins: changedPlugins(running?.plugins ?? [], next.plugins),
    live: running === undefined ? [] : changed(running.live, next.live),
    nextStart: running === undefined ? [] : changed(running.fixed, next.fixed),
  }
}

function whyReplaced(old: ComponentPart, part: ComponentPart): string | undefined {
  if (old.adapter !== part.adapter) return `its adapter was ${old.adapter}`
  if (old.hash !== part.hash) return 'its keys, or a file they name, have changed'
  return old.plugin === part.plugin ? undefined : 'its plugin has changed'
}

function changedPlugins(before: Parts['plugins'], next: Parts['plugins']): Plan['plugins'] {
  const from = new Map(before.map(({ name, hash }) => [name, hash]))
  const to = new Map(next.map(({ name, hash }) => [name, hash]))
  return [...new Set([...from.keys(), ...to.keys()])]
    .filter((name) => from.get(name) !== to.get(name))
    .map((name) => ({ name, from: from.get(name) ?? null, to: to.get(name) ?? null }))
}

function changed(
  before: Readonly<Record<string, string>>,
  next: Readonly<Record<string, string>>,
): readonly string[] {
  return Object.keys(next).filter((name) => before[name] !== next[name])
}

function changes({ start, replace, stop, plugins, live, nextStart }: Plan): boolean {
  return [start, replace, stop, plugins, live, nextStart].some((list) => list.length > 0)
}

function readable(made: Plan): string {
  const { against, start, replace, stop, keep, plugins, live, nextStart } = made
  const rows = [
    ...start.map((part) => rowOf('start', part)),
    ...replace.map((part) => rowOf('replace', part)),
    ...stop.map((part) => rowOf('stop', part)),
    ...keep.map((part) => rowOf('keep', part)),
    ...plugins.map(({ name, from, to }) => ['plugin', '', name, `${version(from)} -> ${version(to)}`]),
    ...live.map((section) => ['change', '', section, '']),
    ...nextStart.map((section) => ['next start', '', section, 'its change is used after a restart']),
  ]
  const to =
    against === null ? 'No gateway runs: everything starts.' : `Against generation ${against}, which runs:`
  const sum = changes(made)
    ? `${start.length} to start, ${replace.length} to replace, ${stop.length} to stop, ${keep.length} to keep.`
    : 'Nothing would change.'
  return [to, ...(rows.length > 0 ? [table(rows)] : []), sum].join('\n')
}

function rowOf(what: string, { role, id, adapter, why }: Planned): readonly string[] {
  return [what, role, id, why ?? adapter]
}

function version(hash: string | null): string {
  return hash?.slice(0, 12) ?? 'none'
}

function planned({ role, id, adapter }: ComponentPart): Planned {
  return { role, id, adapter }
}

function nameOf({ role, id }: ComponentPart): string {
  return `${role}/${id}`
}
