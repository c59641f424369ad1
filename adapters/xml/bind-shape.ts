// What a complex type is as a JSON object: its members by name, and the order their elements stand in.
import { clark, fullKey } from './names.ts'
import type { AttributeDecl, ComplexType, ElementDecl, Particle } from './schema.ts'
import type { XmlName } from './tree.ts'

export interface Member {
  /** The local name; `{uri}local` where an earlier member has it. */
  readonly key: string
  readonly decl: ElementDecl
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
  /** Elements of different names may alternate: members alone do not tell their order. */
  readonly interleaves: boolean
  /** Where xsi:type goes: `@type`, but `@xsi:type` for a type that has an attribute of that name itself. */
  readonly typeKey: '@type' | '@xsi:type'
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
    const member = { key, decl, repeated: max > 1, max, own: own && !decl.abstract }
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
    attributes.push({ key, decl })
    attributesByKey.set(key, { key, decl })
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
    interleaves: type.particle !== undefined && interleaves(type.particle, new Set(), false),
    typeKey: attributesByKey.has('@type') ? '@xsi:type' : '@type',
  }
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

/** The order of elements, by key, and what is wrong with how many there are. */
export interface Arrangement {
  readonly order: readonly string[]
  /** Keys of required members that are not there. */
  readonly missing: readonly string[]
  /** Keys of which there are more than have a place. */
  readonly left: readonly string[]
}

/**
 * Puts elements into the order of the content model, as many of each as `counts` says; keys the shape does not know go
 * where a wildcard is. Groups that repeat take one round after the other, choices the first branch that has something.
 */
export function arrange(type: ComplexType, shape: Shape, counts: ReadonlyMap<string, number>): Arrangement {
  const arranger = new Arranger(shape, counts)
  if (type.particle !== undefined) arranger.place(type.particle)
  return arranger.result()
}

class Arranger {
  readonly #shape: Shape
  readonly #left: Map<string, number>
  readonly #loose: readonly string[]
  readonly #order: string[] = []
  readonly #missing: string[] = []

  constructor(shape: Shape, counts: ReadonlyMap<string, number>) {
    this.#shape = shape
    this.#left = new Map(counts)
    this.#loose = [...counts.keys()].filter((key) => !shape.byKey.has(key))
  }

  result(): Arrangement {
    const left = [...this.#left].filter(([, many]) => many > 0).map(([key]) => key)
    return { order: this.#order, missing: this.#missing, left }
  }

  place(particle: Particle): void {
    if (particle.kind === 'element' || particle.kind === 'any') this.#take(particle)
    else this.#rounds(particle)
  }

  #take(particle: Extract<Particle, { readonly kind: 'element' | 'any' }>): void {
    let taken = 0
    for (const key of this.#keysOf(particle)) {
      const here = Math.min(this.#left.get(key) ?? 0, particle.max - taken)
      for (let i = 0; i < here; i++) this.#order.push(key)
      this.#left.set(key, (this.#left.get(key) ?? 0) - here)
      taken += here
    }
    if (taken < particle.min && particle.kind === 'element')
      this.#missing.push(this.#shape.byName.get(keyOf(particle.decl.name))?.key ?? particle.decl.name.local)
  }

  #rounds(group: Extract<Particle, { readonly items: readonly Particle[] }>): void {
    for (let round = 0; round < group.max; round++) {
      const before = this.#order.length
      const wanted = round < group.min
      if (!this.#has(group) && !(wanted && round === 0)) return
      if (group.kind === 'choice') this.#branch(group.items)
      else for (const item of group.items) this.place(item)
      if (this.#order.length === before) return
    }
  }

  #branch(items: readonly Particle[]): void {
    const chosen = items.find((item) => this.#has(item))
    if (chosen !== undefined) this.place(chosen)
    else if (items.length > 0 && !items.some(isOptional)) {
      const names = items.flatMap((item) => this.#keysIn(item)).slice(0, 5)
      this.#missing.push(names.join(' or '))
    }
  }

  #has(particle: Particle): boolean {
    if (particle.kind === 'element' || particle.kind === 'any')
      return this.#keysOf(particle).some((key) => (this.#left.get(key) ?? 0) > 0)
    return particle.items.some((item) => this.#has(item))
  }

  #keysOf(particle: Extract<Particle, { readonly kind: 'element' | 'any' }>): readonly string[] {
    if (particle.kind === 'any') return this.#loose
    const { decl } = particle
    if (decl.substitutes.length === 0) return [this.#keyOf(decl)]
    return [decl, ...decl.substitutes].map((one) => this.#keyOf(one))
  }

  #keyOf(decl: ElementDecl): string {
    return this.#shape.byName.get(keyOf(decl.name))?.key ?? decl.name.local
  }

  #keysIn(particle: Particle): readonly string[] {
    if (particle.kind === 'element') return [this.#keyOf(particle.decl)]
    return particle.kind === 'any' ? [] : particle.items.flatMap((item) => this.#keysIn(item))
  }
}

function isOptional(particle: Particle): boolean {
  if (particle.min === 0) return true
  if (particle.kind === 'element' || particle.kind === 'any') return false
  if (particle.items.length === 0) return true
  return particle.kind === 'choice' ? particle.items.some(isOptional) : particle.items.every(isOptional)
}

function keyOf(name: XmlName): string {
  return clark(name.uri, name.local)
}
