// What passes between the fallback cache and the thread that keeps it on disk.

/** One last good answer as the file has it. */
export interface CacheRow {
  readonly key: string
  /** Backend and operation. */
  readonly place: string
  /** Digest of the call's parameters. */
  readonly params: string
  /** When the call began that brought it: milliseconds since the epoch. */
  readonly at: number
  /** False: a write came after it, it may only serve while the business system is down. */
  readonly current: boolean
  /** The Reply as JSON text. */
  readonly value: string
}

export interface CacheBatch {
  /** Every row of these places is no longer current. */
  readonly outdated: readonly string[]
  readonly deleted: readonly string[]
  readonly put: readonly CacheRow[]
}

export interface CacheWorkerData {
  readonly file: string
}

export type ToCacheWorker = { readonly id: number; readonly batch: CacheBatch } | 'close'

export type FromCacheWorker =
  | { readonly kind: 'rows'; readonly rows: readonly CacheRow[] }
  | { readonly kind: 'open' }
  | { readonly kind: 'done'; readonly id: number; readonly problem?: string }
  | { readonly kind: 'failed'; readonly problem: string }
