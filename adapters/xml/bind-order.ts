// The order elements stand in by a content model, and whether there are as many as it wants.
import { keyOf } from './bind-shape.ts'
import type { PlainStep, Shape } from './bind-shape.ts'
import type { ComplexType, ElementDecl, Particle } from './schema.ts'

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
  if (shape.plain !== undefined) return arrangePlain(shape.plain, counts)
  const arranger = new Arranger(shape, counts)
  if (type.particle !== undefined) arranger.place(type.particle)
  return arranger.result()
}

function arrangePlain(steps: readonly PlainStep[], counts: ReadonlyMap<string, number>): Arrangement {
  const order: string[] = []
  const missing: string[] = []
  const left = new Map(counts)
  for (const { key, min, max } of steps) {
    const many = left.get(key) ?? 0
    const taken = Math.min(many, max)
    for (let i = 0; i < taken; i++) order.push(key)
    if (taken < min) missing.push(key)
    if (taken === many) left.delete(key)
    else left.set(key, many - taken)
  }
  return { order, missing, left: [...left.keys()] }
}

type Leaf = Extract<Particle, { readonly kind: 'element' | 'any' }>
type Group = Extract<Particle, { readonly items: readonly Particle[] }>

/** Whether the content model has elements in this very order, by key: as many of each as it wants, none too many (XSD 1 §3.8.4). */
export function isInOrder({ particle }: ComplexType, shape: Shape, order: readonly string[]): boolean {
  const end = particle === undefined ? 0 : new Matcher(shape, order).after(particle, 0)
  return end === order.length
}

/**
 * Follows elements through a content model. Each particle takes what it can, which is right because a schema's next element
 * belongs to one particle alone (XSD 1 §3.8.6, Unique Particle Attribution).
 */
class Matcher {
  readonly #shape: Shape
  readonly #order: readonly string[]

  constructor(shape: Shape, order: readonly string[]) {
    this.#shape = shape
    this.#order = order
  }

  /** The place behind what the particle takes from `at` on; undefined where it wants more. */
  after(particle: Particle, at: number): number | undefined {
    if (particle.kind === 'element' || particle.kind === 'any') {
      let end = at
      while (end - at < particle.max && this.#takes(particle, this.#order[end])) end++
      return end - at < particle.min ? undefined : end
    }
    let end = at
    for (let round = 0; round < particle.max; round++) {
      const next = this.#round(particle, end)
      if (next === undefined) return round < particle.min ? undefined : end
      if (next === end) break
      end = next
    }
    return end
  }

  #round({ kind, items }: Group, at: number): number | undefined {
    if (kind === 'choice') return this.#branch(items, at)
    if (kind === 'all') return this.#all(items, at)
    let end: number | undefined = at
    for (const item of items) if ((end = this.after(item, end)) === undefined) return undefined
    return end
  }

  #branch(items: readonly Particle[], at: number): number | undefined {
    let found: number | undefined
    for (const item of items) {
      const end = this.after(item, at)
      if (end !== undefined && end > at) return end
      found ??= end
    }
    return found
  }

  /** XSD 1 §3.8.4: each item once, in any order. */
  #all(items: readonly Particle[], at: number): number | undefined {
    const open = new Set(items)
    let end = at
    for (;;) {
      const next = [...open].find((item) => (this.after(item, end) ?? end) > end)
      if (next === undefined) break
      end = this.after(next, end) ?? end
      open.delete(next)
    }
    return [...open].every((item) => this.after(item, end) !== undefined) ? end : undefined
  }

  #takes(particle: Leaf, key: string | undefined): boolean {
    if (key === undefined) return false
    const member = this.#shape.byKey.get(key)
    if (member === undefined || particle.kind === 'any')
      return member === undefined && particle.kind === 'any'
    const { uri, local } = member.decl.name
    const isIt = ({ name }: ElementDecl): boolean => name.local === local && name.uri === uri
    return isIt(particle.decl) || particle.decl.substitutes.some(isIt)
  }
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

  #take(particle: Leaf): void {
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

  #rounds(group: Group): void {
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

  #keysOf(particle: Leaf): readonly string[] {
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
