// What an answer of a GraphQL server becomes, told by its status, its `data` and its `errors` alone.
import type { Answer, GatewayError } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { describe, expect, test } from 'vitest'

import { compileAnswer } from '../../../../adapters/graphql/answer.ts'
import type { Answered } from '../../../../adapters/graphql/answer.ts'
import { backendConfig } from '../../../../adapters/graphql/backend-config.ts'

async function read(answered: Partial<Answered>, more: object = {}): Promise<Answer> {
  const { operations } = backendConfig.parse({
    url: 'http://127.0.0.1/graphql',
    operations: { Get: { document: '{ order { no } }', ...more } },
  })
  const said = operations['Get']
  if (said === undefined) throw new Error('the config has no operation')
  const call = { operation: 'Get', params: {}, message: testMessage(), key: 'key-1', attempt: 1 }
  const options = { backend: 'shop', now: 0 }
  return compileAnswer(said)({ status: 200, headers: new Headers(), ...answered }, call, options)
}

const failure = async (answered: Partial<Answered>, more?: object): Promise<GatewayError> =>
  read(answered, more).then(
    (answer) => {
      throw new Error(`it was answered: ${JSON.stringify(answer)}`)
    },
    (error: unknown) => error as GatewayError, // the contract of Backend.call
  )

const error = (code?: string): object => ({
  message: 'Variable "$q" got invalid value "abc"',
  ...(code !== undefined && { extensions: { code, stacktrace: ['at x'], file: '/srv/app.js' } }),
})

describe('GraphQL (October 2021) §7.1: errors without the entry `data` were raised before anything was executed', () => {
  test.each([
    [200, undefined, 'REQUEST_ERROR'],
    [400, undefined, 'REQUEST_ERROR'],
    [422, 'VALIDATION_INVALID_TYPE_VARIABLE', 'VALIDATION_INVALID_TYPE_VARIABLE'],
    [200, 'BAD_USER_INPUT', 'BAD_USER_INPUT'],
    [400, 'GRAPHQL_VALIDATION_FAILED', 'GRAPHQL_VALIDATION_FAILED'],
  ])(
    '%i, code %s: the caller’s mistake, a business fault with the code and the message alone',
    async (status, code, wanted) => {
      expect(await read({ status, errors: [error(code)] })).toEqual({
        fault: { code: wanted, message: 'Variable "$q" got invalid value "abc"' },
      })
    },
  )

  test.each([
    'UNAUTHENTICATED',
    'FORBIDDEN',
    'PERSISTED_QUERY_NOT_FOUND',
    'PERSISTED_QUERY_NOT_SUPPORTED',
    'GRAPHQL_PARSE_FAILED',
    'OPERATION_RESOLUTION_FAILURE',
    'THROTTLED',
    'REQUEST_RATE_LIMITED',
    'TOO_MANY_REQUESTS',
    'SERVER_OVERLOADED',
  ])(
    '%s is about our credential, our document or the moment: BACKEND_FAILED, and nothing was done',
    async (code) => {
      expect(await failure({ errors: [error(), error(code)] })).toMatchObject({
        code: 'BACKEND_FAILED',
        notExecuted: true,
      })
    },
  )

  test.each(['INTERNAL_SERVER_ERROR', 'DOWNSTREAM_SERVICE_ERROR', 'TIMEOUT', 'unexpected'])(
    '%s is the server’s own breakage, which proves nothing',
    async (code) => {
      expect(await failure({ errors: [error(code)] })).toMatchObject({
        code: 'BACKEND_FAILED',
        detail: { status: 200, code },
        notExecuted: false,
      })
    },
  )

  test('SERVICE_UNAVAILABLE proves it where the operation says so of a 503', async () => {
    const busy = { errors: [error('SERVICE_UNAVAILABLE')] }
    expect((await failure(busy)).notExecuted).toBe(false)
    expect((await failure(busy, { notExecuted: true })).notExecuted).toBe(true)
  })

  test.each([302, 401, 403, 408, 425, 429, 500, 503])('a status of %i has the last word', async (status) => {
    expect((await failure({ status, errors: [error('BAD_USER_INPUT')] })).code).toBe('BACKEND_FAILED')
  })

  test('an error with a place in the answer (§7.1.2) was met on the way, also where the server left `data` out', async () => {
    expect(await failure({ errors: [{ ...error('BAD_USER_INPUT'), path: ['put'] }] })).toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: false,
    })
  })

  test('`data: null` under a 4xx says the same, where no error has a place in the answer (mercurius)', async () => {
    const { message } = error() as { readonly message: string }
    const refused = { data: null, errors: [{ message, locations: [{ line: 1, column: 10 }] }] }
    const fault = { code: 'REQUEST_ERROR', message }
    expect(await read({ status: 400, ...refused })).toEqual({ fault })
    const nowhere = [{ message, locations: null, path: null, extensions: null }]
    expect(await read({ status: 400, data: null, errors: nowhere })).toEqual({ fault })
    const met = [{ message }, { message, path: ['put'] }]
    expect(await failure({ status: 400, data: null, errors: met })).toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: false,
    })
    for (const status of [408, 500]) expect((await failure({ status, ...refused })).notExecuted).toBe(false)
  })

  test('`data: null` under a 200 is another thing: it was executed, and what was done nobody knows', async () => {
    expect(await failure({ data: null, errors: [error()] })).toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: false,
    })
  })
})

describe('§7.1.1: data', () => {
  const data = { order: { no: '1', price: null } }

  test('with errors, where the config takes that, it is partial: nobody keeps it for a whole answer', async () => {
    const answer = await read(
      { data, errors: [{ ...error('X'), path: ['order', 'price'] }] },
      { errors: 'partial' },
    )
    expect(answer).toMatchObject({ data, partial: true, metadata: { 'graphql:errors': expect.any(String) } })
  })

  test('without errors it is whole', async () => {
    expect(await read({ data }, { errors: 'partial' })).toEqual({ data })
  })

  test.each([null, undefined])('%s without errors is no GraphQL result', async (nothing) => {
    expect(await failure({ data: nothing })).toMatchObject({
      code: 'BACKEND_FAILED',
      message: 'shop: Get answered what is no GraphQL result: data and errors are missing',
    })
  })
})
