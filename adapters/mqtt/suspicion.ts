// Which entry of an outbox it is that the other broker closes the connection for: it says only that it does.

/** Of what is sent together the first without PUBACK is suspected; after so many times it goes out alone. */
const TOGETHER = 3
/** As often again, alone: then it is proved. */
const ALONE = 3

export class Suspicion {
  readonly #window: number
  #suspect = { number: 0, together: 0, alone: 0 }
  /** So many more go out alone: the one that is meant may be any of those sent with it. */
  #single = 0

  constructor(window: number) {
    this.#window = window
  }

  /** How many go out together now. */
  get most(): number {
    return this.#single > 0 ? 1 : this.#window
  }

  acknowledged(count: number): void {
    this.#single = Math.max(0, this.#single - count)
  }

  /** The broker closed the connection before this one's PUBACK. Returns whether it is this one that it does not take. */
  isProved(number: number): boolean {
    const { number: before, together, alone } = this.#suspect
    const known = before === number ? { together, alone } : { together: 0, alone: 0 }
    const isAlone = this.#single > 0
    this.#suspect = {
      number,
      together: known.together + (isAlone ? 0 : 1),
      alone: known.alone + (isAlone ? 1 : 0),
    }
    if (this.#suspect.together >= TOGETHER && !isAlone) this.#single = this.#window
    return this.#suspect.alone >= ALONE
  }
}
