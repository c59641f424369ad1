// XML to JSON where a schema says what things are.
import type { Json } from 'dragoman'
import { isObject, quoted, setMember } from './bind-context.ts'
import type { Binding, JsonObject } from './bind-context.ts'
import { arrayIn, looksLikeArray } from './bind-encoded.ts'
import {
  actualType,
  attributesIn,
  attributesOfSimple,
  isNil,
  simpleIn,
  typeKeyOf,
  withType,
} from './bind-in-values.ts'
import { membersOfMap } from './bind-map.ts'
import { arrange } from './bind-order.ts'
import { admits, childName, shapeOf, wildcardName } from './bind-shape.ts'
import type { Member, Shape } from './bind-shape.ts'
import { untypedIn, withNamespace } from './bind-untyped.ts'
import type { ChildIn } from './bind-untyped.ts'
import { typeSaid } from './instance.ts'
import { clark, fullKey } from './names.ts'
import { anyType, isOpen, mapType, openArray } from './schema-builtin.ts'
import type { ComplexType, ElementDecl, TypeDecl } from './schema.ts'
import { textOf, isBlank } from './tree.ts'
import type { XmlElement, XmlName } from './tree.ts'

/** An element that is declared. The binding stands at it. */
export function typedIn(element: XmlElement, decl: ElementDecl, binding: Binding): Json {
  const declared = decl.type
  const isBare = element.attributes.length === 0 // no xsi:type, no xsi:nil: most elements
  const actual = isBare ? declared : actualType(element, declared, binding)
  const said = actual === declared ? undefined : typeKeyOf(actual, declared, binding)
  if (decl.abstract)
    throw binding.problem(`element "${decl.name.local}" is abstract, one that stands for it is needed`)
  // before its type: .NET and JAXB write null so where the type is abstract
  if (!isBare && isNil(element, binding)) return nilIn(element, actual, binding)
  if (actual.kind === 'complex' && actual.abstract)
    throw binding.problem(`type "${actual.name?.local ?? ''}" is abstract, xsi:type has to say which`)
  if (actual.kind === 'simple') {
    const value = simpleIn(element, actual, decl, binding)
    if (isBare) return value
    const extra: JsonObject = said === undefined ? {} : { '@type': said }
    attributesOfSimple(element, extra, { binding, isOpen: declared.kind !== 'simple' })
    return Object.keys(extra).length === 0 ? value : { ...extra, '#text': value }
  }
  const array = actual.array ?? (actual === anyType && looksLikeArray(element) ? openArray : undefined)
  if (array !== undefined)
    return arrayIn(element, array, binding, (child, itemDecl) =>
      withType(typedIn(child, itemDecl, binding), itemDecl.type, array.item, binding),
    )
  if (isOpen(actual))
    return untypedIn(
      element,
      binding,
      binding.options.encoded === undefined ? namedChild(element) : childUnderSchema,
    )
  const value = complexIn(element, actual, said, binding)
  return actual === mapType && isObject(value) ? membersOfMap(value) : value
}

/** A child nobody declared: by xsi:type or a global declaration if there is one (lax), else untyped. */
export function childUnderSchema(element: XmlElement, binding: Binding): Json {
  const { schemas } = binding
  const decl = schemas?.element(element)
  if (decl !== undefined) return typedIn(element, decl, binding)
  if (schemas !== undefined && (typeSaid(element) !== undefined || looksLikeArray(element)))
    return typedIn(element, anyElement(element, schemas), binding)
  return untypedIn(element, binding, schemas === undefined ? undefined : childUnderSchema)
}

function anyElement(name: XmlName, schemas: ElementDecl['schemas']): ElementDecl {
  return { name, type: anyType, nillable: true, abstract: false, substitutes: [], schemas }
}

function nilIn(element: XmlElement, type: TypeDecl, binding: Binding): Json {
  if (type.kind === 'simple') return null
  const object: JsonObject = {}
  attributesIn(element, type, { object, binding, defaults: false })
  return Object.keys(object).length === 0 ? null : { ...object, '#text': null }
}

function complexIn(element: XmlElement, type: ComplexType, said: string | undefined, binding: Binding): Json {
  const shape = shapeOf(type)
  const object: JsonObject = {}
  if (said !== undefined) setMember(object, shape.typeKey, said)
  attributesIn(element, type, { object, binding, defaults: true })
  if (type.simple !== undefined) {
    const value = simpleIn(element, type.simple, {}, binding)
    const plain = shape.attributes.length === 0 && Object.keys(object).length === 0
    return plain ? value : { ...object, '#text': value }
  }
  const hasElements = element.children.some((child) => typeof child !== 'string')
  if (type.mixed && (hasElements || element.children.length > 0)) {
    if (hasElements) return { ...object, '#mixed': mixedIn(element, shape, binding) }
    const text = textOf(element)
    return Object.keys(object).length === 0 ? text : { ...object, '#text': text }
  }
  elementsIn(element, type, { shape, object, binding })
  return object
}

interface ElementsInto {
  readonly shape: Shape
  readonly object: JsonObject
  readonly binding: Binding
}

/** Members come in the order of the schema, whatever order the elements came in. */
function elementsIn(element: XmlElement, type: ComplexType, into: ElementsInto): void {
  const { shape, object, binding } = into
  /** By the place of the member: the values of one that repeats, the value of one that does not. */
  const lists: (Json[] | undefined)[] = []
  const singles: (Json | undefined)[] = []
  let loose: Map<string, Json[]> | undefined
  const order: string[] = []
  let next = 0
  for (const child of element.children) {
    if (typeof child === 'string') {
      if (!isBlank(child)) throw binding.problem(`text ${quoted(child.trim())} has no place between elements`)
      continue
    }
    const member = memberAt(next, child, shape) ?? memberFor(child, shape, binding)
    const key = member?.key ?? looseKey(child, shape, binding)
    if (key === undefined) continue
    if (member !== undefined && !member.repeated) {
      if (singles[member.index] !== undefined) throw binding.problem('came more than once', child.local)
      binding.enter(child.local, 0)
      singles[member.index] = typedIn(child, member.decl, binding)
      next = member.index + 1
    } else {
      const before = member === undefined ? loose?.get(key) : lists[member.index]
      binding.enter(child.local, before !== undefined ? before.length + 1 : member === undefined ? 0 : 1)
      const value =
        member === undefined ? looseIn(child, shape, binding) : typedIn(child, member.decl, binding)
      if (before !== undefined) before.push(value)
      else if (member !== undefined) lists[(next = member.index)] = [value]
      else (loose ??= new Map()).set(key, [value])
    }
    binding.leave()
    if (shape.interleaves) order.push(key)
  }
  for (const { key, index, repeated, own } of shape.members) {
    const value = repeated ? (lists[index] ?? (own ? [] : undefined)) : singles[index]
    if (value !== undefined) setMember(object, key, value)
  }
  for (const [key, values] of loose ?? [])
    setMember(object, key, values.length === 1 ? (values[0] ?? null) : values)
  if (binding.options.missing !== 'refuse' && !shape.interleaves && !hasMaximum(shape, lists)) return
  const counts = new Map([...(loose ?? [])].map(([key, values]) => [key, values.length]))
  for (const { key, index, repeated } of shape.members) {
    const count = repeated ? lists[index]?.length : singles[index] === undefined ? undefined : 1
    if (count !== undefined) counts.set(key, count)
  }
  const arranged = arrange(type, shape, counts)
  if (binding.options.missing === 'refuse' && arranged.missing[0] !== undefined)
    throw binding.problem('is missing', arranged.missing[0])
  const tooMany = arranged.left.find((key) => shape.byKey.has(key))
  if (tooMany !== undefined) throw binding.problem('came more often than the schema allows', tooMany)
  if (shape.interleaves && arranged.order.some((key, i) => key !== order[i]))
    setMember(object, '#order', order)
}

/** Lists with an upper bound are counted; unbounded ones need no look at the content model. */
function hasMaximum(shape: Shape, lists: readonly (readonly Json[] | undefined)[]): boolean {
  return shape.bounded && shape.members.some(({ index, max }) => (lists[index]?.length ?? 0) > max)
}

/** Elements mostly come in the schema's order: the member that is due, or the one behind it, without a look-up by name. */
function memberAt(due: number, child: XmlElement, { members }: Shape): Member | undefined {
  for (let at = due; at < due + 2; at++) {
    const member = members[at]
    if (member === undefined) return undefined
    const { local, uri } = member.decl.name
    if (local === child.local && uri === child.uri) return member
  }
  return undefined
}

function memberFor(child: XmlElement, shape: Shape, binding: Binding): Member | undefined {
  const likely = shape.byLocal.get(child.local)
  if (likely === undefined) return undefined
  // SOAP 1.1 §5.1: accessors of encoded structs are known by their local names, however the schema qualifies its own.
  if (likely.decl.name.uri === child.uri || binding.options.encoded !== undefined) return likely
  return shape.byName.get(clark(child.uri, child.local))
}

/** The member an element without a declaration becomes; undefined: it is left out. */
function looseKey(child: XmlElement, shape: Shape, binding: Binding): string | undefined {
  const { uri, local } = child
  const unknown = binding.options.unknown ?? 'refuse'
  if (!isAdmitted(child, shape)) {
    const where = uri === '' ? 'without a namespace' : `in namespace ${quoted(uri)}`
    if (unknown === 'refuse') throw binding.problem(`is not an element the schema has here (${where})`, local)
    if (unknown === 'drop') {
      binding.options.dropped?.(binding.path(local))
      return undefined
    }
  }
  return shape.byKey.has(local) ? fullKey(uri, local) : local
}

function isAdmitted({ uri }: XmlElement, { wildcards }: Shape): boolean {
  return wildcards.some((wildcard) => admits(wildcard, uri))
}

/** What stands under a wildcard: it says its namespace where the schema could not restore it. */
function looseIn(child: XmlElement, shape: Shape, binding: Binding): Json {
  if (!isAdmitted(child, shape)) return childUnderSchema(child, binding)
  const expected = shape.byKey.has(child.local) ? child : wildcardName(child.local, shape, binding)
  return namedIn(child, expected, binding)
}

function namedIn(element: XmlElement, expected: XmlName, binding: Binding): Json {
  const { schemas } = binding
  const isKnown =
    schemas?.element(element) !== undefined || typeSaid(element) !== undefined || looksLikeArray(element)
  const value = isKnown
    ? childUnderSchema(element, binding)
    : untypedIn(element, binding, namedChild(element))
  return expected.uri === element.uri ? value : withNamespace(value, element.uri)
}

/** How a child of an element nobody declared is read: expected in the namespace around it, or where the schema has its name. */
function namedChild({ uri }: XmlElement): ChildIn {
  return (child, at) => namedIn(child, childName({ uri, local: child.local }, at), at)
}

/** Mixed content in its order: strings, and objects with one member each. */
function mixedIn(element: XmlElement, shape: Shape, binding: Binding): Json[] {
  return element.children.flatMap((child): Json[] => {
    if (typeof child === 'string') return [child]
    const member = memberFor(child, shape, binding)
    const key = member?.key ?? looseKey(child, shape, binding)
    if (key === undefined) return []
    const value = binding.inside(child.local, 0, () =>
      member === undefined ? looseIn(child, shape, binding) : typedIn(child, member.decl, binding),
    )
    const object: JsonObject = {}
    setMember(object, key, value)
    return [object]
  })
}
