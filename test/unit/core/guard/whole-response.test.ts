// A response that is here whole is read exactly as fetch's own.
import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { WholeResponse } from '../../../../core/guard/whole-response.ts'

const init = { status: 200, statusText: 'OK', headers: {}, url: 'http://orders.test/7', redirected: true }

function whole(
  body: string | Uint8Array | undefined,
  headers: Record<string, string | string[]> = {},
): Response {
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return new WholeResponse(bytes && Uint8Array.from(bytes), { ...init, headers })
}

test('it is a Response with status, headers, address and repeated cookies apart', () => {
  const response = whole('x', { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=2'] })
  expect(response).toBeInstanceOf(Response)
  expect(response).toMatchObject({ status: 200, ok: true, url: 'http://orders.test/7', redirected: true })
  expect(response.headers.get('content-type')).toBe('text/plain')
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
})

const readers = {
  text: (response: Response) => response.text(),
  bytes: async (response: Response) => [...(await response.bytes())],
  arrayBuffer: async (response: Response) => [...new Uint8Array(await response.arrayBuffer())],
  blob: async (response: Response) => {
    const blob = await response.blob()
    return `${blob.type}|${await blob.text()}`
  },
  body: async (response: Response) => {
    const chunks: number[] = []
    for await (const chunk of response.body ?? []) chunks.push(...chunk)
    return chunks
  },
  clone: (response: Response) => response.clone().text(),
}

for (const [reader, read] of Object.entries(readers))
  test.each([
    ['text', '王小明 <&>'],
    ['nothing', ''],
    ['a byte order mark', '\uFEFF{"a":1}'],
    ['bytes that are no UTF-8', Uint8Array.of(0xff, 0x41, 0xc3)],
  ])(`${reader} of %s gives what fetch's own response gives`, async (_what, body) => {
    const headers = { 'content-type': 'text/x-test' }
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
    const own = new Response(bytes, { headers })
    expect(await read(whole(body, headers))).toEqual(await read(own))
  })

test('json is read with hostile member names as data', async () => {
  const data: unknown = await whole('{"__proto__":{"admin":true},"n":1}').json()
  expect(Object.getOwnPropertyNames(data)).toEqual(['__proto__', 'n'])
  expect(({} as { admin?: unknown }).admin).toBeUndefined() // any object may be asked for a member
})

test('json that is none rejects with a SyntaxError', async () => {
  await expect(whole('{"a":').json()).rejects.toBeInstanceOf(SyntaxError)
})

test('a form is read as one', async () => {
  const form = await whole('a=1&b=%20', { 'content-type': 'application/x-www-form-urlencoded' }).formData()
  expect([...form]).toEqual([
    ['a', '1'],
    ['b', ' '],
  ])
})

test('a body is read once, by whichever reader', async () => {
  const response = whole('once')
  expect(response.bodyUsed).toBe(false)
  await response.text()
  expect(response.bodyUsed).toBe(true)
  await expect(response.text()).rejects.toBeInstanceOf(TypeError)
  await expect(response.json()).rejects.toBeInstanceOf(TypeError)
  expect(() => response.clone()).toThrow(TypeError)
  const streamed = whole('once')
  await streamed.body?.cancel()
  await expect(streamed.text()).rejects.toBeInstanceOf(TypeError)
})

test('a clone and its original are both read, and have the headers as they are', async () => {
  const response = whole('twice', { 'set-cookie': ['a=1', 'b=2'], 'x-a': '1' })
  response.headers.set('x-a', '2')
  const copy = response.clone()
  expect(await response.text()).toBe('twice')
  expect(await copy.text()).toBe('twice')
  expect([copy.url, copy.headers.get('x-a'), copy.headers.getSetCookie()]).toEqual([
    response.url,
    '2',
    ['a=1', 'b=2'],
  ])
})

test('no body is not an empty one', async () => {
  const none = new WholeResponse(undefined, { ...init, status: 204 })
  expect(none.body).toBeNull()
  expect(await none.text()).toBe('')
  expect(none.bodyUsed).toBe(false)
  expect(whole('').body).not.toBeNull()
})

test('what a reader does to its bytes stays with it', async () => {
  const response = whole('abc')
  const copy = response.clone()
  ;(await response.bytes()).fill(0)
  expect(await copy.text()).toBe('abc')
})

test.each([200, 299, 300, 404, 503, 599])('status %i is told as fetch tells it', (status) => {
  const { ok, type, statusText } = new Response(null, { status, statusText: 'So' })
  const response = new WholeResponse(undefined, { ...init, status, statusText: 'So' })
  expect({
    ok: response.ok,
    type: response.type,
    statusText: response.statusText,
    status: response.status,
  }).toEqual({
    ok,
    type,
    statusText,
    status,
  })
})

test.each([99, 600, 999])('a status a Response cannot have is refused: %i', (status) => {
  expect(() => new WholeResponse(undefined, { ...init, status })).toThrow(RangeError)
})

test('it is shown as fetch’s own is, also as the cause of an error, and can be read afterwards', async () => {
  const response = whole('abc', { 'x-a': '1' })
  const real = new Response(new TextEncoder().encode('abc'), { headers: { 'x-a': '1' }, statusText: 'OK' })
  const shown = inspect(response, { colors: false })
  expect(shown.replace(/url: .*/u, '').replace('redirected: true', 'redirected: false')).toBe(
    inspect(real, { colors: false }).replace(/url: .*/u, ''),
  )
  expect(shown).toContain("url: 'http://orders.test/7'")
  expect(inspect(new Error('refused', { cause: response }))).toContain("'x-a': '1'")
  expect(await response.text()).toBe('abc')
  expect(inspect(response)).toContain('bodyUsed: true')
})
