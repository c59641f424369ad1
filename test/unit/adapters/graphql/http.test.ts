// GraphQL over HTTP: what is taken, what is refused and how, and documents the caller only names.
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { GatewayError } from 'dragoman'

import { JSON_TYPE, bytes, readAnswer, trial } from './trial.ts'

describe('HTTP (GraphQL over HTTP)', () => {
  test('what the gateway refused, and has logged, is said as GraphQL’s errors and not logged again', async () => {
    await using channel = await trial()
    const said = await channel.refused?.(GatewayError.from(new Error('secret')))
    expect(said?.contentType).toBe('application/json; charset=utf-8')
    expect(JSON.parse(said?.body ?? '')).toMatchObject({ errors: [{ extensions: { code: 'INTERNAL' } }] })
    expect(said?.body).not.toContain('secret')
    expect(channel.errors).toEqual([])
  })

  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    undefined,
  ])('a body of type %s is refused with 415: a page of another site can send such unasked', async (type) => {
    await using channel = await trial()
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
    const { status, errors } = await channel.ask('{ __typename }', {}, { headers })
    expect([status, errors?.[0]?.extensions['code']]).toEqual([415, 'UNSUPPORTED_MEDIA'])
  })

  test.each(['application/json; charset=UTF-8', 'application/graphql+json'])(
    'a body of type %s is taken',
    async (type) => {
      await using channel = await trial()
      const { data } = await channel.ask('{ __typename }', {}, { headers: { 'content-type': type } })
      expect(data).toEqual({ __typename: 'Query' })
    },
  )

  test('a query may come by GET, with variables and a name of the operation', async () => {
    await using channel = await trial({
      log: async () => ({ messages: [], next: 7, oldest: 1, top: 7, truncated: false }),
    })
    const query = new URLSearchParams({
      query: 'query A($id: ID!) { conversation(id: $id) { next } } query B { __typename }',
      operationName: 'A',
      variables: '{"id":12345678901234567890}',
    })
    const answer = await channel.send({ method: 'GET', query: query.toString(), headers: {} })
    expect(await readAnswer(answer)).toMatchObject({ status: 200, data: { conversation: { next: 7 } } })
  })

  test.each(['query=%7B%20conversation(id%3A%20%22%FF%22)%20%7B%20next%20%7D%20%7D', 'query=%zz'])(
    'a query string that is no UTF-8 is refused, not mended: %s',
    async (query) => {
      await using channel = await trial()
      const answer = await readAnswer(await channel.send({ method: 'GET', query, headers: {} }))
      expect(answer).toMatchObject({ status: 400, errors: [{ extensions: { code: 'DECODE_FAILED' } }] })
    },
  )

  test('a body that is no UTF-8 is refused (RFC 8259 §8.1)', async () => {
    await using channel = await trial()
    const body = new Uint8Array([...bytes('{"query":"{ a(b: \\"'), 0xc3, 0x28, ...bytes('\\") }"}')])
    expect(await readAnswer(await channel.send({ body }))).toMatchObject({
      status: 400,
      errors: [{ message: expect.stringContaining('UTF-8'), extensions: { code: 'DECODE_FAILED' } }],
    })
  })

  test.each(['text/html', 'application/json;q=0', 'image/*, multipart/mixed'])(
    'who takes only %s is refused before anything is executed (406, RFC 9110 §15.5.7)',
    async (accept) => {
      await using channel = await trial()
      const headers = { ...JSON_TYPE, accept }
      const { status, errors } = await channel.ask(
        'mutation { request(operation: "A") { id } }',
        {},
        { headers },
      )
      expect([status, errors?.[0]?.extensions['code']]).toEqual([406, 'DECODE_FAILED'])
      expect(channel.drafts).toEqual([])
    },
  )

  test('a subscription in a batch is refused: it is a stream of its own', async () => {
    await using channel = await trial()
    const answer = await channel.send({
      body: bytes([
        { query: 'subscription { messages(conversation: "c") { id } }' },
        { query: '{ __typename }' },
      ]),
    })
    expect(JSON.parse(typeof answer.body === 'string' ? answer.body : '')).toMatchObject([
      { errors: [{ message: 'a subscription is a stream of its own: send it without others' }] },
      { data: { __typename: 'Query' } },
    ])
  })

  test('a mutation by GET is 405 and names what is allowed (RFC 9110 §15.5.6)', async () => {
    await using channel = await trial()
    const query = new URLSearchParams({ query: 'mutation { publishEvent(type: "a") { id } }' })
    const answer = await channel.send({ method: 'GET', query: query.toString(), headers: {} })
    expect([answer.status, answer.headers?.['allow']]).toEqual([405, 'POST'])
    expect((await readAnswer(answer)).errors?.[0]?.extensions['code']).toBe('METHOD_NOT_ALLOWED')
    expect(channel.drafts).toEqual([])
  })

  test.each(['PUT', 'DELETE', 'HEAD', 'OPTIONS'])('%s is refused', async (method) => {
    await using channel = await trial()
    const answer = await channel.send({ method })
    expect([answer.status, answer.headers?.['allow']]).toEqual([405, 'GET, POST'])
  })

  test('nothing is served below the path', async () => {
    await using channel = await trial()
    expect((await channel.send({ path: '/graphql/health' })).status).toBe(404)
  })

  test('a document that cannot be read is 200 for application/json and 400 for the newer type (§6.4)', async () => {
    await using channel = await trial()
    const ask = async (accept: string): Promise<number> =>
      (await channel.ask('{ nope', {}, { headers: { ...JSON_TYPE, accept } })).status
    expect(await ask('application/json')).toBe(200)
    expect(await ask('application/graphql-response+json')).toBe(400)
  })

  test.each([
    ['a variable is missing', 'query($id: ID!) { conversation(id: $id) { next } }', {}],
    ['a variable is of the wrong type', 'query($id: ID!) { conversation(id: $id) { next } }', { id: {} }],
    ['the operation is not named', 'query A { __typename } query B { __typename }', {}],
    ['a field is not there', '{ nope }', {}],
  ])(
    '%s: 200 for application/json and 400 for the newer type, also the second time',
    async (_what, query, variables) => {
      await using channel = await trial()
      for (const [accept, wanted] of [
        ['application/json', 200],
        ['application/graphql-response+json', 400],
        ['application/json', 200],
      ] as const) {
        const { status, errors } = await channel.ask(query, variables, { headers: { ...JSON_TYPE, accept } })
        expect([status, errors?.[0]?.extensions['code']]).toEqual([wanted, 'DECODE_FAILED'])
      }
    },
  )

  test('the same mistake a second time is told with its place as the first time', async () => {
    await using channel = await trial()
    const first = await channel.ask('{\n  nope\n}')
    expect(first.errors).toMatchObject([{ locations: [{ line: 2, column: 3 }] }])
    expect((await channel.ask('{\n  nope\n}')).text).toBe(first.text)
  })

  test('an argument that may not be null, by a variable that may: the caller’s mistake, at its place (§6.4.1)', async () => {
    await using channel = await trial()
    const { errors } = await channel.ask('query($n: ID = "x") { conversation(id: $n) { next } }', { n: null })
    expect(errors).toMatchObject([{ path: ['conversation'], extensions: { code: 'DECODE_FAILED' } }])
  })

  test('a batch is answered in its order, each with its own mistakes', async () => {
    await using channel = await trial()
    const answer = await channel.send({
      body: bytes([
        { query: '{ __typename }' },
        { query: '{ nope }' },
        { query: 'mutation { request(operation: "A") { id } }' },
      ]),
    })
    expect(JSON.parse(typeof answer.body === 'string' ? answer.body : '')).toMatchObject([
      { data: { __typename: 'Query' } },
      { errors: [{ extensions: { code: 'DECODE_FAILED' } }] },
      { data: { request: { id: 'm1' } } },
    ])
  })

  test.each([
    ['variables that are a list', { query: '{ a }', variables: [] }, 'variables is not an object'],
    ['a query that is a number', { query: 1 }, 'query is not a text'],
    ['no object', 7, 'an operation is an object with the member query'],
    ['an empty batch', [], 'the batch is empty'],
  ])('%s is refused with 400', async (_what, body, message) => {
    await using channel = await trial()
    const { status, errors } = await readAnswer(await channel.send({ body: bytes(body) }))
    expect({ status, message: errors?.[0]?.message }).toEqual({ status: 400, message })
  })
})

describe('persisted documents', () => {
  const query = '{ __typename }'
  const sha256Hash = createHash('sha256').update(query).digest('hex')
  const extensions = { persistedQuery: { version: 1, sha256Hash } }
  const send = async (channel: Awaited<ReturnType<typeof trial>>, body: object) =>
    readAnswer(await channel.send({ body: bytes(body) }))

  test('one that is not known is asked for, registered with its digest, and then known (automatic)', async () => {
    await using channel = await trial()
    const first = await send(channel, { extensions })
    expect(first).toMatchObject({
      status: 200,
      errors: [{ message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }],
    })
    expect((await send(channel, { query, extensions })).data).toEqual({ __typename: 'Query' })
    expect((await send(channel, { extensions })).data).toEqual({ __typename: 'Query' })
  })

  test('a digest of another document is refused, and nothing is registered', async () => {
    await using channel = await trial()
    const wrong = await send(channel, { query: '{ a: __typename }', extensions })
    expect([wrong.status, wrong.errors?.[0]?.message]).toEqual([400, 'provided sha does not match query'])
    expect((await send(channel, { extensions })).errors?.[0]?.message).toBe('PersistedQueryNotFound')
  })

  test('of a file: by id, by digest, and with `only` nothing else', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-graphql-'))
    const file = join(directory, 'queries.json')
    await writeFile(file, JSON.stringify({ type: query, [sha256Hash]: query }))
    try {
      await using channel = await trial({ config: { persisted: { file, only: true } } })
      expect((await send(channel, { documentId: 'type' })).data).toEqual({ __typename: 'Query' })
      expect((await send(channel, { extensions })).data).toEqual({ __typename: 'Query' })
      expect((await send(channel, { query })).data).toEqual({ __typename: 'Query' })
      const other = await send(channel, { query: '{ a: __typename }' })
      expect([other.status, other.errors?.[0]?.message]).toEqual([
        403,
        'only persisted documents are taken here: send the id of one',
      ])
      const nope = await send(channel, { documentId: 'nope' })
      expect(nope.errors).toMatchObject([
        { message: 'there is no document "nope"', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } },
      ])
      expect(channel.hint('http://127.0.0.1:8080')).toBeUndefined()
      const hashed = '{ b: __typename }'
      const registering = await send(channel, {
        query: hashed,
        extensions: {
          persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(hashed).digest('hex') },
        },
      })
      expect(registering.status).toBe(403)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('without registering, a digest alone is not supported', async () => {
    await using channel = await trial({ config: { persisted: { automatic: false } } })
    const answer = await send(channel, { extensions })
    expect(answer.errors?.[0]?.extensions['code']).toBe('PERSISTED_QUERY_NOT_SUPPORTED')
    expect((await send(channel, { query, extensions })).data).toEqual({ __typename: 'Query' })
  })
})
