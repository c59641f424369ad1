// JSON to XML where a schema says what things are.
import type { Json } from 'dragoman'
import { getMember, isObject, nameOfKey, quoted } from './bind-context.ts'
import type { Binding } from './bind-context.ts'
import { arrayOut, scalarTypeOf, typeAttribute } from './bind-encoded-out.ts'
import type { Typed } from './bind-encoded-out.ts'
import {
  attributesOut,
  mergedScopes,
  refusesMissing,
  reportLoose,
  reportLooseKey,
  textOut,
} from './bind-out-values.ts'
import type { JsonMembers, Scope } from './bind-out-values.ts'
import { pairsOfMap } from './bind-map.ts'
import { arrange, isInOrder } from './bind-order.ts'
import { childName, shapeOf, wildcardName } from './bind-shape.ts'
import type { Member, Shape } from './bind-shape.ts'
import { nameSaid, nil, untypedOut, withoutNamespace } from './bind-untyped.ts'
import { APACHE_NS, SOAPENC12_NS, SOAPENC_NS, XSD_NS, clark, isXsd } from './names.ts'
import { anyType, builtinType, isOpen, mapType, openArray } from './schema-builtin.ts'
import type { ComplexType, ElementDecl, SimpleType, TypeDecl } from './schema.ts'
import { derivesFrom } from './schema.ts'
import type { XmlAttribute, XmlElement, XmlName, XmlNode } from './tree.ts'
import { anyText } from './value.ts'

/** A value of a declared element. The binding stands at it. Throws `ENCODE_FAILED`. */
export function typedOut(value: Json, name: XmlName, { decl, binding }: Typed): XmlElement {
  const declared = decl.type
  const object = isObject(value) ? value : undefined
  const actual = object === undefined ? declared : actualType(object, decl, binding)
  if (decl.abstract)
    throw binding.problem(`element "${decl.name.local}" is abstract, one that stands for it is needed`)
  const said = typeAttribute(actual, actual !== declared, binding)
  const start: Start = { name, attributes: said.attributes, namespaces: said.namespaces }
  if (value === null || (object !== undefined && getMember(object, '#text') === null))
    return nilOut(object, actual, start, { decl, binding })
  if (actual.kind === 'complex' && actual.abstract)
    throw binding.problem(`type "${actual.name?.local ?? ''}" is abstract, @type has to say which`)
  if (actual.kind === 'simple') {
    return simpleElement(start, object === undefined ? value : textIn(object, binding), actual, {
      decl,
      binding,
    })
  }
  const isEncoded = binding.options.encoded !== undefined
  const array =
    actual.array ?? (isEncoded && actual === anyType && Array.isArray(value) ? openArray : undefined)
  if (array !== undefined) return arrayOut(value, array, start, { binding, item: typedOut })
  if (isOpen(actual)) return openOut(value, start, said.isSaid, binding)
  return complexOut(actual === mapType ? pairsOfMap(value) : value, actual, start, { decl, binding })
}

/** The text of `{ "@type": …, "#text": … }`; an object with members of its own is no text. */
function textIn(object: JsonMembers, binding: Binding): Json {
  const text = getMember(object, '#text')
  if (text === undefined && Object.keys(object).some((key) => !key.startsWith('@'))) return object
  reportBesideText(object, binding)
  return text ?? ''
}

/** A simple type has no attributes. */
function reportBesideText(object: JsonMembers, binding: Binding): void {
  for (const key of Object.keys(object))
    if (key !== '#text' && key !== '@type' && key !== '@xsi:type') reportLooseKey(key, binding)
}

/** An element before its content: its name, what xsi:type says, and the prefix that needs. */
export interface Start {
  readonly name: XmlName
  readonly attributes: readonly XmlAttribute[]
  readonly namespaces: ReadonlyMap<string, string> | undefined
}

function finish(
  start: Start,
  attributes: readonly XmlAttribute[],
  children: readonly XmlNode[],
  more?: Scope,
): XmlElement {
  const { uri, local } = start.name
  const all = start.attributes.length === 0 ? attributes : [...start.attributes, ...attributes]
  return { uri, local, attributes: all, children, namespaces: mergedScopes(start.namespaces, more) }
}

/** What `@type` (`@xsi:type`, where a type has an attribute of that name) says, if anything. */
function actualType(object: JsonMembers, { name, type: declared }: ElementDecl, binding: Binding): TypeDecl {
  const explicit = getMember(object, '@xsi:type')
  // a schema inside a document: its elements have an attribute called type
  const isOfSchema = declared === anyType && isXsd(name.uri)
  const isAttribute = isOfSchema || (declared.kind === 'complex' && shapeOf(declared).typeKey !== '@type')
  const said = explicit ?? (isAttribute ? undefined : getMember(object, '@type'))
  if (said === undefined) return declared
  if (typeof said !== 'string') throw binding.problem('has to be the name of a type', '@type')
  const { uri, local } = nameOfKey(said, '')
  if (declared.name?.local === local && (uri === '' || declared.name.uri === uri)) return declared
  const { schemas } = binding
  const builtins = [XSD_NS, APACHE_NS, ...encodingOf(binding)].map((from) => builtinType(clark(from, local)))
  const candidates = [...(schemas?.typesNamed(local) ?? []), ...builtins]
  const fitting = candidates.filter(
    (type) => type !== undefined && (uri === '' || type.name?.uri === uri) && derivesFrom(type, declared),
  )
  const found = fitting.find((type) => type?.name?.uri === declared.name?.uri) ?? fitting[0]
  if (found !== undefined) return found
  if (explicit === undefined && declared === anyType) return declared // an attribute called type
  throw binding.problem(
    `${quoted(said)} is not a type derived from ${quoted(declared.name?.local ?? 'the one here')}`,
    '@type',
  )
}

/** The namespace whose types a value may be said to have besides those of XSD. */
function encodingOf({ options: { encoded } }: Binding): readonly string[] {
  if (encoded === undefined) return []
  return [encoded === '1.1' ? SOAPENC_NS : SOAPENC12_NS]
}

function nilOut(
  object: JsonMembers | undefined,
  type: TypeDecl,
  start: Start,
  { decl, binding }: Typed,
): XmlElement {
  if (!decl.nillable && binding.options.encoded === undefined)
    throw binding.problem('is null, the schema does not allow nil')
  if (object === undefined) return finish(start, [nil], [])
  if (type.kind === 'complex') {
    const { attributes, namespaces } = attributesOut(object, type, binding)
    return finish(start, [...attributes, nil], [], namespaces)
  }
  reportBesideText(object, binding)
  return finish(start, [nil], [])
}

function simpleElement(start: Start, value: Json, type: SimpleType, { decl, binding }: Typed): XmlElement {
  const { text, namespaces } = textOut(value, type, { binding, fixed: decl.fixed })
  return finish(start, [], text === '' ? [] : [text], namespaces)
}

/** xs:anyType: whatever it is; in SOAP encoding scalars say what they are. */
function openOut(value: Json, start: Start, isSaid: boolean, binding: Binding): XmlElement {
  const bare = untypedOut(isObject(value) ? withoutType(value, isSaid) : value, start.name, binding, childOut)
  const guessed = binding.options.encoded === undefined || isSaid ? undefined : scalarTypeOf(value)
  const said = guessed === undefined ? undefined : typeAttribute(guessed, true, binding)
  return {
    ...bare,
    attributes: [...start.attributes, ...(said?.attributes ?? []), ...bare.attributes],
    namespaces: mergedScopes(mergedScopes(start.namespaces, said?.namespaces), bare.namespaces),
  }
}

function withoutType(object: JsonMembers, isSaid: boolean): JsonMembers {
  if (!isSaid) return object
  return Object.fromEntries(Object.entries(object).filter(([key]) => key !== '@type' && key !== '@xsi:type'))
}

/** A child nobody declared: by a global element of its name if there is one, by its `@type`, else untyped. */
function childOut(value: Json, name: XmlName, binding: Binding): XmlElement {
  return looseOut(value, childName(name, binding), binding)
}

/** The very element, in the namespace its value says if it says one. */
function looseOut(value: Json, usual: XmlName, binding: Binding): XmlElement {
  const { schemas } = binding
  if (schemas === undefined) return untypedOut(value, usual, binding)
  const name = nameSaid(value, usual)
  const any = { name, type: anyType, nillable: true, abstract: false, substitutes: [], schemas }
  return typedOut(withoutNamespace(value), name, { decl: schemas.element(name) ?? any, binding })
}

function complexOut(value: Json, type: ComplexType, start: Start, typed: Typed): XmlElement {
  const { decl, binding } = typed
  const shape = shapeOf(type)
  const object = membersOf(value, type, binding)
  const { attributes, namespaces } = attributesOut(object, type, binding)
  if (type.simple !== undefined) {
    reportLoose(object, new Set(['#text', ...shape.attributesByKey.keys()]), binding)
    const content = getMember(object, '#text') ?? ''
    const said = textOut(content, type.simple, { binding, fixed: decl.fixed })
    return finish(
      start,
      attributes,
      said.text === '' ? [] : [said.text],
      mergedScopes(namespaces, said.namespaces),
    )
  }
  const mixed = getMember(object, '#mixed')
  if (mixed !== undefined) return finish(start, attributes, mixedOut(mixed, type, shape, binding), namespaces)
  const text = getMember(object, '#text')
  if (text !== undefined && !type.mixed && text !== '')
    throw binding.problem('text has no place here', '#text')
  const spoken = text === undefined ? '' : textOut(text, anyText, { binding, below: '#text' }).text
  const elements = elementsOut(object, type, shape, binding)
  return finish(start, attributes, spoken === '' ? elements : [spoken, ...elements], namespaces)
}

/** What is no object may still be the text of one, the list in it, or nothing. */
function membersOf(value: Json, type: ComplexType, binding: Binding): JsonMembers {
  if (isObject(value)) return value
  const list = onlyList(type)
  if (Array.isArray(value) && list !== undefined) return { [list.key]: value }
  if (Array.isArray(value)) throw binding.problem(`takes one value, not a list of ${value.length}`)
  if (type.simple !== undefined || type.mixed) return { '#text': value }
  if (value === '') return {}
  throw binding.problem(`takes an object, not ${quoted(JSON.stringify(value))}`)
}

function elementsOut(object: JsonMembers, type: ComplexType, shape: Shape, binding: Binding): XmlNode[] {
  const queues = new Map<string, readonly Json[]>()
  for (const [key, value] of Object.entries(object)) {
    if (key.startsWith('@') || key.startsWith('#')) continue
    const member = memberFor(key, shape)
    if (member === undefined && shape.wildcards.length === 0) {
      reportLooseKey(key, binding)
      continue
    }
    const values = member === undefined ? manyOf(value) : valuesOf(member, value, binding)
    if (values.length > 0) queues.set(member?.key ?? key, values)
  }
  if (binding.options.encoded !== undefined) addNils(queues, shape)
  const order = orderOf(object, queues, type, { shape, binding })
  const taken = new Map<string, number>()
  return order.map((key) => {
    const at = taken.get(key) ?? 0
    taken.set(key, at + 1)
    return memberOut(key, queues.get(key)?.[at] ?? null, { at, shape, binding })
  })
}

/** SOAP 1.1 §5.1 rule 9: an accessor may be left out for null, but there are readers (zeep) that wait for it: they understand nil. */
function addNils(queues: Map<string, readonly Json[]>, shape: Shape): void {
  for (const { key, min } of shape.plain ?? [])
    if (min > 0 && !queues.has(key) && shape.byKey.get(key)?.decl.nillable === true) queues.set(key, [null])
}

/** The one member of a type that only wraps a list (`ArrayOfString`): the list itself may stand for it. */
function onlyList(type: ComplexType): Member | undefined {
  const { members, attributes } = shapeOf(type)
  const [only] = members
  return members.length === 1 && attributes.length === 0 && only?.repeated === true ? only : undefined
}

interface MemberPlace {
  readonly at: number
  readonly shape: Shape
  readonly binding: Binding
}

function memberOut(key: string, value: Json, { at, shape, binding }: MemberPlace): XmlElement {
  const member = shape.byKey.get(key)
  if (member === undefined) {
    const name = key.startsWith('{') ? nameOfKey(key, '') : wildcardName(key, shape, binding)
    return binding.inside(name.local, at === 0 ? 0 : at + 1, () => looseOut(value, name, binding))
  }
  const { decl } = member
  return binding.inside(decl.name.local, member.repeated ? at + 1 : 0, () =>
    typedOut(value, decl.name, { decl, binding }),
  )
}

function memberFor(key: string, shape: Shape): Member | undefined {
  const known = shape.byKey.get(key)
  if (known !== undefined || !key.startsWith('{')) return known
  const { uri, local } = nameOfKey(key, '')
  return shape.byName.get(clark(uri, local))
}

function manyOf(value: Json): readonly Json[] {
  return Array.isArray(value) ? value : [value]
}

/** The values of a member; null is nil where the schema has that, nothing where the element may be absent. */
function valuesOf(member: Member, value: Json, binding: Binding): readonly Json[] {
  const { decl } = member
  if (value === null) return decl.nillable || binding.options.encoded !== undefined ? [null] : []
  if (member.repeated) return manyOf(value)
  if (Array.isArray(value) && !takesList(decl.type))
    throw binding.problem(`takes one value, not a list of ${value.length}`, decl.name.local)
  return [value]
}

/** Whether one element of the type can be a list: xs:list, a SOAP array, a type that wraps one, anything. */
function takesList(type: TypeDecl): boolean {
  if (type.kind === 'simple') return type.variety === 'list'
  return type.array !== undefined || type === anyType || onlyList(type) !== undefined
}

/**
 * `#order` where the schema has elements in that order (it was written where the members alone do not tell), else the
 * schema's. What it names of members that are left out does not count.
 */
function orderOf(
  object: JsonMembers,
  queues: ReadonlyMap<string, readonly Json[]>,
  type: ComplexType,
  { shape, binding }: { readonly shape: Shape; readonly binding: Binding },
): readonly string[] {
  const counts = new Map<string, number>()
  for (const [key, values] of queues) counts.set(key, values.length)
  const said = getMember(object, '#order')
  if (Array.isArray(said)) {
    const named = said.filter((key: Json) => typeof key === 'string')
    const order = named.filter((key) => counts.has(key))
    const left = new Map(counts)
    for (const key of order) left.set(key, (left.get(key) ?? 0) - 1)
    if (named.length < said.length || [...left.values()].some((many) => many !== 0))
      throw binding.problem('does not name each member as often as there are values', '#order')
    if (isInOrder(type, shape, order)) return order
  }
  const { order, missing, left } = arrange(type, shape, counts)
  const [tooMany] = left
  if (tooMany !== undefined)
    throw binding.problem(`has ${counts.get(tooMany)} values, more than the schema has room for`, tooMany)
  if (missing[0] !== undefined && refusesMissing(binding)) throw binding.problem('is missing', missing[0])
  return order
}

function mixedOut(mixed: Json, type: ComplexType, shape: Shape, binding: Binding): XmlNode[] {
  if (!type.mixed) throw binding.problem('the schema has no text between elements here', '#mixed')
  if (!Array.isArray(mixed))
    throw binding.problem('has to be an array of strings and objects with one member', '#mixed')
  return mixed.flatMap((piece: Json): XmlNode[] => {
    if (!isObject(piece)) {
      if (typeof piece !== 'string')
        throw binding.problem('has to hold strings and objects with one member', '#mixed')
      return piece === '' ? [] : [textOut(piece, anyText, { binding, below: '#mixed' }).text]
    }
    return Object.entries(piece).flatMap(([key, value]) => {
      const member = memberFor(key, shape)
      if (member !== undefined || shape.wildcards.length > 0)
        return [memberOut(member?.key ?? key, value, { at: 0, shape, binding })]
      reportLooseKey(key, binding)
      return []
    })
  })
}
