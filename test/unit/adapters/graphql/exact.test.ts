// No digit is lost and no type is guessed, from a variable or a literal to the draft and back (DESIGN §3).
import fc from 'fast-check'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testMessage } from 'dragoman/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'

import { JSON_TYPE, bytes, readAnswer, trial } from './trial.ts'

const asked = 'mutation($p: JSON) { request(operation: "A", params: $p) { data } }'

test.each(['1.10', '1e5', '-0', '9007199254740993', '123456789012345678901234567890', '0.1'])(
  'the bare number %s in variables crosses unchanged, as a text where a double would change it',
  async (number) => {
    await using channel = await trial()
    const body = bytes(`{"query":${JSON.stringify(asked)},"variables":{"p":{"n":${number}}}}`)
    expect((await readAnswer(await channel.send({ body }))).errors).toBeUndefined()
    expect([{ n: number }, { n: Number(number) }]).toContainEqual(channel.drafts[0]?.data)
    expect(JSON.stringify(channel.drafts[0]?.data)).toContain(number)
  },
)

test.each(['1.10', '9007199254740993', '1e5'])('so does the bare number %s as a literal', async (number) => {
  await using channel = await trial()
  await channel.ask(`mutation { request(operation: "A", params: { n: [${number}] }) { data } }`)
  expect(channel.drafts[0]?.data).toEqual({ n: [number] })
})

test('any JSON is the same after the way in and the way out', async () => {
  await using channel = await trial({
    accept: async (draft) => ({ reply: { origin: 'backend', data: draft.data ?? null } }),
  })
  await fc.assert(
    fc.asyncProperty(fc.jsonValue({ noUnicodeString: false, maxDepth: 4 }), async (value) => {
      const sent = JSON.parse(JSON.stringify(value)) as unknown
      fc.pre(isExact(sent))
      const { data } = await channel.ask(asked, { p: { value: sent } })
      expect(data).toEqual({ request: { data: { value: sent } } })
    }),
    { numRuns: 60 },
  )
})

// Half a surrogate pair is refused, and numbers that a double writes otherwise become texts: both have their own tests.
function isExact(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && !Object.is(value, -0)
  if (typeof value === 'string') return value.isWellFormed()
  if (typeof value !== 'object' || value === null) return true
  return Object.entries(value).every(([name, member]) => name.isWellFormed() && isExact(member))
}

test('__proto__ and constructor are names like any other', async () => {
  await using channel = await trial()
  const body = bytes(
    `{"query":${JSON.stringify(asked)},"variables":{"p":{"__proto__":{"polluted":1},"constructor":"x"}}}`,
  )
  await readAnswer(await channel.send({ body }))
  const data = channel.drafts[0]?.data as object
  expect(Object.keys(data)).toEqual(['__proto__', 'constructor'])
  expect({}).not.toHaveProperty('polluted')
})

test('half a surrogate pair is refused: no protocol behind could carry it', async () => {
  await using channel = await trial()
  const body = bytes(`{"query":${JSON.stringify(asked)},"variables":{"p":"\\ud83d"}}`)
  const answer = await readAnswer(await channel.send({ body }))
  expect([answer.status, answer.errors?.[0]?.extensions['code']]).toEqual([400, 'DECODE_FAILED'])
})

test('a log with integers beyond 32 bits is read (GraphQL §3.5.1), and Int variables still write what fits', async () => {
  const media = { url: 'https://x/1.mp4', bytes: 3_000_000_000 }
  const parts = [{ kind: 'video' as const, text: '[video]', media }]
  const said = { ...testMessage({ parts }), clientSequence: Number.MAX_SAFE_INTEGER }
  await using channel = await trial({
    log: async () => ({ messages: [said], next: 1, oldest: 1, top: 1, truncated: false }),
  })
  const { text } = await channel.ask(
    '{ conversation(id: "c") { messages { clientSequence parts { media { bytes } } } } }',
  )
  expect(text).toBe(
    '{"data":{"conversation":{"messages":[{"clientSequence":9007199254740991,"parts":[{"media":{"bytes":3000000000}}]}]}}}',
  )
  const { errors } = await channel.ask(
    'mutation($n: Int) { sendMessage(sender: {id: "ann"}, parts: [{kind: video, text: "v", media: {bytes: $n}}], clientSequence: $n) { id } }',
    { n: 7 },
  )
  expect(errors).toBeUndefined()
  expect(channel.drafts).toMatchObject([{ clientSequence: 7, parts: [{ media: { bytes: 7 } }] }])
})

const sdl = /* GraphQL */ `
  scalar Long
  scalar Decimal
  type Query {
    order(no: ID!, price: Float, count: Int, big: Long, when: Float = 1.10): Order
  }
  type Order {
    no: ID!
    total: Float
    count: Int
    id: Long
    price: Decimal
    paid: Boolean
    lines: [Line!]
    constructor: String
  }
  type Line {
    sku: String
  }
  input Note {
    text: String
    toString: String
  }
  type Mutation {
    note(n: Note): String
  }
`
let directory = ''
let schema = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-graphql-'))
  schema = join(directory, 'app.graphql')
  await writeFile(schema, sdl)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

test('arguments of a schema keep their digits, by variable and by literal', async () => {
  await using channel = await trial({ config: { schema } })
  const query =
    'query($no: ID!, $price: Float, $count: Int, $big: Long) { order(no: $no, price: $price, count: $count, big: $big) { no } }'
  const variables = '{"no":9007199254740993,"price":1.10,"count":1e2,"big":9007199254740993}'
  await channel.send({ body: bytes(`{"query":${JSON.stringify(query)},"variables":${variables}}`) })
  await channel.ask('{ order(no: 9007199254740993, price: 1.10, count: 100, big: 9007199254740993) { no } }')
  const wanted = { no: '9007199254740993', price: '1.10', count: 100, big: '9007199254740993', when: '1.10' }
  expect(channel.drafts.map(({ data }) => data)).toEqual([wanted, wanted])
})

test('answers keep their digits: a Float is written as the business system wrote it', async () => {
  const data = {
    no: '000777',
    total: '1.10',
    count: '42',
    id: '9007199254740993',
    price: '1.10',
    paid: 'true',
    lines: { sku: 'A' },
  }
  await using channel = await trial({
    config: { schema },
    accept: async () => ({ reply: { origin: 'backend', data } }),
  })
  const { text } = await channel.ask(
    '{ order(no: "7") { no total count id price paid lines { sku } constructor } }',
  )
  expect(text).toBe(
    '{"data":{"order":{"no":"000777","total":1.10,"count":42,"id":"9007199254740993","price":"1.10","paid":true,"lines":[{"sku":"A"}],"constructor":null}}}',
  )
})

test.each([
  ['+12345678901234567890', '12345678901234567890'],
  ['\n 1234567890.12345678901 ', '1234567890.12345678901'],
  ['0012345678901234567890.50', '12345678901234567890.50'],
  ['-007', '-7'],
  ['.5', '0.5'],
  ['5.', '5'],
  ['+0.10', '0.10'],
  ['0', '0'],
])(
  'a decimal as XML writes it (XSD 1.1 Part 2 §3.3.3) keeps its digits as a Float: %j',
  async (total, wanted) => {
    await using channel = await trial({
      config: { schema },
      accept: async () => ({ reply: { origin: 'backend', data: { no: '1', total } } }),
    })
    const { text } = await channel.ask('{ order(no: "7") { total } }')
    expect(text).toBe(`{"data":{"order":{"total":${wanted}}}}`)
  },
)

test.each([
  [' +0042\n', 42],
  ['42.0', 42],
  ['1e2', 100],
])('an integer as XML writes it is an Int: %j', async (count, wanted) => {
  await using channel = await trial({
    config: { schema },
    accept: async () => ({ reply: { origin: 'backend', data: { no: '1', count } } }),
  })
  expect((await channel.ask('{ order(no: "7") { count } }')).data).toEqual({ order: { count: wanted } })
})

test.each(['', ' ', '\n  ', '0x1F', '1 2', '+', '.', 'e5', '1.5x', 'Infinity'])(
  'text that is no decimal is no number (ENCODE_FAILED): %j',
  async (written) => {
    await using channel = await trial({
      config: { schema },
      accept: async () => ({
        reply: { origin: 'backend', data: { no: '1', total: written, count: written } },
      }),
    })
    const { data, errors } = await channel.ask('{ order(no: "7") { total count } }')
    expect(data).toEqual({ order: { total: null, count: null } })
    expect(errors?.map(({ extensions }) => extensions['code'])).toEqual(['ENCODE_FAILED', 'ENCODE_FAILED'])
  },
)

test('the digits of an Int are not rounded away: 2147483647.00000000001 is none', async () => {
  await using channel = await trial({
    config: { schema },
    accept: async () => ({
      reply: { origin: 'backend', data: { no: '1', count: '2147483647.00000000001' } },
    }),
  })
  const { errors } = await channel.ask('{ order(no: "7") { count } }')
  expect(errors).toMatchObject([{ path: ['order', 'count'], extensions: { code: 'ENCODE_FAILED' } }])
})

test('a bare number is no input object, whatever the fields of that are called (§3.10)', async () => {
  await using channel = await trial({ config: { schema } })
  const noted = 'mutation($n: Note) { note(n: $n) }'
  for (const variables of ['{"n":1.10}', '{"n":[1.10]}', '1.10']) {
    const body = bytes(`{"query":${JSON.stringify(noted)},"variables":${variables}}`)
    const { errors } = await readAnswer(await channel.send({ body }))
    expect(errors?.[0]?.extensions['code']).toBe('DECODE_FAILED')
  }
  expect(channel.drafts).toEqual([])
})

test.each([
  ['an Int beyond 32 bits', { no: '1', count: '9007199254740993' }, ['order', 'count']],
  ['a missing value that may not be', { total: '1' }, ['order', 'no']],
  ['text that is no number', { no: '1', total: 'abc' }, ['order', 'total']],
])('%s is an error at its place, never a guess (ENCODE_FAILED)', async (_what, data, path) => {
  await using channel = await trial({
    config: { schema },
    accept: async () => ({ reply: { origin: 'backend', data } }),
  })
  const headers = { ...JSON_TYPE, accept: 'application/graphql-response+json' }
  const { status, errors } = await channel.ask('{ order(no: "7") { no total count } }', {}, { headers })
  expect(errors).toMatchObject([{ path, extensions: { code: 'ENCODE_FAILED' } }])
  expect(status).toBe(200) // GraphQL over HTTP §6.4.2: the request was a good one
  expect(channel.errors).toEqual([])
})
