// The documents of a schema, followed through imports and includes to their global components.
import { GatewayError } from 'dragoman'
import { OLD_XSD_NS, SOAPENC12_NS, SOAPENC_NS, XML_NS, XSD_NS, clark, isXsd } from './names.ts'
import type { ResolveSchema, SchemaDocument } from './schema.ts'
import { attribute, childElements, resolveQName, withParts } from './tree.ts'
import type { XmlElement, XmlName } from './tree.ts'

/** One document under one target namespace: a chameleon (XSD 1 §4.2.1) is another one under each. */
export interface SchemaFile {
  readonly namespace: string
  readonly chameleon: boolean
  readonly elementForm: 'qualified' | 'unqualified'
  readonly attributeForm: 'qualified' | 'unqualified'
  readonly location: string | undefined
  /** Of a redefinition alone: what its own name means where it takes up what it redefines (XSD 1 §4.2.2). */
  readonly redefined?: { readonly space: Space; readonly local: string; readonly as: string }
}

/** A piece of a document, with what its names and forms are read by. */
export interface Component {
  readonly node: XmlElement
  readonly file: SchemaFile
}

/** By `{uri}local`; simple and complex types share one space of names (XSD 1 §2.5). */
export interface Components {
  readonly elements: ReadonlyMap<string, Component>
  readonly types: ReadonlyMap<string, Component>
  readonly attributes: ReadonlyMap<string, Component>
  readonly groups: ReadonlyMap<string, Component>
  readonly attributeGroups: ReadonlyMap<string, Component>
}

const spaces = {
  element: 'elements',
  simpleType: 'types',
  complexType: 'types',
  attribute: 'attributes',
  group: 'groups',
  attributeGroup: 'attributeGroups',
} as const

type Space = (typeof spaces)[keyof typeof spaces]

/** These are built in; a document that has them says nothing new. */
const builtinNamespaces = new Set<string>([XSD_NS, ...OLD_XSD_NS, XML_NS, SOAPENC_NS, SOAPENC12_NS])

export function schemaProblem(problem: string): GatewayError {
  return new GatewayError('DECODE_FAILED', `schema: ${problem}`)
}

/** Throws `DECODE_FAILED` for what is no schema, an include that was not loaded, and what XSD 1.1 added. */
export function collectComponents(documents: readonly SchemaDocument[], resolve: ResolveSchema): Components {
  return new Collector(resolve).collect(documents)
}

/** A document to look at. */
interface Named {
  readonly document: SchemaDocument
  /** The namespace of the document that includes it. */
  readonly into: string | undefined
  readonly by: 'caller' | 'reference'
}

/** A component inside an xs:redefine, in place of one that the document it names has. */
interface Redefinition {
  readonly space: Space
  readonly local: string
  readonly component: Component
}

/** In the name of a component that was redefined: no QName has it, so that nobody else finds it. */
const BEFORE = ' before redefinition '

/** Whether a name is that of a component as it was before it was redefined. */
export function isRedefined({ local }: XmlName): boolean {
  return local.includes(BEFORE)
}

/** Components met first win: WSDLs are seen to bring one type twice. */
class Collector {
  readonly #resolve: ResolveSchema
  readonly #seen = new Set<string>()
  readonly #nodes = new Map<XmlElement, Set<string>>()
  readonly #found = {
    elements: new Map<string, Component>(),
    types: new Map<string, Component>(),
    attributes: new Map<string, Component>(),
    groups: new Map<string, Component>(),
    attributeGroups: new Map<string, Component>(),
  }
  readonly #redefinitions: Redefinition[] = []

  constructor(resolve: ResolveSchema) {
    this.#resolve = resolve
  }

  collect(documents: readonly SchemaDocument[]): Components {
    const waiting: Named[] = documents.map((document) => ({ document, into: undefined, by: 'caller' }))
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      waiting.push(...this.#take(next))
    // Who redefines is met before what he redefines, which may redefine in its turn: that comes first.
    for (const [index, redefinition] of this.#redefinitions.toReversed().entries())
      this.#redefine(redefinition, index)
    return this.#found
  }

  /** The documents this one names. */
  #take({ document, into, by }: Named): Named[] {
    const { schema, location } = document
    if (!isXsd(schema.uri) || schema.local !== 'schema')
      throw schemaProblem(`"${schema.local}" in ${JSON.stringify(schema.uri)} is not an xs:schema`)
    const own = attribute(schema, 'targetNamespace')
    if (into !== undefined && own !== undefined && own !== into)
      throw schemaProblem(`${location ?? 'a document'} of ${own} cannot be included into ${into}`)
    const namespace = own ?? into ?? ''
    if (builtinNamespaces.has(namespace) || this.#isKnown(document, namespace, by)) return []
    const file: SchemaFile = {
      namespace,
      chameleon: own === undefined && namespace !== '',
      elementForm: formOf(attribute(schema, 'elementFormDefault')),
      attributeForm: formOf(attribute(schema, 'attributeFormDefault')),
      location,
    }
    return childElements(schema.uri === XSD_NS ? schema : ofToday(schema)).flatMap((node) => {
      if (node.uri !== XSD_NS) return []
      if (node.local === 'include') return [this.#include(node, file)]
      if (node.local === 'import') return this.#import(node, file)
      if (node.local === 'override')
        throw schemaProblem(`xs:override is XSD 1.1, which is not supported (${location ?? namespace})`)
      if (node.local === 'redefine') {
        for (const part of partsOf(node)) this.#note(part, file)
        return [this.#include(node, file)]
      }
      this.#add(node, file)
      return []
    })
  }

  /** By its element, and if a reference led here by its location: the schemas of one WSDL share theirs. */
  #isKnown({ schema, location }: SchemaDocument, namespace: string, by: Named['by']): boolean {
    const namespaces = this.#nodes.get(schema) ?? new Set()
    this.#nodes.set(schema, namespaces)
    const key =
      by === 'reference' && location !== undefined ? JSON.stringify([location, namespace]) : undefined
    const known = namespaces.has(namespace) || (key !== undefined && this.#seen.has(key))
    namespaces.add(namespace)
    if (key !== undefined) this.#seen.add(key)
    return known
  }

  #include(node: XmlElement, file: SchemaFile): Named {
    const location = attribute(node, 'schemaLocation') ?? ''
    const document = this.#resolve({
      location,
      ...(file.location === undefined ? {} : { base: file.location }),
    })
    if (document === undefined) throw schemaProblem(`the included document "${location}" was not found`)
    return { document, into: file.namespace, by: 'reference' }
  }

  /** One that is not found may still be another document of the caller, or not needed: what is missing shows by its use. */
  #import(node: XmlElement, file: SchemaFile): Named[] {
    const location = attribute(node, 'schemaLocation')
    const namespace = attribute(node, 'namespace')
    if (location === undefined || builtinNamespaces.has(namespace ?? '')) return []
    const document = this.#resolve({
      location,
      ...(file.location === undefined ? {} : { base: file.location }),
      ...(namespace === undefined ? {} : { namespace }),
    })
    return document === undefined ? [] : [{ document, into: undefined, by: 'reference' }]
  }

  #note(node: XmlElement, file: SchemaFile): void {
    const local = attribute(node, 'name')
    if (local === undefined || !/^(?:simpleType|complexType|group|attributeGroup)$/.test(node.local))
      throw schemaProblem(`xs:redefine cannot hold ${describe(node)}`)
    const space = spaces[node.local as keyof typeof spaces] // one of four of its keys, by the line before
    this.#redefinitions.push({ space, local, component: { node, file } })
  }

  #redefine({ space, local, component }: Redefinition, index: number): void {
    const { node, file } = component
    const key = clark(file.namespace, local)
    const former = this.#found[space].get(key)
    if (former === undefined)
      throw schemaProblem(`${describe(node)} is redefined, but the document has no such thing`)
    const as = `${local}${BEFORE}${index}`
    this.#found[space].set(clark(file.namespace, as), former)
    this.#found[space].set(key, { node, file: { ...file, redefined: { space, local, as } } })
  }

  #add(node: XmlElement, file: SchemaFile): void {
    const name = attribute(node, 'name')
    if (name === undefined || !Object.hasOwn(spaces, node.local)) return // annotations, notations
    const space = this.#found[spaces[node.local as keyof typeof spaces]] // an own key, by the line before
    const key = clark(file.namespace, name)
    if (!space.has(key)) space.set(key, { node, file })
  }
}

/**
 * What a base or the `ref` of a group names: the component itself where it redefines, as it was before (XSD 1 §4.2.2).
 * Throws `DECODE_FAILED` for an undeclared prefix.
 */
export function formerOf(component: Component, qname: string, space: Space): XmlName {
  const name = referenceOf(component, qname)
  const { namespace, redefined } = component.file
  const isOwn = redefined?.space === space && redefined.local === name.local && name.uri === namespace
  return isOwn ? { uri: name.uri, local: redefined.as } : name
}

/** What a QName means in a document. Throws `DECODE_FAILED` for an undeclared prefix. */
export function referenceOf({ node, file }: Component, qname: string): XmlName {
  const name = resolveQName(node, qname)
  if (name === undefined) throw schemaProblem(`"${qname}" is not a name in scope (${describe(node)})`)
  // A chameleon's references without a namespace are to the one it is included into (XSD 1 §4.2.1, 2.3.2).
  return name.uri === '' && file.chameleon ? { uri: file.namespace, local: name.local } : name
}

/** `element "total"`, for messages. */
export function describe(node: XmlElement): string {
  const name = attribute(node, 'name') ?? attribute(node, 'ref')
  return name === undefined ? node.local : `${node.local} "${name}"`
}

/** Children that are part of the schema language, without annotations. */
export function partsOf(node: XmlElement): XmlElement[] {
  return childElements(node).filter(({ uri, local }) => uri === XSD_NS && local !== 'annotation')
}

/**
 * A schema of before 2001 in the namespace of today: that of October 2000 was written as it is now, that of 1999 often was.
 * Throws `DECODE_FAILED` where it was not; the types both speak of are built in by their old names.
 */
function ofToday(node: XmlElement): XmlElement {
  if (!isXsd(node.uri)) return node
  if (/^(?:complex|simple)Type$/.test(node.local) && isOldForm(node))
    throw schemaProblem(
      `${describe(node)} is written as XML Schema had it in 1999, which is not supported: put it as that of 2001 has it`,
    )
  const children = node.children.map((child) => (typeof child === 'string' ? child : ofToday(child)))
  return withParts(node, { uri: XSD_NS, children })
}

/** Derivation by attributes, and elements without a group around them. */
function isOldForm(type: XmlElement): boolean {
  return (
    type.attributes.some(({ uri, local }) => uri === '' && /^(?:base|source|derivedBy)$/.test(local)) ||
    childElements(type).some(({ uri, local }) => isXsd(uri) && (local === 'element' || local === 'any'))
  )
}

function formOf(value: string | undefined): 'qualified' | 'unqualified' {
  return value === 'qualified' ? 'qualified' : 'unqualified'
}
