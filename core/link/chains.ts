// One thing at a time for each name; nothing is kept of a name nobody waits for.
import type { Outbox } from './uplink.ts'

export class Chains {
  readonly #tails = new Map<string, Promise<unknown>>()

  /** Runs when everything before it under this name has ended, well or not. */
  run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(name)
    const mine = before === undefined ? work() : before.then(work)
    const tail: Promise<void> = mine.then(
      () => this.#end(name, tail),
      () => this.#end(name, tail),
    )
    this.#tails.set(name, tail)
    return mine
  }

  get size(): number {
    return this.#tails.size
  }

  #end(name: string, tail: Promise<unknown>): void {
    if (this.#tails.get(name) === tail) this.#tails.delete(name)
  }
}

/** The name of a device and its customer. */
export function chainOf({ home, device }: Pick<Outbox, 'home' | 'device'>): string {
  return `${home}\u001F${device}`
}
