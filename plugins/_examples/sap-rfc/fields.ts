// What a field of SAP's is by its type: dates that may be 00000000, numbers with their sign behind them, codes with leading zeros.
import type { Json } from 'dragoman'
import { z } from 'zod'

export const fieldType = z.union([
  z.enum(['text', 'date', 'time', 'decimal', 'int', 'flag']),
  z.strictObject({ alpha: z.int().min(1).max(132), strip: z.boolean().default(false) }),
  z.strictObject({ numc: z.int().min(1).max(255) }),
])
export type FieldType = z.output<typeof fieldType>

/** How a document writes them: SOAP `2024-02-29`, `-1.50`; an IDoc `20240229`, `1.50-`. */
export interface Style {
  readonly dates: 'dashed' | 'plain'
  readonly minus: 'before' | 'behind'
}

/** A number may be longer than SAP's only by zeros. */
const MAX_NUMBER = 100
const DECIMAL = /^([+-]?)(\d*)(?:\.(\d+))?$/

/** From SAP. What is not what its type says stays the text it is: one bad date does not cost the whole answer. */
export function fieldIn(text: string, type: FieldType): Json {
  if (typeof type === 'object')
    return 'alpha' in type && type.strip && /^\d+$/.test(text) ? text.replace(/^0+(?=\d)/, '') : text
  switch (type) {
    case 'text':
      return text
    case 'flag':
      return text === 'X' ? true : text.trim() === '' ? false : text
    case 'date': {
      const digits = digitsOf(text, /^(\d{4})-?(\d{2})-?(\d{2})$/)
      if (digits === undefined) return text.trim() === '' ? null : text
      return digits === '00000000' ? null : dashed(digits)
    }
    case 'time': {
      const digits = digitsOf(text, /^(\d{2}):?(\d{2}):?(\d{2})$/)
      if (digits === undefined) return text.trim() === '' ? null : text
      return digits.replace(/(..)(..)(..)/, '$1:$2:$3')
    }
    case 'int':
    case 'decimal':
      return numberIn(text, type)
  }
}

function numberIn(text: string, type: 'int' | 'decimal'): Json {
  const trimmed = text.trim()
  const before = trimmed.endsWith('-') ? `-${trimmed.slice(0, -1).trimEnd()}` : trimmed
  const match = DECIMAL.exec(before)
  const [, sign = '', whole = '', fraction] = match ?? []
  if (match === null || (whole === '' && fraction === undefined)) return trimmed === '' ? null : text
  const plain = `${whole.replace(/^0+(?=\d)/, '') || '0'}${fraction === undefined ? '' : `.${fraction}`}`
  const value = sign === '-' && /[1-9]/.test(plain) ? `-${plain}` : plain
  if (type === 'decimal') return value
  const number = Number(value)
  return fraction === undefined && Math.abs(number) < 2 ** 31 ? number : value
}

/** To SAP. null is what SAP calls initial. Throws `RangeError` for what is no value of the type. */
export function fieldOut(value: Json, type: FieldType, style: Style): string {
  if (typeof value === 'object' && value !== null) throw new RangeError(`${shown(value)} is no single value`)
  if (typeof type === 'object') return paddedOut(value, type)
  switch (type) {
    case 'date':
      return dateOut(value, style)
    case 'time':
      return timeOut(value, style)
    case 'int':
    case 'decimal':
      return numberOut(value, type, style)
    case 'flag':
      if (value === null || value === false || value === '') return ''
      if (value === true || value === 'X') return 'X'
      throw new RangeError(`${shown(value)} is no flag: true, false or "X"`)
    case 'text':
      return textOut(value)
  }
}

function textOut(value: string | number | boolean | null): string {
  if (value === null) return ''
  // ABAP has no booleans: a flag is X or nothing.
  if (typeof value === 'boolean') return value ? 'X' : ''
  return typeof value === 'number' ? numberText(value) : value
}

/** CONVERSION_EXIT_ALPHA_INPUT: what is all digits gets zeros before it, up to its length; NUMC is nothing but digits. */
function paddedOut(value: string | number | boolean | null, type: Extract<FieldType, object>): string {
  const text = textOut(value).trim()
  const length = 'alpha' in type ? type.alpha : type.numc
  const isDigits = /^\d+$/.test(text)
  if (text === '' && 'alpha' in type) return ''
  if (!isDigits && text !== '' && 'numc' in type)
    throw new RangeError(`${shown(value)} has other characters than digits`)
  const own = isDigits ? text.replace(/^0+(?=\d)/, '').padStart(length, '0') : text
  const padded = 'numc' in type ? own.padStart(length, '0') : own
  if (padded.length > length) throw new RangeError(`${shown(value)} is longer than its ${length} characters`)
  return padded
}

function dateOut(value: string | number | boolean | null, { dates }: Style): string {
  const text = textOut(value)
  const digits = text === '' ? '00000000' : digitsOf(text, /^(\d{4})-?(\d{2})-?(\d{2})$/)
  if (digits === undefined || (digits !== '00000000' && !isDay(digits)))
    throw new RangeError(`${shown(value)} is no date such as "2024-02-29"`)
  return dates === 'plain' ? digits : dashed(digits)
}

function timeOut(value: string | number | boolean | null, { dates }: Style): string {
  const text = textOut(value)
  const digits = text === '' ? '000000' : digitsOf(text, /^([01]\d|2[0-3]):?([0-5]\d):?([0-5]\d)$/)
  if (digits === undefined) throw new RangeError(`${shown(value)} is no time such as "23:59:00"`)
  return dates === 'plain' ? digits : digits.replace(/(..)(..)(..)/, '$1:$2:$3')
}

function numberOut(
  value: string | number | boolean | null,
  type: 'int' | 'decimal',
  { minus }: Style,
): string {
  const text = textOut(value)
  if (text === '') return '0'
  const match = text.length <= MAX_NUMBER ? DECIMAL.exec(text) : null
  const [, sign = '', whole = '', fraction] = match ?? []
  if (
    match === null ||
    whole === '' ||
    typeof value === 'boolean' ||
    (type === 'int' && fraction !== undefined)
  )
    throw new RangeError(
      `${shown(value)} is no ${type === 'int' ? 'whole' : 'decimal'} number such as "${type === 'int' ? '-12' : '-12.50'}"`,
    )
  const plain = fraction === undefined ? whole : `${whole}.${fraction}`
  if (sign !== '-') return plain
  return minus === 'behind' ? `${plain}-` : `-${plain}`
}

function numberText(value: number): string {
  const text = String(value)
  if (!/^-?\d+(?:\.\d+)?$/.test(text) || (Number.isInteger(value) && !Number.isSafeInteger(value)))
    throw new RangeError(`${text} is not exact as a JSON number: send it as a text`)
  return text
}

function digitsOf(text: string, shape: RegExp): string | undefined {
  return shape.exec(text)?.slice(1).join('')
}

function dashed(digits: string): string {
  return digits.replace(/(....)(..)(..)/, '$1-$2-$3')
}

function isDay(digits: string): boolean {
  const [year = 0, month = 0, day = 0] = [digits.slice(0, 4), digits.slice(4, 6), digits.slice(6)].map(Number)
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  return year > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

function shown(value: Json): string {
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
