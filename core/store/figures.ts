// The store's starting values, each with the clause of SEMANTICS it comes from: nobody writes these numbers a second time.

const SECOND_MS = 1000
const HOUR_MS = 3600 * SECOND_MS
const DAY_MS = 24 * HOUR_MS

/** SEMANTICS 5: a push is due this long after the last waiter's time is over. */
export const PUSH_AFTER_WAIT_MS = 500
/** SEMANTICS 5: a right that was taken and not reported for this long is in doubt. */
export const HANDED_MS = 10 * SECOND_MS
/** SEMANTICS 16: more attempts begun and not ended than this are poison. */
export const ATTEMPT_LIMIT = 3
/** SEMANTICS 28: waiting rows of one lane, and of one whose channel cannot be refused. */
export const LANE_LIMIT = 1000
export const LANE_LIMIT_UNREFUSABLE = 10_000
/** What a claim lives by default, and how long a settled push or timer is remembered. */
export const SETTLED_KEPT_MS = 72 * HOUR_MS
/** SEMANTICS 13: device records, and claims of the link, after their last use. */
export const DEVICE_KEPT_MS = 90 * DAY_MS
/** SEMANTICS 42: below this much free disk accept and claim stop. */
export const RESERVE_BYTES = 64 * 1024 * 1024
/** SEMANTICS 25: the most the store clock advances over a stop. */
export const CLOCK_STEP_MS = DAY_MS
/** Further behind the wall clock than this it is said at the start: less comes of clocks that do not run alike. */
export const CLOCK_HELD_MS = HOUR_MS
export const CLOCK_HELD =
  'the store clock is behind the wall clock, which went on by more than a day over a stop, or was set: the rest is held until it is confirmed. ' +
  'If the wall clock is right, start once with --confirm-clock-jump'
/** Operation 11. */
export const VALUE_BYTES = 64 * 1024
/** One read's answer, whatever the limit asked for. */
export const READ_ROWS = 1000
export const READ_BYTES = 8 * 1024 * 1024
/** How often a store that cannot be written is tried, and how often free space is looked at. */
export const PROBE_MS = 1000
export const SPACE_CHECK_MS = 200
/** What may wait for the writer; beyond it new work is refused before it is queued. */
export const QUEUED_REQUESTS = 20_000
/** Attempts kept of one row that is retried for days: the last ones. */
export const ATTEMPTS_KEPT = 32

/** The lease whose holder may begin and settle the work of a partition. */
export function partitionLease(partition: number): string {
  return `partition/${partition}`
}
