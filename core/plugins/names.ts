// Which plugin has which adapter's name: of two with one name one may run, or none.
import type { Entry } from './entries.ts'
import { failureAt } from './explain.ts'
import { fileOf } from './find.ts'
import type { PluginVersion } from './version.ts'

export interface NamesOptions {
  readonly builtIn: readonly string[]
  /** What runs, by the plugin's name. */
  readonly current: ReadonlyMap<string, PluginVersion>
  /** They are as they ran: what could not be loaded then had no name. */
  readonly areKept: boolean
}

/**
 * Each name belongs to one: a built-in, then whoever has it, then the file that is called so, even if it cannot be loaded,
 * then the only one that wants it. The others are given back, in their places, with a `failure`, and with the version that runs of
 * them where its name is free, else with none.
 */
export function settleNames(
  entries: readonly Entry[],
  { builtIn, current, areKept }: NamesOptions,
): readonly Entry[] {
  const owners = new Map(builtIn.map((name) => [name, 'a built-in adapter']))
  const isOwner = ({ found, version }: Entry): boolean =>
    version !== undefined && current.get(found.name)?.adapter.name === version.adapter.name
  const isNamesake = ({ found, version }: Entry): boolean =>
    version === undefined ? !areKept && found.entry !== undefined : found.name === version.adapter.name
  const others = entries.filter((entry) => !isOwner(entry))
  const strangers = others.filter((entry) => !isNamesake(entry))
  const inTurn = [...entries.filter(isOwner), ...others.filter(isNamesake), ...strangers]
  const settled = new Map<Entry, Entry>()
  for (const entry of inTurn) {
    const { found, version } = entry
    const name = version?.adapter.name ?? (isNamesake(entry) ? found.name : undefined)
    if (name === undefined) continue
    const owner = owners.get(name)
    const rivals = strangers.filter((each) => each.version?.adapter.name === name)
    const isOnlyOne = rivals.length < 2 || !rivals.includes(entry)
    if (owner === undefined && isOnlyOne) owners.set(name, `the plugin ${fileOf(found)}`)
    if (version === undefined || (owner === undefined && isOnlyOne)) continue
    const older = current.get(found.name)
    const isFree = older !== undefined && older !== version && !owners.has(older.adapter.name)
    if (isFree) owners.set(older.adapter.name, `the plugin ${fileOf(found)}`)
    const problem =
      owner === undefined
        ? `the name "${name}" is wanted by ${rivals.map((each) => fileOf(each.found)).join(' and ')}: keep one of them, or call its file ${name}.ts`
        : `the name "${name}" belongs to ${owner}: give this one another name`
    const { file, root } = version.snapshot
    const failure = failureAt(root, { file }, problem)
    settled.set(entry, { ...entry, failure, version: isFree ? older : undefined })
  }
  return entries.map((entry) => settled.get(entry) ?? entry)
}
