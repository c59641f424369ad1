// Captured HTTP messages, as proxies and editors leave them.
import { expect, test } from 'vitest'
import { readCapturedRequest, readCapturedResponse } from '../../../../core/map/capture.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (body: Uint8Array): string => new TextDecoder().decode(body)

test('lines may end with CRLF or, after an editor, with LF alone (RFC 9112 §2.2)', () => {
  for (const end of ['\r\n', '\n']) {
    const request = readCapturedRequest(bytes(`POST /a?b=1 HTTP/1.1${end}Host: x${end}${end}<a/>`))
    expect(request).toMatchObject({ method: 'POST', target: '/a?b=1', headers: { host: 'x' }, notes: [] })
    expect(text(request.body)).toBe('<a/>')
  }
})

test('repeated header fields are joined and continued lines belong to the one before (RFC 9112 §5.2, RFC 9110 §5.3)', () => {
  const { headers } = readCapturedRequest(
    bytes('GET / HTTP/1.1\r\nX: 1\r\nx: 2\r\nContent-Type: multipart/related;\r\n\tboundary=a\r\n\r\n'),
  )
  expect(headers['x']).toBe('1, 2')
  expect(headers['content-type']).toBe('multipart/related; boundary=a')
  expect(headers['constructor']).toBeUndefined()
})

test('an absolute target, as a proxy logs it, is taken by its path (RFC 9112 §3.2.2)', () => {
  expect(readCapturedRequest(bytes('GET http://h:1/a/b?c=%20 HTTP/1.1\n\n')).target).toBe('/a/b?c=%20')
})

test('chunks are joined, also those with extensions (RFC 9112 §7.1)', () => {
  const head = 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n'
  const { body } = readCapturedRequest(bytes(`${head}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n`))
  expect(text(body)).toBe('abcde')
  const joined = readCapturedRequest(bytes(`${head}<a/>`))
  expect(text(joined.body)).toBe('<a/>')
  expect(joined.notes).toEqual(['the head says chunked, the body is not: it is taken as it stands'])
})

test('the line end an editor adds is not part of the body, any other surplus is, with a note', () => {
  const head = 'POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\n'
  expect(text(readCapturedRequest(bytes(`${head}<a/>\n`)).body)).toBe('<a/>')
  const edited = readCapturedRequest(bytes(`${head}<abc/>`))
  expect(text(edited.body)).toBe('<abc/>')
  expect(edited.notes).toEqual(['content-length says 4, the file has 6 bytes of body: all of them are taken'])
})

test.each([
  ['hello', /first line is "hello", not such as/],
  ['', /first line is ""/],
  ['HTTP/1.1 200 OK\r\n\r\n{}', /it is an HTTP response/],
  ['GET / HTTP/1.1\nno colon here\n\n', /"no colon here" is no header line/],
])('%j is no request, and the message says what is missing', (source, message) => {
  expect(() => readCapturedRequest(bytes(source))).toThrow(message)
})

test('a response has its status; what does not begin like one is a body alone', () => {
  const response = readCapturedResponse(bytes('HTTP/1.1 404 Not Found\nContent-Type: a/b\n\nx'))
  expect(response).toMatchObject({ status: 404, headers: { 'content-type': 'a/b' } })
  expect(readCapturedResponse(bytes('{"a":1}'))).toBeUndefined()
  expect(() => readCapturedResponse(bytes('HTTP/1.1 OK\n\n'))).toThrow(/not such as "HTTP\/1.1 200 OK"/)
})
