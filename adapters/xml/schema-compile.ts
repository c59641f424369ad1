// From the components of schema documents to declarations that know their types.
import { interned } from './interned.ts'
import { clark, isXsd } from './names.ts'
import { anySimpleType, anyType, builtinAttribute, builtinType } from './schema-builtin.ts'
import { fillComplex, isTrue } from './schema-complex.ts'
import type { Draft, Surroundings } from './schema-complex.ts'
import {
  collectComponents,
  describe,
  isRedefined,
  partsOf,
  referenceOf,
  schemaProblem,
} from './schema-documents.ts'
import type { Component, Components } from './schema-documents.ts'
import { compileSimple, simpleOnly } from './schema-simple.ts'
import type {
  AttributeDecl,
  ComplexType,
  ElementDecl,
  ResolveSchema,
  SchemaDocument,
  SimpleType,
  TypeDecl,
  XmlSchemas,
} from './schema.ts'
import { attribute } from './tree.ts'
import type { XmlElement, XmlName } from './tree.ts'
import { normalise } from './value.ts'
import { expandNames } from './value-names.ts'

/** The whole schema, every component looked at, so that what is wrong shows now. Throws `DECODE_FAILED`. */
export function compile(documents: readonly SchemaDocument[], resolve: ResolveSchema): XmlSchemas {
  return new Compiler(collectComponents(documents, resolve))
}

const open = { type: anyType, nillable: false, abstract: false, substitutes: [] }

/** Particles and attributes after groups are expanded; the largest schemas in use have some ten thousand. */
const maxParts = 500_000

class Compiler implements XmlSchemas, Surroundings {
  readonly elements: readonly ElementDecl[]
  readonly types: readonly TypeDecl[]
  readonly #components: Components
  readonly #elements = new Map<string, Draft<ElementDecl>>()
  readonly #types = new Map<string, TypeDecl>()
  readonly #attributes = new Map<string, AttributeDecl>()
  readonly #byLocal = new Map<string, TypeDecl[]>()
  /** Types whose shape is being made: a base found here would be its own ancestor (XSD 1 §3.4.6). */
  readonly #open = new Set<string>()
  readonly #waiting: (() => void)[] = []
  #size = 0
  readonly find = (name: XmlName, from: XmlElement): TypeDecl => this.#typeNamed(name, describe(from))

  constructor(components: Components) {
    this.#components = components
    for (const { node, file } of components.types.values()) this.find(nameOf(node, file.namespace), node)
    for (const { node, file } of components.attributes.values())
      this.attributeNamed(nameOf(node, file.namespace), node)
    for (const { node, file } of components.elements.values())
      this.element(nameOf(node, file.namespace), node)
    this.#work()
    this.#substitutions()
    this.elements = [...this.#elements.values()]
    this.types = [...this.#types.values()].filter(({ name }) => name === undefined || !isRedefined(name))
    for (const type of this.types) {
      const local = type.name?.local ?? ''
      this.#byLocal.set(local, [...(this.#byLocal.get(local) ?? []), type])
    }
  }

  type(name: XmlName): TypeDecl | undefined {
    const key = clark(name.uri, name.local)
    return this.#types.get(key) ?? builtinType(key)
  }

  typesNamed(local: string): readonly TypeDecl[] {
    return this.#byLocal.get(local) ?? []
  }

  attribute(name: XmlName): AttributeDecl | undefined {
    const key = clark(name.uri, name.local)
    return this.#attributes.get(key) ?? builtinAttribute(key)
  }

  declare(name: XmlName, type: XmlName, options: { readonly nillable?: boolean } = {}): ElementDecl {
    return {
      name,
      type: this.#typeNamed(type, `element "${name.local}"`),
      nillable: options.nillable ?? false,
      abstract: false,
      substitutes: [],
      schemas: this,
    }
  }

  element(name: XmlName): ElementDecl | undefined
  element(name: XmlName, from: XmlElement): ElementDecl
  element(name: XmlName, from?: XmlElement): ElementDecl | undefined {
    const key = clark(name.uri, name.local)
    const known = this.#elements.get(key)
    if (known !== undefined || from === undefined) return known
    const component = this.#components.elements.get(key)
    // what ASMX says a DataSet is: a schema, and what is of it
    if (component === undefined && isXsd(name.uri) && name.local === 'schema')
      return { ...open, name, schemas: this }
    if (component === undefined) throw schemaProblem(`element ${key} is not defined (${describe(from)})`)
    const decl = this.#declaration(component, name)
    this.#elements.set(key, decl)
    return decl
  }

  localElement(component: Component): ElementDecl {
    const { node, file } = component
    const form = attribute(node, 'form') ?? file.elementForm
    return this.#declaration(component, nameOf(node, form === 'qualified' ? file.namespace : ''))
  }

  attributeNamed(name: XmlName, from: XmlElement): AttributeDecl {
    const key = clark(name.uri, name.local)
    const known = this.#attributes.get(key)
    if (known !== undefined) return known
    const component = this.#components.attributes.get(key)
    const builtin = builtinAttribute(key)
    if (component === undefined) {
      if (builtin === undefined) throw schemaProblem(`attribute ${key} is not defined (${describe(from)})`)
      return builtin
    }
    const decl = this.#attributeDeclaration(component, name)
    this.#attributes.set(key, decl)
    return decl
  }

  attributeAt(component: Component): AttributeDecl {
    const { node, file } = component
    const ref = attribute(node, 'ref')
    const form = attribute(node, 'form') ?? file.attributeForm
    const decl =
      ref === undefined
        ? this.#attributeDeclaration(component, nameOf(node, form === 'qualified' ? file.namespace : ''))
        : this.attributeNamed(referenceOf(component, ref), node)
    return { ...decl, ...constraint(node, decl.type), required: attribute(node, 'use') === 'required' }
  }

  groupNamed(name: XmlName, from: XmlElement): Component {
    const found = this.#components.groups.get(clark(name.uri, name.local))
    if (found === undefined) throw schemaProblem(`group "${name.local}" is not defined (${describe(from)})`)
    return found
  }

  attributeGroupNamed(name: XmlName, from: XmlElement): Component {
    const found = this.#components.attributeGroups.get(clark(name.uri, name.local))
    if (found === undefined)
      throw schemaProblem(`attribute group "${name.local}" is not defined (${describe(from)})`)
    return found
  }

  grow(): void {
    if (++this.#size > maxParts) throw schemaProblem(`it expands to more than ${maxParts} parts`)
  }

  later(work: () => void): void {
    this.#waiting.push(work)
  }

  /** Types of elements come last, since a type may hold elements of types that derive from it. */
  #work(): void {
    for (let work = this.#waiting.shift(); work !== undefined; work = this.#waiting.shift()) work()
  }

  #typeNamed(name: XmlName, where: string): TypeDecl {
    const key = clark(name.uri, name.local)
    const component = this.#components.types.get(key) // that of apachesoap:Map goes before the built-in one
    const known = this.#types.get(key) ?? (component === undefined ? builtinType(key) : undefined)
    if (this.#open.has(key)) throw schemaProblem(`type "${name.local}" derives from itself (${where})`)
    if (known !== undefined) return known
    if (component === undefined) throw schemaProblem(`type ${key} is not defined (${where})`)
    this.#open.add(key)
    const type = this.#typeAt(component, name)
    this.#open.delete(key)
    this.#types.set(key, type)
    return type
  }

  #typeAt(component: Component, name?: XmlName): TypeDecl {
    const { node } = component
    if (node.local === 'simpleType') return compileSimple(component, this.find, name)
    const type: Draft<ComplexType> = {
      kind: 'complex',
      ...(name === undefined ? {} : { name }),
      abstract: isTrue(attribute(node, 'abstract')),
      mixed: isTrue(attribute(node, 'mixed')),
      attributes: [],
      anyAttribute: false,
    }
    fillComplex(type, component, this)
    return type
  }

  #declaration(component: Component, name: XmlName): Draft<ElementDecl> {
    const { node } = component
    const decl: Draft<ElementDecl> = {
      name,
      type: anyType,
      nillable: isTrue(attribute(node, 'nillable')),
      abstract: isTrue(attribute(node, 'abstract')),
      substitutes: [],
      schemas: this,
    }
    this.later(() => {
      decl.type = this.#typeOf(component)
      Object.assign(decl, constraint(node, decl.type))
    })
    return decl
  }

  /** XSD 1 §3.3.2: its type, else the head's of its substitution group, else anything. */
  #typeOf(component: Component): TypeDecl {
    const { node, file } = component
    const named = attribute(node, 'type')
    if (named !== undefined) return this.find(referenceOf(component, named), node)
    const inline = partsOf(node).find(({ local }) => local === 'simpleType' || local === 'complexType')
    if (inline !== undefined) return this.#typeAt({ node: inline, file })
    const [head] = this.#heads(component)
    const headComponent = head === undefined ? undefined : this.#components.elements.get(head)
    return headComponent === undefined || headComponent === component ? anyType : this.#typeOf(headComponent)
  }

  #attributeDeclaration({ node, file }: Component, name: XmlName): AttributeDecl {
    const named = attribute(node, 'type')
    const inline = partsOf(node).find(({ local }) => local === 'simpleType')
    let type: SimpleType = anySimpleType
    if (named !== undefined) type = simpleOnly(this.find(referenceOf({ node, file }, named), node), node)
    else if (inline !== undefined) type = compileSimple({ node: inline, file }, this.find)
    return { name, type, required: false, ...constraint(node, type) }
  }

  #heads(component: Component): string[] {
    const said = attribute(component.node, 'substitutionGroup')?.split(/[\t\n\r ]+/) ?? []
    return said
      .filter((name) => name !== '')
      .map((name) => referenceOf(component, name))
      .map(({ uri, local }) => clark(uri, local))
  }

  /** Each element stands for its head, and for whatever the head stands for. */
  #substitutions(): void {
    for (const [key, component] of this.#components.elements) {
      const decl = this.#elements.get(key)
      const reached = new Set<string>()
      const waiting = this.#heads(component)
      for (let head = waiting.pop(); head !== undefined; head = waiting.pop()) {
        const headComponent = this.#components.elements.get(head)
        if (headComponent === undefined)
          throw schemaProblem(`element ${head} is not defined (${describe(component.node)})`)
        if (reached.has(head) || head === key) continue
        reached.add(head)
        const headDecl = this.#elements.get(head)
        if (headDecl !== undefined && decl !== undefined)
          headDecl.substitutes = [...headDecl.substitutes, decl]
        waiting.push(...this.#heads(headComponent))
      }
    }
  }
}

function nameOf(node: XmlElement, uri: string): XmlName {
  const local = attribute(node, 'name')
  if (local === undefined) throw schemaProblem(`an xs:${node.local} has no name`)
  return { uri: interned(uri), local: interned(local) } // as those of requests
}

function constraint(
  node: XmlElement,
  type: TypeDecl,
): { readonly default?: string; readonly fixed?: string } {
  const valueOf = (said: string | undefined): string | undefined =>
    said === undefined || type.kind !== 'simple' || type.names !== true
      ? said
      : expandNames(type, normalise(type, said), node).text
  const [byDefault, fixed] = [valueOf(attribute(node, 'default')), valueOf(attribute(node, 'fixed'))]
  return {
    ...(byDefault === undefined ? {} : { default: byDefault }),
    ...(fixed === undefined ? {} : { fixed }),
  }
}
