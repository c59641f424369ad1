// Parameters, structures and tables: SAP's XML as JSON and back. A table is rows called `item`, whatever it holds.
import type { Json } from 'dragoman'
import { z } from 'zod'
import { fieldIn, fieldOut, fieldType } from './fields.ts'
import type { FieldType, Style } from './fields.ts'
import { abapName, escapeXml, xmlName } from './xml.ts'
import type { Element } from './xml.ts'

/** By name, or by the end of its path: `VBELN`, `ORDER_HEADER_IN.DOC_DATE`. */
export const fieldTypes = z.record(z.string(), fieldType)
export type FieldTypes = z.output<typeof fieldTypes>

export interface Shape {
  readonly types: FieldTypes
  /** Paths of what is a table also where it is empty. */
  readonly tables: readonly string[]
  readonly style: Style
}

export type Members = Readonly<Record<string, Json>>
type Path = readonly string[]

/** The longest end of the path that is written in the config. */
function lookup<T>(path: Path, known: (key: string) => T | undefined): T | undefined {
  for (let from = 0; from < path.length; from += 1) {
    const found = known(path.slice(from).join('.'))
    if (found !== undefined) return found
  }
  return undefined
}

function typeOf(path: Path, { types }: Shape): FieldType {
  return lookup(path, (key) => (Object.hasOwn(types, key) ? types[key] : undefined)) ?? 'text'
}

function isTable(path: Path, { tables }: Shape): boolean {
  return lookup(path, (key) => (tables.includes(key) ? true : undefined)) ?? false
}

/** Throws `RangeError` for what is neither structure nor table. */
export function membersIn(element: Element, shape: Shape, path: Path = []): Members {
  const members: Record<string, Json> = {}
  for (const child of element.children) {
    const name = abapName(child.name)
    if (Object.hasOwn(members, name)) throw new RangeError(`${[...path, name].join('.')} is there twice`)
    put(members, name, valueIn(child, shape, [...path, name]))
  }
  return members
}

function valueIn(element: Element, shape: Shape, path: Path): Json {
  const { children, text } = element
  if (children.length === 0)
    return isTable(path, shape) && text.trim() === '' ? [] : fieldIn(text, typeOf(path, shape))
  if (text.trim() !== '') throw new RangeError(`${path.join('.')} has text beside its elements`)
  const rows = children.filter(({ name }) => name === 'item')
  if (rows.length === 0) return membersIn(element, shape, path)
  if (rows.length < children.length)
    throw new RangeError(`${path.join('.')} has other elements beside its rows`)
  return rows.map((row) => valueIn(row, shape, path))
}

/** `__proto__` is a name like any other. */
export function put(members: Record<string, Json>, name: string, value: Json): void {
  Object.defineProperty(members, name, { value, enumerable: true, writable: true, configurable: true })
}

/** Deeper data is no function module's; a caller's JSON may be. */
const MAX_DEPTH = 32

/** The elements of an object's members. Throws `RangeError` that names the field. */
export function membersOut(members: Members, shape: Shape, path: Path = []): string {
  return Object.entries(members)
    .map(([name, value]) => elementOut(xmlName(name), value, { shape, path: [...path, name] }))
    .join('')
}

interface Out {
  readonly shape: Shape
  readonly path: Path
}

function elementOut(tag: string, value: Json, { shape, path }: Out): string {
  if (path.length > MAX_DEPTH)
    throw new RangeError(`${path.slice(0, 3).join('.')}… is nested deeper than ${MAX_DEPTH}`)
  const inside = Array.isArray(value)
    ? (value as readonly Json[]).map((row) => rowOut(row, { shape, path })).join('') // an array that is Json is one of Json
    : contentOut(value, { shape, path })
  return inside === '' ? `<${tag}/>` : `<${tag}>${inside}</${tag}>`
}

function rowOut(row: Json, { shape, path }: Out): string {
  // A table in a table without a field between the two does not exist in XML of SAP's.
  if (Array.isArray(row)) throw new RangeError(`${path.join('.')}: a row is a list`)
  return `<item>${contentOut(row, { shape, path })}</item>`
}

function contentOut(value: Json, { shape, path }: Out): string {
  if (typeof value === 'object' && value !== null) return membersOut(value as Members, shape, path) // arrays are rows: no array comes here
  try {
    return escapeXml(fieldOut(value, typeOf(path, shape), shape.style))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new RangeError(`${path.join('.')}: ${error.message}`, { cause: error })
  }
}
