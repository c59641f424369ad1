// How long to wait for an answer: by the round trips seen so far (RFC 6298 §2), within the bounds of DESIGN §12.

const LEAST_MS = 4000
const MOST_MS = 15_000

export class Patience {
  #srtt: number | undefined

  /** Only of what was sent once: nobody knows which of two an answer is to (RFC 6298 §3). */
  sample(ms: number): void {
    this.#srtt = this.#srtt === undefined ? ms : this.#srtt * (7 / 8) + ms / 8
  }

  get srttMs(): number {
    return this.#srtt ?? 500
  }

  /** DESIGN §12: 4 × SRTT + 2 s, 4–15 s. */
  get ms(): number {
    return Math.min(MOST_MS, Math.max(LEAST_MS, 4 * this.srttMs + 2000))
  }
}
