// What a complex type is as a JSON object: its members by name, and the order their elements stand in.
import type { Binding } from './bind-context.ts'
import { clark, fullKey } from './names.ts'
import type { AttributeDecl, ComplexType, ElementDecl, Particle, XmlSchemas } from './schema.ts'
import type { XmlName } from './tree.ts'

export interface Member {
  /** The local name; `{uri}local` where an earlier member has it. */
  readonly key: string
  readonly decl: ElementDecl
  /** Its place among the members. */
  readonly index: number
  /** More than one may come: an array, however many did. */
  readonly repeated: boolean
  /** How many may come at all. */
  readonly max: number
  /** Named by the type itself and not abstract; else it stands for a substitution group's head. */
  readonly own: boolean
}

export interface AttributeMember {
  /** `@name`, or `@{uri}name` where an earlier one has it. */
  readonly key: string
  readonly decl: AttributeDecl
  /** Its place among the attributes. */
  readonly index: number
}

export interface Shape {
  readonly members: readonly Member[]
  readonly byName: ReadonlyMap<string, Member>
  readonly byKey: ReadonlyMap<string, Member>
  /** By local name, for SOAP-encoded structs (SOAP 1.1 §5.1: accessors, in whatever form). */
  readonly byLocal: ReadonlyMap<string, Member>
  readonly attributes: readonly AttributeMember[]
  readonly attributesByName: ReadonlyMap<string, AttributeMember>
  readonly attributesByKey: ReadonlyMap<string, AttributeMember>
  /** Wildcards for elements; empty: none. */
  readonly wildcards: readonly string[]
  /** Some member may come only so often. */
  readonly bounded: boolean
  /** Elements of different names may alternate: members alone do not tell their order. */
  readonly interleaves: boolean
  /** The whole content model where it is nothing but elements one after the other, which most are. */
  readonly plain: readonly PlainStep[] | undefined
  /** Where xsi:type goes: `@type`, but `@xsi:type` for a type that has an attribute of that name itself. */
  readonly typeKey: '@type' | '@xsi:type'
}

export interface PlainStep {
  readonly key: string
  readonly min: number
  readonly max: number
}

const shapes = new WeakMap<ComplexType, Shape>()

export function shapeOf(type: ComplexType): Shape {
  let shape = shapes.get(type)
  if (shape === undefined) shapes.set(type, (shape = makeShape(type)))
  return shape
}

function makeShape(type: ComplexType): Shape {
  const counted = type.particle === undefined ? new Map<string, Counted>() : count(type.particle)
  const members: Member[] = []
  const byKey = new Map<string, Member>()
  const byName = new Map<string, Member>()
  const byLocal = new Map<string, Member>()
  for (const [name, { decl, max, own }] of counted) {
    const key = byKey.has(decl.name.local) ? fullKey(decl.name.uri, decl.name.local) : decl.name.local
    const index = members.length
    const member = { key, decl, index, repeated: max > 1, max, own: own && !decl.abstract }
    members.push(member)
    byKey.set(key, member)
    byName.set(name, member)
    if (!byLocal.has(decl.name.local)) byLocal.set(decl.name.local, member)
  }
  const attributes: AttributeMember[] = []
  const attributesByKey = new Map<string, AttributeMember>()
  for (const decl of type.attributes) {
    const plain = `@${decl.name.local}`
    const key = attributesByKey.has(plain) ? `@${fullKey(decl.name.uri, decl.name.local)}` : plain
    const member = { key, decl, index: attributes.length }
    attributes.push(member)
    attributesByKey.set(key, member)
  }
  return {
    members,
    byName,
    byKey,
    byLocal,
    attributes,
    attributesByName: new Map(attributes.map((one) => [clark(one.decl.name.uri, one.decl.name.local), one])),
    attributesByKey,
    wildcards: type.particle === undefined ? [] : wildcardsIn(type.particle),
    bounded: members.some(({ max }) => max !== 1 && max !== Infinity), // a second one of max 1 is refused as it comes
    interleaves: type.particle !== undefined && interleaves(type.particle, new Set(), false),
    plain: type.particle === undefined ? [] : plainSteps(type.particle, byName),
    typeKey: attributesByKey.has('@type') ? '@xsi:type' : '@type',
  }
}

function plainSteps(
  particle: Particle,
  byName: ReadonlyMap<string, Member>,
): readonly PlainStep[] | undefined {
  if (particle.kind === 'element') {
    const member = byName.get(keyOf(particle.decl.name))
    if (member === undefined || particle.decl.substitutes.length > 0) return undefined
    return [{ key: member.key, min: particle.min, max: particle.max }]
  }
  if (particle.kind === 'any' || particle.kind === 'choice' || particle.min !== 1 || particle.max !== 1)
    return undefined
  const steps: PlainStep[] = []
  for (const item of particle.items) {
    const inner = plainSteps(item, byName)
    if (inner === undefined) return undefined
    steps.push(...inner)
  }
  return steps
}

interface Counted {
  readonly decl: ElementDecl
  readonly max: number
  readonly own: boolean
}

/** How often each element may come, with those that may stand for it. */
function count(particle: Particle): Map<string, Counted> {
  const found = new Map<string, Counted>()
  if (particle.kind === 'any') return found
  if (particle.kind === 'element') {
    const { decl, max } = particle
    found.set(keyOf(decl.name), { decl, max, own: true })
    for (const other of decl.substitutes)
      if (!other.abstract) found.set(keyOf(other.name), { decl: other, max, own: false })
    return found
  }
  for (const item of particle.items)
    for (const [name, inner] of count(item)) {
      const known = found.get(name)
      const max =
        particle.kind === 'choice' ? Math.max(known?.max ?? 0, inner.max) : (known?.max ?? 0) + inner.max
      found.set(name, { decl: known?.decl ?? inner.decl, max, own: inner.own || known?.own === true })
    }
  if (particle.max > 1)
    for (const [name, inner] of found) found.set(name, { ...inner, max: inner.max * particle.max })
  return found
}

function wildcardsIn(particle: Particle): string[] {
  if (particle.kind === 'any') return [particle.namespace]
  return particle.kind === 'element' ? [] : particle.items.flatMap(wildcardsIn)
}

function interleaves(particle: Particle, seen: Set<string>, repeated: boolean): boolean {
  if (particle.kind === 'any' || particle.kind === 'element') {
    const names =
      particle.kind === 'any'
        ? ['*']
        : [particle.decl, ...particle.decl.substitutes].map((one) => keyOf(one.name))
    const again = names.some((name) => seen.has(name))
    for (const name of names) seen.add(name)
    return (
      again ||
      (names.length > 1 && (repeated || particle.max > 1)) ||
      (particle.kind === 'any' && particle.max > 1)
    )
  }
  const many = repeated || particle.max > 1
  if (many && elementsIn(particle) > 1) return true
  return particle.items.some((item) => interleaves(item, seen, many))
}

function elementsIn(particle: Particle): number {
  if (particle.kind === 'any' || particle.kind === 'element') return 1
  return particle.items.reduce((sum, item) => sum + elementsIn(item), 0)
}

/** Whether a wildcard takes a namespace (XSD 1 §3.10.4). */
export function admits(wildcard: string, uri: string): boolean {
  if (wildcard === '##any') return true
  if (wildcard.startsWith('##other')) return uri !== '' && uri !== wildcard.slice('##other '.length)
  return wildcard.split(/[\t\n\r ]+/).includes(uri === '' ? '##local' : uri)
}

export function keyOf(name: XmlName): string {
  return clark(name.uri, name.local)
}

/** What a plain key means where a wildcard is: the element of the one namespace that it names, else as anywhere nobody declares it. */
export function wildcardName(local: string, { wildcards }: Shape, { schemas }: Binding): XmlName {
  const [named] = wildcards.flatMap((one) => (one.startsWith('##') ? [] : one.split(/[\t\n\r ]+/)))
  return looseName({ uri: named === undefined || named === '##local' ? '' : named, local }, schemas)
}

/** A name nobody declared where it stands: a global element's of that local name if there is one, else as it is. */
function looseName(name: XmlName, schemas: XmlSchemas | undefined): XmlName {
  if (schemas === undefined || schemas.element(name) !== undefined) return name
  const known = globals.get(schemas) ?? globalsOf(schemas)
  return known.get(name.local) ?? name
}

/**
 * What an element inside one that nobody declared is called if it does not say. SOAP 1.1 §5.1: an accessor is known by its
 * own name, whatever elements the schema has somewhere else.
 */
export function childName(name: XmlName, { options, schemas }: Binding): XmlName {
  return options.encoded === undefined ? looseName(name, schemas) : name
}

const globals = new WeakMap<XmlSchemas, ReadonlyMap<string, XmlName>>()

function globalsOf(schemas: XmlSchemas): ReadonlyMap<string, XmlName> {
  const names = new Map<string, XmlName>()
  for (const { name } of schemas.elements) if (!names.has(name.local)) names.set(name.local, name)
  globals.set(schemas, names)
  return names
}
