// What a binding carries along: options, the schema, and where in the document it is.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import type { BindOptions } from './bind.ts'
import { XSD_NS, clark, limits } from './names.ts'
import { builtinType } from './schema-builtin.ts'
import type { SimpleType, XmlSchemas } from './schema.ts'
import type { XmlElement, XmlName } from './tree.ts'

/** A JSON object in the making. */
export type JsonObject = { [member: string]: Json }

/** One conversion. Mutable: it knows the way down to where it is. */
export class Binding {
  readonly options: BindOptions
  readonly schemas: XmlSchemas | undefined
  /** By element of a schema inside the document: prefix → namespace, what its values need. */
  readonly schemaPrefixes = new Map<XmlElement, ReadonlyMap<string, string>>()
  readonly #code: 'DECODE_FAILED' | 'ENCODE_FAILED'
  readonly #names: string[] = []
  /** Which of several, from 1; 0 where only one may come. */
  readonly #indexes: number[] = []
  readonly #rules: PathRules | undefined
  readonly #prefixes = new Map<string, string>()

  constructor(
    code: 'DECODE_FAILED' | 'ENCODE_FAILED',
    options: BindOptions,
    schemas: XmlSchemas | undefined,
  ) {
    this.options = options
    this.schemas = schemas
    this.#code = code
    this.#rules = rulesOf(options)
  }

  /** Does some work one level down. */
  inside<T>(name: string, index: number, work: () => T): T {
    this.enter(name, index)
    const result = work()
    this.leave()
    return result
  }

  /** `inside` without a function for each element. After an error a binding is not used again, so nobody leaves. */
  enter(name: string, index: number): void {
    // What the reader takes no deeper, no JSON may make deeper either.
    if (this.#names.length >= limits.maxDepth) throw this.problem(`more than ${limits.maxDepth} levels`)
    this.#names.push(name)
    this.#indexes.push(index)
  }

  leave(): void {
    this.#names.pop()
    this.#indexes.pop()
  }

  /** `CreateOrder/order/item[2]/qty`, of something below (`@id`) if named. */
  path(below?: string): string {
    const steps = this.#names.map((name, i) => {
      const index = this.#indexes[i] ?? 0
      return index === 0 ? name : `${name}[${index}]`
    })
    return (below === undefined ? steps : [...steps, below]).join('/')
  }

  problem(problem: string, below?: string): GatewayError {
    return new GatewayError(this.#code, `${this.path(below)}: ${problem}`)
  }

  /** A prefix for names in values: one per namespace and conversion. */
  prefixFor(uri: string): string {
    const known = this.#prefixes.get(uri)
    if (known !== undefined) return known
    const prefix = `q${this.#prefixes.size + 1}`
    this.#prefixes.set(uri, prefix)
    return prefix
  }

  /** Names below this element that are lists. */
  listsHere(): ReadonlySet<string> {
    return this.#rules?.lists.get(this.#names.join('/')) ?? none
  }

  /** The type the options give to this element, or to an attribute of it. */
  typeHere(attribute?: string): SimpleType | undefined {
    const types = this.#rules?.types
    if (types === undefined || types.size === 0) return undefined
    const here = this.#names.join('/')
    return types.get(attribute === undefined ? here : `${here}/${attribute}`)
  }
}

const none: ReadonlySet<string> = new Set()

interface PathRules {
  /** Path of the parent → local names. */
  readonly lists: ReadonlyMap<string, ReadonlySet<string>>
  readonly types: ReadonlyMap<string, SimpleType>
}

const knownRules = new WeakMap<object, PathRules>()

/** Options are made once and used for every message; so are the rules. */
function rulesOf({ lists, types }: BindOptions): PathRules | undefined {
  const owner = lists ?? types
  if (owner === undefined) return undefined
  const known = knownRules.get(owner)
  if (known !== undefined && (types === undefined || owner === types || knownRules.get(types) === known))
    return known
  const byParent = new Map<string, Set<string>>()
  for (const path of lists ?? []) {
    const slash = path.lastIndexOf('/')
    const parent = path.slice(0, Math.max(0, slash))
    const names = byParent.get(parent) ?? new Set()
    names.add(path.slice(slash + 1))
    byParent.set(parent, names)
  }
  const rules = {
    lists: byParent,
    types: new Map(Object.entries(types ?? {}).map(([path, name]) => [path, namedType(path, name)] as const)),
  }
  if (lists !== undefined) knownRules.set(lists, rules)
  if (types !== undefined) knownRules.set(types, rules)
  return rules
}

/** `int`, `xs:int` or `xsd:int`. */
function namedType(path: string, name: string): SimpleType {
  const type = builtinType(clark(XSD_NS, name.replace(/^xsd?:/, '')))
  if (type?.kind === 'simple') return type
  throw new GatewayError('DECODE_FAILED', `types: "${name}" of ${path} is not a simple type of XSD`)
}

/** Sets an own member, also one called `__proto__`. */
export function setMember(object: JsonObject, key: string, value: Json): void {
  if (key === '__proto__')
    Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
  else object[key] = value
}

/** An own member; never something of Object.prototype. */
export function getMember(object: { readonly [member: string]: Json }, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined
}

export function isObject(value: Json): value is { readonly [member: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A value in a message: short. */
export function quoted(value: string): string {
  return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
}

/** The name a member stands for: `{uri}local` says its namespace itself. */
export function nameOfKey(key: string, uri: string): XmlName {
  const close = key.startsWith('{') ? key.indexOf('}') : -1
  return close === -1 ? { uri, local: key } : { uri: key.slice(1, close), local: key.slice(close + 1) }
}
