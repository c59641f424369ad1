// Which instances live: each beats in one small value of the store, and who stands still for longer than a lease lasts is gone.
import type { Json } from '../api.ts'
import type { Store } from '../store/store.ts'

export interface Member {
  readonly instance: string
  /** Partitions it held when it last beat. */
  readonly held: number
  /** It has beaten a moment ago. */
  readonly isFresh: boolean
}

export interface Roster {
  /** Beats, and sees who else does. Rejects with `STORE_UNAVAILABLE`. */
  beat(held: number): Promise<void>
  /** As of the last beat, this one among them, in one order for all. */
  members(): readonly Member[]
  leave(): Promise<void>
}

export interface RosterOptions {
  readonly store: Pick<Store, 'value'>
  /** This process among the instances. */
  readonly instance: string
  /** Without a beat for so long it is gone. */
  readonly goneMs: number
}

/** Who watches `value:core/instances` hears at once of one that comes or goes. */
export const ROSTER_KEY = 'core/instances'
/** Each of them may be beaten to it by all others. */
const TRIES = 64

type Beats = Map<string, { readonly beat: number; readonly held: number }>
interface Seen {
  readonly beat: number
  readonly held: number
  /** Monotonic: nobody's clock is compared with another's (SEMANTICS 25). */
  readonly at: number
}

export function createRoster({ store, instance, goneMs }: RosterOptions): Roster {
  const seen = new Map<string, Seen>()
  let version: number | 'absent' = 'absent'
  let beats: Beats = new Map()
  let own = 0

  function look(value: Json | undefined): void {
    const now = performance.now()
    beats = beatsIn(value)
    for (const [name, { beat, held }] of beats) {
      const known = seen.get(name)
      if (known?.beat !== beat) seen.set(name, { beat, held, at: now })
    }
    for (const name of seen.keys()) if (!beats.has(name)) seen.delete(name)
  }

  function isGone(name: string): boolean {
    const known = seen.get(name)
    return name !== instance && known !== undefined && performance.now() - known.at > goneMs
  }

  /** Puts what `change` makes of the newest state. */
  async function write(change: (beats: Beats) => void, announces: (before: Beats) => boolean): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const next: Beats = new Map(beats)
      change(next)
      const put = Object.fromEntries([...next].map(([name, { beat, held }]) => [name, [beat, held]]))
      const result = await store.value({ key: ROSTER_KEY, expect: version, put, announce: announces(beats) })
      version = result.version ?? 'absent'
      look(result.value)
      if (result.status === 'ok') return
    }
  }

  return {
    async beat(held) {
      own += 1
      await write(
        (next) => {
          for (const name of next.keys()) if (isGone(name)) next.delete(name)
          next.set(instance, { beat: own, held })
        },
        (before) => !before.has(instance),
      )
    },

    members() {
      const now = performance.now()
      return [...seen]
        .filter(([name]) => !isGone(name))
        .map(([name, { held, at }]) => ({
          instance: name,
          held,
          isFresh: name === instance || now - at < goneMs / 2,
        }))
        .toSorted((a, b) => (a.instance < b.instance ? -1 : 1))
    },

    leave: () =>
      write(
        (next) => next.delete(instance),
        () => true,
      ),
  }
}

/** Anything else than what an instance writes is nothing. */
function beatsIn(value: Json | undefined): Beats {
  const beats: Beats = new Map()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return beats
  for (const [name, beat] of Object.entries(value)) {
    if (!Array.isArray(beat)) continue
    const [count, held] = beat as readonly unknown[] // looked at in the next line
    if (typeof count === 'number' && typeof held === 'number') beats.set(name, { beat: count, held })
  }
  return beats
}
