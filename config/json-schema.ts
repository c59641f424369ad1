// The editors' JSON Schema (2020-12), made of the schemas that validate: the core's sections and each adapter's part.
import { z } from 'zod'
import type { Adapter, Schema } from '../core/api.ts'
import { sections } from './schema-sections.ts'
import { agentKeys, backendKeys, backendOperation, channelKeys, channelOperation, route } from './schema.ts'
import { NAME } from './values.ts'

export type JsonSchema = Readonly<Record<string, unknown>>

/**
 * A schema for the whole file. An adapter whose schema offers no JSON Schema (`~standard.jsonSchema`) takes any keys
 * there. Every value may also be a text with a `${VARIABLE}` in it.
 */
export function configJsonSchema(adapters: ReadonlyMap<string, Adapter>): JsonSchema {
  const definitions: Record<string, unknown> = Object.create(null) // null prototype: names come from plugins
  const top = own(
    z.strictObject({ ...sections, routes: z.array(route).default([]).describe('First match wins') }),
  )
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Dragoman',
    ...top,
    properties: {
      ...propertiesOf(top),
      channels: components('channel', adapters, definitions),
      backends: components('backend', adapters, definitions),
      agents: components('agent', adapters, definitions),
    },
    $defs: definitions,
  }
}

/** What a schema says of its input; undefined where its vendor does not tell. Asked once: each component of an adapter needs it. */
export function jsonSchemaOf(schema: Schema<unknown>): JsonSchema | undefined {
  const known = told.get(schema)
  if (known !== undefined) return known
  const converted = convertedOf(schema)
  if (converted !== undefined) told.set(schema, converted)
  return converted
}
const told = new WeakMap<Schema<unknown>, JsonSchema>()

function convertedOf(schema: Schema<unknown>): JsonSchema | undefined {
  const standard = schema['~standard'] as { jsonSchema?: { input?: unknown } } // Standard JSON Schema v1, optional beside v1
  const convert = standard.jsonSchema?.input
  if (typeof convert !== 'function') return undefined
  try {
    const options = { target: 'draft-2020-12', libraryOptions: { unrepresentable: 'any' } }
    const converted: unknown = convert(options)
    return isSchema(converted) ? converted : undefined
  } catch {
    return undefined // by the specification a vendor throws for what JSON Schema cannot say: editors go without
  }
}

/** The keys a schema names at a place below it, for "did you mean". */
export function keysAt(schema: JsonSchema, path: readonly PropertyKey[]): readonly string[] {
  return [...new Set(schemasAt(schema, path).flatMap((each) => Object.keys(propertiesOf(each))))]
}

/** Tells every `format` a schema says of a place below it. For many places: what leads to one is looked up once. */
export function formatsOf(schema: JsonSchema): (path: readonly PropertyKey[]) => readonly string[] {
  const known = new Map<string, readonly JsonSchema[]>()
  const at = (path: readonly PropertyKey[]): readonly JsonSchema[] => {
    const [step] = path.slice(-1)
    if (step === undefined) return alternatives(schema, schema)
    const parent = path.slice(0, -1)
    const key = JSON.stringify(parent)
    const above = known.get(key) ?? at(parent)
    known.set(key, above)
    return below(above, step, schema)
  }
  return (path) => at(path).flatMap(({ format }) => (typeof format === 'string' ? [format] : []))
}

function schemasAt(schema: JsonSchema, path: readonly PropertyKey[]): readonly JsonSchema[] {
  let here = alternatives(schema, schema)
  for (const step of path) here = below(here, step, schema)
  return here
}

function below(schemas: readonly JsonSchema[], step: PropertyKey, root: JsonSchema): readonly JsonSchema[] {
  return schemas.flatMap((each) => childrenOf(each, step)).flatMap((child) => alternatives(child, root))
}

// ─── Composition ─────────────────────────────────────────────────────────────────────────────────────────────────────

const roles = {
  channel: { keys: channelKeys, operation: channelOperation, description: 'Who calls, by name' },
  backend: { keys: backendKeys, operation: backendOperation, description: 'Business systems, by name' },
  agent: { keys: agentKeys, operation: undefined, description: 'Who answers, by name' },
} as const

function components(
  role: keyof typeof roles,
  adapters: ReadonlyMap<string, Adapter>,
  definitions: Record<string, unknown>,
): JsonSchema {
  const offered = [...adapters.values()].filter((adapter) => adapter[role] !== undefined)
  return {
    description: roles[role].description,
    type: ['object', 'null'],
    propertyNames: { pattern: NAME.source },
    additionalProperties: {
      type: 'object',
      required: ['adapter'],
      properties: { adapter: { enum: offered.map(({ name }) => name) } },
      // "If this adapter, then its keys", as "not this adapter, or its keys".
      allOf: offered.map((adapter) => ({
        anyOf: [
          { properties: { adapter: { not: { const: adapter.name } } } },
          component(role, adapter, definitions),
        ],
      })),
    },
  }
}

/** The core's keys and the adapter's; both parts are open, the whole is closed. */
function component(
  role: keyof typeof roles,
  adapter: Adapter,
  definitions: Record<string, unknown>,
): JsonSchema {
  const { keys, operation } = roles[role]
  const config = adapter[role]?.config
  const found = config === undefined ? undefined : jsonSchemaOf(config)
  const theirs =
    found === undefined ? undefined : adopted(orVariable(found), `${role}-${adapter.name}`, definitions)
  const ours = opened(own(keys))
  const each = operation === undefined ? undefined : adopted(own(operation), `${role}-operation`, definitions)
  const operations = each === undefined ? {} : { operations: operationsOf(role, each, theirs) }
  const core = { ...ours, properties: { ...propertiesOf(ours), ...operations } }
  if (theirs === undefined) return core
  return { allOf: [core, opened(without(theirs, 'operations'))], unevaluatedProperties: false }
}

function operationsOf(role: string, core: JsonSchema, theirs: JsonSchema | undefined): JsonSchema {
  const operations = theirs === undefined ? undefined : propertiesOf(theirs)['operations']
  const each = isSchema(operations) ? operations['additionalProperties'] : undefined
  const description = 'By name; `*` in a backend stands for any other'
  const closed = role === 'channel' || (theirs !== undefined && operations === undefined)
  if (closed) return { description, type: ['object', 'null'], additionalProperties: orNull(core) }
  const value = isSchema(each)
    ? { allOf: [opened(core), opened(each)], unevaluatedProperties: false }
    : opened(core)
  return { description, type: ['object', 'null'], additionalProperties: orNull(value) }
}

function orNull(schema: JsonSchema): JsonSchema {
  return { anyOf: [schema, { type: 'null' }] }
}

/** Without the ban on further keys, at its top and in its alternatives. */
function opened(schema: JsonSchema): JsonSchema {
  const copy: Record<string, unknown> = { ...schema }
  delete copy['$schema']
  if (copy['additionalProperties'] === false) delete copy['additionalProperties']
  for (const combiner of COMBINERS) {
    const list = copy[combiner]
    if (Array.isArray(list)) copy[combiner] = list.map((each) => (isSchema(each) ? opened(each) : each))
  }
  return copy
}

function without(schema: JsonSchema, property: string): JsonSchema {
  const properties: Record<string, unknown> = { ...propertiesOf(schema) }
  delete properties[property]
  const required = schema['required']
  return {
    ...schema,
    properties,
    ...(Array.isArray(required) && { required: required.filter((name) => name !== property) }),
  }
}

/** Its references point to its own top (`#/$defs/x`): they are turned to where it now stands. */
function adopted(schema: JsonSchema, key: string, definitions: Record<string, unknown>): JsonSchema {
  let referring = false
  const moved = rewrite(schema, (node) => {
    const reference = node['$ref']
    if (typeof reference !== 'string' || !reference.startsWith('#')) return node
    referring = true
    return { ...node, $ref: `#/$defs/${key}${reference.slice(1)}` }
  })
  if (referring) definitions[key] = moved
  return moved
}

/** Numbers, booleans and texts of a certain form may also come from the environment. */
function orVariable(schema: JsonSchema): JsonSchema {
  return rewrite(schema, (node) => {
    const { description, default: preset, ...rest } = node
    const type = rest['type']
    const limited = ['enum', 'const', 'pattern', 'format', 'minLength'].some((word) => word in rest)
    if (type !== 'number' && type !== 'integer' && type !== 'boolean' && !limited) return node
    return {
      ...(description !== undefined && { description }),
      ...(preset !== undefined && { default: preset }),
      anyOf: [rest, VARIABLE],
    }
  })
}

const VARIABLE: JsonSchema = { type: 'string', pattern: '\\$\\{' }
const COMBINERS = ['anyOf', 'oneOf', 'allOf'] as const

function own(schema: z.ZodType): JsonSchema {
  return orVariable(z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }))
}

/** Applies the change to every schema inside, innermost first. */
function rewrite(schema: JsonSchema, change: (node: JsonSchema) => JsonSchema): JsonSchema {
  const inner = (value: unknown): unknown => (isSchema(value) ? rewrite(value, change) : value)
  const copy: Record<string, unknown> = { ...schema }
  for (const word of ['additionalProperties', 'items', 'not', 'contains']) {
    if (word in copy) copy[word] = inner(copy[word])
  }
  for (const word of [...COMBINERS, 'prefixItems']) {
    const list = copy[word]
    if (Array.isArray(list)) copy[word] = list.map(inner)
  }
  for (const word of ['properties', 'patternProperties', '$defs']) {
    const map = copy[word]
    if (isSchema(map))
      copy[word] = Object.fromEntries(Object.entries(map).map(([name, value]) => [name, inner(value)]))
  }
  return change(copy)
}

function alternatives(schema: JsonSchema, root: JsonSchema, depth = 0): readonly JsonSchema[] {
  if (depth > 8) return [] // a schema that refers to itself
  const nested = COMBINERS.flatMap((combiner) => {
    const list = schema[combiner]
    return Array.isArray(list) ? list.filter(isSchema) : []
  })
  const [, name] = /^#\/\$defs\/([^/]+)$/u.exec(String(schema['$ref'])) ?? []
  const definitions = root['$defs']
  const target = name !== undefined && isSchema(definitions) ? definitions[name] : undefined
  const further = isSchema(target) ? [...nested, target] : nested
  return [schema, ...further.flatMap((each) => alternatives(each, root, depth + 1))]
}

function childrenOf(schema: JsonSchema, step: PropertyKey): readonly JsonSchema[] {
  const named = typeof step === 'string' ? propertiesOf(schema)[step] : undefined
  const found = named ?? (typeof step === 'number' ? schema['items'] : schema['additionalProperties'])
  return isSchema(found) ? [found] : []
}

function propertiesOf(schema: JsonSchema): JsonSchema {
  const properties = schema['properties']
  return isSchema(properties) ? properties : {}
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
