// The way back of a breaker: 1 %, 5 %, 25 % of the calls, then all of them, so that a system just up is not knocked over.

export interface Ramp {
  readonly running: boolean
  begin(): void
  /** Whether this call belongs to the share that goes through. At least one of each step does. */
  admits(): boolean
  stop(): void
}

const SHARES = [0.01, 0.05, 0.25]

/** `onEnd`: all steps are over, each lasted `stepMs`. */
export function createRamp(stepMs: number, onEnd: () => void): Ramp {
  let timer: NodeJS.Timeout | undefined
  let step: number | undefined
  let credit = 0

  function enter(next: number): void {
    step = next
    credit = 1
    timer = setTimeout(() => {
      if (next + 1 < SHARES.length) return enter(next + 1)
      step = undefined
      onEnd()
    }, stepMs).unref()
  }

  return {
    get running() {
      return step !== undefined
    },
    begin: () => enter(0),
    admits() {
      if (credit >= 1) {
        credit -= 1
        return true
      }
      credit += SHARES[step ?? 0] ?? 1
      return false
    },
    stop() {
      clearTimeout(timer)
      step = undefined
    },
  }
}
