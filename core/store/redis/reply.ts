// A script's reply: nested lists of bytes, numbers and nothing, read by place.
import { GatewayError } from '../../api.ts'
import { PROBE_MS } from '../figures.ts'
import type { Raw } from '../store.ts'

export type Cell = Buffer | number | null | readonly Cell[]

/** Reads one list. What is not there or of another kind throws `STORE_UNAVAILABLE`: that is no answer of the scripts. */
export class Cells {
  readonly #cells: readonly Cell[]

  constructor(cells: Cell | undefined) {
    if (cells === null || typeof cells !== 'object' || Buffer.isBuffer(cells)) throw nonsense('a list', cells)
    this.#cells = cells
  }

  has(at: number): boolean {
    return (this.#cells[at] ?? null) !== null
  }

  text(at: number): string {
    const found = this.maybe(at)
    if (found === null) throw nonsense(`a text at ${at}`, null)
    return found
  }

  maybe(at: number): string | null {
    const cell = this.#cells[at] ?? null
    if (cell === null) return null
    if (typeof cell === 'number') return String(cell)
    if (Buffer.isBuffer(cell)) return cell.toString()
    throw nonsense(`a text at ${at}`, cell)
  }

  number(at: number): number {
    const found = Number(this.maybe(at) ?? '0')
    if (Number.isNaN(found)) throw nonsense(`a number at ${at}`, null)
    return found
  }

  maybeNumber(at: number): number | null {
    return (this.#cells[at] ?? null) === null ? null : this.number(at)
  }

  flag(at: number): boolean {
    return this.maybe(at) === '1'
  }

  list(at: number): readonly Cells[] {
    return this.#list(at).map((cell) => new Cells(cell))
  }

  numbers(at: number): readonly number[] {
    return this.#list(at).map(Number)
  }

  /** The bytes as they arrived, with their media type in the place before. */
  raw(at: number): Raw | null {
    const mediaType = this.maybe(at)
    const bytes = this.#cells[at + 1] ?? null
    if (mediaType === null || !Buffer.isBuffer(bytes)) return null
    return { mediaType, bytes: new Uint8Array(bytes) }
  }

  #list(at: number): readonly Cell[] {
    const cell = this.#cells[at]
    if (cell === null || typeof cell !== 'object' || Buffer.isBuffer(cell))
      throw nonsense(`a list at ${at}`, cell)
    return cell
  }
}

/** What is thrown for an answer that no script gives. */
export function nonsense(wanted: string, found: Cell | undefined): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    `the store answered nonsense: no ${wanted} but ${typeof found}`,
    {
      retryAfterMs: PROBE_MS,
    },
  )
}
