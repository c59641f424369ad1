// Complex types of a schema: content models, attributes, derivation, SOAP arrays (XSD 1 §3.4, SOAP 1.1 §5.4.2).
import { SOAPENC12_NS, SOAPENC_NS, WSDL_NS, XSD_NS, clark } from './names.ts'
import { anyType } from './schema-builtin.ts'
import { describe, formerOf, partsOf, referenceOf, schemaProblem } from './schema-documents.ts'
import type { Component } from './schema-documents.ts'
import { compileSimple, restrict } from './schema-simple.ts'
import type { FindType } from './schema-simple.ts'
import type { ArrayType, AttributeDecl, ComplexType, ElementDecl, Particle, TypeDecl } from './schema.ts'
import { attribute, childElement } from './tree.ts'
import type { XmlElement, XmlName } from './tree.ts'

/** What a type needs of the schema around it. Lookups throw `DECODE_FAILED` for unknown names. */
export interface Surroundings {
  readonly find: FindType
  element(name: XmlName, from: XmlElement): ElementDecl
  localElement(component: Component): ElementDecl
  attributeNamed(name: XmlName, from: XmlElement): AttributeDecl
  attributeAt(component: Component): AttributeDecl
  groupNamed(name: XmlName, from: XmlElement): Component
  attributeGroupNamed(name: XmlName, from: XmlElement): Component
  /** Counts what groups expand to: each may hold two of the next, and so on. Throws `DECODE_FAILED` past a limit. */
  grow(): void
  /** Runs when every type has its shape: only then may a type be looked into that may be this one. */
  later(work: () => void): void
}

export type Draft<T> = { -readonly [Member in keyof T]: T[Member] }

/** Fills a type that is already known by its name, so that its own elements can refer to it. Throws `DECODE_FAILED`. */
export function fillComplex(type: Draft<ComplexType>, component: Component, around: Surroundings): void {
  const { node, file } = component
  const content = childElement(node, XSD_NS, 'complexContent') ?? childElement(node, XSD_NS, 'simpleContent')
  if (content === undefined) {
    assignParticle(type, particleIn(component, around, []))
    assignAttributes(type, component, undefined, around)
    return
  }
  const how = partsOf(content)[0]
  const baseName = how === undefined ? undefined : attribute(how, 'base')
  if (how === undefined || baseName === undefined)
    throw schemaProblem(`${describe(node)} derives from nothing`)
  const step = { node: how, file }
  const base = around.find(formerOf(step, baseName, 'types'), how)
  type.base = base
  type.derivation = how.local === 'restriction' ? 'restriction' : 'extension'
  const mixed = attribute(content, 'mixed')
  if (mixed !== undefined) type.mixed = isTrue(mixed)
  assignAttributes(type, step, base, around)
  if (content.local === 'simpleContent') {
    const simple = base.kind === 'simple' ? base : base.simple
    const inner = childElement(how, XSD_NS, 'simpleType')
    if (simple === undefined && inner === undefined)
      throw schemaProblem(`${describe(node)} has simple content, but not its base`)
    if (type.derivation === 'extension' && simple !== undefined) type.simple = simple
    else if (simple !== undefined) type.simple = restrict(step, simple, around.find)
    else if (inner !== undefined) type.simple = compileSimple({ node: inner, file }, around.find)
    return
  }
  if (base.kind === 'simple') throw schemaProblem(`${describe(node)} has complex content, its base is simple`)
  const own = particleIn(step, around, [])
  if (type.derivation === 'extension') {
    if (base.mixed && base !== anyType) type.mixed = true
    if (base.simple !== undefined && own === undefined) type.simple = base.simple
    assignParticle(type, joined(base.particle, own))
  } else assignParticle(type, own)
  if (base.array !== undefined) {
    const inherited = base.array
    type.array = inherited
    around.later(() => {
      type.array = arrayIn(step, type.particle, around.find) ?? base.array ?? inherited
    })
  }
}

function joined(first: Particle | undefined, second: Particle | undefined): Particle | undefined {
  if (first === undefined || second === undefined) return first ?? second
  return { kind: 'sequence', items: [first, second], min: 1, max: 1 } // XSD 1 §3.4.2: the base's content, then one's own
}

function assignParticle(type: Draft<ComplexType>, particle: Particle | undefined): void {
  if (particle !== undefined) type.particle = particle
}

const models = new Set(['sequence', 'choice', 'all', 'group'])

function particleIn(
  { node, file }: Component,
  around: Surroundings,
  open: readonly XmlElement[],
): Particle | undefined {
  const model = partsOf(node).find((part) => models.has(part.local))
  return model === undefined ? undefined : particleOf({ node: model, file }, around, open)
}

/** `open`: the groups being expanded (XSD 1 §3.8.6: none may hold itself). */
function particleOf(
  component: Component,
  around: Surroundings,
  open: readonly XmlElement[],
): Particle | undefined {
  const { node, file } = component
  around.grow()
  const min = occurs(node, 'minOccurs')
  const max = occurs(node, 'maxOccurs')
  if (max === 0) return undefined
  if (max < min) throw schemaProblem(`maxOccurs of ${describe(node)} is below its minOccurs`)
  const ref = attribute(node, 'ref')
  switch (node.local) {
    case 'element':
      return { kind: 'element', decl: elementAt(component, ref, around), min, max }
    case 'any': {
      const said = attribute(node, 'processContents')
      const process = said === 'lax' || said === 'skip' ? said : 'strict'
      return {
        kind: 'any',
        namespace: wildcard(attribute(node, 'namespace'), file.namespace),
        process,
        min,
        max,
      }
    }
    case 'group': {
      const group = around.groupNamed(formerOf(component, ref ?? '', 'groups'), node)
      if (open.includes(group.node)) throw schemaProblem(`${describe(group.node)} holds itself`)
      const inner = particleIn(group, around, [...open, group.node])
      return inner === undefined || (min === 1 && max === 1)
        ? inner
        : { kind: 'sequence', items: [inner], min, max }
    }
    case 'sequence':
    case 'choice':
    case 'all': {
      const parts = partsOf(node).map((part) => particleOf({ node: part, file }, around, open))
      return { kind: node.local, items: parts.filter((part) => part !== undefined), min, max }
    }
    default:
      throw schemaProblem(`"${node.local}" is not part of a content model`)
  }
}

function elementAt(component: Component, ref: string | undefined, around: Surroundings): ElementDecl {
  if (ref === undefined) return around.localElement(component)
  return around.element(referenceOf(component, ref), component.node)
}

/** `##targetNamespace` and `##local` said by name (XSD 1 §3.10.1); `##other` with what it is other than. */
function wildcard(said: string | undefined, namespace: string): string {
  if (said === undefined || said === '##any') return '##any'
  if (said === '##other') return `##other ${namespace}`
  return said.replace('##targetNamespace', namespace)
}

function occurs(node: XmlElement, name: 'minOccurs' | 'maxOccurs'): number {
  const value = attribute(node, name)?.trim() ?? '1'
  if (name === 'maxOccurs' && value === 'unbounded') return Infinity
  if (/^\d{1,15}$/.test(value)) return Number(value)
  throw schemaProblem(`${name} "${value}" of ${describe(node)} is not a count`)
}

function assignAttributes(
  type: Draft<ComplexType>,
  component: Component,
  base: TypeDecl | undefined,
  around: Surroundings,
): void {
  const uses = new Map<string, AttributeDecl>()
  if (base?.kind === 'complex') {
    for (const inherited of base.attributes)
      uses.set(clark(inherited.name.uri, inherited.name.local), inherited)
    if (type.derivation === 'extension' && base.anyAttribute) type.anyAttribute = true
  }
  if (collectAttributes(uses, component, around, [])) type.anyAttribute = true
  type.attributes = [...uses.values()]
}

/** Answers whether any other attribute may stand there too. */
function collectAttributes(
  uses: Map<string, AttributeDecl>,
  { node, file }: Component,
  around: Surroundings,
  open: readonly XmlElement[],
): boolean {
  let any = false
  for (const part of partsOf(node)) {
    around.grow()
    const component = { node: part, file }
    if (part.local === 'anyAttribute') any = true
    else if (part.local === 'attributeGroup') {
      const group = around.attributeGroupNamed(
        formerOf(component, attribute(part, 'ref') ?? '', 'attributeGroups'),
        part,
      )
      if (open.includes(group.node)) continue // XSD 1 §3.6.6 forbids it; nothing more is said by it
      if (collectAttributes(uses, group, around, [...open, group.node])) any = true
    } else if (part.local === 'attribute') {
      const decl = around.attributeAt(component)
      const key = clark(decl.name.uri, decl.name.local)
      if (attribute(part, 'use') === 'prohibited') uses.delete(key)
      else uses.set(key, decl)
    }
  }
  return any
}

/** What a restriction of `soapenc:Array` is an array of: by `wsdl:arrayType` (WSDL 1.1 §2.2), else by its one element. */
function arrayIn(step: Component, particle: Particle | undefined, find: FindType): ArrayType | undefined {
  const itemOf = firstElement(particle)
  const itemName = itemOf?.name ?? { uri: '', local: 'item' }
  for (const part of partsOf(step.node)) {
    const said = attribute(part, 'arrayType', WSDL_NS)
    if (part.local !== 'attribute' || said === undefined) continue
    const [, name = '', suffix = ''] = /^\s*([^[\]\s]+)((?:\[[\d,]*\])*)\[[\d,]*\]\s*$/.exec(said) ?? []
    if (name === '') throw schemaProblem(`arrayType "${said}" is not the type of an array`)
    const arrayType = referenceOf({ node: part, file: step.file }, name)
    return { item: arrayOf(find(arrayType, part), arrayType, suffix), itemName, arrayType, suffix }
  }
  if (itemOf === undefined) return undefined
  const named = itemOf.type.name === undefined ? {} : { arrayType: itemOf.type.name }
  return { item: itemOf.type, itemName, suffix: '', ...named }
}

/** For each pair of brackets an array around: `xsd:string[][]` is an array of arrays of strings. */
export function arrayOf(item: TypeDecl, arrayType: XmlName, suffix: string): TypeDecl {
  const last = /^(.*)\[[\d,]*\]$/.exec(suffix)
  if (last === null) return item
  const inner = last[1] ?? ''
  const itemName = { uri: '', local: 'item' }
  const array = { item: arrayOf(item, arrayType, inner), itemName, arrayType, suffix: inner }
  const { name: _name, ...anonymous } = anyType
  return { ...anonymous, base: anyType, array }
}

function firstElement(particle: Particle | undefined): ElementDecl | undefined {
  if (particle === undefined || particle.kind === 'any') return undefined
  if (particle.kind === 'element') return particle.decl
  return particle.items.map(firstElement).find((found) => found !== undefined)
}

export function isTrue(value: string | undefined): boolean {
  return value?.trim() === 'true' || value?.trim() === '1'
}

export function isSoapEncoding(uri: string): boolean {
  return uri === SOAPENC_NS || uri === SOAPENC12_NS
}
