// Schemas are the core's own or an adapter's, of whatever vendor (Standard Schema 1).
import { z } from 'zod'
import { expect, test } from 'vitest'
import type { Adapter, Schema, SchemaResult } from '../../../core/api.ts'
import { component, known, load, problemsOf } from './fakes.ts'

function channelWith(schema: Schema<unknown>): ReadonlyMap<string, Adapter> {
  return new Map([...known, ['x', { name: 'x', apiVersion: 1, channel: component(schema) }]])
}

/** A schema that is not zod's. */
function other(
  validate: (value: unknown) => SchemaResult<unknown> | Promise<SchemaResult<unknown>>,
): Schema<unknown> {
  return { '~standard': { version: 1, vendor: 'other', validate } }
}

const TEXT = 'channels:\n  c:\n    adapter: x\n    first: [1, { deep: 2 }]\n    second: b\n'

test('the output of an adapter’s schema is its config, with defaults and transforms', async () => {
  const schema = z
    .strictObject({ first: z.unknown(), second: z.string(), third: z.string().default('c') })
    .transform(({ second, third }) => ({ both: second + third }))
  const config = await load(TEXT, { adapters: channelWith(schema) })
  expect(config.channels['c']?.config).toEqual({ both: 'bc' })
})

test('keys that a schema drops without a word are unknown keys (zod’s object instead of strictObject)', async () => {
  const schema = z.object({ secnd: z.string().optional(), other: z.string().default('x') })
  expect(await problemsOf(TEXT, { adapters: channelWith(schema) })).toEqual([
    '4:5: channels.c: unknown key "first"',
    '5:5: channels.c: unknown key "second" (did you mean "secnd"?)',
  ])
})

test('a key that a schema renames, uses or ignores is not dropped, also where its value is the default', async () => {
  const renames = z
    .strictObject({ first: z.unknown(), second: z.string().default('b') })
    .transform(({ second }) => ({ renamed: second }))
  expect(await problemsOf(TEXT, { adapters: channelWith(renames) })).toEqual([])
  const loose = z.looseObject({ second: z.string() })
  expect(await problemsOf(TEXT, { adapters: channelWith(loose) })).toEqual([])
  const unnamed = other((value) => {
    const { first, second } = z.object({ first: z.unknown(), second: z.string() }).parse(value)
    return { value: { one: first, two: second } }
  })
  expect(await problemsOf(`${TEXT}    third: c\n`, { adapters: channelWith(unnamed) })).toEqual([
    '6:5: channels.c: unknown key "third"',
  ])
})

test('issues of any vendor are mapped back to the place, also with path segments as objects', async () => {
  const schema = other(() => ({
    issues: [
      { message: 'Too deep', path: [{ key: 'first' }, 1, { key: 'deep' }] },
      { message: 'No good', path: ['third'] },
      { message: 'Whole thing' },
      { message: 'Odd', path: [Symbol('s')] },
    ],
  }))
  expect(await problemsOf(TEXT, { adapters: channelWith(schema) })).toEqual([
    '2:3: channels.c: "third" is missing',
    '2:3: channels.c: "Symbol(s)" is missing',
    '3:5: channels.c: whole thing',
    '4:24: channels.c.first[1].deep: 2: too deep',
  ])
})

test('a value is quoted once', async () => {
  const schema = other(() => ({ issues: [{ message: '"b" is no good', path: ['second'] }] }))
  expect(await problemsOf(TEXT, { adapters: channelWith(schema) })).toEqual([
    '5:13: channels.c.second: "b" is no good',
  ])
})

test('a schema that throws or answers later is a problem, not a crash', async () => {
  const throwing = other(() => {
    throw new Error('boom')
  })
  expect(await problemsOf(TEXT, { adapters: channelWith(throwing) })).toEqual([
    "3:5: channels.c: the adapter's schema failed: boom",
  ])
  const later = other(async () => {
    throw new Error('later')
  })
  expect(await problemsOf(TEXT, { adapters: channelWith(later) })).toEqual([
    "3:5: channels.c: the adapter's schema answers later (a promise): it must answer at once",
  ])
  // zod makes a promise of both.
  const refined = (check: (value: unknown) => unknown) => channelWith(z.any().refine(check))
  const thrown = refined(() => new URL('orders'))
  expect(await problemsOf(TEXT, { adapters: thrown })).toEqual([
    "3:5: channels.c: the adapter's schema failed: Invalid URL",
  ])
  expect(await problemsOf(TEXT, { adapters: refined(async () => true) })).toEqual([
    "3:5: channels.c: the adapter's schema answers later (a promise): it must answer at once",
  ])
})

test('of alternatives the one that was meant is explained', async () => {
  const schema = z.strictObject({
    first: z.unknown(),
    second: z.union([z.number(), z.strictObject({ name: z.string(), size: z.int() })]),
  })
  const adapters = channelWith(schema)
  expect(await problemsOf(TEXT, { adapters })).toEqual(['5:13: channels.c.second: "b": invalid input'])
  expect(await problemsOf(TEXT.replace('second: b', 'second: { name: n, siz: 1 }'), { adapters })).toEqual([
    '5:5: channels.c.second: "size" is missing',
    '5:24: channels.c.second: unknown key "siz" (did you mean "size"?)',
  ])
})

test('a nested key an adapter does not know is found with what it knows there', async () => {
  const schema = z.strictObject({
    first: z.unknown(),
    second: z.string(),
    security: z.array(z.strictObject({ username: z.string() })),
  })
  expect(
    await problemsOf(`${TEXT}    security: [{ usrname: a }]\n`, { adapters: channelWith(schema) }),
  ).toEqual([
    expect.stringMatching(/^6:\d+: channels\.c\.security\[0\]: "username" is missing$/),
    '6:18: channels.c.security[0]: unknown key "usrname" (did you mean "username"?)',
  ])
})
