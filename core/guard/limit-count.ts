// What every limiter counts, in the same words: offered = accepted + refused + failed, exactly, when nobody waits.

export interface LimitCount {
  offered(): void
  accepted(): void
  refused(): void
  /** It went away while it waited. */
  failed(): void
  /** It was accepted because the limiter only watches (dry run). */
  wouldRefuse(): void
}

/** Which limiter; each has its series in the metrics. */
export type LimitKind = 'admission' | 'bulkhead' | 'rate'

const nothing = (): void => undefined
/** For calls that no metrics are kept of. */
export const uncounted: LimitCount = {
  offered: nothing,
  accepted: nothing,
  refused: nothing,
  failed: nothing,
  wouldRefuse: nothing,
}
