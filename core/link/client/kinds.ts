// The kinds of links by name: an app that no compiler checks may name others.
import type { LinkKind } from './types.ts'

/** The best one first. */
export const KINDS: readonly LinkKind[] = ['websocket', 'mqtt', 'http']

/** Throws `TypeError` for a name that is none; `place` says where it stands. */
export function checkKind(kind: unknown, place: string): void {
  if (!KINDS.some((each) => each === kind))
    throw new TypeError(`${place} ${JSON.stringify(kind)} is none of ${KINDS.join(', ')}`)
}
