// One timer for all links: a hint may be lost, so an idle link looks all the same (SEMANTICS 33), each at its own moment.
import { LOOK_MS } from './figures.ts'

export interface Looks {
  /** It is asked to look again and again, until it leaves. */
  enter(looking: Looking): void
  leave(looking: Looking): void
  stop(): void
}

export interface Looking {
  look(): void
}

/** All at once would be a wave; they look in so many parts. */
const PARTS = 30

/** Each looks once in `everyMs` milliseconds. */
export function createLooks(everyMs = LOOK_MS): Looks {
  const parts = Array.from({ length: PARTS }, () => new Set<Looking>())
  let turn = 0
  let entered = 0
  const timer = setInterval(() => {
    turn = (turn + 1) % PARTS
    for (const looking of parts[turn] ?? []) looking.look()
  }, everyMs / PARTS).unref()
  return {
    enter: (looking) => void parts[entered++ % PARTS]?.add(looking),
    leave(looking) {
      for (const part of parts) if (part.delete(looking)) return
    },
    stop: () => clearInterval(timer),
  }
}
