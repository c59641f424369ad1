// Moves a store from a folder to Redis or back: resumable at any moment, checked at the end by reading both, used by nobody meanwhile.
import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { GatewayError } from '../../api.ts'
import type { Json } from '../../api.ts'
import { refusalOf } from './ends.ts'
import type { Mark, Position, Source, Target } from './ends.ts'
import { KINDS, PHASES, Sums } from './rows.ts'
import type { MovedRow, MovedTotals, Phase } from './rows.ts'

/** `copy` and `check`: rows so far, of about so many. `resumed`: an unfinished one goes on from there. */
export type Progress =
  | { readonly step: 'resumed'; readonly done: number }
  | { readonly step: 'copy' | 'check'; readonly done: number; readonly size: number }

export interface MigrateOptions {
  readonly source: Source
  readonly target: Target
  readonly report?: ((progress: Progress) => void) | undefined
}

export interface Migrated {
  readonly incarnation: string
  readonly rows: readonly {
    readonly kind: MovedRow['row']
    readonly rows: number
    readonly checksum: string
  }[]
}

/** Of rows that are too large. */
const NAMED = 5
const BATCH_ROWS = 500
const BATCH_BYTES = 1_000_000

/**
 * Copies everything, compares both, then marks the source as moved and lets gateways use the target. Killed at any moment and called
 * again with the same ends it goes on where it was, and ends with the same result. The target keeps the source's incarnation (SEMANTICS
 * 12): it is complete and nobody uses the source any more, so every cursor means what it meant. Throws `STORE_UNAVAILABLE`
 * where a gateway uses either side, where the target holds anything but this migration, and where the check finds a difference;
 * `TOO_LARGE`, before anything is marked, where the source has a text that the target does not keep.
 */
export async function migrate({ source, target, report }: MigrateOptions): Promise<Migrated> {
  for (const end of [source, target]) {
    const user = await end.users()
    if (user !== undefined) throw new GatewayError('STORE_UNAVAILABLE', user)
  }
  const totals = await source.totals()
  await requireRoom(source, target)
  const mark = await markBoth({ source, target }, totals)
  const known: MovedTotals = { ...totals, incarnation: mark.incarnation }
  await target.begin(mark, known)
  const size = await source.size()
  const from = await target.position()
  if (from !== undefined) report?.({ step: 'resumed', done: from.done })
  await copy({ source, target, report }, from, size)
  await target.seal(known)
  const rows = await check({ source, target, report }, known, size)
  await source.setMark({ ...mark, state: 'moved' }, mark)
  await target.release()
  return { incarnation: mark.incarnation, rows }
}

/** Before anything is marked: a text that the target cannot give back would be found by the check, when both sides are held. */
async function requireRoom(source: Source, { name, textBytes }: Target): Promise<void> {
  const large = await source.larger(textBytes)
  if (large.length === 0) return
  const named = large.slice(0, NAMED).map((one) => `${one.name} (${one.bytes} bytes)`)
  const more = large.length > NAMED ? [`${large.length - NAMED} more`] : []
  throw new GatewayError(
    'TOO_LARGE',
    `${name} keeps no text of more than ${textBytes} bytes, and ${source.name} has ${large.length}: ` +
      `${[...named, ...more].join(', ')}. Nothing is moved. Let a gateway on ${source.name} finish what is open and ` +
      'retention cut it (store.retention.age), drop dead letters (dragoman dead drop), then migrate again',
  )
}

/**
 * The same mark on both sides, as the source has it. A gateway that came in between is seen, because it holds a lease. Begun to one
 * target and then to another, it is another migration: what the first target holds can never be released beside the second.
 */
async function markBoth({ source, target }: MigrateOptions, totals: MovedTotals): Promise<Mark> {
  const [own, other] = [await source.mark(), await target.mark()]
  if (own?.state === 'target') throw refusalOf(own, source.name)
  const isSame = own !== undefined && other?.state === 'target' && other.id === own.id
  if (!isSame) {
    if (own?.state === 'moved') throw refusalOf(own, source.name)
    if (other !== undefined) throw foreign(other, target.name)
    if (!(await target.isEmpty())) throw notEmpty(target)
  }
  const begun = {
    state: 'source',
    id: randomUUID(),
    other: target.name,
    since: new Date().toISOString(),
    incarnation: totals.incarnation,
  } as const
  const mark = isSame ? own : begun
  await source.setMark(mark, own)
  const giveBack = () => (own === undefined ? source.dropMark(mark) : source.setMark(own, mark))
  const filled = { ...mark, state: 'target', other: source.name } as const
  try {
    await target.setMark(filled, other)
  } catch (error) {
    // One that stands there after all is gone on with by the same command.
    if ((await target.mark())?.id !== mark.id) await giveBack()
    throw error
  }
  const refusal = await refusedMeanwhile({ source, target }, isSame)
  if (refusal === undefined) return mark
  if (!isSame) {
    await target.dropMark(filled)
    await giveBack()
  }
  throw refusal
}

/** Why it does not begin though both are marked; undefined: nobody came in between. */
async function refusedMeanwhile(
  { source, target }: Pick<MigrateOptions, 'source' | 'target'>,
  isSame: boolean,
): Promise<GatewayError | undefined> {
  const user = (await source.users()) ?? (await target.users())
  if (user !== undefined) return new GatewayError('STORE_UNAVAILABLE', user)
  // Another migration may have begun and ended there since.
  return isSame || (await target.isEmpty()) ? undefined : notEmpty(target)
}

function notEmpty({ name }: Target): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    `${name} is not empty: a store is moved to where nothing is yet`,
  )
}

/** Why nothing is moved to what carries this mark. */
function foreign({ state, other, since }: Mark, name: string): GatewayError {
  const empty = "empty it (remove the folder's files dragoman.*, on Redis the keys dragoman:*)"
  const why = {
    source: `is being moved to ${other} since ${since}: name another place`,
    target: `holds another unfinished migration, from ${other} since ${since}: ${empty}, unless that one is to be finished`,
    moved: `still holds what was moved to ${other}: ${empty} or name another place`,
  }[state]
  return new GatewayError('STORE_UNAVAILABLE', `${name} ${why}`)
}

async function copy(
  { source, target, report }: MigrateOptions,
  from: Position | undefined,
  size: number,
): Promise<void> {
  let done = from?.done ?? 0
  for (const phase of PHASES.slice(from === undefined ? 0 : PHASES.indexOf(from.phase))) {
    const cursor = from?.phase === phase ? from.cursor : null
    let batch: MovedRow[] = []
    let bytes = 0
    let behind = (): Json => cursor
    const flush = async (): Promise<void> => {
      done += batch.length
      await target.write(batch, { phase, cursor: behind(), done })
      report?.({ step: 'copy', done, size: Math.max(size, done) })
      batch = []
      bytes = 0
    }
    for await (const sourced of source.rows(phase, cursor, { merged: true })) {
      batch.push(sourced.row)
      bytes += bytesOf(sourced.row)
      behind = sourced.cursor
      if (batch.length >= BATCH_ROWS || bytes >= BATCH_BYTES) await flush()
    }
    await flush()
  }
}

function bytesOf(row: MovedRow): number {
  const body = 'body' in row ? row.body.length : 0
  const work = 'work' in row ? (row.work?.raw?.length ?? 0) : 0
  const raw = 'raw' in row ? (row.raw?.length ?? 0) : 0
  return 300 + body + work + raw
}

async function check(
  { source, target, report }: MigrateOptions,
  totals: MovedTotals,
  size: number,
): Promise<Migrated['rows']> {
  let done = 0
  const sumOf = async (end: Source, phase: Phase, sums: Sums): Promise<void> => {
    for await (const { row } of end.rows(phase, null, { merged: false })) {
      sums.add(row)
      done++
      if (done % BATCH_ROWS === 0) report?.({ step: 'check', done, size: Math.max(size * 2, done) })
    }
  }
  const [here, there] = [new Sums(), new Sums()]
  for (const phase of PHASES) {
    await sumOf(source, phase, here)
    await sumOf(target, phase, there)
  }
  report?.({ step: 'check', done, size: done })
  const wrong = KINDS.filter((kind) => !isDeepStrictEqual(here.of(kind), there.of(kind))).map(
    (kind) =>
      `${kind}: ${words(here.of(kind))} in ${source.name}, ${words(there.of(kind))} in ${target.name}`,
  )
  const { numbers: _, ...wanted } = totals
  const { numbers: _numbers, ...found } = await target.totals()
  if (!isDeepStrictEqual(wanted, found))
    wrong.push(
      `totals: ${JSON.stringify(wanted)} in ${source.name}, ${JSON.stringify(found)} in ${target.name}`,
    )
  if (wrong.length > 0)
    throw new GatewayError(
      'STORE_UNAVAILABLE',
      `the copy is not what was copied, and neither side is released. Empty ${target.name} and begin again. ${wrong.join('; ')}`,
    )
  return KINDS.map((kind) => ({ kind, ...here.of(kind) }))
}

function words({ rows, checksum }: { readonly rows: number; readonly checksum: string }): string {
  return `${rows} rows, ${checksum}`
}
