// Plain bodies are not signed: who has overheard one push could send another under its signature. One signature, one body.
import type { State } from 'dragoman'

import { digestOf } from './drafts.ts'

/** Longer than the platform repeats, and than the window of timestamps where that is wider. */
const SHORTEST_MS = 600_000

/** Whether this signature comes for the first time, or again with the same body, by its digest. */
export type IsOwnBody = (signed: string, digest: string) => Promise<boolean>

export function createReplayCheck(state: State, skewMs: number): IsOwnBody {
  const ttlMs = Math.max(SHORTEST_MS, 2 * skewMs)
  return async (signed, digest) => {
    const key = `signed/${digestOf(Buffer.from(signed, 'utf8'))}`
    if (await state.compareAndSet(key, undefined, digest, { ttlMs })) return true
    const known = await state.get(key)
    // Gone in this very moment: it was old.
    return known === undefined || known.value === digest
  }
}
