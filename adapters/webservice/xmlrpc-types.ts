// The types of XML-RPC that JSON has no words for: kept beside the data, so that a value goes on as what it came as.
import type { Json } from 'dragoman'
import { isLexical } from '../xml/lexical.ts'

export const scalarTypes = ['int', 'i8', 'double', 'boolean', 'string', 'dateTime.iso8601', 'base64'] as const
export type ScalarType = (typeof scalarTypes)[number]

/** Where messages and replies carry them: JSON text, `{"/params/0":"base64"}`, pointers (RFC 6901) into the data. */
export const typesKey = 'xmlrpc:types'

/** By pointer, of values whose JSON alone would be written as another type. */
export type TypesByPointer = ReadonlyMap<string, ScalarType>

/** Which type a value is to be written as; undefined: what its JSON says. */
export type TypeOf = (value: string | number, path: readonly string[]) => WrittenType | undefined

/** `dateTime` is XSD's, which XML-RPC writes without hyphens in the date. */
export type WrittenType = ScalarType | 'dateTime'

// The form of the specification, and what is sent in its place: hyphens, a fraction, a zone.
const dateTime =
  /^-?\d{4}-?(?:0\d|1[0-2])-?(?:[0-2]\d|3[01])T(?:[01]\d|2[0-4]):?[0-5]\d(?::?[0-6]\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?$/

export function isDateTime(lexical: string): boolean {
  return dateTime.test(lexical)
}

/** Numbers of XSD's double, and the words for what is none that Python, Perl, Java and XSD write (the specification has none). */
export function isDouble(lexical: string): boolean {
  return isLexical('double', lexical) || /^(?:nan|[+-]?inf(?:inity)?)$/i.test(lexical)
}

/** The pointer of a path. */
export function pointerOf(path: readonly string[]): string {
  return path.map((step) => `/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** For metadata; nothing where there is nothing to say. */
export function typesMetadata(types: TypesByPointer): Readonly<Record<string, string>> {
  return types.size === 0 ? {} : { [typesKey]: JSON.stringify(Object.fromEntries(types)) }
}

/** The inverse; what is not of this form says nothing. */
export function typesOf(metadata: Readonly<Record<string, string>> | undefined): TypesByPointer {
  const text = metadata?.[typesKey]
  if (text === undefined) return new Map()
  try {
    const said: unknown = JSON.parse(text)
    if (typeof said !== 'object' || said === null) return new Map()
    return new Map(
      Object.entries(said).flatMap(([pointer, type]: [string, unknown]) => {
        const known = scalarTypes.find((one) => one === type)
        return known === undefined ? [] : [[pointer, known] as const]
      }),
    )
  } catch (error) {
    if (error instanceof SyntaxError) return new Map()
    throw error
  }
}

/** The value at a pointer's path; undefined where there is none. */
export function valueAt(data: Json | undefined, path: readonly string[]): Json | undefined {
  let value = data
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as { readonly [member: string]: Json })[step] // it has this own member; an array's are its indexes
  }
  return value
}

/** A type of XSD as XML-RPC writes it; what it has no type for is a string. */
export function typeOfXsd(name: string): WrittenType {
  const local = name.replace(/^xsd?:/, '')
  if (/^(?:int|short|byte|unsignedShort|unsignedByte)$/.test(local)) return 'int'
  if (/^(?:long|unsignedInt)$/.test(local)) return 'i8'
  if (/^(?:double|float|decimal)$/.test(local)) return 'double'
  if (local === 'boolean') return 'boolean'
  if (local === 'dateTime') return 'dateTime'
  return local === 'base64Binary' ? 'base64' : 'string'
}

/** Types by the names on the way (`GetOrderResponse/opened`), whatever the lists between them. */
export function typesByName(root: string, types: Readonly<Record<string, string>>): TypeOf {
  const known = new Map(Object.entries(types).map(([path, name]) => [path, typeOfXsd(name)] as const))
  if (known.size === 0) return () => undefined
  return (_value, path) => known.get([root, ...path.filter((step) => !/^\d+$/.test(step))].join('/'))
}

/** The first answer of several. */
export function firstOf(...sources: readonly TypeOf[]): TypeOf {
  return (value, path) => {
    for (const source of sources) {
      const type = source(value, path)
      if (type !== undefined) return type
    }
    return undefined
  }
}

/** Types by pointer, where the data is still what they were noted for. */
export function typesByPointer(types: TypesByPointer, original: Json | undefined): TypeOf {
  if (types.size === 0) return () => undefined
  return (value, path) => {
    const type = types.get(pointerOf(path))
    return type !== undefined && valueAt(original, path) === value ? type : undefined
  }
}

/**
 * What a caller sent as base64 or as a date goes back to him as that when an answer repeats it, character for character;
 * not what he sent as a string too.
 */
export function typesRepeated(types: TypesByPointer, original: Json): TypeOf {
  const repeated = new Map<string, ScalarType>()
  for (const [pointer, type] of types)
    if (type === 'base64' || type === 'dateTime.iso8601') {
      const value = valueAt(original, pathOf(pointer))
      if (typeof value === 'string' && value !== '') repeated.set(value, type)
    }
  if (repeated.size > 0) dropStrings(original, [], { types, repeated })
  return (value) => (typeof value === 'string' ? repeated.get(value) : undefined)
}

function dropStrings(
  value: Json,
  path: readonly string[],
  known: { readonly types: TypesByPointer; readonly repeated: Map<string, ScalarType> },
): void {
  if (typeof value === 'string') {
    if (known.repeated.has(value) && !known.types.has(pointerOf(path))) known.repeated.delete(value)
  } else if (typeof value === 'object' && value !== null)
    for (const [name, member] of Object.entries(value)) dropStrings(member, [...path, name], known)
}

function pathOf(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}
