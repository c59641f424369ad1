// The last generations that ran, with all they were made of: so that one can run again, also in the gateway's next life.
import { join } from 'node:path'
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import { changesOf } from './changes.ts'
import type { Content } from './content.ts'
import { createKeep } from './keep.ts'
import type { Keep, KeptRow, Pin } from './keep.ts'

/** As `dragoman rollback --list` shows it. */
export interface GenerationRow {
  /** The number it first had: its name. */
  readonly generation: number
  /** RFC 3339; when it first ran. */
  readonly at: string
  /** SHA-256 of config, files and plugins. */
  readonly hash: string
  /** Against the one that ran before it. */
  readonly changes: readonly string[]
  /** The number it has now, or had when it last ran. */
  readonly last: number
  readonly isRunning: boolean
}

export interface GenerationList {
  readonly generations: readonly GenerationRow[]
  /** It runs though the files say something else, until one of them changes. */
  readonly rolledBackTo: number | null
}

export interface HistoryOptions {
  /** Made if it is not there. */
  readonly directory: string
  readonly log: Log
  readonly now: () => number
}

/** DESIGN §9. */
export const KEPT_GENERATIONS = 5

export class History {
  readonly #options: HistoryOptions
  readonly #keep: Keep
  #rows: readonly KeptRow[]
  #pin: Pin | undefined

  private constructor(options: HistoryOptions, keep: Keep, found: Awaited<ReturnType<Keep['rows']>>) {
    this.#options = options
    this.#keep = keep
    this.#rows = found.rows
    this.#pin = found.pin
  }

  /** Reads what an earlier life has left. What of it cannot be read is left out, and said in the log. */
  static async open(options: HistoryOptions): Promise<History> {
    const keep = createKeep(options.directory, options.log)
    return new History(options, keep, await keep.rows())
  }

  /** The highest number a generation has had; 0: none. */
  get last(): number {
    return Math.max(0, ...this.#rows.map(({ last }) => last))
  }

  get pin(): Pin | undefined {
    return this.#pin
  }

  list(): GenerationList {
    const { last } = this
    return {
      generations: this.#rows.map((row) => ({
        generation: row.generation,
        at: row.at,
        hash: row.hash,
        changes: row.changes,
        last: row.last,
        isRunning: row.last === last,
      })),
      rolledBackTo: this.#pin?.generation ?? null,
    }
  }

  /** A generation runs. The same content as one that is kept is that one, with another number. */
  async ran(number: number, content: Content): Promise<void> {
    const before = this.#running()
    const same = this.#rows.find(({ hash }) => hash === content.hash)
    const row: KeptRow = same
      ? { ...same, last: number }
      : {
          generation: number,
          last: number,
          at: new Date(this.#options.now()).toISOString(),
          hash: content.hash,
          changes: changesOf(before && (await this.#contentOf(before)), content),
          ...(before !== undefined && { before: before.generation }),
        }
    const rest = this.#rows.filter((each) => each !== same)
    const kept = [...rest, row].toSorted((a, b) => b.last - a.last).slice(0, KEPT_GENERATIONS)
    await this.#keep.write(row, same === undefined ? content : undefined)
    this.#rows = kept.toSorted((a, b) => a.generation - b.generation)
    await this.#keep.prune(kept.map(({ generation }) => generation))
  }

  /**
   * The kept generation of a number it has or had, or of a content's hash; without one, the one that ran before what runs.
   * Throws `NOT_FOUND`, also for the one that runs, unless any will do.
   */
  find(wanted?: number | string, { isAny = false }: { readonly isAny?: boolean } = {}): KeptRow {
    const running = this.#running()
    const asked = wanted ?? running?.before
    const found = this.#rows.find(({ generation, last, hash }) =>
      [generation, last, hash].includes(asked ?? 0),
    )
    if (found !== undefined && (isAny || found !== running)) return found
    const others = this.#rows.filter((row) => row !== running).map(({ generation }) => generation)
    const kept = others.length === 0 ? 'no other one is kept' : `kept are ${others.join(', ')}`
    if (found !== undefined)
      throw new GatewayError('NOT_FOUND', `generation ${found.generation} is what runs: ${kept}`)
    const what = wanted === undefined ? 'what ran before this generation' : `generation ${wanted}`
    throw new GatewayError('NOT_FOUND', `${what} is not kept: ${kept}`)
  }

  /** Throws `INTERNAL` where what was kept is damaged. */
  async contentOf(row: KeptRow): Promise<Content> {
    try {
      return await this.#keep.read(row)
    } catch (error) {
      const told = error instanceof Error ? error.message : String(error)
      throw new GatewayError('INTERNAL', `generation ${row.generation} cannot be read: ${told}`, {
        cause: error,
      })
    }
  }

  /** Where kept files lie under their own names, for who reads them by name. */
  async placesOf(content: Content): Promise<ReadonlyMap<string, string>> {
    return this.#keep.unpack(content)
  }

  /** It goes on though files say something else; undefined: what the files say runs. */
  async pinTo(pin: Pin | undefined): Promise<void> {
    if (pin === undefined && this.#pin === undefined) return
    this.#pin = pin
    await this.#keep.writePin(pin)
  }

  #running(): KeptRow | undefined {
    return this.#rows.find(({ last }) => last === this.last)
  }

  async #contentOf(row: KeptRow): Promise<Content | undefined> {
    try {
      return await this.#keep.read(row)
    } catch (error) {
      this.#options.log.warn('a kept generation cannot be read', { generation: row.generation, error })
      return undefined
    }
  }
}

/** Below the gateway's data folder. */
export function historyFolder(dataDirectory: string): string {
  return join(dataDirectory, 'generations')
}
