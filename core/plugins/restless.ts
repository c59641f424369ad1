// Plugins that write files beside their own code while they run: each write would make a new version, whose start writes again.
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { isCode } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'

/** So many versions in so short a time, of the same code, are no person's doing; nor so many in a row, each soon after the one before. */
const MOST = 6
const WITHIN_MS = 20_000
const IN_A_ROW = 20
const SOON_MS = 15_000

interface Seen {
  /** When another version of the same code was due, in milliseconds. */
  at: number[]
  inARow: number
  /** The hash of the one that was noted last: one that is refused and tried again is one. */
  last: string
  isRestless: boolean
}

export class Restless {
  readonly #plugins = new Map<string, Seen>()

  /** Whether the files beside this plugin's code are no part of it any more, until its code changes. */
  has(name: string): boolean {
    return this.#plugins.get(name)?.isRestless === true
  }

  /** Another version follows the one that runs. Returns the files that have changed where the plugin is restless from here on. `now` in milliseconds. */
  note(runs: Snapshot, next: Snapshot, now: number): readonly string[] {
    if (!isSameCode(runs, next)) {
      this.#plugins.delete(next.name)
      return []
    }
    const seen = this.#plugins.get(next.name) ?? { at: [], inARow: 0, last: '', isRestless: false }
    this.#plugins.set(next.name, seen)
    if (seen.last === next.hash) return []
    seen.last = next.hash
    seen.inARow = now - (seen.at.at(-1) ?? -Infinity) < SOON_MS ? seen.inARow + 1 : 1
    seen.at = [...seen.at.filter((at) => now - at < WITHIN_MS), now]
    if (seen.isRestless || (seen.at.length < MOST && seen.inARow < IN_A_ROW)) return []
    seen.isRestless = true
    const before = dataOf(runs)
    return [...dataOf(next)].flatMap(([file, content]) => (before.get(file) === content ? [] : file))
  }
}

/** For the log, of the files that `note` gave. */
export function whyRestless(root: string, changed: readonly string[]): string {
  const files = changed.map((file) => relative(root, file)).join(', ')
  const cure = 'keep data in scope.state or in another folder, or begin its name with "."'
  return `what lies beside its code changes again and again while it runs (${files}), and makes no new version any more until the code changes: ${cure}`
}

function isSameCode(one: Snapshot, other: Snapshot): boolean {
  const [before, after] = [codeOf(one), codeOf(other)]
  return before.size === after.size && [...after].every(([url, text]) => before.get(url) === text)
}

function codeOf({ sources }: Snapshot): ReadonlyMap<string, string> {
  return new Map([...sources].filter(([url]) => isCode(url)))
}

/** Of each file that is no code its content, or a hash of it. */
function dataOf({ sources, others }: Snapshot): ReadonlyMap<string, string> {
  const json = [...sources].filter(([url]) => !isCode(url))
  return new Map([...others, ...json.map(([url, text]) => [fileURLToPath(url), text] as const)])
}
