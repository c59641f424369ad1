// Where a device keeps what must survive it: a few hundred small values, changed together or not at all.
import type { Kept } from './types.ts'

export type Change = readonly [key: string, value: Kept | undefined]

export interface Opening {
  /** The client was closed before it had the box: `open` rejects. */
  readonly signal: AbortSignal
  /** Somebody else has the box, and `open` waits for him. */
  readonly onWaiting: (reason: string) => void
}

export interface Box {
  /** Everything there is. Called once, first, and again only after `close`. */
  open(opening?: Opening): Promise<ReadonlyMap<string, Kept>>
  /** All or nothing; durable when it resolves; undefined removes. Called again only when it has resolved. */
  write(changes: readonly Change[]): Promise<void>
  /** Also where `open` or `write` has failed: another client can open it then. */
  close(): Promise<void>
}

/** Keeps nothing beyond the process: for tests, and for apps that say so. */
export function memoryBox(): Box {
  const values = new Map<string, Kept>()
  return {
    async open() {
      return structuredClone(values)
    },
    async write(changes) {
      for (const [key, value] of changes)
        if (value === undefined) values.delete(key)
        else values.set(key, structuredClone(value))
    },
    async close() {},
  }
}
