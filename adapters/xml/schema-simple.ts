// Simple types of a schema: restriction, list and union (XSD 1.0 Part 2 §4.1).
import { XSD_NS } from './names.ts'
import { anySimpleType } from './schema-builtin.ts'
import { describe, formerOf, partsOf, referenceOf, schemaProblem } from './schema-documents.ts'
import type { Component } from './schema-documents.ts'
import { compilePattern } from './schema-pattern.ts'
import type { Facets, SimpleType, TypeDecl } from './schema.ts'
import { attribute, childElement } from './tree.ts'
import type { XmlElement, XmlName } from './tree.ts'
import { normalise } from './value.ts'
import { expandNames } from './value-names.ts'

/** How a name becomes a type; throws `DECODE_FAILED` for an unknown one. */
export type FindType = (name: XmlName, from: XmlElement) => TypeDecl

/** Of an `xs:simpleType` element. Throws `DECODE_FAILED`. */
export function compileSimple({ node, file }: Component, find: FindType, name?: XmlName): SimpleType {
  const [how] = partsOf(node)
  if (how === undefined) throw schemaProblem(`${describe(node)} says nothing`)
  const component = { node: how, file }
  const named = name === undefined ? {} : { name }
  if (how.local === 'restriction') return { ...restrict(component, baseOf(component, find), find), ...named }
  const common = {
    kind: 'simple',
    base: anySimpleType,
    builtin: 'anySimpleType',
    facets: {},
    ...named,
  } as const
  if (how.local === 'list') {
    const item = typesIn(component, 'itemType', find)[0] ?? anySimpleType
    return { ...common, ...namesOf([item]), variety: 'list', item, whiteSpace: 'collapse' }
  }
  if (how.local === 'union') {
    const members = flat(typesIn(component, 'memberTypes', find))
    return { ...common, ...namesOf(members), variety: 'union', members, whiteSpace: 'preserve' }
  }
  throw schemaProblem(`${describe(node)} has a "${how.local}"`)
}

function namesOf(parts: readonly SimpleType[]): Pick<SimpleType, 'names'> {
  return parts.some(({ names }) => names === true) ? { names: true } : {}
}

/** A restriction's type: the base narrowed by the facets in `node`; a `simpleType` inside replaces the base. */
export function restrict({ node, file }: Component, base: SimpleType, find: FindType): SimpleType {
  const inner = childElement(node, XSD_NS, 'simpleType')
  const from = inner === undefined ? base : compileSimple({ node: inner, file }, find)
  const { name: _name, ...rest } = from
  const whiteSpace = facetValue(node, 'whiteSpace')
  return {
    ...rest,
    base: from,
    whiteSpace: whiteSpace === 'replace' || whiteSpace === 'collapse' ? whiteSpace : from.whiteSpace,
    facets: { ...from.facets, ...facetsOf(node, from) },
  }
}

/** XSD 1.0 Part 2 §2.5.1.3: a union of unions is one of their members, each of which needs asking once. */
function flat(members: readonly SimpleType[]): SimpleType[] {
  const all = members.flatMap((member) => {
    const isPlainUnion = member.variety === 'union' && Object.keys(member.facets).length === 0
    return isPlainUnion ? (member.members ?? []) : [member]
  })
  return [...new Set(all)]
}

function baseOf(component: Component, find: FindType): SimpleType {
  const base = attribute(component.node, 'base')
  if (base === undefined) return anySimpleType
  return simpleOnly(find(formerOf(component, base, 'types'), component.node), component.node)
}

function typesIn(component: Component, list: string, find: FindType): SimpleType[] {
  const names = (attribute(component.node, list) ?? '').split(/[\t\n\r ]+/).filter((name) => name !== '')
  const named = names.map((name) =>
    simpleOnly(find(referenceOf(component, name), component.node), component.node),
  )
  const inline = partsOf(component.node).filter((part) => part.local === 'simpleType')
  return [...named, ...inline.map((node) => compileSimple({ node, file: component.file }, find))]
}

export function simpleOnly(type: TypeDecl, from: XmlElement): SimpleType {
  if (type.kind === 'simple') return type
  throw schemaProblem(`type "${type.name?.local ?? ''}" is not simple (${describe(from)})`)
}

function facetsOf(node: XmlElement, from: SimpleType): Facets {
  const enumeration = partsOf(node)
    .filter((part) => part.local === 'enumeration')
    .map((part) => expandNames(from, normalise(from, attribute(part, 'value') ?? ''), part).text)
  // Patterns of one step are alternatives, those of different steps must all match (XSD 1.0 Part 2 §4.3.4).
  const patterns = partsOf(node)
    .filter((part) => part.local === 'pattern')
    .map((part) => compilePattern(attribute(part, 'value') ?? ''))
  const enforceable = patterns.filter((pattern) => pattern !== undefined)
  const facets: Record<string, unknown> = {}
  for (const name of ['length', 'minLength', 'maxLength', 'totalDigits', 'fractionDigits']) {
    const value = facetValue(node, name)
    if (value === undefined) continue
    if (!/^\+?\d{1,15}$/.test(value))
      throw schemaProblem(`${name} "${value}" is not a number (${describe(node)})`)
    facets[name] = Number(value)
  }
  for (const name of ['minInclusive', 'maxInclusive', 'minExclusive', 'maxExclusive']) {
    const value = facetValue(node, name)
    if (value !== undefined) facets[name] = value.trim()
  }
  if (enumeration.length > 0) facets['enumeration'] = enumeration
  if (patterns.length > 0 && enforceable.length === patterns.length) {
    const before = from.facets.patterns ?? []
    facets['patterns'] = [...before, (value: string) => enforceable.some((pattern) => pattern.matches(value))]
    facets['example'] = enforceable[0]?.example
  }
  return facets // each member was given the type Facets says
}

function facetValue(node: XmlElement, name: string): string | undefined {
  const facet = childElement(node, XSD_NS, name)
  return facet === undefined ? undefined : attribute(facet, 'value')
}
