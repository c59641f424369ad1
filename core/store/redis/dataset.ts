// Which data is behind Redis: known by its incarnation and by when it was made, so that what was emptied is not taken for what was restored.
import { ReplyError } from 'ioredis'
import type { Redis } from 'ioredis'
import type { Log } from '../../api.ts'
import { metaKey } from './partitions.ts'
import { Cells } from './reply.ts'
import type { Cell } from './reply.ts'

/** What is behind the connection, once it was asked. */
export interface Dataset {
  readonly incarnation: string
  readonly partitions: number
  /** How far its clock is behind the server's. */
  readonly heldMs: number
  /** The same for as long as it is the same data, also after a failover or a restore. */
  readonly made: string
  /** `new`: nothing was there; `other`: the server is not the one that had it before. */
  readonly found: string
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
  }
}

const EMPTY = 'Redis came back empty: what was stored is gone'

/** Says in the log what became of the data that was known; every instance says it, whoever came first. */
export function tellChange(log: Log | undefined, known: Dataset | undefined, now: Dataset): void {
  const { incarnation } = now
  if (known !== undefined && known.made !== now.made) log?.error(EMPTY, { incarnation })
  else if (known === undefined ? now.found === 'other' : known.incarnation !== incarnation)
    log?.warn('Redis is another one than before: cursors given out until now get a reset', { incarnation })
}

/** FLUSHDB cuts no line: only a look finds it. */
export function tellEmptied(log: Log | undefined, { incarnation }: Dataset): void {
  log?.error(EMPTY, { was: incarnation })
}

/** The incarnation that stands there now, asked on the line to who holds the first partition; undefined: nobody says. */
export async function incarnationAt(line: Redis, prefix: string): Promise<string | null | undefined> {
  const key = `${metaKey(prefix, 0).slice(0, -'meta'.length)}dataset`
  try {
    return await line.hget(key, 'incarnation')
  } catch (error) {
    if (error instanceof ReplyError) return undefined // another node has it now, or it is loading: others find out
    throw error
  }
}
