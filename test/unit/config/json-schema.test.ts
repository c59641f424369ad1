// The editors' schema is made of the schemas that validate.
import { z } from 'zod'
import { expect, test } from 'vitest'
import { configJsonSchema, jsonSchemaOf, keysAt } from '../../../config/json-schema.ts'
import type { JsonSchema } from '../../../config/json-schema.ts'
import { valueAt } from '../../../config/report.ts'
import { adapter, component, known } from './fakes.ts'

/** The alternative "or its keys" of one adapter of a section. */
function branch(schema: JsonSchema, section: string, name: string): unknown {
  const all = valueAt(schema, ['properties', section, 'additionalProperties', 'allOf'])
  if (!Array.isArray(all)) return undefined
  const found: unknown = all.find(
    (each) => valueAt(each, ['anyOf', 0, 'properties', 'adapter', 'not', 'const']) === name,
  )
  return valueAt(found, ['anyOf', 1])
}

function references(value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = Object.hasOwn(value, '$ref') ? [String(valueAt(value, ['$ref']))] : []
  return [...own, ...Object.values(value).flatMap(references)]
}

const schema = configJsonSchema(known)

test('it is closed at the top and says what each key is', () => {
  expect(schema).toMatchObject({
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    additionalProperties: false,
  })
  expect(Object.keys(Object(schema['properties']))).toEqual(
    expect.arrayContaining([
      'http',
      'data',
      'plugins',
      'identity',
      'channels',
      'backends',
      'agents',
      'routes',
    ]),
  )
  expect(valueAt(schema, ['properties', 'http', 'properties', 'port'])).toMatchObject({
    description: '0: any free one',
    default: 8080,
  })
})

test('each section offers the adapters that have its role', () => {
  const names = (section: string) =>
    valueAt(schema, ['properties', section, 'additionalProperties', 'properties', 'adapter', 'enum'])
  expect(names('channels')).toEqual(['rest', 'soap', 'wechat', 'mqtt'])
  expect(names('backends')).toEqual(['rest', 'soap'])
  expect(names('agents')).toEqual(['desk', 'webhook'])
})

test('an adapter’s keys and the core’s stand side by side, and nothing else', () => {
  const soap = branch(schema, 'channels', 'soap')
  expect(valueAt(soap, ['unevaluatedProperties'])).toBe(false)
  expect(Object.keys(Object(valueAt(soap, ['allOf', 0, 'properties'])))).toEqual([
    'adapter',
    'access',
    'bodyLimit',
    'priority',
    'inDoubt',
    'operations',
  ])
  expect(Object.keys(Object(valueAt(soap, ['allOf', 1, 'properties'])))).toEqual(['path', 'wsdl'])
  for (const part of [0, 1]) expect(valueAt(soap, ['allOf', part, 'additionalProperties'])).toBeUndefined()
})

test('the operations of a backend join the core’s keys and the adapter’s', () => {
  const operation = ['properties', 'operations', 'additionalProperties', 'anyOf', 0]
  const rest = valueAt(branch(schema, 'backends', 'rest'), ['allOf', 0, ...operation])
  expect(Object.keys(Object(valueAt(rest, ['allOf', 0, 'properties'])))).toContain('safe')
  expect(Object.keys(Object(valueAt(rest, ['allOf', 1, 'properties'])))).toEqual(['method', 'path'])
  expect(valueAt(rest, ['unevaluatedProperties'])).toBe(false)
  const soap = valueAt(branch(schema, 'backends', 'soap'), ['allOf', 0, ...operation])
  expect(valueAt(soap, ['additionalProperties'])).toBe(false)
})

test('a value of a certain form may also be a variable', () => {
  const port = valueAt(schema, ['properties', 'http', 'properties', 'port', 'anyOf'])
  expect(port).toEqual([expect.objectContaining({ type: 'integer' }), { type: 'string', pattern: '\\$\\{' }])
  const method = [
    'allOf',
    0,
    'properties',
    'operations',
    'additionalProperties',
    'anyOf',
    0,
    'allOf',
    1,
    'properties',
  ]
  expect(valueAt(branch(schema, 'backends', 'rest'), [...method, 'method', 'anyOf', 1])).toEqual({
    type: 'string',
    pattern: '\\$\\{',
  })
})

test('references of an adapter’s schema are led to where it stands now', () => {
  const tree: z.ZodType = z.strictObject({
    name: z.string(),
    get children() {
      return z.array(tree).optional()
    },
  })
  const nested = configJsonSchema(
    new Map([['nest', adapter('nest', { channel: z.strictObject({ root: tree }) })]]),
  )
  const found = references(nested)
  expect(found.length).toBeGreaterThan(1)
  for (const reference of found)
    expect(valueAt(nested, reference.replace('#/', '').split('/')), reference).toBeTypeOf('object')
})

test('an adapter whose vendor tells nothing, or cannot, takes any keys', () => {
  const silent = {
    '~standard': { version: 1, vendor: 'other', validate: (value: unknown) => ({ value }) },
  } as const
  const unable = {
    '~standard': {
      ...silent['~standard'],
      jsonSchema: {
        input() {
          throw new Error('cannot be said')
        },
      },
    },
  }
  expect(jsonSchemaOf(silent)).toBeUndefined()
  expect(jsonSchemaOf(unable)).toBeUndefined()
  const open = configJsonSchema(new Map([['x', { name: 'x', apiVersion: 1, backend: component(silent) }]]))
  expect(branch(open, 'backends', 'x')).toMatchObject({ type: 'object', required: ['adapter'] })
  expect(valueAt(branch(open, 'backends', 'x'), ['unevaluatedProperties'])).toBeUndefined()
})

test('the keys a schema names are found at any place, through alternatives, lists and references', () => {
  const inner: z.ZodType = z.strictObject({
    leaf: z.string(),
    get more() {
      return inner.optional()
    },
  })
  const found = jsonSchemaOf(
    z.strictObject({
      either: z.union([z.strictObject({ a: z.string() }), z.strictObject({ b: z.string() })]),
      list: z.array(z.strictObject({ c: z.string() })),
      byName: z.record(z.string(), inner),
    }),
  )
  if (found === undefined) throw new Error('zod tells')
  expect(keysAt(found, [])).toEqual(['either', 'list', 'byName'])
  expect(keysAt(found, ['either'])).toEqual(['a', 'b'])
  expect(keysAt(found, ['list', 3])).toEqual(['c'])
  expect(keysAt(found, ['byName', 'any', 'more', 'more'])).toEqual(['leaf', 'more'])
  expect(keysAt(found, ['nowhere'])).toEqual([])
})
