// Counts what came of what was sent: a hole, one too many, one too early. Numbers go 1, 2, 3 …

export interface Counts {
  readonly arrived: number
  readonly lost: number
  readonly doubled: number
  readonly disordered: number
}

export class Tally {
  readonly #seen = new Set<number>()
  #highest = 0
  #doubled = 0
  #disordered = 0

  add(number: number): void {
    if (this.#seen.has(number)) {
      this.#doubled++
      return
    }
    this.#seen.add(number)
    if (number < this.#highest) this.#disordered++
    this.#highest = Math.max(this.#highest, number)
  }

  /** A number below one that has arrived is lost, as nothing may overtake; at the end, so is every one up to `sent`. */
  counts(sent = this.#highest): Counts {
    return {
      arrived: this.#seen.size,
      lost: Math.max(sent, this.#highest) - this.#seen.size,
      doubled: this.#doubled,
      disordered: this.#disordered,
    }
  }
}

/** Of a text that ends in `#7`. */
export function numberIn(text: string): number | undefined {
  const number = /#(\d+)$/u.exec(text)?.[1]
  return number === undefined ? undefined : Number(number)
}
