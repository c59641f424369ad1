// Operation 13, trim: cuts one partition by age, and by the size of all of them together.
import type { Trim, TrimResult } from '../store.ts'
import type { Caller } from './caller.ts'
import { Cells } from './reply.ts'

const ROWS = 20

export class Trimming {
  readonly #caller: Pick<Caller, 'run'>
  /** Where the walk of an unfinished trim goes on. */
  readonly #walked = new Map<number, string>()
  /** Bytes in each partition when this round began; a failure is the whole round's. */
  #sizes: Promise<readonly number[]> | undefined
  /** Partitions of which this round has had its share. */
  readonly #seen = new Set<number>()

  constructor(caller: Pick<Caller, 'run'>) {
    this.#caller = caller
  }

  async trim({ partition, olderThanMs, maxBytes, budgetMs }: Trim, partitions: number): Promise<TrimResult> {
    const until = performance.now() + budgetMs
    const most = mostOf(await this.#begin(partition, partitions), partition, maxBytes)
    let removed = 0
    for (;;) {
      const from = this.#walked.get(partition) ?? '0'
      const cells = new Cells(await this.#caller.run('trim', partition, [olderThanMs, most, from, ROWS]))
      removed += cells.number(0)
      this.#walked.set(partition, cells.text(2))
      const more = cells.flag(1)
      if (!more || performance.now() >= until) return { removed, more }
    }
  }

  /**
   * A round has each partition once; then the sizes are asked for anew, of all, because other gateways trim the rest. Within a round
   * they stay as they were: measured again while it cuts, a partition's part would shrink with what was cut of it, down to nothing.
   */
  #begin(partition: number, partitions: number): Promise<readonly number[]> {
    if (this.#sizes === undefined || this.#seen.has(partition)) {
      this.#sizes = this.#ask(partitions)
      this.#seen.clear()
    }
    this.#seen.add(partition)
    return this.#sizes
  }

  async #ask(partitions: number): Promise<readonly number[]> {
    const all = Array.from({ length: partitions }, (_, number) => this.#caller.run('bytes', number, []))
    return (await Promise.all(all)).map(Number)
  }
}

/** One script touches one partition (SEMANTICS 11): where all together are too large, each gives the same part of what it has. */
function mostOf(sizes: readonly number[], partition: number, maxBytes: number): number {
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total <= maxBytes) return Number.MAX_SAFE_INTEGER
  return Math.floor(((sizes[partition] ?? 0) * maxBytes) / total)
}
