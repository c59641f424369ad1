// The three documents of XML-RPC, and what positional parameters are as JSON.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import { childElements, textOf } from '../xml/tree.ts'
import type { XmlElement } from '../xml/tree.ts'
import { isObject } from './contract.ts'
import { printable } from './printable.ts'
import { firstOf } from './xmlrpc-types.ts'
import type { ScalarType, TypeOf } from './xmlrpc-types.ts'
import { writeValue } from './xmlrpc-write.ts'
import { around, inside, invalid, isPlain, leaf, membersIn, valuesIn } from './xmlrpc-elements.ts'
import { readValue } from './xmlrpc-read.ts'

export interface MethodCall {
  readonly method: string
  /** The `value` elements of the parameters. */
  readonly values: readonly XmlElement[]
}

/** Reads a `methodCall`. Throws `DECODE_FAILED`. */
export function readCall(root: XmlElement): MethodCall {
  const [name, params, ...more] = childElements(root)
  if (!isPlain(root, 'methodCall') || name === undefined || !isPlain(name, 'methodName') || more.length > 0)
    throw invalid('a methodCall holds a methodName and params')
  const method = textOf(name).trim()
  if (method === '' || childElements(name).length > 0) throw invalid('the methodName is empty')
  return { method, values: params === undefined ? [] : paramsOf(params) }
}

function paramsOf(params: XmlElement): XmlElement[] {
  if (!isPlain(params, 'params')) throw invalid(`${params.local} stands where params are expected`)
  return childElements(params).map((param) => {
    const [value, ...more] = childElements(param)
    if (!isPlain(param, 'param') || value === undefined || more.length > 0)
      throw invalid('a param holds one value')
    return value
  })
}

/** A `methodCall` document. */
export function callElement(method: string, values: readonly XmlElement[]): XmlElement {
  return around('methodCall', [leaf('methodName', method), paramsElement(values)])
}

function paramsElement(values: readonly XmlElement[]): XmlElement {
  return around(
    'params',
    values.map((value) => around('param', [value])),
  )
}

/** A `methodResponse` with its one value. */
export function responseElement(value: XmlElement): XmlElement {
  return around('methodResponse', [paramsElement([value])])
}

export interface XmlRpcFault {
  readonly faultCode: number
  readonly faultString: string
}

/** A `methodResponse` with a fault. */
export function faultElement(fault: XmlRpcFault): XmlElement {
  return around('methodResponse', [around('fault', [faultValue(fault)])])
}

/** The struct of a fault, which stands for a failed call in a multicall too. */
export function faultValue({ faultCode, faultString }: XmlRpcFault): XmlElement {
  return writeValue({ faultCode, faultString: printable(faultString) }, () => undefined)
}

/** One call of a multicall: a struct of methodName and params. Throws `DECODE_FAILED`. */
export function readMulticalled(item: XmlElement): MethodCall {
  const struct = inside(item, 'struct')
  const members = struct === undefined ? undefined : membersIn(struct)
  const name = members?.get('methodName')
  const params = members?.get('params')
  const method = name === undefined ? undefined : readValue(name, new Map())
  const list = params === undefined ? undefined : inside(params, 'array')
  const values = list === undefined ? undefined : valuesIn(list)
  if (typeof method !== 'string' || method === '' || values === undefined)
    throw invalid('a call of system.multicall is a struct of methodName and params')
  return { method: method.trim(), values }
}

export type MethodResponse =
  | { readonly value: XmlElement | undefined }
  | { readonly fault: { readonly faultCode: number | string; readonly faultString: string } }

/**
 * Reads a `methodResponse`. Beside the specification servers answer without a value (Perl's XMLRPC::Lite), and with fault codes
 * that are text. Throws `DECODE_FAILED`.
 */
export function readResponse(root: XmlElement): MethodResponse {
  const [only, ...more] = childElements(root)
  if (!isPlain(root, 'methodResponse') || only === undefined || more.length > 0)
    throw invalid('a methodResponse holds params or a fault')
  if (only.local === 'fault') return readFault(only)
  const [value, ...others] = paramsOf(only)
  if (others.length > 0) throw invalid('a methodResponse holds one param')
  return { value }
}

function readFault(fault: XmlElement): MethodResponse {
  const [holder, ...more] = childElements(fault)
  if (holder === undefined || more.length > 0) throw invalid('a fault holds one value')
  const value = readValue(holder, new Map())
  const faultCode = isObject(value) ? value['faultCode'] : undefined
  const faultString = isObject(value) ? value['faultString'] : undefined
  if (typeof faultCode !== 'number' && typeof faultCode !== 'string')
    throw invalid('a fault has no faultCode')
  return { fault: { faultCode, faultString: textOfAny(faultString ?? '') } }
}

/** Servers say more than strings there. */
function textOfAny(value: Json): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}

export interface Parameters {
  readonly data: Json
  readonly types: ReadonlyMap<string, ScalarType>
}

/**
 * Positional parameters as data. With `names`: an object of these members, fewer parameters leave the last ones out. Without:
 * one struct is the data itself, everything else `{ params: [ … ] }`, however many there are. Throws `DECODE_FAILED`.
 */
export function readParameters(
  values: readonly XmlElement[],
  names: readonly string[] | undefined,
): Parameters {
  const types = new Map<string, ScalarType>()
  if (names !== undefined) {
    if (values.length > names.length)
      throw invalid(`${values.length} parameters are more than ${names.length} (${names.join(', ')})`)
    const members = values.map((value, index) => {
      const name = names[index] ?? ''
      return [name, readValue(value, types, [name])] as const
    })
    return { data: Object.fromEntries(members), types }
  }
  const [only, ...more] = values
  if (only !== undefined && more.length === 0 && inside(only, 'struct') !== undefined) {
    const data = readValue(only, types)
    if (positional(data) === undefined) return { data, types }
    types.clear() // a struct that looks like a list of parameters stands in one
  }
  const params = values.map((value, index) => readValue(value, types, ['params', String(index)]))
  return { data: { params }, types }
}

/** The list of `{ params: [ … ] }`. */
function positional(data: Json): readonly Json[] | undefined {
  if (!isObject(data) || !Object.hasOwn(data, 'params') || Object.keys(data).length !== 1) return undefined
  const { params } = data
  return isList(params) ? params : undefined
}

/**
 * The inverse; a bare list is taken for positional parameters too, a bare scalar for the only one. Throws `ENCODE_FAILED`:
 * a member without a place, a parameter missing before others.
 */
export function writeParameters(
  data: Json,
  names: readonly string[] | undefined,
  typeOf: TypeOf = firstOf(),
): XmlElement[] {
  if (names !== undefined) return named(data, names, typeOf)
  const params = positional(data)
  if (params !== undefined)
    return params.map((value, index) => writeValue(value, typeOf, ['params', String(index)]))
  if (isList(data)) return data.map((value, index) => writeValue(value, typeOf, [String(index)]))
  return [writeValue(data, typeOf)]
}

function named(data: Json, names: readonly string[], typeOf: TypeOf): XmlElement[] {
  if (!isObject(data)) throw unplaced('the parameters have to be an object with members by name')
  const extra = Object.keys(data).find((name) => !names.includes(name))
  if (extra !== undefined) throw unplaced(`parameter "${extra}" is none of ${names.join(', ')}`)
  let count = names.length
  while (count > 0 && !Object.hasOwn(data, names[count - 1] ?? '')) count--
  return names.slice(0, count).map((name) => {
    const value = Object.hasOwn(data, name) ? data[name] : undefined
    if (value === undefined) throw unplaced(`parameter "${name}" is missing before others`)
    return writeValue(value, typeOf, [name])
  })
}

function unplaced(problem: string): GatewayError {
  return new GatewayError('ENCODE_FAILED', `xml-rpc: ${problem}`, { notExecuted: true })
}

function isList(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}
