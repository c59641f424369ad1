// Durations and sizes as people write them: a whole number and a unit.

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}
const BYTES: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** `300ms`, `2s`, `5m`, `24h`, `7d`. */
export const DURATION = /^(\d{1,9})(ms|s|m|h|d)$/u
/** `512b`, `64kb`, `1mb`, `1gb`; a kilobyte has 1,024 bytes. */
export const SIZE = /^(\d{1,9})(b|kb|mb|gb)$/u

/** Milliseconds; undefined if it is no duration. */
export function parseDuration(text: string): number | undefined {
  return parse(text, DURATION, MILLISECONDS)
}

/** Bytes; undefined if it is no size. */
export function parseSize(text: string): number | undefined {
  return parse(text, SIZE, BYTES)
}

/** The longest unit that says it exactly: 5400000 is `90m`. */
export function formatDuration(ms: number): string {
  return format(ms, MILLISECONDS)
}

/** The longest unit that says it exactly: 65536 is `64kb`. */
export function formatSize(bytes: number): string {
  return format(bytes, BYTES)
}

function parse(text: string, form: RegExp, units: Readonly<Record<string, number>>): number | undefined {
  const [, digits, unit] = form.exec(text) ?? []
  if (digits === undefined || unit === undefined) return undefined
  const quantity = Number(digits) * (units[unit] ?? NaN)
  return Number.isSafeInteger(quantity) ? quantity : undefined
}

function format(quantity: number, units: Readonly<Record<string, number>>): string {
  const largestFirst = Object.entries(units).toReversed()
  const [unit, factor] = largestFirst.find(([, each]) => quantity >= each && quantity % each === 0) ?? ['', 1]
  return quantity === 0 ? `0${Object.keys(units)[0] ?? ''}` : `${quantity / factor}${unit}`
}
