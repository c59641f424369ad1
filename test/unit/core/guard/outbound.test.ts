// What may be sent: nothing that would become another request on the line.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { readOutbound } from '../../../../core/guard/outbound.ts'

const url = 'http://orders.test/7'

test.each([
  'a\r\nx-injected: 1',
  'a\nb',
  'a\rb',
  'a\0b',
  'trailing\n',
  '\u007f',
  '王小明',
  'smile \u{1F600}',
])(
  'the header value %j is refused with ENCODE_FAILED, and is not repeated in the message (RFC 9110 §5.5)',
  async (value) => {
    const sent = readOutbound(url, { headers: { 'x-note': value } })
    const error = await sent.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'ENCODE_FAILED', notExecuted: true })
    expect(String(error)).toContain('"x-note"')
    expect(String(error)).not.toContain(value)
  },
)

test.each(['x\r\ny', 'x y', 'x:y', '', 'x\0', '名'])(
  'the header name %j is refused with ENCODE_FAILED',
  async (name) => {
    await expect(readOutbound(url, { headers: [[name, 'v']] })).rejects.toMatchObject({
      code: 'ENCODE_FAILED',
    })
  },
)

test('any header value is either sent as it is or refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 20 }), async (value) => {
      const sent = await readOutbound(url, { headers: { 'x-note': value } }).catch(
        (thrown: unknown) => thrown,
      )
      const safe = /^[\t\x20-\x7e\x80-\xff]*$/.test(value)
      if (sent instanceof GatewayError) return !safe
      return safe && (sent as { headers: string[] }).headers.includes(value) // no error, so what was read
    }),
  )
})

test.each(['connection', 'Transfer-Encoding', 'upgrade', 'expect', 'keep-alive', 'te', 'trailer'])(
  'the header %s frames the message and cannot be set',
  async (name) => {
    await expect(readOutbound(url, { headers: { [name]: 'x' } })).rejects.toMatchObject({
      code: 'ENCODE_FAILED',
    })
  },
)

test('content-length is counted, never believed; repeated headers are joined; names like __proto__ are names', async () => {
  const { headers } = await readOutbound(url, {
    headers: [
      ['content-length', '3'],
      ['X-A', '1'],
      ['x-a', '2'],
      ['__proto__', 'p'],
      ['constructor', 'c'],
    ],
  })
  expect(headers).toEqual([
    'x-a',
    '1, 2',
    '__proto__',
    'p',
    'constructor',
    'c',
    'accept',
    '*/*',
    'user-agent',
    'dragoman',
  ])
})

test.each(['CONNECT', 'trace', 'TRACK', 'GET /admin HTTP/1.1\r\n', ''])(
  'the method %j is refused',
  async (method) => {
    await expect(readOutbound(url, { method })).rejects.toMatchObject({ code: 'ENCODE_FAILED' })
  },
)

test('known methods are written in capitals, others as they are', async () => {
  expect((await readOutbound(url, { method: 'post' })).method).toBe('POST')
  expect((await readOutbound(url, { method: 'PATCH' })).method).toBe('PATCH')
})

test.each(['file:///etc/passwd', 'data:,x', 'ftp://host/x', 'javascript:1', 'unix:/run/x'])(
  'the scheme of %s is FORBIDDEN',
  async (address) => {
    await expect(readOutbound(address)).rejects.toMatchObject({ code: 'FORBIDDEN', notExecuted: true })
  },
)

test('an address that is none, or that holds credentials, is refused without repeating them', async () => {
  await expect(readOutbound('//host/x')).rejects.toMatchObject({
    code: 'ENCODE_FAILED',
    message: expect.not.stringContaining('host'),
  })
  const error = await readOutbound('http://user:geheim@host/').catch(String)
  expect(error).toContain('Authorization header')
  expect(error).not.toMatch(/geheim|host/u)
})

test.each([
  ['text', '王', 'text/plain;charset=UTF-8', '王'],
  ['bytes', new TextEncoder().encode('王'), undefined, '王'],
  ['a buffer', new TextEncoder().encode('王').buffer, undefined, '王'],
  ['a form', new URLSearchParams({ a: '1 2' }), 'application/x-www-form-urlencoded;charset=UTF-8', 'a=1+2'],
  ['a blob', new Blob(['b'], { type: 'text/x' }), 'text/x', 'b'],
  ['a stream', new Blob(['streamed']).stream(), undefined, 'streamed'],
])('a body of %s is read whole, with the type fetch gives it', async (_what, body, type, text) => {
  const sent = await readOutbound(url, { method: 'POST', body })
  expect(header(sent.headers, 'content-type')).toBe(type)
  expect(await new Response(sent.body as BodyInit).text()).toBe(text) // a string or bytes: both are bodies
})

test('a multipart form brings its boundary', async () => {
  const form = new FormData()
  form.set('a', '1')
  const sent = await readOutbound(url, { method: 'POST', body: form })
  const boundary = header(sent.headers, 'content-type')?.split('boundary=')[1]
  expect(Buffer.from(sent.body ?? '').toString()).toContain(`--${boundary}`)
})

test('the content type given wins over the guessed one', async () => {
  const sent = await readOutbound(url, {
    method: 'POST',
    body: '{}',
    headers: { 'Content-Type': 'application/json' },
  })
  expect(sent.headers.slice(0, 2)).toEqual(['content-type', 'application/json'])
})

test('GET and HEAD cannot carry a body', async () => {
  for (const method of ['GET', 'HEAD'])
    await expect(readOutbound(url, { method, body: 'x' })).rejects.toMatchObject({ code: 'ENCODE_FAILED' })
})

test('a Request object means what it means to fetch, init included', async () => {
  const request = new Request(url, { method: 'POST', body: 'of the request', headers: { 'x-a': '1' } })
  const sent = await readOutbound(request, { headers: { 'x-a': '2' }, redirect: 'manual' })
  expect(sent).toMatchObject({
    method: 'POST',
    redirect: 'manual',
    body: new TextEncoder().encode('of the request'),
  })
  expect(header(sent.headers, 'x-a')).toBe('2')
})

test('a body that breaks while it is read is refused, nothing was sent', async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error('disk')) })
  await expect(readOutbound(url, { method: 'POST', body: broken })).rejects.toMatchObject({
    code: 'ENCODE_FAILED',
    notExecuted: true,
  })
})

function header(headers: readonly string[], name: string): string | undefined {
  return headers.find((_value, i) => i % 2 === 1 && headers[i - 1] === name)
}
