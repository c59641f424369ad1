// What of the plugins was refused and why: until its files or the config change, an operator asks, or, where the reason may pass, a pause is over.
import type { Failure } from './explain.ts'
import { isAsBefore } from './snapshot.ts'
import type { Contents } from './snapshot.ts'

interface Refused extends Contents {
  readonly failure: Failure
  readonly isPassing: boolean
  /** Since it was refused for the first time, or was forgiven. */
  tries: number
  isDue: boolean
  timer?: NodeJS.Timeout
}

/** The business system may have to be started first, as the gateway was; one that stays away costs a worker each time. */
const FIRST_PAUSE_MS = 1000
const LONGEST_PAUSE_MS = 60_000

export class Rejected implements Disposable {
  readonly #all = new Map<string, Refused>()
  readonly #again: (() => Promise<unknown>) | undefined

  /** `again` loads anew and resolves when that is over, however it ends. Absent: nothing is tried again. */
  constructor(again: (() => Promise<unknown>) | undefined) {
    this.#again = again
  }

  /** Why these contents are not tried; undefined: they are. */
  failureOf(name: string, contents: Contents): Failure | undefined {
    const refused = this.#all.get(name)
    if (refused === undefined || refused.isDue || !isAsBefore(refused, contents)) return undefined
    return refused.failure
  }

  /** Why it was refused last, tried now or not. */
  lastOf(name: string): Failure | undefined {
    return this.#all.get(name)?.failure
  }

  add(name: string, { hash, packages }: Contents, failure: Failure): void {
    this.#put(name, { hash, packages, failure, isPassing: false, tries: 0, isDue: false })
  }

  /** What it needs may be away: it is tried again until it is back. */
  addPassing(name: string, contents: Contents, failure: Failure): void {
    if (this.#again === undefined) return this.add(name, contents, failure)
    const { hash, packages } = contents
    const before = this.#all.get(name)
    const tries = before?.isDue === true && isAsBefore(before, contents) ? before.tries : 0
    const message = `${failure.message} (it is tried again by itself, and by \`dragoman plugins restart ${name}\`)`
    const refused = { hash, packages, failure: { ...failure, message }, isPassing: true, tries, isDue: false }
    this.#put(name, refused)
    this.#later(name, refused)
  }

  /** It is tried by the next load, and where no load follows it goes on to be tried by itself. */
  forgive(name: string): void {
    const refused = this.#all.get(name)
    if (refused?.isPassing !== true) return this.forget(name)
    refused.isDue = true
    refused.tries = 0
  }

  /** It runs, or is another now. */
  forget(name: string): void {
    clearTimeout(this.#all.get(name)?.timer)
    this.#all.delete(name)
  }

  /** All whose contents are not these: they have changed or gone. */
  forgetOthers(contents: ReadonlyMap<string, Contents>): void {
    for (const [name, refused] of this.#all) {
      const now = contents.get(name)
      if (now === undefined || !isAsBefore(refused, now)) this.forget(name)
    }
  }

  [Symbol.dispose](): void {
    for (const name of this.#all.keys()) this.forget(name)
  }

  #put(name: string, refused: Refused): void {
    this.forget(name)
    this.#all.set(name, refused)
  }

  #later(name: string, refused: Refused): void {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** refused.tries, LONGEST_PAUSE_MS)
    refused.timer = setTimeout(() => void this.#tryAgain(name, refused), pause).unref()
  }

  async #tryAgain(name: string, refused: Refused): Promise<void> {
    refused.isDue = true
    refused.tries += 1
    await this.#again?.()
    if (this.#all.get(name) === refused) this.#later(name, refused) // something else stood in the way before its turn came
  }
}
