// Defaults of a schema: executed digit by digit, and told to tools as the schema has them.
import { buildClientSchema, getIntrospectionQuery } from 'graphql'
import type { IntrospectionQuery } from 'graphql'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { trial } from './trial.ts'

const sdl = /* GraphQL */ `
  type Query {
    near(
      radius: Float = 1.0
      price: Decimal = 1.10
      big: Decimal = 12345678901234567890.10
      more: JSON = { a: 1.10 }
      list: [Float!] = [1.0, 2]
      within: Area = {}
      text: String = "a"
      since: Moment = NOW
      count: Int
    ): Boolean
  }
  input Area {
    inner: Inner = {}
    radius: Float = 1.0
    price: Decimal = 1.10
    more: JSON = { a: 1.10 }
  }
  input Inner {
    deep: Float = 1.10
    self: Inner
  }
  scalar Decimal
  scalar Moment
  scalar JSON
  directive @weighs(much: Float = 1.0) on FIELD
`
let directory = ''
let schema = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-graphql-'))
  schema = join(directory, 'app.graphql')
  await writeFile(schema, sdl)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('a tool that asks for the schema gets every default as it is written (GraphQL §4.2.6 defaultValue)', async () => {
  await using channel = await trial({ config: { schema } })
  const { data, errors } = await channel.ask(getIntrospectionQuery())
  expect(errors).toBeUndefined()
  const told = data as unknown as IntrospectionQuery // the answer to that very query
  expect(() => buildClientSchema(told)).not.toThrow()
  const query = told.__schema.types.find(({ name }) => name === 'Query')
  const args = query?.kind === 'OBJECT' ? query.fields[0]?.args : undefined
  expect(args?.map(({ name, defaultValue }) => [name, defaultValue])).toEqual([
    ['radius', '1.0'],
    ['price', '1.10'],
    ['big', '12345678901234567890.10'],
    ['more', '{a: 1.10}'],
    ['list', '[1.0, 2]'],
    ['within', '{}'],
    ['text', '"a"'],
    ['since', 'NOW'],
    ['count', null],
  ])
  const area = told.__schema.types.find(({ name }) => name === 'Area')
  const fields = area?.kind === 'INPUT_OBJECT' ? area.inputFields : undefined
  expect(fields?.map(({ defaultValue }) => defaultValue)).toEqual(['{}', '1.0', '1.10', '{a: 1.10}'])
  expect(told.__schema.directives.find(({ name }) => name === 'weighs')?.args[0]?.defaultValue).toBe('1.0')
})

test('a default keeps its digits, also one of a type that the schema has further down', async () => {
  await using channel = await trial({ config: { schema } })
  await channel.ask('{ near }')
  expect(channel.drafts[0]?.data).toEqual({
    radius: '1.0',
    price: '1.10',
    big: '12345678901234567890.10',
    more: { a: '1.10' },
    list: ['1.0', 2],
    within: { inner: { deep: '1.10' }, radius: '1.0', price: '1.10', more: { a: '1.10' } },
    text: 'a',
    since: 'NOW',
  })
})
