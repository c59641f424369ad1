// JSON as values of XML-RPC.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import { asInteger, plainDecimal } from '../xml/decimal.ts'
import { isLexical } from '../xml/lexical.ts'
import { element } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'
import { around, arrayAround, leaf } from './xmlrpc-elements.ts'
import { isDateTime, isDouble } from './xmlrpc-types.ts'
import type { TypeOf, WrittenType } from './xmlrpc-types.ts'

/**
 * A `value` element. Integers beyond 32 bits are written as `i8`, null as `nil`; `typeOf` may say more. Throws
 * `ENCODE_FAILED` where a value is not of the type it was given.
 */
export function writeValue(value: Json, typeOf: TypeOf, path: readonly string[] = []): XmlElement {
  return around('value', [typed(value, typeOf, path)])
}

function typed(value: Json, typeOf: TypeOf, path: readonly string[]): XmlElement {
  if (value === null) return element('', 'nil')
  if (typeof value === 'boolean') return leaf('boolean', value ? '1' : '0')
  if (typeof value === 'string') {
    const type = typeOf(value, path) ?? 'string'
    return scalar(type === 'int' || type === 'i8' ? asInteger(value) : value, type, path)
  }
  if (typeof value === 'number')
    return scalar(plainDecimal(value), typeOf(value, path) ?? numeric(value), path)
  if (isList(value))
    return arrayAround(value.map((item, index) => writeValue(item, typeOf, [...path, String(index)])))
  const members = Object.entries(value).map(([name, member]) =>
    around('member', [leaf('name', name), writeValue(member, typeOf, [...path, name])]),
  )
  return around('struct', members)
}

function numeric(value: number): WrittenType {
  if (!Number.isSafeInteger(value)) return 'double'
  return value >= -2147483648 && value <= 2147483647 ? 'int' : 'i8'
}

function scalar(value: string, type: WrittenType, path: readonly string[]): XmlElement {
  const fit = (fits: boolean): string => {
    if (fits) return value
    const where = path.length === 0 ? 'the value' : path.join('/')
    const shown = JSON.stringify(value.slice(0, 40))
    throw new GatewayError('ENCODE_FAILED', `xml-rpc: ${where}: ${shown} is not of type ${type}`)
  }
  switch (type) {
    case 'string':
      return leaf('string', value)
    case 'int':
      return leaf('int', fit(isLexical('int', value)))
    case 'i8':
      return leaf('i8', fit(isLexical('long', value)))
    case 'double':
      return leaf('double', pointed(fit(isDouble(value))))
    case 'boolean':
      return leaf('boolean', /^(?:true|1)$/.test(fit(isLexical('boolean', value))) ? '1' : '0')
    case 'base64':
      return leaf('base64', fit(isLexical('base64Binary', value)))
    case 'dateTime.iso8601':
      return leaf(type, fit(isDateTime(value)))
    case 'dateTime':
      // The specification's example, and all that some clients read, is the date without hyphens.
      return leaf('dateTime.iso8601', fit(isDateTime(value)).replace(/^(-?\d{4})-(\d\d)-(\d\dT)/, '$1$2$3'))
  }
}

/** "…followed by a period and any number of numeric characters": not without the period. */
function pointed(double: string): string {
  return /^[+-]?\d+$/.test(double) ? `${double}.0` : double
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
