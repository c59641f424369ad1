// What the edge refuses on a GraphQL path is said as GraphQL says errors (GraphQL, October 2021, §7.1.2), by every server's clients read.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'

let house: House
beforeAll(async () => {
  house = await openHouse({
    yaml: `
channels:
  app: { adapter: graphql, path: /graphql, bodyLimit: 2kb }
  locked: { adapter: graphql, path: /locked, access: { basic: { user: desk, password: secret } } }
routes: [{ when: "kind = 'event'", reply: "Noted" }]
`,
  })
})
afterAll(() => house[Symbol.asyncDispose]())

async function ask(
  path: string,
  body: BodyInit,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly response: Response; readonly errors: readonly unknown[] | undefined }> {
  const init = { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } }
  const response = await fetch(`${house.base}${path}`, init)
  const { errors } = (await response.json()) as { readonly errors?: readonly unknown[] } // looked at by the tests
  return { response, errors }
}

test('413: a body beyond the limit, also one that is so only when it is unpacked', async () => {
  const { response, errors } = await ask(
    '/graphql',
    JSON.stringify({ query: `{ __typename } # ${'x'.repeat(3000)}` }),
  )
  expect([response.status, response.headers.get('content-type')]).toEqual([
    413,
    'application/json; charset=utf-8',
  ])
  expect(errors).toEqual([
    {
      message: 'the body is larger than 2048 bytes',
      extensions: expect.objectContaining({ code: 'TOO_LARGE' }),
    },
  ])
  const packed = new Blob(['x'.repeat(100_000)]).stream().pipeThrough(new CompressionStream('gzip'))
  const bytes = await new Response(packed).arrayBuffer()
  const unpacked = await ask('/graphql', bytes, { 'content-encoding': 'gzip' })
  expect(unpacked.response.status).toBe(413)
  expect(unpacked.errors).toMatchObject([{ extensions: { code: 'TOO_LARGE' } }])
  expect((await ask('/graphql', '{"query":"{ __typename }"}')).errors).toBeUndefined()
})

test('401 keeps its challenge, and an unknown coding says which are taken', async () => {
  const locked = await ask('/locked', '{"query":"{ __typename }"}')
  expect(locked.response.status).toBe(401)
  expect(locked.response.headers.get('www-authenticate')).toContain('Basic')
  expect(locked.errors).toMatchObject([{ extensions: { code: 'AUTH_FAILED' } }])
  const odd = await ask('/graphql', '{}', { 'content-encoding': 'rot13' })
  expect(odd.response.status).toBe(415)
  expect(odd.response.headers.get('accept-encoding')).toBeTruthy()
  expect(odd.errors).toMatchObject([{ extensions: { code: 'UNSUPPORTED_MEDIA' } }])
})
