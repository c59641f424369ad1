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
