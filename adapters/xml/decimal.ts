// Decimals as text: compared, counted and rewritten without ever being a floating-point number.

interface Decimal {
  readonly negative: boolean
  /** Without leading and trailing zeros; `''` is zero. */
  readonly digits: string
  /** The value is 0.digits × 10^exponent. */
  readonly exponent: number
}

/** A lexical decimal, with an exponent too (`-1.50e3`). The caller has checked that it is one. */
function parse(lexical: string): Decimal {
  const [, sign, whole = '', fraction = '', exponent = '0'] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(lexical) ?? []
  const all = whole + fraction
  const leading = /^0*/.exec(all)?.[0].length ?? 0
  let end = all.length
  while (end > leading && all.charCodeAt(end - 1) === 0x30) end--
  const digits = all.slice(leading, end)
  return {
    negative: sign === '-' && digits !== '',
    digits,
    exponent: digits === '' ? 0 : whole.length - leading + Number(exponent),
  }
}

/** Below zero, zero or above, exactly, for numbers of any length. */
export function compareDecimals(a: string, b: string): number {
  const [x, y] = [parse(a), parse(b)]
  if (x.negative !== y.negative) return x.negative ? -1 : 1
  const magnitude = compareMagnitudes(x, y)
  return x.negative ? -magnitude : magnitude
}

function compareMagnitudes(x: Decimal, y: Decimal): number {
  if (x.digits === '' || y.digits === '') return x.digits.length - y.digits.length
  if (x.exponent !== y.exponent) return x.exponent - y.exponent
  return x.digits < y.digits ? -1 : x.digits > y.digits ? 1 : 0
}

/** XSD 1.0 Part 2 §4.3.11 and §4.3.12, of the value: zeros that carry nothing do not count. */
export function countDigits(lexical: string): { readonly total: number; readonly fraction: number } {
  const { digits, exponent } = parse(lexical)
  const fraction = Math.max(0, digits.length - exponent)
  return { total: Math.max(digits.length, exponent, fraction), fraction }
}

/**
 * The number of a lexical double if it says exactly the same (`1.5e-10`, `0.1`), else undefined (`1e400`,
 * `123456789012345678901`, `-0`): then only the text does.
 */
export function exactNumber(lexical: string): number | undefined {
  const number = Number(lexical)
  if (!Number.isFinite(number) || Object.is(number, -0)) return undefined
  return compareDecimals(lexical, String(number)) === 0 ? number : undefined
}

/** A number without an exponent, as xs:decimal wants it (XSD 1.0 Part 2 §3.2.3.1). */
export function plainDecimal(number: number): string {
  return withoutExponent(String(number))
}

/** A number of JSON (RFC 8259 §6), its exponent apart. */
const jsonNumber = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/

/** More than any double has. The text grows by as many digits. */
const maxExponent = 400

/**
 * A number of JSON without its exponent, exactly and with all its digits (`1.50e1` is `15.0`). What is none, or has an
 * exponent beyond 400, stays as it is.
 */
export function withoutExponent(text: string): string {
  const [, sign, whole = '', fraction = '', exponent] = jsonNumber.exec(text) ?? []
  if (exponent === undefined || Math.abs(Number(exponent)) > maxExponent) return text
  const point = whole.length + Number(exponent)
  const digits = (whole + fraction).padStart(whole.length + fraction.length + Math.max(0, 1 - point), '0')
  const before = digits.slice(0, Math.max(1, point)).padEnd(point, '0')
  const behind = digits.slice(Math.max(1, point))
  return `${sign}${before.replace(/^0+(?=\d)/, '')}${behind === '' ? '' : `.${behind}`}`
}

/** The same for a type of integers: without a fraction that is zero too. */
export function asInteger(text: string): string {
  const plain = withoutExponent(text)
  return jsonNumber.test(plain) ? plain.replace(/\.0+$/, '') : plain
}
