// How long the listener's certificate still counts: callers refuse one whose time is over, and a renewal that failed is not seen elsewhere.
import type { X509Certificate } from 'node:crypto'
import type { Log } from '../api.ts'

type Dates = Pick<X509Certificate, 'validFromDate' | 'validToDate'>
type Term = 'early' | 'good' | 'ending' | 'over'

const HOUR_MS = 3_600_000
/** Time enough for a person to mend a renewal that fails. */
const ENDING_MS = 14 * 24 * HOUR_MS

/** Warns of each state of a certificate once; looks every hour. */
export class CertificateTerm {
  readonly #log: Log
  readonly #file: string
  #dates: Dates | undefined
  #told: Term = 'good'
  #timer: NodeJS.Timeout | undefined

  constructor(log: Log, file: string) {
    this.#log = log
    this.#file = file
  }

  /** With the certificate of a start: how that stands a notice of the config has said. */
  begin(certificate: Dates): void {
    this.#dates = certificate
    this.#told = termOf(certificate)
    this.#timer = setInterval(() => this.#tell(), HOUR_MS).unref()
  }

  /** With one that takes the place of another. */
  renew(certificate: Dates): void {
    this.#dates = certificate
    this.#told = 'good'
    this.#tell()
  }

  end(): void {
    clearInterval(this.#timer)
  }

  #tell(): void {
    if (this.#dates === undefined) return
    const { validFromDate, validToDate } = this.#dates
    const term = termOf(this.#dates)
    if (term === this.#told) return
    this.#told = term
    const file = this.#file
    if (term === 'early')
      this.#log.warn('the certificate of http.tls is not valid yet: callers refuse it', {
        file,
        validFrom: validFromDate.toISOString(),
      })
    if (term === 'ending' || term === 'over')
      this.#log.warn(
        term === 'over'
          ? 'the time of the certificate of http.tls is over: callers refuse it'
          : 'the certificate of http.tls ends soon',
        { file, validTo: validToDate.toISOString() },
      )
  }
}

function termOf({ validFromDate, validToDate }: Dates): Term {
  const now = Date.now()
  if (now < validFromDate.getTime()) return 'early'
  const leftMs = validToDate.getTime() - now
  if (leftMs < 0) return 'over'
  return leftMs < ENDING_MS ? 'ending' : 'good'
}
