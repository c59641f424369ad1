// A sample of a simple type: the likeliest values are tried until one meets the facets.
import type { Json } from 'dragoman'
import { plainDecimal } from './decimal.ts'
import { instantOf } from './lexical.ts'
import type { SimpleType } from './schema.ts'
import { jsonOf, normalise, problemOf } from './value.ts'

/** As JSON: what is `said` (a fixed value or default), else one that meets the facets, else `''`. */
export function sampleValue(type: SimpleType, said?: string): Json {
  const text = said ?? sampleText(type)
  return text === undefined ? '' : jsonOf(type, normalise(type, text))
}

function sampleText(type: SimpleType): string | undefined {
  return candidates(type).find((candidate) => problemOf(type, normalise(type, candidate)) === undefined)
}

const texts: ReadonlyMap<string, string> = new Map([
  ['boolean', 'true'],
  ['decimal', '1.00'],
  ['float', '1.5'],
  ['double', '1.5'],
  ['duration', 'P1D'],
  ['dateTime', '2024-01-31T12:00:00Z'],
  ['time', '12:00:00'],
  ['date', '2024-01-31'],
  ['gYearMonth', '2024-01'],
  ['gYear', '2024'],
  ['gMonthDay', '--01-31'],
  ['gDay', '---31'],
  ['gMonth', '--01'],
  ['hexBinary', '74657874'],
  ['base64Binary', 'dGV4dA=='],
  ['anyURI', 'http://example.com/'],
  ['language', 'en'],
  ['negativeInteger', '-1'],
  ['nonPositiveInteger', '0'],
])

/** Longer ones are not tried. */
const longest = 10_000

/** What is tried, the likeliest first. */
function candidates(type: SimpleType): string[] {
  const { enumeration = [], example, length, minLength } = type.facets
  const size = length ?? minLength ?? 0
  const matching = size > longest ? undefined : example?.(size)
  return [
    ...enumeration,
    ...(matching === undefined ? [] : [matching]),
    texts.get(type.builtin) ?? 'text',
    '1',
    ...(type.members ?? []).flatMap((member) => sampleText(member) ?? []),
    ...besideBounds(type),
    ...(size > longest ? [] : ofSize(type, size)),
    '',
  ]
}

function ofSize({ builtin, item }: SimpleType, size: number): string[] {
  if (item !== undefined) {
    const one = sampleText(item)
    return one === undefined ? [] : [one, Array.from({ length: size }, () => one).join(' ')]
  }
  if (builtin === 'hexBinary') return ['74'.repeat(size)]
  if (builtin === 'base64Binary') return [Buffer.from('x'.repeat(size)).toString('base64')]
  return ['x'.repeat(size), '1'.repeat(size)]
}

/** The bounds, what is a step beside them, and the middle of both. */
function besideBounds({ builtin, facets }: SimpleType): string[] {
  const { minInclusive, maxInclusive, minExclusive, maxExclusive } = facets
  const low = minInclusive ?? minExclusive
  const high = maxInclusive ?? maxExclusive
  const middle = low === undefined || high === undefined ? Number.NaN : (Number(low) + Number(high)) / 2
  return [
    ...(low === undefined ? [] : [low, beside(builtin, low, 1)]),
    ...(high === undefined ? [] : [high, beside(builtin, high, -1)]),
    ...(Number.isFinite(middle) ? [plainDecimal(middle)] : []),
  ]
}

/** A number one more or less, a day, or a second. */
function beside(builtin: string, bound: string, step: 1 | -1): string {
  const instant = instantOf(builtin, bound)
  if (instant === undefined) {
    if (/^[+-]?\d+$/.test(bound)) return String(BigInt(bound.replace(/^\+/, '')) + BigInt(step))
    return plainDecimal(Number(bound) + step)
  }
  const moment = new Date((instant.seconds + step * (builtin === 'date' ? 86_400 : 1)) * 1000)
  if (Number.isNaN(moment.getTime())) return bound // further away than clocks reckon
  const zone = instant.zoned ? 'Z' : ''
  const text = moment.toISOString().slice(0, 19) + zone
  if (builtin === 'date') return text.slice(0, 10) + zone
  return builtin === 'time' ? text.slice(11) : text
}
