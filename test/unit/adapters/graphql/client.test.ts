// The bytes of an answer: read as JSON in UTF-8 (RFC 8259 §8.1) or refused, never mended.
import { expect, test } from 'vitest'

import { createClient } from '../../../../adapters/graphql/client.ts'
import type { Answered } from '../../../../adapters/graphql/answer.ts'

const ask = async (body: BodyInit | null, init: ResponseInit = {}): Promise<Answered> =>
  createClient(
    'http://127.0.0.1/graphql',
    async () => new Response(body, init),
  )({
    document: '{ a }',
    variables: {},
    headers: {},
    signal: new AbortController().signal,
  })

const typed = (type: string): ResponseInit => ({ headers: { 'content-type': type } })
const text = '{"data":{"a":"王"}}'
const gbk = new Uint8Array([...Buffer.from('{"data":{"a":"'), 0xcd, 0xf5, ...Buffer.from('"}}')])

test.each([
  'application/json',
  'application/graphql-response+json; charset=utf-8',
  'Application/JSON; Charset="UTF-8"',
  'text/json',
  'application/vnd.shop+json',
])('%s is JSON', async (type) => {
  expect((await ask(text, typed(type))).data).toEqual({ a: '王' })
})

test('an answer that does not say its type is read as JSON', async () => {
  expect((await ask(Buffer.from(text))).data).toEqual({ a: '王' })
})

test.each([
  ['bytes that are not UTF-8', gbk, 'application/json'],
  ['bytes that are not UTF-8, without a type', gbk, undefined],
  ['another charset', gbk, 'application/json; charset=gbk'],
  ['another charset, though the bytes are ASCII', '{"data":{"a":"x"}}', 'application/json; charset=utf-16'],
  ['what is no JSON', '<html>', 'text/html'],
  ['nothing', '', 'application/json'],
  ['JSON cut short', '{"data":', 'application/json'],
])('%s: BACKEND_FAILED, and its status says that an answer came', async (_what, body, type) => {
  await expect(ask(body, type === undefined ? {} : typed(type))).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    detail: { status: 200 },
    notExecuted: false,
  })
})

test('a line that breaks in the middle of an answer is no answer that came: no status is told', async () => {
  const cut = new ReadableStream({ pull: (body) => body.error(new TypeError('terminated')) })
  const failure = await ask(cut, typed('application/json')).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'BACKEND_FAILED' })
  expect(failure).not.toHaveProperty('detail.status')
})

test.each([
  ['bytes that are not UTF-8', gbk, 'text/plain'],
  ['a page', '<html>', 'text/html'],
  ['nothing', null, 'application/json'],
])('a status that is an error has the last word, whatever came with it: %s', async (_what, body, type) => {
  const { status, data, errors } = await ask(body, { status: 503, ...typed(type) })
  expect({ status, data, errors }).toEqual({ status: 503 })
})

test('204 is no GraphQL result', async () => {
  await expect(ask(null, { status: 204 })).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    detail: { status: 204 },
  })
})

const json = typed('application/json')

test('null in the place of `errors` or `extensions` is as good as none (System.Text.Json, GSON)', async () => {
  const { data, errors } = await ask('{"data":{"a":1},"errors":null,"extensions":null}', json)
  expect({ data, errors }).toEqual({ data: { a: 1 }, errors: undefined })
  const refused = '{"data":null,"errors":[{"message":"no","path":null}],"extensions":null}'
  expect(await ask(refused, { ...json, status: 400 })).toMatchObject({
    status: 400,
    errors: [{ message: 'no' }],
  })
})

test('the first part of an answer that goes on (`hasNext`) is no result; the last one is', async () => {
  await expect(ask('{"data":{"a":1},"hasNext":true}', json)).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    message: 'the answer is no GraphQL result',
    detail: { status: 200 },
  })
  expect((await ask('{"data":{"a":1},"hasNext":false}', json)).data).toEqual({ a: 1 })
})

test.each(['[{"data":{"a":1}}]', '[{"errors":[{"message":"no"}]}]', '[]', '"x"', 'null'])(
  '%s is no GraphQL result (§7.1): a list is no answer to one operation',
  async (body) => {
    await expect(ask(body, json)).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      message: 'the answer is no GraphQL result',
      detail: { status: 200 },
    })
    const { status, data, errors } = await ask(body, { ...json, status: 429 })
    expect({ status, data, errors }).toEqual({ status: 429 })
  },
)
