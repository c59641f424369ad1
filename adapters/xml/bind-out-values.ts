// Text and attributes as a schema wants them written.
import type { Json } from 'dragoman'
import { getMember, nameOfKey, quoted } from './bind-context.ts'
import type { Binding } from './bind-context.ts'
import { shapeOf } from './bind-shape.ts'
import { illegalProblem } from './escape.ts'
import type { AttributeDecl, ComplexType, SimpleType } from './schema.ts'
import { attributeOf } from './tree.ts'
import type { XmlAttribute } from './tree.ts'
import { anyText, isSameValue, normalise, problemOf, textOfJson } from './value.ts'
import { prefixNames } from './value-names.ts'
import type { Prefixed } from './value-names.ts'

export type JsonMembers = { readonly [member: string]: Json }

export type Scope = ReadonlyMap<string, string> | undefined
const noNamespaces: ReadonlyMap<string, string> = new Map()

export function mergedScopes(one: Scope, two: Scope): ReadonlyMap<string, string> {
  if (one === undefined || two === undefined) return one ?? two ?? noNamespaces
  return new Map([...one, ...two])
}

interface TextPlace {
  readonly binding: Binding
  readonly fixed?: string | undefined
  /** `@name` for an attribute. */
  readonly below?: string
}

/** The text of a value, checked; QNames came in as `{uri}local`, or `local` without a namespace, and their prefixes are made here. */
export function textOut(value: Json, type: SimpleType, { binding, fixed, below }: TextPlace): Prefixed {
  const text = textOfJson(type, value)
  if (text === undefined) throw binding.problem(noText(value, type), below)
  const normal = normalise(type, text)
  const problem = problemOf(type, normal) ?? illegalProblem(text)
  if (problem !== undefined) throw binding.problem(`${quoted(text)} ${problem}`, below)
  if (fixed !== undefined && !isSameValue(type, normal, normalise(type, fixed)))
    throw binding.problem(`${quoted(text)} is not the fixed value ${quoted(fixed)}`, below)
  return type.names === true ? prefixNames(type, normal, binding) : { text }
}

function noText(value: Json, type: SimpleType): string {
  if (typeof value === 'number') return `${value} is a number that has lost digits, send it as a string`
  const what = Array.isArray(value) ? `a list of ${value.length}` : value === null ? 'null' : 'an object'
  return `takes one value of type ${type.builtin}, not ${what}`
}

interface AttributesOut {
  readonly attributes: readonly XmlAttribute[]
  readonly namespaces?: ReadonlyMap<string, string>
}

export function attributesOut(object: JsonMembers, type: ComplexType, binding: Binding): AttributesOut {
  const shape = shapeOf(type)
  const attributes: XmlAttribute[] = []
  let namespaces: Scope
  for (const { key, decl } of shape.attributes) {
    const value = getMember(object, key) ?? requiredOr(decl, key, binding)
    if (value === undefined || value === null) continue
    const said = textOut(value, decl.type, { binding, fixed: decl.fixed, below: key })
    attributes.push(attributeOf(decl.name.local, said.text, decl.name.uri))
    namespaces = mergedScopes(namespaces, said.namespaces)
  }
  for (const key of Object.keys(object)) {
    if (
      !key.startsWith('@') ||
      key === '@xsi:type' ||
      key === shape.typeKey ||
      shape.attributesByKey.has(key)
    )
      continue
    const value = object[key] ?? null
    if (!type.anyAttribute || value === null) reportLooseKey(key, binding)
    else {
      const { uri, local } = nameOfKey(key.slice(1), '')
      attributes.push(attributeOf(local, textOut(value, anyText, { binding, below: key }).text, uri))
    }
  }
  return namespaces === undefined ? { attributes } : { attributes, namespaces }
}

/** SOAP 1.1 §5.1 rule 9: an accessor that is left out has no value; in literal what is required must be there. */
export function refusesMissing({ options }: Binding): boolean {
  return options.missing === undefined ? options.encoded === undefined : options.missing === 'refuse'
}

/** A required attribute has its fixed value or default if nothing is said (XSD 1 §3.2.1), else it is missing. */
function requiredOr(decl: AttributeDecl, key: string, binding: Binding): string | undefined {
  if (!decl.required) return undefined
  const value = decl.fixed ?? decl.default
  if (value === undefined && refusesMissing(binding)) throw binding.problem('is missing', key)
  return value
}

export function reportLoose(object: JsonMembers, known: ReadonlySet<string>, binding: Binding): void {
  for (const key of Object.keys(object))
    if (!known.has(key) && !key.startsWith('@')) reportLooseKey(key, binding)
}

/** A member the schema has no place for: refused, or left out and told. */
export function reportLooseKey(key: string, binding: Binding): void {
  if (binding.options.unknown === 'refuse') throw binding.problem('is not in the schema', key)
  binding.options.dropped?.(binding.path(key))
}
