// A sample of an element as JSON, for help pages and commands to paste.
import type { Json } from 'dragoman'
import { isObject, setMember } from './bind-context.ts'
import type { JsonObject } from './bind-context.ts'
import { shapeOf } from './bind-shape.ts'
import type { Shape } from './bind-shape.ts'
import { clark } from './names.ts'
import type { ComplexType, ElementDecl, Particle, SimpleType, TypeDecl, XmlSchemas } from './schema.ts'
import { derivesFrom } from './schema.ts'
import { jsonOf, normalise, problemOf } from './value.ts'

/** Deeper than this only what is required. */
const enoughLevels = 6

/** Valid by its schema as far as facets can be met by trying; optional members are there, lists have one item. */
export function sample(decl: ElementDecl): Json {
  return new Sampler(decl.schemas).element(decl)
}

class Sampler {
  readonly #schemas: XmlSchemas
  readonly #open: TypeDecl[] = []

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
    if (particle.kind === 'choice') {
      const first = particle.items.find((item) => item.kind !== 'any')
      if (first !== undefined) this.#particle(first, shape, object)
      return
    }
    if (particle.kind !== 'element') {
      for (const item of particle.items) this.#particle(item, shape, object)
      return
    }
    const { decl } = particle
    const shown = decl.abstract ? decl.substitutes.find((other) => !other.abstract) : decl
    const member = shown === undefined ? undefined : shape.byName.get(clark(shown.name.uri, shown.name.local))
    if (member === undefined || Object.hasOwn(object, member.key)) return
    const again = this.#open.includes(member.decl.type) || this.#open.length > enoughLevels
    if (again && particle.min === 0) {
      if (member.repeated) setMember(object, member.key, [])
      return
    }
    if (this.#open.filter((type) => type === member.decl.type).length > 1) return // required in itself: it has no end
    const value = this.element(member.decl)
    const many = Math.max(1, Math.min(particle.min, 3))
    setMember(object, member.key, member.repeated ? Array.from({ length: many }, () => value) : value)
  }
}

function anyDecl(schemas: XmlSchemas): Omit<ElementDecl, 'type'> {
  return { name: { uri: '', local: 'item' }, nillable: true, abstract: false, substitutes: [], schemas }
}

const texts: ReadonlyMap<string, string> = new Map([
  ['boolean', 'true'],
  ['decimal', '1.00'],
  ['float', '1.5'],
  ['double', '1.5'],
  ['duration', 'P1D'],
  ['dateTime', '2024-01-31T12:00:00Z'],
  ['time', '12:00:00'],
  ['date', '2024-01-31'],
  ['gYearMonth', '2024-01'],
  ['gYear', '2024'],
  ['gMonthDay', '--01-31'],
  ['gDay', '---31'],
  ['gMonth', '--01'],
  ['hexBinary', '74657874'],
  ['base64Binary', 'dGV4dA=='],
  ['anyURI', 'http://example.com/'],
  ['language', 'en'],
  ['negativeInteger', '-1'],
  ['nonPositiveInteger', '0'],
])

function sampleValue(type: SimpleType, said?: string): Json {
  const text =
    said ?? candidates(type).find((candidate) => problemOf(type, normalise(type, candidate)) === undefined)
  return text === undefined ? '' : jsonOf(type, normalise(type, text))
}

/** What is tried, the likeliest first. */
function candidates(type: SimpleType): string[] {
  const {
    enumeration = [],
    example,
    length,
    minLength,
    minInclusive,
    maxInclusive,
    minExclusive,
  } = type.facets
  const item = type.item ?? type.members?.[0]
  const inner = item === undefined ? [] : candidates(item)
  const matching = example?.()
  const size = length ?? minLength ?? 0
  return [
    ...enumeration,
    ...(matching === undefined ? [] : [matching]),
    texts.get(type.builtin) ?? 'text',
    '1',
    ...inner,
    ...[minInclusive, maxInclusive].filter((bound) => bound !== undefined),
    ...(minExclusive === undefined ? [] : [String(Number(minExclusive) + 1)]),
    ...(size > 10_000
      ? []
      : ['x'.repeat(size), '1'.repeat(size), Array.from({ length: size }, () => inner[0] ?? 'x').join(' ')]),
    '',
  ]
}
