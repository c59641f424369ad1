// From form fields to the parameters of an operation, by the rules of ASP.NET web services.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import { toJson } from '../xml/bind.ts'
import type { ElementDecl, SimpleType } from '../xml/schema.ts'
import { element } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'
import { AsmxProblem } from './asmx-errors.ts'
import type { ChannelConfig } from './config.ts'
import { isObject } from './contract.ts'
import type { Parameter } from './contract.ts'
import type { Field } from './form.ts'

/**
 * Parameters by the schema: names in any case of letters, other fields are ignored, a missing one or a value of another
 * type is an `AsmxProblem` with the words of the original.
 */
export function describedParameters(fields: readonly Field[], parameters: readonly Parameter[]): Json {
  return Object.fromEntries(parameters.map((parameter) => [parameter.name, valueOf(fields, parameter)]))
}

function valueOf(fields: readonly Field[], { name, decl, items }: Parameter): Json {
  const values = valuesOf(fields, name)
  if (items !== undefined)
    return wrap(
      values.map((value) => converted(value, items.decl)),
      items,
    )
  if (values.length === 0) throw missing(name)
  return converted(values.join(','), decl) // as a NameValueCollection tells them
}

function wrap(values: readonly Json[], { decl, inside }: NonNullable<Parameter['items']>): Json {
  return inside ? Object.fromEntries([[decl.name.local, values]]) : values
}

/**
 * Parameters without a schema: as they came, or those the config names; lists and types by the config, a name that came
 * several times is a list. Throws `AsmxProblem`.
 */
export function plainParameters(
  operation: string,
  fields: readonly Field[],
  { parameters, lists, types }: Pick<ChannelConfig, 'parameters' | 'lists' | 'types'>,
): Json {
  const names = Object.hasOwn(parameters, operation) ? parameters[operation] : undefined
  const given =
    names === undefined
      ? fields
      : names.flatMap((name): Field[] => {
          const values = valuesOf(fields, name)
          if (values.length === 0) throw missing(name)
          return values.map((value): Field => [name, value])
        })
  for (const [name, value] of given) {
    const type = types[`${operation}/${name}`]
    if (type !== undefined) checkTyped(operation, [name, value], types)
  }
  const root = element(
    '',
    operation,
    [],
    given.map(([name, value]) => leaf(name, value)),
  )
  const data = toJson(root, undefined, { lists, types })
  return isObject(data) ? data : {}
}

function checkTyped(operation: string, [name, value]: Field, types: ChannelConfig['types']): void {
  try {
    toJson(element('', operation, [], [leaf(name, value)]), undefined, { types })
  } catch (error) {
    throw notConverted(error, value, (types[`${operation}/${name}`] ?? '').replace(/^xsd?:/, ''))
  }
}

/** Exact name first, then in any case of letters. */
function valuesOf(fields: readonly Field[], name: string): string[] {
  const exact = fields.filter(([given]) => given === name)
  const meant =
    exact.length > 0 ? exact : fields.filter(([given]) => given.toLowerCase() === name.toLowerCase())
  return meant.map(([, value]) => value)
}

function converted(value: string, decl: ElementDecl): Json {
  const type = decl.type.kind === 'simple' ? decl.type : undefined
  if (type?.builtin === 'dateTime' && looseDate.test(value.trim())) return value.trim()
  try {
    return toJson(leaf(decl.name.local, type === undefined ? value : spelled(value, type)), decl)
  } catch (error) {
    throw notConverted(error, value, type?.name?.local ?? type?.builtin ?? decl.name.local)
  }
}

// DateTime.Parse takes more than XSD's form; what it means is the business system's knowledge, so it stays as it is.
const looseDate = /^\d{4}-\d\d-\d\d(?:[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?$/

/** Boolean.Parse knows True and False in any case, Double.Parse Infinity. */
function spelled(value: string, { builtin }: SimpleType): string {
  if (builtin === 'boolean') return value.toLowerCase()
  if (builtin === 'double' || builtin === 'float') return value.replace(/^(\s*-?)Infinity(\s*)$/, '$1INF$2')
  return value
}

function leaf(name: string, value: string): XmlElement {
  return element('', name, [], value === '' ? [] : [value])
}

function missing(name: string): AsmxProblem {
  return new AsmxProblem('System.InvalidOperationException', `Missing parameter: ${name}.`)
}

function notConverted(error: unknown, value: string, type: string): unknown {
  if (!(error instanceof GatewayError) || error.code !== 'DECODE_FAILED') return error
  return new AsmxProblem(
    'System.ArgumentException',
    `Cannot convert ${value.slice(0, 200)} to ${dotNet.get(type) ?? type}.`,
    'Parameter name: type ---> System.FormatException: Input string was not in a correct format.',
  )
}

const dotNet: ReadonlyMap<string, string> = new Map([
  ['long', 'System.Int64'],
  ['int', 'System.Int32'],
  ['short', 'System.Int16'],
  ['byte', 'System.SByte'],
  ['unsignedLong', 'System.UInt64'],
  ['unsignedInt', 'System.UInt32'],
  ['unsignedShort', 'System.UInt16'],
  ['unsignedByte', 'System.Byte'],
  ['decimal', 'System.Decimal'],
  ['double', 'System.Double'],
  ['float', 'System.Single'],
  ['boolean', 'System.Boolean'],
  ['dateTime', 'System.DateTime'],
  ['string', 'System.String'],
])

/** What ASP.NET's request validation calls dangerous: `<` before a letter, `!`, `/` or `?`, and `&#`. */
export function checkHarmless(fields: readonly Field[], source: 'QueryString' | 'Form'): void {
  const found = fields.find(([, value]) => /<[A-Za-z!/?]|&#/.test(value))
  if (found === undefined) return
  const [name, value] = found
  throw new AsmxProblem(
    'System.Web.HttpRequestValidationException',
    `A potentially dangerous Request.${source} value was detected from the client (${name}="${value.slice(0, 16)}").`,
  )
}
