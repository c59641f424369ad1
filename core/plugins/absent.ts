// The adapters of plugins that are not there: removed, or never loaded. What was known of them is kept.
import { readFileSync } from 'node:fs'
import type { Adapter } from '../api.ts'
import type { Found } from './find.ts'
import { standIn, usersOf } from './stand-in.ts'
import type { Remembered } from './stand-in.ts'
import type { PluginVersion } from './version.ts'

export interface Missed {
  readonly plugin: string
  readonly adapter: string
  /** The components that need it. */
  readonly users: readonly string[]
}

export class Absent {
  readonly #remembered = new Map<string, Remembered>()
  readonly #standIns = new Map<string, Adapter>()
  readonly #guessed = new Map<string, string>()

  /** Of a version that ran, or began to. */
  remember({ name, adapter, components }: PluginVersion): void {
    const kept = components.map(([id, { operations, paths }]) => [id, { operations, paths }] as const)
    this.#remembered.set(adapter.name, { plugin: name, components: new Map(kept) })
  }

  /** A plugin that cannot be loaded cannot say its adapter's name: it is likely its own, or one that stands in its text. `known`: it was loaded, and may not run. */
  guess({ name, entry }: Found, hash: string, known?: string): void {
    if (this.#guessed.get(name) === hash && hash !== '') return
    this.#guessed.set(name, hash)
    for (const each of [name, ...(known === undefined ? namesIn(entry) : [known])])
      if (NAME.test(each) && !this.#remembered.has(each))
        this.#remembered.set(each, { plugin: name, components: new Map() })
  }

  /** One for each name that nobody has; the same as before, so that what runs on it is kept. */
  standIns(taken: ReadonlySet<string>): readonly Adapter[] {
    const made: Adapter[] = []
    for (const [name, remembered] of this.#remembered) {
      if (taken.has(name)) {
        this.#standIns.delete(name)
        this.#remembered.delete(name)
        continue
      }
      const adapter = this.#standIns.get(name) ?? standIn(name, remembered)
      this.#standIns.set(name, adapter)
      made.push(adapter)
    }
    return made
  }

  /** Those that something needs. */
  get missed(): readonly Missed[] {
    return [...this.#standIns].flatMap(([name, adapter]) => {
      const users = usersOf(adapter)
      const plugin = this.#remembered.get(name)?.plugin
      return plugin === undefined || users.length === 0 ? [] : [{ plugin, adapter: name, users }]
    })
  }
}

const NAME = /^[a-z][a-z0-9-]*$/

function namesIn(file: string | undefined): readonly string[] {
  if (file === undefined) return []
  try {
    return [...readFileSync(file, 'utf8').matchAll(/\bname:\s*(['"])([a-z][a-z0-9-]*)\1/g)].map(
      ([, , name]) => name ?? '',
    )
  } catch {
    return [] // it has gone meanwhile, or nobody may read it: its own name has to do
  }
}
