// What `dragoman cluster` shows: a line for each instance, and below why something is not as it should be.
import type { InstanceRow } from '../../core/operators/cluster.ts'
import { table } from '../running/admin-client.ts'
import { inLine } from '../printable.ts'

export interface Ledger {
  readonly waiting: number
  readonly deadLetters: number
}

export interface Moment {
  readonly ledger: Ledger
  /** Milliseconds since the epoch. */
  readonly now: number
}

const COLUMNS =
  'INSTANCE STATE SINCE GENERATION CONFIG RELOAD HTTP WEBSOCKETS APPS PARTITIONS IN-FLIGHT LAG'.split(' ')

export function clusterScreen(found: readonly InstanceRow[], { ledger, now }: Moment): readonly string[] {
  const rows = named(found)
  const head = `${new Date(now).toISOString().slice(0, 19)}Z   instances ${rows.length}   waiting ${ledger.waiting}   dead letters ${ledger.deadLetters}`
  const lines = rows.map((row) => [
    row.name,
    row.state,
    ageOf(now - Date.parse(row.startedAt)),
    String(row.generation),
    row.config,
    row.lastReload === null ? '-' : row.lastReload.error === null ? 'ok' : 'REFUSED',
    String(row.connections.http),
    String(row.connections.websocket),
    String(row.links),
    String(row.partitions),
    String(row.inFlight),
    `${row.lagMs}ms`,
  ])
  const notes = notesOn(rows)
  return [head, '', ...table([COLUMNS, ...lines]).split('\n'), ...(notes.length > 0 ? ['', ...notes] : [])]
}

/**
 * Several gateways of one machine have its name: their ports tell them apart, or else a part of their ids. One that came in the place of a
 * lost one keeps its name.
 */
function named(rows: readonly InstanceRow[]): readonly InstanceRow[] {
  const byName = Map.groupBy(rows, ({ name }) => name)
  return rows.map((row) => {
    const same = byName.get(row.name) ?? []
    if (same.filter(({ state }) => state !== 'lost').length < 2) return row
    // One of an older version, or that does not listen yet, has none.
    const isPortHis = row.port > 0 && same.filter(({ port }) => port === row.port).length === 1
    return { ...row, name: isPortHis ? `${row.name}:${row.port}` : `${row.name}#${row.id.slice(0, 8)}` }
  })
}

function notesOn(rows: readonly InstanceRow[]): readonly string[] {
  const living = rows.filter(({ state }) => state !== 'lost')
  const byConfig = Map.groupBy(living, ({ config }) => config)
  const configs = [...byConfig].map(
    ([config, those]) => `${config} (${those.map(({ name }) => name).join(', ')})`,
  )
  return [
    ...(byConfig.size > 1 ? [`They do not all run the same files and plugins: ${configs.join('; ')}.`] : []),
    ...rows.flatMap(({ name, lastReload }) =>
      lastReload === null || lastReload.error === null
        ? []
        : inLine(`${name} refused the change of ${lastReload.at}: ${lastReload.error}`),
    ),
    ...rows.flatMap(({ name, problems }) => problems.map((problem) => inLine(`${name}: ${problem}`))),
    ...rows
      .filter(({ state }) => state === 'lost')
      .map(({ name }) => `${name} has said nothing for 10 s: its partitions go to the others.`),
  ]
}

function ageOf(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
