// A sample of an element as JSON, for help pages and commands to paste.
import type { Json } from 'dragoman'
import { getMember, isObject, setMember } from './bind-context.ts'
import type { JsonObject } from './bind-context.ts'
import { shapeOf } from './bind-shape.ts'
import type { Shape } from './bind-shape.ts'
import { clark } from './names.ts'
import type { ComplexType, ElementDecl, Particle, TypeDecl, XmlSchemas } from './schema.ts'
import { derivesFrom } from './schema.ts'
import { sampleValue } from './sample-value.ts'

/** Deeper than this only what is required. */
const enoughLevels = 6
/** Of one element, whatever the schema wants at least. */
const enoughCopies = 20

/**
 * Valid by its schema as far as facets can be met by trying; optional members are there, lists have as many items as they
 * need at least, up to twenty.
 */
export function sample(decl: ElementDecl): Json {
  return new Sampler(decl.schemas).element(decl)
}

class Sampler {
  readonly #schemas: XmlSchemas
  readonly #open: TypeDecl[] = []
  /** How often what is made here will stand in the whole: lists in lists multiply. */
  #copies = 1

  constructor(schemas: XmlSchemas) {
    this.#schemas = schemas
  }

  element(decl: ElementDecl): Json {
    const { type } = decl
    if (type.kind === 'simple') return sampleValue(type, decl.fixed ?? decl.default)
    if (!type.abstract) return this.#complex(type)
    const concrete = this.#schemas.types.find(
      (other) => other.kind === 'complex' && !other.abstract && derivesFrom(other, type),
    )
    if (concrete?.kind !== 'complex' || this.#open.includes(concrete)) return {}
    const value = this.#complex(concrete)
    return {
      [shapeOf(concrete).typeKey]: concrete.name?.local ?? '',
      ...(isObject(value) ? value : { '#text': value }),
    }
  }

  #complex(type: ComplexType): Json {
    if (type.array !== undefined) {
      const { item } = type.array
      if (this.#open.includes(item) || this.#open.length > enoughLevels) return []
      this.#open.push(type)
      const value = this.element({ ...anyDecl(this.#schemas), type: item })
      this.#open.pop()
      return [value]
    }
    const object: JsonObject = {}
    const shape = shapeOf(type)
    for (const { key, decl } of shape.attributes)
      setMember(object, key, sampleValue(decl.type, decl.fixed ?? decl.default))
    if (type.simple !== undefined) {
      const text = sampleValue(type.simple)
      return shape.attributes.length === 0 ? text : { ...object, '#text': text }
    }
    this.#open.push(type)
    if (type.particle !== undefined) this.#particle(type.particle, shape, object)
    this.#open.pop()
    return Object.keys(object).length === 0 && type.mixed ? 'text' : object
  }

  #particle(particle: Particle, shape: Shape, object: JsonObject): void {
    if (particle.kind === 'any') return
    if (particle.kind === 'element') return this.#member(particle, shape, object)
    this.#times(particle.min, () => {
      for (const item of particle.kind === 'choice' ? this.#branch(particle.items) : particle.items)
        this.#particle(item, shape, object)
    })
  }

  /** The first branch that comes to an end, of a choice. */
  #branch(items: readonly Particle[]): readonly Particle[] {
    const shown = items.filter((item) => item.kind !== 'any')
    const found = shown.find((item) => !this.#isEndless(item)) ?? shown[0]
    return found === undefined ? [] : [found]
  }

  /** Whether it needs what is being made already. */
  #isEndless(particle: Particle): boolean {
    if (particle.kind === 'any' || particle.min === 0) return false
    if (particle.kind === 'element') {
      const shown = shownOf(particle.decl)
      return shown !== undefined && this.#open.includes(shown.type)
    }
    if (particle.kind === 'choice') return particle.items.every((item) => this.#isEndless(item))
    return particle.items.some((item) => this.#isEndless(item))
  }

  #member(particle: ElementParticle, shape: Shape, object: JsonObject): void {
    const shown = shownOf(particle.decl)
    const member = shown === undefined ? undefined : shape.byName.get(clark(shown.name.uri, shown.name.local))
    if (member === undefined) return
    const before = getMember(object, member.key)
    if (before !== undefined && (!member.repeated || particle.min === 0)) return
    const again = this.#open.includes(member.decl.type) || this.#open.length > enoughLevels
    if (again && particle.min === 0) {
      if (member.repeated) setMember(object, member.key, [])
      return
    }
    if (this.#open.filter((type) => type === member.decl.type).length > 1) return // required in itself: it has no end
    if (!member.repeated) return setMember(object, member.key, this.element(member.decl))
    const values: Json[] = []
    this.#times(particle.min, () => values.push(this.element(member.decl)))
    setMember(object, member.key, [...(Array.isArray(before) ? before : []), ...values])
  }

  /** Makes something as often as it has to be, once at least, and not so often that the whole grows out of hand. */
  #times(min: number, make: () => void): void {
    const copies = this.#copies
    const many = Math.max(1, Math.min(min, Math.floor(enoughCopies / copies)))
    this.#copies = copies * many
    for (let i = 0; i < many; i++) make()
    this.#copies = copies
  }
}

type ElementParticle = Extract<Particle, { readonly kind: 'element' }>

/** The element itself, or the first that stands for an abstract one. */
function shownOf(decl: ElementDecl): ElementDecl | undefined {
  return decl.abstract ? decl.substitutes.find((other) => !other.abstract) : decl
}

function anyDecl(schemas: XmlSchemas): Omit<ElementDecl, 'type'> {
  return { name: { uri: '', local: 'item' }, nillable: true, abstract: false, substitutes: [], schemas }
}
