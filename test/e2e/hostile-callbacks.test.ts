// Bad answers to /v1/callbacks: refused as the caller's mistakes they are, and the good answer is still waited for.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { statuses, wire } from '../unit/core/http/raw-client.ts'
import { badJson } from './hostile-bodies.ts'
import {
  JSON_TYPE,
  expectNoLeak,
  expectProblem,
  expectUntouched,
  send,
  startWorld,
  stateOf,
  takenMessage,
} from './hostile-world.ts'
import type { Answer, Headers, State, World } from './hostile-world.ts'

let world: World
let before: State
let callback: { readonly path: string; readonly headers: Headers }
beforeAll(async () => {
  world = await startWorld()
  callback = await takenMessage(world, 'taken')
  before = await stateOf(world)
})
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => expectUntouched(world, before))

async function post(body: string | Uint8Array, headers: Headers, path = callback.path): Promise<Answer> {
  const answer = await send(world.gateway, { method: 'POST', path, headers, body })
  expectNoLeak(world, answer)
  return answer
}

describe('POST /v1/callbacks/{id} refuses', () => {
  test.each(badJson((text) => `{"text":"${text}"}`))('%s', async (_, body, headers, status, code) => {
    expectProblem(await post(body, { ...callback.headers, ...headers }), status, code)
  })

  test.each([
    ['a list', '[]'],
    ['null', 'null'],
    ['an answer without any known member', '{"txt":"typo"}'],
    ['an answer that is only inherited', '{"__proto__":{"text":"x"}}'],
    ['a text that is none', '{"text":5}'],
    ['a part of no kind', '{"parts":[{"kind":"__proto__","text":"x"}]}'],
  ])('%s, and goes on waiting for the answer', async (_, body) => {
    expectProblem(await post(body, callback.headers), 400, 'DECODE_FAILED')
  })

  test.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer 0.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }],
    ['a token that is none', { authorization: 'Bearer ....' }],
    ['Basic', { authorization: 'Basic YTpi' }],
  ])('%s', async (_, headers) => {
    expectProblem(await post('{"text":"x"}', { ...JSON_TYPE, ...headers }), 401, 'AUTH_FAILED')
  })

  test('who has no token before his body is read, and at a status any body', async () => {
    const port = Number(new URL(world.gateway.base).port)
    for (const [path, status] of [
      [callback.path, 401],
      ['/v1/status/x', 413],
    ] as const) {
      const caller = wire(port, `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900000\r\n\r\n`)
      expect(statuses(await caller.until(/"code"/u))).toEqual([status])
      caller.socket.destroy()
    }
  })

  test('another message by this token', async () => {
    const other = callback.path.replace(/.$/u, (last) => (last === '0' ? '1' : '0'))
    expectProblem(await post('{"text":"x"}', callback.headers, other), 401, 'AUTH_FAILED')
  })
})

test.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
  '/v1/callbacks/{id} takes no %s (RFC 9110 §15.5.6)',
  async (method) => {
    const answer = await send(world.gateway, {
      method,
      path: callback.path,
      headers: callback.headers,
      body: '{}',
    })
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.get('allow')).toBe('POST')
  },
)

// The last one: what was refused above has not used the callback up (SEMANTICS 7).
test('the answer is still taken after all that, exactly, and under the name of the agent', async () => {
  const answer = await post('{"text":"later","data":{"id":9007199254740993,"total":1.10}}', callback.headers)
  expect(answer.status).toBe(200)
  const log = await send(world.gateway, {
    method: 'GET',
    path: '/v1/conversations/web:taken/messages?after=1',
  })
  expect(JSON.parse(log.body)).toMatchObject({
    messages: [
      {
        sender: { id: 'helper' },
        parts: [{ text: 'later' }],
        data: { id: '9007199254740993', total: '1.10' },
      },
    ],
  })
})
