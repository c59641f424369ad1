// What a value of each built-in type of XSD may look like (XSD 1.0 Part 2 §3).
import { compareDecimals } from './decimal.ts'
import { isNcName, nameClasses } from './names.ts'

type Check = (value: string) => boolean

const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)$/
const integer = /^[+-]?\d+$/
const double = /^(?:[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?|-?INF|NaN)$/
const duration = /^-?P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?$/
const zone = '(Z|[+-]\\d{2}:\\d{2})?'
const year = '(-?(?:[1-9]\\d{3,}|0\\d{3}))'
const clock = '(\\d{2}):(\\d{2}):(\\d{2}(?:\\.\\d+)?)'
const dateTime = new RegExp(`^${year}-(\\d{2})-(\\d{2})T${clock}${zone}$`)
const date = new RegExp(`^${year}-(\\d{2})-(\\d{2})${zone}$`)
const time = new RegExp(`^${clock}${zone}$`)
const gYear = new RegExp(`^${year}${zone}$`)
const gYearMonth = new RegExp(`^${year}-(\\d{2})${zone}$`)
const gMonth = new RegExp(`^--(\\d{2})(?:--)?${zone}$`) // with "--" as the first print of XSD had it
const gDay = new RegExp(`^---(\\d{2})${zone}$`)
const gMonthDay = new RegExp(`^--(\\d{2})-(\\d{2})${zone}$`)
const name = new RegExp(`^[:${nameClasses.start}][:${nameClasses.part}]*$`, 'u')
const nmToken = new RegExp(`^[:${nameClasses.part}]+$`, 'u')
const base64 = /^[A-Za-z0-9+/]*(?:[AEIMQUYcgkosw048]=|[AQgw]==)?$/

const checks: ReadonlyMap<string, Check> = new Map<string, Check>([
  ['boolean', (value) => value === 'true' || value === 'false' || value === '1' || value === '0'],
  ['decimal', (value) => decimal.test(value)],
  ['float', (value) => double.test(value)],
  ['double', (value) => double.test(value)],
  ['integer', (value) => integer.test(value)],
  ['long', between('-9223372036854775808', '9223372036854775807')],
  ['int', between('-2147483648', '2147483647')],
  ['short', between('-32768', '32767')],
  ['byte', between('-128', '127')],
  ['nonNegativeInteger', between('0')],
  ['positiveInteger', between('1')],
  ['nonPositiveInteger', between(undefined, '0')],
  ['negativeInteger', between(undefined, '-1')],
  ['unsignedLong', between('0', '18446744073709551615')],
  ['unsignedInt', between('0', '4294967295')],
  ['unsignedShort', between('0', '65535')],
  ['unsignedByte', between('0', '255')],
  ['duration', (value) => duration.test(value)],
  ['dateTime', (value) => fieldsOf('dateTime', value) !== undefined],
  ['date', (value) => fieldsOf('date', value) !== undefined],
  ['time', (value) => fieldsOf('time', value) !== undefined],
  ['gYear', (value) => matchesZoned(gYear, value, ([y = '']) => isYear(y))],
  [
    'gYearMonth',
    (value) => matchesZoned(gYearMonth, value, ([y = '', m]) => isYear(y) && isDay(4, Number(m), 1)),
  ],
  ['gMonth', (value) => matchesZoned(gMonth, value, ([m]) => isDay(4, Number(m), 1))],
  ['gDay', (value) => matchesZoned(gDay, value, ([d]) => isDay(4, 1, Number(d)))],
  ['gMonthDay', (value) => matchesZoned(gMonthDay, value, ([m, d]) => isDay(4, Number(m), Number(d)))],
  ['hexBinary', (value) => /^(?:[0-9a-fA-F]{2})*$/.test(value)],
  ['base64Binary', isBase64],
  ['language', (value) => /^[a-zA-Z]{1,8}(?:-[a-zA-Z0-9]{1,8})*$/.test(value)],
  ['Name', (value) => name.test(value)],
  ['NMTOKEN', (value) => nmToken.test(value)],
  ['NCName', isNcName],
  ['ID', isNcName],
  ['IDREF', isNcName],
  ['ENTITY', isNcName],
  ['QName', (value) => value.split(':', 3).length < 3 && value.split(':').every(isNcName)],
])

/** Whether a value, white space already dealt with, is one of this built-in type. Types of text take everything. */
export function isLexical(builtin: string, value: string): boolean {
  return checks.get(builtin)?.(value) ?? true
}

/** Where a dateTime, date or time lies on its own line, in seconds, and whether it says its zone; undefined if it is none. */
export function instantOf(
  builtin: string,
  value: string,
): { readonly seconds: number; readonly zoned: boolean } | undefined {
  const fields = fieldsOf(builtin, value)
  if (fields === undefined) return undefined
  const [y, m, d, hour, minute, second, offset] = fields
  const day = new Date(0)
  day.setUTCFullYear(Number(y), Number(m) - 1, Number(d))
  const minutes = Number(minute) - (minutesOf(offset) ?? 0)
  const seconds = day.getTime() / 1000 + Number(hour) * 3600 + minutes * 60 + Number(second)
  return { seconds, zoned: offset !== undefined }
}

type Group = string | undefined
type Fields = readonly [y: Group, m: Group, d: Group, hour: Group, minute: Group, second: Group, zone: Group]

/** Year, month, day, hour, minute, second and zone, each where the clock and the calendar have it; undefined: not so. */
function fieldsOf(builtin: string, value: string): Fields | undefined {
  const found = (builtin === 'time' ? time : builtin === 'date' ? date : dateTime).exec(value)
  if (found === null) return undefined
  let fields: Fields
  if (builtin === 'time') fields = ['2000', '01', '01', found[1], found[2], found[3], found[4]]
  else if (builtin === 'date') fields = [found[1], found[2], found[3], '00', '00', '00', found[4]]
  else fields = [found[1], found[2], found[3], found[4], found[5], found[6], found[7]]
  const [y = '', m, d, hour, minute, second, zoneText] = fields
  const isRight =
    isYear(y) &&
    isDay(Number(y), Number(m), Number(d)) &&
    isClock(Number(hour), Number(minute), Number(second))
  return isRight && minutesOf(zoneText) !== undefined ? fields : undefined
}

/** XSD 1.0 Part 2 §3.2.7: there is no year 0000. */
function isYear(text: string): boolean {
  return text !== '' && text !== '0000' && text !== '-0000'
}

function isDay(yearNumber: number, month: number, day: number): boolean {
  if (!(month >= 1 && month <= 12 && day >= 1)) return false
  const isLeap = yearNumber % 4 === 0 && (yearNumber % 100 !== 0 || yearNumber % 400 === 0)
  const days = month === 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31
  return day <= days
}

function isClock(hour: number, minute: number, second: number): boolean {
  if (hour === 24) return minute === 0 && second === 0 // §3.2.7.1: the first instant of the next day
  return hour < 24 && minute < 60 && second < 60
}

/** Undefined for an offset beyond fourteen hours (§3.2.7.3). */
function minutesOf(offset: Group): number | undefined {
  if (offset === undefined || offset === 'Z') return 0
  const minutes = Number(offset.slice(1, 3)) * 60 + Number(offset.slice(4, 6))
  if (minutes > 14 * 60 || Number(offset.slice(4, 6)) > 59) return undefined
  return offset.startsWith('-') ? -minutes : minutes
}

function matchesZoned(pattern: RegExp, value: string, valid: (groups: readonly Group[]) => boolean): boolean {
  const [whole, ...groups] = pattern.exec(value) ?? []
  return whole !== undefined && minutesOf(groups.at(-1)) !== undefined && valid(groups)
}

function between(min?: string, max?: string): Check {
  const [low, high] = [Number(min ?? -Infinity), Number(max ?? Infinity)]
  const fewestDigits = Math.min(...[min, max].map((bound) => bound?.replace('-', '').length ?? Infinity))
  return (value) => {
    if (!integer.test(value)) return false
    if (value.length < fewestDigits) return true // nearer to zero than either bound
    // Up to 15 digits are exact as numbers, and on the right side of a bound beyond them.
    if (value.length <= 15) return Number(value) >= low && Number(value) <= high
    return (
      (min === undefined || compareDecimals(value, min) >= 0) &&
      (max === undefined || compareDecimals(value, max) <= 0)
    )
  }
}

/** §3.2.16: spaces may stand between, unused bits are zero. */
function isBase64(value: string): boolean {
  const packed = value.includes(' ') ? value.replaceAll(' ', '') : value
  return packed.length % 4 === 0 && base64.test(packed)
}
