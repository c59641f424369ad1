// Files beside a plugin's code that it writes itself while it runs: each write would make a new version of it, whose start writes again.
import type { Snapshot } from './snapshot.ts'

/** A change so soon after the version that the last one made is hardly a person's. */
const SOON_MS = 10_000
const TIMES = 3

export class Restless {
  readonly #files = new Map<string, { at: number; times: number }>()

  /** Whether the file is no part of its plugin any more. */
  isLeftOut(file: string): boolean {
    return (this.#files.get(file)?.times ?? 0) >= TIMES
  }

  /** Another version follows the one that runs. Returns the files that are left out from here on. `now` in milliseconds. */
  note(runs: Snapshot, next: Snapshot, now: number): readonly string[] {
    if (!isSame(runs.sources, next.sources)) return []
    const changed = [...next.others].flatMap(([file, hash]) => (runs.others.get(file) === hash ? [] : file))
    return changed.filter((file) => {
      const known = this.#files.get(file)
      const times = known !== undefined && now - known.at < SOON_MS ? known.times + 1 : 1
      this.#files.set(file, { at: now, times })
      return times === TIMES
    })
  }
}

function isSame(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): boolean {
  return one.size === other.size && [...one].every(([name, text]) => other.get(name) === text)
}
