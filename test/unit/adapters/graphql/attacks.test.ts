// The known shapes of attack on a GraphQL server: each is refused before anything is executed, and soon.
import { getIntrospectionQuery } from 'graphql'
import { describe, expect, test } from 'vitest'

import { bytes, readAnswer, trial } from './trial.ts'
import type { Asked, Trial } from './trial.ts'
import { stopwatch } from '../../../support/processor.ts'

const times = (count: number, text: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => text(index)).join(' ')
const log = (selection: string): string => `{ conversation(id: "c") { ${selection} } }`

interface Attack {
  readonly name: string
  readonly run: (channel: Trial) => Promise<Asked>
  readonly says: RegExp
}

const document = (text: string, variables?: Readonly<Record<string, unknown>>): Attack['run'] => {
  return (channel) => channel.ask(text, variables)
}

/** The thirteen known shapes, by number, some in several forms. */
const attacks: readonly Attack[] = [
  {
    name: '1 depth: selections nested without end',
    run: document(`${times(400, () => '{ a')} ${times(400, () => '}')}`),
    says: /depth 400 is above 12/u,
  },
  ...(['{ a', '{ ...', '[', '{ a(b: [', 'query($a: ['] as const).map((opening) => ({
    name: `1 depth: "${opening}" nested until the parser has no stack left`,
    run: (channel: Trial) => channel.ask(`{ a(b: ${opening.repeat(6000)}`),
    says: /depth of brackets 513 is above 512/u,
  })),
  {
    name: '2 aliases: one expensive field under many names',
    run: document(`mutation { ${times(100, (n) => `a${n}: request(operation: "Pay") { id }`)} }`),
    says: /aliases 100 is above 20/u,
  },
  {
    name: '3 duplicated fields: the same one written out hundreds of times',
    run: document(log(times(900, () => 'next'))),
    says: /fields 901 is above 500/u,
  },
  {
    name: '3 duplicated fields: below the limit of fields, each compared with each',
    run: document(log(times(480, () => 'next'))),
    says: /repeats of one field 480 is above 50/u,
  },
  {
    name: '3 duplicated fields: the same spread over inline fragments',
    run: document(log(times(100, () => '... on Log { next ... { next } }'))),
    says: /repeats of one field 200 is above 50/u,
  },
  {
    name: '3 duplicated fields: in a fragment that is never used',
    run: document(`{ __typename } fragment unused on Log { ${times(900, () => 'next')} }`),
    says: /fields 900 is above 500/u,
  },
  {
    name: '4 directives: hundreds on one field',
    run: document(log(`next ${times(200, () => '@include(if: true)')}`)),
    says: /directives 200 is above 20/u,
  },
  {
    name: '5 tokens: a document without end',
    run: document(`{ ${times(200_000, () => 'a')} }`),
    says: /more than 2000 tokens/u,
  },
  {
    name: '6 fragments in a circle',
    run: document('{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }'),
    says: /fragment "a" contains itself/u,
  },
  {
    name: '7 fragments that double: thirty lines for a milliard fields',
    run: document(
      `{ ...f0 } ${times(30, (n) => `fragment f${n} on Query { ...f${n + 1} ...f${n + 1} }`)} fragment f30 on Query { __typename }`,
    ),
    says: /fields far above 500/u,
  },
  {
    name: '7 fragments that double and end in one that is not there, so that they hold no field',
    run: document(
      `{ ...f0 } ${times(100, (n) => `fragment f${n} on Query { ...f${n + 1} ...f${n + 1} }`)} fragment f100 on Query { ...nope }`,
    ),
    says: /Unknown fragment "nope"/u,
  },
  {
    name: '8 list size: a page without bound, as a literal',
    run: document('{ conversation(id: "c", limit: 100000000) { next } }'),
    says: /limit asks for 100000000 items: at most 1000/u,
  },
  {
    name: '8 list size: the same in a variable',
    run: document('query($n: Int) { conversation(id: "c", limit: $n) { next } }', { n: 2_000_000_000 }),
    says: /\$n asks for 2000000000 items/u,
  },
  {
    name: '8 list size: the same as the default of a variable',
    run: document('query($n: Int = 5000) { conversation(id: "c", limit: $n) { next } }'),
    says: /\$n asks for 5000 items/u,
  },
  {
    name: '8 list size: a list of thousands of items as an argument',
    run: document('mutation($p: JSON) { request(operation: "A", params: $p) { id } }', {
      p: { ids: Array.from({ length: 5000 }, (_, n) => n) },
    }),
    says: /items of a list 5000 is above 1000/u,
  },
  {
    name: '9 input nested without end, as a literal',
    run: document(
      `mutation { request(operation: "A", params: ${'['.repeat(500)}${']'.repeat(500)}) { id } }`,
    ),
    says: /depth of a value 33 is above 32/u,
  },
  {
    name: '9 input nested without end, as a variable',
    run: async (channel) =>
      readAnswer(
        await channel.send({
          body: bytes(`{"query":"{ a }","variables":{"p":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`),
        }),
      ),
    says: /nested deeper than 64 levels/u,
  },
  {
    name: '10 batch: a hundred operations in one request',
    run: async (channel) =>
      readAnswer(
        await channel.send({ body: bytes(Array.from({ length: 100 }, () => ({ query: '{ __typename }' }))) }),
      ),
    says: /the batch has 100 operations: at most 10/u,
  },
  {
    name: '11 introspection that goes round in circles',
    run: document(
      `{ __schema { types { ${times(8, () => 'fields { type {')} name ${times(8, () => '} }')} } } }`,
    ),
    says: /introspection depth|depth of introspection/u,
  },
  {
    name: '12 a mutation by GET, as a link on another site would send it',
    run: async (channel) => {
      const query = new URLSearchParams({ query: 'mutation { request(operation: "Pay") { id } }' })
      return readAnswer(await channel.send({ method: 'GET', query: query.toString(), headers: {} }))
    },
    says: /POST/u,
  },
  {
    name: '12 a request as a query by GET: it may change something all the same',
    run: async (channel) => {
      const query = new URLSearchParams({ query: '{ request(operation: "Pay") { id } }' })
      return readAnswer(await channel.send({ method: 'GET', query: query.toString(), headers: {} }))
    },
    says: /send it by POST/u,
  },
  {
    name: '13 a form of another site that needs no permission to be sent (text/plain)',
    run: async (channel) =>
      readAnswer(
        await channel.send({
          headers: { 'content-type': 'text/plain' },
          body: bytes({ query: 'mutation { request(operation: "Pay") { id } }' }),
        }),
      ),
    says: /"text\/plain" is not taken/u,
  },
  ...(['application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'] as const).map((type) => ({
    name: `13 the same as ${type}`,
    run: async (channel: Trial) =>
      readAnswer(
        await channel.send({
          headers: { 'content-type': type },
          body: bytes('query=mutation+%7B+request%28operation%3A%22Pay%22%29+%7B+id+%7D+%7D'),
        }),
      ),
    says: /is not taken: send content-type: application\/json/u,
  })),
  {
    name: 'hundreds of mistakes, to be answered with hundreds of errors',
    run: document(`{ ${times(300, (n) => `nope${n}`)} }`),
    says: /Cannot query field/u,
  },
]

describe('an attack is refused before anything is executed', () => {
  test.each(attacks)('$name', async ({ run, says }) => {
    await using channel = await trial()
    const watch = stopwatch()
    const { status, data, errors = [], text } = await run(channel)
    expect(watch()).toBeLessThan(1000)
    expect(errors.map(({ message }) => message).join('\n')).toMatch(says)
    expect(errors[0]?.extensions['code']).toMatch(/^(?:DECODE_FAILED|METHOD_NOT_ALLOWED|UNSUPPORTED_MEDIA)$/u)
    expect(data ?? {}).not.toMatchObject({ request: { id: expect.anything() } })
    expect(channel.drafts).toEqual([])
    expect(text.length).toBeLessThan(20_000)
    expect(status).toBeGreaterThanOrEqual(200)
    expect(channel.errors).toEqual([])
  })
})

test('what is refused for its size is refused with status 400, whatever the caller accepts', async () => {
  await using channel = await trial()
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  const deep = await channel.ask(`${times(20, () => '{ a')} ${times(20, () => '}')}`, {}, { headers })
  const wide = await channel.ask(
    'query($n: Int) { conversation(id: "c", limit: $n) { next } }',
    { n: 5000 },
    { headers },
  )
  const long = await channel.ask(`{ ${times(3000, () => 'a')} }`, {}, { headers })
  expect([deep.status, wide.status, long.status]).toEqual([400, 400, 400])
})

test('the query that tools send to learn the schema is within every limit', async () => {
  await using channel = await trial()
  const { data, errors } = await channel.ask(getIntrospectionQuery())
  expect(errors).toBeUndefined()
  expect(data).toHaveProperty('__schema.types')
})

test('what a caller sent is not sent back to him by the megabyte', async () => {
  await using channel = await trial()
  const { errors, text } = await channel.ask(`{ ${'x'.repeat(500_000)} }`)
  expect(errors?.[0]?.message).toMatch(/^Cannot query field "x+…$/u)
  expect(text.length).toBeLessThan(1000)
})

test('fragments of many hands may ask for the same field: fifty times is no attack', async () => {
  await using channel = await trial({
    log: async () => ({ messages: [], next: 7, oldest: 1, top: 7, truncated: false }),
  })
  const { data } = await channel.ask(
    `{ conversation(id: "c") { ${times(50, (n) => `...f${n}`)} } } ${times(50, (n) => `fragment f${n} on Log { next }`)}`,
  )
  expect(data).toEqual({ conversation: { next: 7 } })
})

test('limits are the config’s', async () => {
  await using channel = await trial({ config: { limits: { depth: 2, aliases: 1 } } })
  const deep = await channel.ask('{ conversation(id: "c") { messages { id } } }')
  expect(deep.errors?.[0]?.message).toMatch(/depth 3 is above 2/u)
  const named = await channel.ask('{ a: __typename b: __typename }')
  expect(named.errors?.[0]?.message).toMatch(/aliases 2 is above 1/u)
})

describe('introspection', () => {
  const schema = '{ __schema { queryType { name } } }'
  test.each([
    ['a caller on this machine', undefined, {}, true],
    ['a caller elsewhere', undefined, { remote: '192.0.2.7' }, false],
    ['a caller on this machine by a public name', undefined, { origin: 'https://api.example.com' }, false],
    [
      'a caller behind a proxy on this machine',
      undefined,
      { headers: { 'content-type': 'application/json', 'x-forwarded-for': '192.0.2.7' } },
      false,
    ],
    ['nobody, where the config says no', false, {}, false],
    ['anybody, where the config says yes', true, { remote: '192.0.2.7' }, true],
  ])('%s', async (_who, introspection, request, allowed) => {
    await using channel = await trial({ config: introspection === undefined ? {} : { introspection } })
    const { data, errors } = await channel.ask(schema, {}, request)
    if (allowed) expect(data).toEqual({ __schema: { queryType: { name: 'Query' } } })
    else expect(errors?.[0]?.message).toMatch(/introspection has been disabled/u)
  })

  test('a document that was allowed to one caller is not allowed to the next because it is known', async () => {
    await using channel = await trial()
    expect((await channel.ask(schema)).data).toHaveProperty('__schema')
    expect((await channel.ask(schema, {}, { remote: '192.0.2.7' })).text).toMatch(/has been disabled/u)
    expect((await channel.ask(schema)).data).toHaveProperty('__schema')
  })

  test('without it no name of the schema is suggested', async () => {
    await using channel = await trial({ config: { introspection: false } })
    const misspelt = await channel.ask('{ conversatio(id: "c") { next } }')
    expect(misspelt.text).not.toContain('Did you mean')
    const value = await channel.ask(
      'mutation($p: Priority) { sendMessage(text: "a", priority: $p) { id } }',
      {
        p: 'hihg',
      },
    )
    expect(value.errors).toHaveLength(1)
    expect(value.text).not.toMatch(/Did you mean|urgent/u)
  })
})
