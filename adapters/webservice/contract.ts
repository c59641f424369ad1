// What is known of a channel's operations: their parameters, results and types, from the schema where there is one.
import type { Json } from 'dragoman'
import { GatewayError } from 'dragoman'
import { clark } from '../xml/names.ts'
import type { ElementDecl, Particle, XmlSchemas } from '../xml/schema.ts'
import type { XmlElement } from '../xml/tree.ts'
import { loadSchema } from './schema.ts'
import type { LoadedSchema, LoadOptions } from './schema.ts'

/** A value a form field can carry: a simple one, or a list of such. */
export interface Parameter {
  readonly name: string
  readonly decl: ElementDecl
  /** It is a list; `of` its items, which stand inside `decl` unless they are `decl` itself. */
  readonly items?: { readonly decl: ElementDecl; readonly inside: boolean }
}

export interface Described {
  readonly request: ElementDecl
  readonly response: ElementDecl | undefined
  /** Absent: some of it is more than form fields can carry, so there is no GET and no form POST of it. */
  readonly parameters?: readonly Parameter[]
  /** The one member of the response, the whole response if it has several, undefined if there is nothing in it. */
  readonly result: ElementDecl | undefined
}

export interface Contract {
  /** Of answers; undefined: the caller's own. */
  readonly namespace: string | undefined
  readonly schemas: XmlSchemas | undefined
  /** Operations the schema names; empty: it does not say. */
  readonly operations: readonly string[]
  /** Undefined: the schema, if any, does not know it. */
  describe(operation: string): Described | undefined
  /**
   * The declaration of a request's root, if any. Throws `DECODE_FAILED` where only the namespace is wrong: such a document
   * would be read without its types.
   */
  declared(root: XmlElement): ElementDecl | undefined
}

/** Without a schema: nothing is known but the namespace. Throws as `loadSchema`. */
export async function loadContract(
  { namespace, schema }: { readonly namespace?: string | undefined; readonly schema?: string | undefined },
  options: LoadOptions,
): Promise<Contract> {
  return makeContract(namespace, schema === undefined ? undefined : await loadSchema(schema, options))
}

/** The contract of a channel or backend. */
export function makeContract(namespace: string | undefined, loaded: LoadedSchema | undefined): Contract {
  if (loaded === undefined)
    return {
      namespace,
      schemas: undefined,
      operations: [],
      describe: () => undefined,
      declared: () => undefined,
    }
  const { schemas } = loaded
  const uri = namespace ?? loaded.namespace
  const find = (local: string): ElementDecl | undefined =>
    schemas.element({ uri, local }) ?? schemas.elements.find((decl) => decl.name.local === local)
  const known = new Map<string, Described>()
  const operations = loaded.operations ?? requestsAmong(schemas)
  for (const operation of operations) {
    const request = find(operation)
    if (request !== undefined) known.set(operation, described(request, find(`${operation}Response`)))
  }
  return {
    namespace: uri,
    schemas,
    operations: [...known.keys()],
    describe: (operation) => known.get(operation),
    declared(root) {
      const decl = schemas.element(root)
      const meant = decl ?? schemas.elements.find(({ name }) => name.local === root.local)
      if (meant === decl) return decl
      throw new GatewayError(
        'DECODE_FAILED',
        `root ${clark(root.uri, root.local)} is not in the schema, ${clark(meant?.name.uri ?? '', root.local)} is`,
      )
    },
  }
}

/** A bare schema tells requests by the response beside them; without any such pair every element may be one. */
function requestsAmong(schemas: XmlSchemas): string[] {
  const names = schemas.elements.map(({ name }) => name.local)
  const all = new Set(names)
  const paired = names.filter((name) => all.has(`${name}Response`))
  return paired.length > 0 ? paired : names.filter((name) => !name.endsWith('Response'))
}

function described(request: ElementDecl, response: ElementDecl | undefined): Described {
  const parameters = parametersOf(request)
  return { request, response, ...(parameters !== undefined && { parameters }), result: resultOf(response) }
}

function parametersOf(request: ElementDecl): readonly Parameter[] | undefined {
  const members = membersOf(request)
  const parameters = members?.map(({ decl, max }) => parameterOf(decl, max))
  return parameters?.every((parameter) => parameter !== undefined) ? parameters : undefined
}

function parameterOf(decl: ElementDecl, max: number): Parameter | undefined {
  const name = decl.name.local
  if (decl.type.kind === 'simple')
    return max > 1 ? { name, decl, items: { decl, inside: false } } : { name, decl }
  const [item, ...more] = membersOf(decl) ?? []
  if (item === undefined || more.length > 0 || item.max <= 1 || item.decl.type.kind !== 'simple')
    return undefined
  return { name, decl, items: { decl: item.decl, inside: true } }
}

function resultOf(response: ElementDecl | undefined): ElementDecl | undefined {
  if (response === undefined) return undefined
  if (response.type.kind === 'simple') return response
  const members = membersOf(response) ?? []
  const [only] = members
  return members.length > 1 || response.type.attributes.length > 0 ? response : only?.decl
}

interface MemberOf {
  readonly decl: ElementDecl
  readonly max: number
}

/** The elements of a sequence or an all group, in order; undefined for any other content. */
function membersOf({ type }: ElementDecl): readonly MemberOf[] | undefined {
  if (type.kind === 'simple' || type.simple !== undefined) return undefined
  return type.particle === undefined ? [] : flat(type.particle)
}

function flat(particle: Particle): readonly MemberOf[] | undefined {
  if (particle.kind === 'element') return [{ decl: particle.decl, max: particle.max }]
  if (particle.kind === 'any' || particle.kind === 'choice' || particle.max > 1) return undefined
  const members = particle.items.map(flat)
  return members.every((one) => one !== undefined) ? members.flat() : undefined
}

/** A result as its declaration wants it: a bare list where the type is an element around one list. */
function listed(value: Json, result: ElementDecl): Json {
  const [item, ...more] = membersOf(result) ?? []
  const isList = Array.isArray(value) && item !== undefined && more.length === 0 && item.max > 1
  return isList ? { [item.decl.name.local]: value } : value
}

/** The content of a response element, whether a backend answered the result alone or the whole content. */
export function wrapped(value: Json, { response, result }: Described): Json {
  if (result === undefined || result === response || hasMember(value, result.name.local)) return value
  if (isObject(value) && Object.keys(value).length === 0) return value
  return Object.fromEntries([[result.name.local, listed(value, result)]])
}

/** The result alone, likewise. */
export function unwrapped(value: Json, result: ElementDecl): Json {
  const { local } = result.name
  const inner = hasMember(value, local) && Object.keys(value).length === 1 ? value[local] : value
  return listed(inner ?? null, result)
}

export function isObject(value: Json | undefined): value is { readonly [member: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasMember(value: Json, name: string): value is { readonly [member: string]: Json } {
  return isObject(value) && Object.hasOwn(value, name)
}
