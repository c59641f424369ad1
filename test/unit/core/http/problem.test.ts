import { expect, test } from 'vitest'
import { type ErrorCode, errorTable, GatewayError } from '../../../../core/api.ts'
import { problem, rawProblem } from '../../../../core/http/problem.ts'

const codes = Object.keys(errorTable) as ErrorCode[] // the table's keys are the codes

test.each(codes)(
  '%s is problem details with its status, title, code and retry verdict (RFC 9457 §3)',
  (code) => {
    const { status, headers, body } = problem(
      new GatewayError(code, 'the message', { cause: new Error('hidden') }),
    )
    expect(status).toBe(errorTable[code].status)
    expect(headers).toMatchObject({ 'content-type': 'application/problem+json' })
    const told: unknown = JSON.parse(body)
    expect(told).toEqual({
      type: `urn:dragoman:problem:${code.toLowerCase().replaceAll('_', '-')}`,
      title: expect.stringMatching(/^[A-Z]/u),
      status,
      detail: 'the message',
      code,
      retryable: errorTable[code].retry,
    })
  },
)

test.each(codes.filter((code) => errorTable[code].status === 503 || errorTable[code].status === 429))(
  '%s says when to come back (RFC 9110 §10.2.3)',
  (code) => {
    expect(problem(new GatewayError(code, 'busy')).headers).toMatchObject({ 'retry-after': '1' })
    const later = new GatewayError(code, 'busy', { retryAfterMs: 4200 })
    expect(problem(later).headers).toMatchObject({ 'retry-after': '5' })
  },
)

test('a 401 carries a challenge, another status none (RFC 9110 §15.5.2)', () => {
  const error = new GatewayError('AUTH_FAILED', 'no')
  expect(problem(error, { challenge: 'Basic realm="x"' }).headers).toMatchObject({
    'www-authenticate': 'Basic realm="x"',
  })
  expect(problem(error).headers).toHaveProperty('www-authenticate')
  expect(problem(new GatewayError('FORBIDDEN', 'no')).headers).not.toHaveProperty('www-authenticate')
})

test('the detail of an error becomes members that cannot replace the standard ones', () => {
  const detail: unknown = JSON.parse(
    '{"oldest":3,"top":9,"status":200,"code":"X","__proto__":{"polluted":1}}',
  )
  const error = new GatewayError('CURSOR_RESET', 'gone', { detail: detail as never }) // JSON by construction
  const told = problem(error).body
  expect(JSON.parse(told)).toMatchObject({ oldest: 3, top: 9, status: 410, code: 'CURSOR_RESET' })
  expect(told).toContain('"__proto__":{"polluted":1}')
  expect({}).not.toHaveProperty('polluted')
})

test('a detail that is no object is the member data', () => {
  const told: unknown = JSON.parse(problem(new GatewayError('FORBIDDEN', 'no', { detail: [1] })).body)
  expect(told).toMatchObject({ data: [1] })
})

test('as text it is one line', () => {
  const { headers, body } = problem(new GatewayError('TOO_LARGE', 'too\r\nlarge'), { text: true })
  expect(headers).toMatchObject({ 'content-type': 'text/plain; charset=utf-8' })
  expect(body).toBe('TOO_LARGE: too large\n')
})

test('neither cause nor stack is told', () => {
  const error = GatewayError.from(new Error('secret place /srv/app.ts'))
  expect(JSON.stringify(problem(error))).not.toMatch(/secret|\/srv|stack|at .*:\d+/u)
})

test('raw, it is a complete answer with its length', () => {
  const raw = rawProblem(new GatewayError('DECODE_FAILED', '王'))
  const [head = '', body = ''] = raw.split('\r\n\r\n')
  expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/u)
  expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`)
  expect(head).toContain('connection: close')
})
