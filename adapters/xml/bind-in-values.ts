// Types, text and attributes as a schema wants them read.
import type { Json } from 'dragoman'
import { isObject, quoted, setMember } from './bind-context.ts'
import type { Binding, JsonObject } from './bind-context.ts'
import { isEncodingAttribute } from './bind-encoded.ts'
import { shapeOf } from './bind-shape.ts'
import { nilSaid, typeSaid } from './instance.ts'
import { clark, fullKey, isXsd } from './names.ts'
import { anyType } from './schema-builtin.ts'
import { isSoapEncoding } from './schema-complex.ts'
import type { ComplexType, ElementDecl, SimpleType, TypeDecl } from './schema.ts'
import { derivesFrom } from './schema.ts'
import { isNamed, resolveQName, textOf, isBlank } from './tree.ts'
import type { XmlAttribute, XmlElement } from './tree.ts'
import { isSameValue, jsonOf, normalise, problemOf } from './value.ts'
import { expandNames, takesText } from './value-names.ts'

/** XSD 1 §2.6.2, §3.3.4 cvc-elt.3: xsi:nil in any lexical form of a boolean, and then nothing inside. */
export function isNil(element: XmlElement, binding: Binding): boolean {
  const said = nilSaid(element)
  if (said === undefined || said === 'false' || said === '0') return false
  if (said !== 'true' && said !== '1') throw binding.problem(`xsi:nil ${quoted(said)} is not a boolean`)
  if (element.children.some((child) => typeof child !== 'string' || !isBlank(child)))
    throw binding.problem('is nil and has content')
  return true
}

/** XSD 1 §3.3.4 cvc-elt.4: the declared type, or what xsi:type says if it is derived from that. */
export function actualType(element: XmlElement, declared: TypeDecl, binding: Binding): TypeDecl {
  const said = typeSaid(element)
  if (said === undefined) return declared
  const name = resolveQName(element, said)
  if (name === undefined) throw binding.problem(`xsi:type ${quoted(said)} is not a name in scope`)
  if (declared.name !== undefined && isNamed(declared.name, name)) return declared
  const isAny = declared === anyType || declared.name?.local === 'anySimpleType'
  // Perl and PHP say soapenc:Array, soapenc:Struct or a guessed xsd type where the schema has better: it is held to the schema.
  const isVague = isSoapEncoding(name.uri) || (isXsd(name.uri) && declared.kind === 'simple')
  const actual = binding.schemas?.type(name)
  if (isAny && binding.options.unknown === 'keep' && !takesText(actual, element)) return declared
  if (!isAny && isVague && (actual !== undefined || isSoapEncoding(name.uri))) return declared
  if (actual === undefined) throw binding.problem(`xsi:type ${quoted(said)} is not a known type`)
  if (derivesFrom(actual, declared)) return actual
  throw binding.problem(
    `xsi:type ${quoted(said)} is not derived from ${quoted(declared.name?.local ?? 'the type here')}`,
  )
}

/** How a type is told in JSON: by its local name, by `{uri}local` where that would be taken for another one. */
export function typeKeyOf(actual: TypeDecl, declared: TypeDecl, { schemas }: Binding): string {
  const { uri, local } = actual.name ?? { uri: '', local: '' }
  const others =
    schemas?.typesNamed(local).filter((type) => type !== actual && derivesFrom(type, declared)) ?? []
  return others.length > 0 || declared.name?.local === local ? fullKey(uri, local) : local
}

/** What JSON says of itself: a string, a boolean, a number without a fraction. */
const plainTypes: ReadonlySet<string> = new Set(['string', 'boolean', 'int'])

/** An item whose type only the array said says it itself: outside the array nothing else would. */
export function withType(value: Json, type: TypeDecl, declared: TypeDecl, binding: Binding): Json {
  if (type === declared || value === null || Array.isArray(value)) return value
  const key = type.kind === 'complex' ? shapeOf(type).typeKey : '@type'
  if (isObject(value))
    return Object.hasOwn(value, key) ? value : { [key]: typeKeyOf(type, declared, binding), ...value }
  if (type.kind === 'simple' && plainTypes.has(type.name?.local ?? '') && isBuiltin(type)) return value
  return { [key]: typeKeyOf(type, declared, binding), '#text': value }
}

function isBuiltin({ name }: TypeDecl): boolean {
  return name !== undefined && (isXsd(name.uri) || isSoapEncoding(name.uri))
}

export function simpleIn(
  element: XmlElement,
  type: SimpleType,
  decl: Partial<ElementDecl>,
  binding: Binding,
): Json {
  for (const child of element.children)
    if (typeof child !== 'string') throw binding.problem('takes text, not elements')
  const raw = textOf(element)
  // XSD 1 §3.3.1: an element that is there and empty has its default.
  const implied = raw === '' ? (decl.default ?? decl.fixed) : undefined
  return valueIn({ said: raw, implied, fixed: decl.fixed }, type, { scope: element, binding })
}

/** As documents have it, and as their schema has it: there QNames are expanded. */
interface Given {
  readonly said: string
  /** Instead of what is said. */
  readonly implied: string | undefined
  readonly fixed: string | undefined
}

interface ValuePlace {
  readonly scope: XmlElement
  readonly binding: Binding
  /** `@name` for an attribute. */
  readonly below?: string
}

function valueIn({ said, implied, fixed }: Given, type: SimpleType, place: ValuePlace): Json {
  const { scope, binding, below } = place
  const plain = normalise(type, implied ?? said)
  const isRead = type.names === true && implied === undefined
  const { text, problem: nameless } = isRead ? expandNames(type, plain, scope) : { text: plain }
  if (nameless !== undefined) throw binding.problem(nameless, below)
  const problem = problemOf(type, text)
  if (problem !== undefined) throw binding.problem(`${quoted(text)} ${problem}`, below)
  if (fixed !== undefined && !isSameValue(type, text, normalise(type, fixed)))
    throw binding.problem(`${quoted(text)} is not the fixed value ${quoted(fixed)}`, below)
  return jsonOf(type, text)
}

interface AttributesInto {
  readonly object: JsonObject
  readonly binding: Binding
  /** Whether attributes that are not there get their defaults or are missing: not on a nil element. */
  readonly defaults: boolean
}

export function attributesIn(element: XmlElement, type: ComplexType, into: AttributesInto): void {
  const { object, binding } = into
  const shape = shapeOf(type)
  if (shape.attributes.length === 0 && element.attributes.length === 0) return
  const found: (string | undefined)[] = []
  const loose: XmlAttribute[] = []
  for (const one of element.attributes) {
    const member = shape.attributesByName.get(clark(one.uri, one.local))
    if (member !== undefined) found[member.index] = one.value
    else if (!isEncodingAttribute(one, binding)) loose.push(one)
  }
  for (const { key, decl, index } of shape.attributes) {
    const said = found[index]
    if (said === undefined && decl.required && into.defaults && binding.options.missing === 'refuse')
      throw binding.problem('is missing', key)
    // XSD 1 §3.4.4: an optional attribute that is not there has its default.
    const implied =
      said === undefined && into.defaults && !decl.required ? (decl.default ?? decl.fixed) : undefined
    if ((said ?? implied) === undefined || (said === undefined && isSoapEncoding(decl.name.uri))) continue
    const given = { said: said ?? '', implied, fixed: decl.fixed }
    setMember(object, key, valueIn(given, decl.type, { scope: element, binding, below: key }))
  }
  for (const one of loose)
    looseAttribute(one, object, { binding, allowed: type.anyAttribute, taken: shape.attributesByKey })
}

/** `isOpen`: nobody declared a simple value here. Where one is declared no attribute is kept: that would make it an object. */
export function attributesOfSimple(
  element: XmlElement,
  object: JsonObject,
  { binding, isOpen }: { readonly binding: Binding; readonly isOpen: boolean },
): void {
  for (const one of element.attributes)
    if (!isEncodingAttribute(one, binding))
      looseAttribute(one, object, { binding, allowed: false, taken: noKeys, keeps: isOpen })
}

const noKeys: ReadonlyMap<string, unknown> = new Map()

function looseAttribute(
  { uri, local, value }: XmlAttribute,
  object: JsonObject,
  place: {
    readonly binding: Binding
    readonly allowed: boolean
    readonly taken: ReadonlyMap<string, unknown>
    readonly keeps?: boolean
  },
): void {
  const { binding, allowed, taken, keeps = true } = place
  const unknown = binding.options.unknown ?? 'refuse'
  const plain = `@${local}`
  if (!allowed && unknown === 'refuse')
    throw binding.problem('is not an attribute the schema has here', plain)
  if (!allowed && (unknown === 'drop' || !keeps)) {
    binding.options.dropped?.(binding.path(plain))
    return
  }
  const isTaken = taken.has(plain) || Object.hasOwn(object, plain)
  const isFull = isTaken || (allowed && uri !== '') // what may stand there goes out by this name again
  setMember(object, isFull ? `@${fullKey(uri, local)}` : plain, value)
}
