// What crosses between the embedded store's front and its worker, besides the operations themselves.
import type { ErrorCode } from '../../api.ts'
import type { Answer, Request } from '../codec/wire.ts'
import type { Stamp } from './clock.ts'

/** Asks for room that nothing gives back soon. */
export function isGrowing(request: Request): boolean {
  return request[0] === 'accept' || request[0] === 'claim'
}

/** An operation that failed alone, or with its whole group. */
export interface Refused {
  readonly thrown: {
    readonly code: ErrorCode
    readonly message: string
    readonly retryAfterMs: number | null
    readonly notExecuted: boolean
  }
}

export interface Batch {
  readonly stamp: Stamp
  readonly requests: readonly Request[]
  readonly faults: Faults | undefined
}

/** Failures that tests order; never set outside them. */
export interface Faults {
  /** The file may not grow beyond this many pages. */
  readonly maxPages?: number
  /** What the file system says it has free. */
  readonly freeBytes?: number
  /** fails: the commit throws and has not happened. lost: it throws and has happened. */
  readonly commit?: 'fails' | 'lost'
  /** The writer's thread ends with an error. */
  readonly writer?: 'dies'
}

export type FromWorker =
  | { readonly kind: 'open'; readonly incarnation: string }
  | { readonly kind: 'failed'; readonly thrown: Refused['thrown'] }
  | { readonly kind: 'health'; readonly trouble: { readonly reason: string; readonly since: number } | null }
  | {
      readonly kind: 'note'
      readonly level: 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'answers'; readonly batches: readonly (readonly (Answer | Refused)[])[] }

export type ToWorker = Batch | 'close'

export interface WorkerData {
  readonly directory: string
  readonly reserveBytes: number
  readonly stamp: Stamp
  readonly confirmClockJump: boolean
  readonly crash: string | undefined
  readonly faults: Faults | undefined
}
