// Which data is behind Redis: known by its incarnation and by when it was made, so that what was emptied is not taken for what was restored.
import { ReplyError } from 'ioredis'
import type { Redis } from 'ioredis'
import type { Log } from '../../api.ts'
import { metaKey } from './partitions.ts'
import { Cells } from './reply.ts'
import type { Cell } from './reply.ts'
import { inOneWrite } from './turns.ts'

/** What is behind the connection, once it was asked. */
export interface Dataset {
  readonly incarnation: string
  readonly partitions: number
  /** How far its clock is behind the server's. */
  readonly heldMs: number
  /** The same for as long as it is the same data, also after a failover or a restore. */
  readonly made: string
  /** `new`: nothing was there; `other`: the server is not the one that had it before; `emptied`: a part of it was gone. */
  readonly found: string
  /** Each of its partitions was marked as a part of it. */
  readonly isMarked: boolean
}

/** What `lua/dataset.lua` answers. */
export function datasetOf(reply: Cell): Dataset {
  const cells = new Cells(reply)
  return {
    incarnation: cells.text(0),
    partitions: cells.number(1),
    found: cells.text(2),
    heldMs: cells.number(3),
    made: cells.text(4),
    isMarked: cells.flag(5),
  }
}

/** Who holds a partition; undefined: nobody. */
export type Holder = (partition: number) => Redis | undefined

export interface Looking {
  readonly prefix: string
  readonly holder: Holder
  /** Runs `lua/dataset.lua`. `lost`: the `made` of data of which a part is gone: if it stands there still, it is made anew. */
  readonly ask: (lost?: string) => Promise<Dataset>
}

/**
 * Looks what data is there, in all partitions: each bears a mark, so that a master of a cluster that comes back empty is noticed whichever
 * partitions it has. Data without marks is of an earlier version, and gets them; where they are refused, as for want of memory, the next
 * look puts them. Rejects as a line does, also where one of them cannot be asked: a node that is just back may be the empty one.
 */
export async function lookAtDataset({ prefix, holder, ask }: Looking): Promise<Dataset> {
  const found = await ask()
  const others = Array.from({ length: found.partitions - 1 }, (_, at) => at + 1)
  const has = await Promise.all(others.map((partition) => exists(holder(partition), prefix, partition)))
  const bare = others.filter((_, at) => has[at] === false)
  if (found.isMarked && bare.length === 0) return found
  const now: Dataset = found.isMarked ? { ...(await ask(found.made)), found: 'emptied' } : found
  const marks = bare.map((partition) => put(holder(partition), datasetKey(prefix, partition), { partition }))
  const isMarked = (await Promise.all(marks)).every(Boolean)
  if (isMarked) await put(holder(0), datasetKey(prefix, 0), { marked: now.made })
  return { ...now, isMarked }
}

/** Undefined: nobody says. */
export function hasMark(
  line: Redis | undefined,
  prefix: string,
  partition: number,
): Promise<boolean | undefined> {
  return unlessRefused(exists(line, prefix, partition))
}

/** One partition of each server, the first one's first: what is done to a server, or refused by it, concerns all it has. */
export function samplesOf(partitions: number, holder: Holder): readonly number[] {
  const seen = new Set<string>()
  const samples: number[] = []
  for (let partition = 0; partition < partitions; partition++) {
    const { host, port } = holder(partition)?.options ?? {}
    const server = `${host}:${port}`
    if (!seen.has(server)) samples.push(partition)
    seen.add(server)
  }
  return samples
}

const EMPTY = 'Redis came back empty: what was stored is gone'

/** Says in the log what became of the data that was known; every instance says it, whoever came first. */
export function tellChange(log: Log | undefined, known: Dataset | undefined, now: Dataset): void {
  const { incarnation } = now
  if (now.found === 'emptied' || (known !== undefined && known.made !== now.made))
    log?.error(EMPTY, { incarnation })
  else if (known === undefined ? now.found === 'other' : known.incarnation !== incarnation)
    log?.warn('Redis is another one than before: cursors given out until now get a reset', { incarnation })
}

/** FLUSHDB cuts no line: only a look finds it. */
export function tellEmptied(log: Log | undefined, { incarnation }: Dataset): void {
  log?.error(EMPTY, { was: incarnation })
}

/** The incarnation that stands there now, asked on the line to who holds the first partition; undefined: nobody says. */
export function incarnationAt(line: Redis, prefix: string): Promise<string | null | undefined> {
  return unlessRefused(line.hget(datasetKey(prefix, 0), 'incarnation'))
}

async function exists(
  line: Redis | undefined,
  prefix: string,
  partition: number,
): Promise<boolean | undefined> {
  if (line === undefined) return undefined
  inOneWrite(line)
  return (await line.exists(datasetKey(prefix, partition))) === 1
}

async function put(
  line: Redis | undefined,
  key: string,
  cells: Readonly<Record<string, string | number>>,
): Promise<boolean> {
  if (line === undefined) return false
  inOneWrite(line)
  return (await unlessRefused(line.hset(key, cells))) !== undefined
}

function datasetKey(prefix: string, partition: number): string {
  return `${metaKey(prefix, partition).slice(0, -'meta'.length)}dataset`
}

/** Undefined: another node has it now, or it is loading: others find out. */
async function unlessRefused<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking
  } catch (error) {
    if (error instanceof ReplyError) return undefined
    throw error
  }
}
