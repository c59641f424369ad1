// What the server tells of itself: with the headers that need no message, and again where it could not be had.
import { assertValidSchema, buildSchema, graphqlSync } from 'graphql'
import { testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'

import type { Answered } from '../../../../adapters/graphql/answer.ts'
import type { Asked } from '../../../../adapters/graphql/client.ts'
import { createServerSchema } from '../../../../adapters/graphql/introspect.ts'
import type { ServerSchema } from '../../../../adapters/graphql/introspect.ts'
import { compileExpression } from '../../../../adapters/data/expression.ts'

const schema = buildSchema('type Query { a: Int }')
const told = (asked: Asked): Partial<Answered> => ({ ...graphqlSync({ schema, source: asked.document }) })
const refused = new Error('connection refused')
const silent = { status: 200, errors: [{ message: 'no introspection' }] }

interface Server {
  readonly asked: Asked[]
  readonly source: ServerSchema
  readonly later: string[]
  /** Throws it, answers with it, or does as it says. */
  answer: Error | Partial<Answered> | ((asked: Asked) => Partial<Answered> | Promise<Partial<Answered>>)
  now: number
}

function server(answer: Server['answer'], headers: Readonly<Record<string, string>> = {}): Server {
  const asked: Asked[] = []
  const later: string[] = []
  const made: Server = {
    asked,
    later,
    answer,
    now: 1_000_000,
    source: createServerSchema({
      scope: testScope({ id: 'shop', now: () => made.now }),
      headers: Object.entries(headers).map(([name, text]) => [name, compileExpression(text)] as const),
      async client(what) {
        asked.push(what)
        const { answer: now } = made
        if (now instanceof Error) throw now
        return { status: 200, headers: new Headers(), ...(typeof now === 'function' ? await now(what) : now) }
      },
      onLater: (found) => {
        later.push('told')
        assertValidSchema(found)
      },
    }),
  }
  return made
}
const begin = async ({ source }: Server): Promise<void> => source.begin(new AbortController().signal)

test('it is asked with the headers whose expression has a value without a message', async () => {
  const it = server(told, {
    Authorization: "'Bearer secret'",
    'x-version': '2',
    'x-who': '$message.sender.id',
    'x-caller': 'customer.name',
    'x-broken': '$uppercase(1)',
    'x-lines': "'a\\nb'",
  })
  await begin(it)
  expect(it.asked.map(({ headers }) => headers)).toEqual([
    { authorization: 'Bearer secret', 'x-version': '2' },
  ])
  expect(it.source.schema?.getQueryType()?.name).toBe('Query')
})

test.each<[string, Server['answer']]>([
  ['a line that is down', refused],
  ['503', { status: 503 }],
  ['401', { status: 401, errors: [{ message: 'who' }] }],
  ['429', { status: 429 }],
])(
  'after %s it is asked again behind a later call, once in 30 s, until it has told',
  async (_what, answer) => {
    const it = server(answer)
    await begin(it)
    it.source.renew()
    expect(it.asked).toHaveLength(1)
    it.now += 30_000
    it.source.renew()
    it.source.renew()
    await expect.poll(() => it.asked.length).toBe(2)
    it.answer = told
    it.now += 29_999
    it.source.renew()
    expect(it.asked).toHaveLength(2)
    it.now += 1
    it.source.renew()
    await expect.poll(() => it.source.schema).toBeDefined()
    expect(it.later).toEqual(['told'])
    it.now += 1e6
    it.source.renew()
    expect(it.asked).toHaveLength(3)
  },
)

test('one that keeps its schema to itself is not asked again', async () => {
  const it = server(silent)
  await begin(it)
  it.now += 1e6
  it.source.renew()
  expect(it.asked).toHaveLength(1)
})

test('nor is one that tells what is no schema', async () => {
  const it = server({ data: { __schema: {} } })
  await begin(it)
  it.now += 1e6
  it.source.renew()
  expect([it.asked.length, it.source.schema]).toEqual([1, undefined])
})

test('one that has no queries is told too late to stop the gateway: the log has it', async () => {
  const it = server(refused)
  await begin(it)
  it.answer = { data: { __schema: { types: [], directives: [] } } }
  it.now += 30_000
  it.source.renew()
  await expect.poll(() => it.later).toEqual(['told'])
})

test('while one question is open there is no second, however long it takes', async () => {
  const it = server(refused)
  await begin(it)
  it.answer = async () => new Promise<never>(() => {})
  for (let n = 0; n < 3; n++) {
    it.now += 60_000
    it.source.renew()
  }
  await expect.poll(() => it.asked.length).toBe(2)
})

test('with the backend the question ends, and none follows', async () => {
  const it = server(refused)
  await begin(it)
  it.answer = async ({ signal }) =>
    new Promise<never>((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('ended')))
    })
  it.now += 30_000
  it.source.renew()
  await expect.poll(() => it.asked.length).toBe(2)
  it.source[Symbol.dispose]()
  expect(it.asked[1]?.signal.aborted).toBe(true)
  it.now += 30_000
  it.source.renew()
  expect(it.asked).toHaveLength(2)
})
