// Which entry of an outbox it is that the other broker closes the connection for, or whether it does so for any: it says only that it does.

/** Of what is sent together the first without PUBACK is suspected; after so many times it goes out alone. */
const TOGETHER = 3
/** As often again, alone: then it is proved. */
const ALONE = 3
/** So many are given up with no PUBACK between them; then it is not the messages that the broker does not take. */
const GIVEN_UP = 2

/** `itself`: the broker does not take this one. `everything`: it takes none, said once of the one that it shows at. */
export type Verdict = 'open' | 'itself' | 'everything'

export class Suspicion {
  readonly #window: number
  #suspect = { number: 0, together: 0, alone: 0 }
  /** So many more go out alone: the one that is meant may be any of those sent with it. */
  #single = 0
  /** Since the last PUBACK. */
  #givenUp = 0

  constructor(window: number) {
    this.#window = window
  }

  /** How many go out together now. */
  get most(): number {
    return this.#single > 0 ? 1 : this.#window
  }

  /** So many have gone from the front; of them so many with PUBACK: a QoS 0 only says that it was written. */
  acknowledged(count: number, pubacks: number): void {
    this.#single = Math.max(0, this.#single - count)
    if (pubacks > 0) this.#givenUp = 0
  }

  gaveUp(): void {
    this.#givenUp += 1
  }

  /** The broker closed the connection before this one's PUBACK. */
  closedBehind(number: number): Verdict {
    const { number: before, together, alone } = this.#suspect
    const known = before === number ? { together, alone } : { together: 0, alone: 0 }
    const isAlone = this.#single > 0
    this.#suspect = {
      number,
      together: known.together + (isAlone ? 0 : 1),
      alone: known.alone + (isAlone ? 1 : 0),
    }
    if (this.#suspect.together >= TOGETHER && !isAlone) this.#single = this.#window
    if (this.#givenUp < GIVEN_UP) return this.#suspect.alone >= ALONE ? 'itself' : 'open'
    return this.#suspect.alone === ALONE ? 'everything' : 'open'
  }
}
