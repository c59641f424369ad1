// Values of simple types: white space, lexical form, facets, and what they are as JSON.
import type { Json } from 'dragoman'
import {
  asInteger,
  compareDecimals,
  countDigits,
  exactNumber,
  plainDecimal,
  withoutExponent,
} from './decimal.ts'
import { instantOf, isLexical } from './lexical.ts'
import { isNcName } from './names.ts'
import type { Facets, SimpleType } from './schema.ts'

/** Text nobody has typed. */
export const anyText: SimpleType = {
  kind: 'simple',
  variety: 'atomic',
  builtin: 'anySimpleType',
  whiteSpace: 'preserve',
  facets: {},
}

/** White space as the type wants it (XSD 1.0 Part 2 §4.3.6). */
export function normalise(type: SimpleType, raw: string): string {
  if (type.whiteSpace === 'preserve') return raw
  if (type.whiteSpace === 'replace') return raw.replace(/[\t\n\r]/g, ' ')
  return /^[\t\n\r ]|[\t\n\r ]$|[\t\n\r]|[ ]{2}/.test(raw)
    ? raw.replace(/[\t\n\r ]+/g, ' ').replace(/^ | $/g, '')
    : raw
}

/** What is wrong with a value (normalised, QNames as `{uri}local`), in words that follow it: `is not a long`. Undefined: nothing. */
export function problemOf(type: SimpleType, value: string): string | undefined {
  let check = checkers.get(type)
  if (check === undefined) checkers.set(type, (check = checkerOf(type)))
  return check(value)
}

function takes(type: SimpleType, value: string): boolean {
  return problemOf(type, normalise(type, value)) === undefined
}

// JSON numbers hold these without loss (DESIGN: integers to 32 bits).
const smallIntegers = new Set(['int', 'short', 'byte', 'unsignedInt', 'unsignedShort', 'unsignedByte'])

const integers: ReadonlySet<string> = new Set([
  ...smallIntegers,
  'integer',
  'long',
  'unsignedLong',
  'nonNegativeInteger',
  'positiveInteger',
  'nonPositiveInteger',
  'negativeInteger',
])

export type JsonKind = 'boolean' | 'integer' | 'double' | 'qname' | 'string'

const kinds = new WeakMap<SimpleType, JsonKind>()

/**
 * How values of a type look in JSON. The first member of a union that takes the value decides, but what would be written in
 * another form (`007`) is its text: another member may mean it (DESIGN §3).
 */
export function jsonKind(type: SimpleType, value: string): JsonKind {
  if (type.variety === 'union') {
    const member = type.members?.find((candidate) => takes(candidate, value))
    if (member === undefined) return 'string'
    const text = normalise(member, value)
    const kind = jsonKind(member, text)
    return textOfJson(type, jsonOf(member, text, kind)) === text ? kind : 'string'
  }
  let kind = kinds.get(type)
  if (kind === undefined) kinds.set(type, (kind = kindOf(type)))
  return kind
}

function kindOf(type: SimpleType): JsonKind {
  if (type.variety === 'list') return 'string'
  if (type.builtin === 'boolean') return 'boolean'
  if (smallIntegers.has(type.builtin)) return 'integer'
  if (type.builtin === 'double' || type.builtin === 'float') return 'double'
  return type.builtin === 'QName' || type.builtin === 'NOTATION' ? 'qname' : 'string'
}

/** A checked, normalised value as JSON: exact, else its text. */
export function jsonOf(
  type: SimpleType,
  value: string,
  kind: JsonKind = jsonKind(type, value),
): boolean | number | string {
  switch (kind) {
    case 'boolean':
      return value.trim() === 'true' || value.trim() === '1'
    case 'integer':
      return Number(value)
    case 'double':
      return exactNumber(value) ?? value
    case 'qname':
      return value
    case 'string':
      // Octets, in however many lines a client wrote them (XSD 1.0 Part 2 §3.2.16).
      return type.builtin === 'base64Binary' ? value.replaceAll(' ', '') : value
  }
}

/**
 * A JSON value as text of a type: what it would be read from. Undefined for what is no value at all (an object, an array
 * outside a list, a number that has lost digits on its way).
 */
export function textOfJson(type: SimpleType, value: Json): string | undefined {
  if (typeof value === 'string') return textOfString(type, value)
  if (typeof value === 'boolean') return textOfBoolean(type, value)
  if (typeof value === 'number') {
    if (type.builtin === 'double' || type.builtin === 'float') return String(value)
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) return undefined
    return plainDecimal(value)
  }
  if (!Array.isArray(value) || type.variety !== 'list') return undefined
  const texts = value.map((item: Json) => textOfJson(type.item ?? type, item))
  return texts.includes(undefined) ? undefined : texts.join(' ')
}

/** A pattern may want `1` for true, and `0` for false. */
function textOfBoolean(type: SimpleType, value: boolean): string {
  const digit = value ? '1' : '0'
  const isDigit = type.builtin === 'boolean' && !takes(type, String(value)) && takes(type, digit)
  return isDigit ? digit : String(value)
}

/** Text as a type wants it that has another form of the same value: a number of JSON that a double would change is text. */
function textOfString({ builtin }: SimpleType, value: string): string {
  if (builtin === 'dateTime') return hyphenated(value)
  if (builtin === 'decimal') return withoutExponent(value)
  return integers.has(builtin) ? asInteger(value) : value
}

/** ISO 8601 has the date without hyphens too, as XML-RPC writes it; XSD only with them (XSD 1.0 Part 2 §3.2.7). */
function hyphenated(dateTime: string): string {
  return dateTime.replace(/^(\d{4})(\d\d)(\d\d)(?=T)/, '$1-$2-$3')
}

type Checker = (value: string) => string | undefined

const checkers = new WeakMap<SimpleType, Checker>()

function checkerOf(type: SimpleType): Checker {
  const kind = kindCheck(type)
  const facets = Object.keys(type.facets).length === 0 ? undefined : facetCheck(type)
  return facets === undefined ? kind : (value) => kind(value) ?? facets(value)
}

function kindCheck(type: SimpleType): Checker {
  const { item, members = [], builtin } = type
  if (type.variety === 'list' && item !== undefined)
    return (value) => {
      for (const one of itemsOf(value)) {
        const problem = problemOf(item, one)
        if (problem !== undefined) return `has an item that ${problem}`
      }
      return undefined
    }
  if (type.variety === 'union')
    return (value) =>
      members.some((member) => takes(member, value))
        ? undefined
        : `is not one of ${type.name?.local ?? 'the types it may be'}`
  if (type.names === true) return (value) => nameProblem(builtin, value)
  return (value) => (isLexical(builtin, value) ? undefined : `is not of type ${builtin}`)
}

/** Of an expanded name. */
function nameProblem(builtin: string, value: string): string | undefined {
  if (isNcName(/^\{[^{}]*\}/.test(value) ? value.slice(value.indexOf('}') + 1) : value)) return undefined
  return isLexical('QName', value) ? 'names a prefix, {uri}name is needed' : `is not of type ${builtin}`
}

function facetCheck(type: SimpleType): Checker {
  const { facets, members = [] } = type
  const { patterns = [] } = facets
  /** Patterns would speak of its prefix, which is anybody's. */
  const isNamed = (value: string): boolean =>
    type.variety === 'union'
      ? members.find((member) => takes(member, value))?.names === true
      : type.names === true
  return (value) =>
    lengthProblem(type, value) ??
    digitsProblem(facets, value) ??
    rangeProblem(type, value) ??
    enumerationProblem(type, value) ??
    (patterns.every((matches) => matches(value)) || isNamed(value) ? undefined : 'does not match the pattern')
}

/** XSD 1.0 Part 2 §4.3.1 to §4.3.3: characters, octets or items. */
function lengthProblem(type: SimpleType, value: string): string | undefined {
  const { length, minLength, maxLength } = type.facets
  if (length === undefined && minLength === undefined && maxLength === undefined) return undefined
  if (type.builtin === 'QName' || type.builtin === 'NOTATION') return undefined // meaningless by the second edition
  const actual = lengthOf(type, value)
  if (length !== undefined && actual !== length) return `has length ${actual}, not ${length}`
  if (minLength !== undefined && actual < minLength)
    return `has length ${actual}, at least ${minLength} is needed`
  if (maxLength !== undefined && actual > maxLength) return `has length ${actual}, ${maxLength} is the most`
  return undefined
}

function lengthOf(type: SimpleType, value: string): number {
  if (type.variety === 'list') return itemsOf(value).length
  if (type.builtin === 'hexBinary') return value.length / 2
  if (type.builtin === 'base64Binary') {
    const packed = value.replaceAll(' ', '')
    return (packed.length / 4) * 3 - (packed.endsWith('==') ? 2 : packed.endsWith('=') ? 1 : 0)
  }
  let characters = 0
  for (let i = 0; i < value.length; i++) if ((value.charCodeAt(i) & 0xfc00) !== 0xdc00) characters++
  return characters
}

function digitsProblem({ totalDigits, fractionDigits }: Facets, value: string): string | undefined {
  if (totalDigits === undefined && fractionDigits === undefined) return undefined
  const { total, fraction } = countDigits(value)
  if (totalDigits !== undefined && total > totalDigits)
    return `has ${total} digits, ${totalDigits} is the most`
  if (fractionDigits !== undefined && fraction > fractionDigits)
    return `has ${fraction} digits after the point, ${fractionDigits} is the most`
  return undefined
}

/** XSD 1.0 Part 2 §4.3.7 to §4.3.10. What cannot be compared (durations, one zone unknown) is not refused. */
function rangeProblem(type: SimpleType, value: string): string | undefined {
  const { minInclusive, maxInclusive, minExclusive, maxExclusive } = type.facets
  const against = (bound: string | undefined): number | undefined =>
    bound === undefined ? undefined : compareValues(type.builtin, value, bound)
  if ((against(minInclusive) ?? 0) < 0) return `is below ${minInclusive}`
  if ((against(maxInclusive) ?? 0) > 0) return `is above ${maxInclusive}`
  if ((against(minExclusive) ?? 1) <= 0) return `is not above ${minExclusive}`
  if ((against(maxExclusive) ?? -1) >= 0) return `is not below ${maxExclusive}`
  return undefined
}

function compareValues(builtin: string, a: string, b: string): number | undefined {
  if (builtin === 'double' || builtin === 'float') {
    const [x, y] = [Number(a.replace('INF', 'Infinity')), Number(b.replace('INF', 'Infinity'))]
    return x < y ? -1 : x > y ? 1 : x === y ? 0 : undefined
  }
  if (builtin === 'dateTime' || builtin === 'date' || builtin === 'time') {
    const [x, y] = [instantOf(builtin, a), instantOf(builtin, b)]
    return x === undefined || y === undefined || x.zoned !== y.zoned ? undefined : x.seconds - y.seconds
  }
  return isLexical('decimal', a) && isLexical('decimal', b) ? compareDecimals(a, b) : undefined
}

/** §4.3.5 */
function enumerationProblem(type: SimpleType, value: string): string | undefined {
  const { enumeration } = type.facets
  if (enumeration === undefined || enumeration.includes(value)) return undefined
  if (enumeration.some((allowed) => isSameValue(type, value, allowed))) return undefined
  const shown = enumeration.slice(0, 10).join(', ')
  return `is not one of ${shown}${enumeration.length > 10 ? ' …' : ''}`
}

const ordered: ReadonlySet<string> = new Set(['double', 'float', 'dateTime', 'date', 'time'])

/** Whether two texts of a type (normalised) are one value: `1.0` is `1`, `1` is `true`, `0a` is `0A` (XSD 1.0 Part 2 §2.2). */
export function isSameValue(type: SimpleType, a: string, b: string): boolean {
  if (a === b) return true
  const { item, members = [], builtin } = type
  if (item !== undefined) {
    const [left, right] = [itemsOf(a), itemsOf(b)]
    return left.length === right.length && left.every((one, i) => isSameValue(item, one, right[i] ?? ''))
  }
  if (type.variety === 'union') {
    const [left, right] = [a, b].map((text) => members.find((member) => takes(member, text)))
    return left !== undefined && left === right && isSameValue(left, normalise(left, a), normalise(left, b))
  }
  if (builtin === 'boolean' || builtin === 'base64Binary') return jsonOf(type, a) === jsonOf(type, b)
  if (builtin === 'hexBinary') return a.toUpperCase() === b.toUpperCase()
  return (ordered.has(builtin) || isDecimalLike(type)) && compareValues(builtin, a, b) === 0
}

function isDecimalLike(type: SimpleType): boolean {
  for (let at: SimpleType | undefined = type; at !== undefined; at = at.base)
    if (at.name?.local === 'decimal') return true
  return false
}

export function itemsOf(value: string): string[] {
  return value === '' ? [] : value.split(' ')
}
