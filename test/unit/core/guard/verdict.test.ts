// What a failed call says about the next one, code by code and status by status (SEMANTICS 3, 32).
import { expect, test } from 'vitest'
import { errorTable, GatewayError } from '../../../../core/api.ts'
import type { ErrorCode } from '../../../../core/api.ts'
import { classify, mayServeStale } from '../../../../core/guard/verdict.ts'

const answered = (status: number, more: object = {}): GatewayError =>
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status }, ...more })

test.each<readonly [GatewayError, string, boolean]>([
  [new GatewayError('BACKEND_FAILED', 'connection reset'), 'transient', true],
  [new GatewayError('BACKEND_FAILED', 'refused', { notExecuted: true }), 'transient', true],
  [new GatewayError('OVERLOADED', 'no place', { notExecuted: true }), 'permanent', true],
  [answered(500), 'transient', true],
  [answered(502), 'transient', true],
  [answered(503), 'transient', true],
  [answered(503, { retryAfterMs: 2000 }), 'throttled', true],
  [answered(429, { retryAfterMs: 2000 }), 'throttled', true],
  [answered(429), 'throttled', true],
  [answered(408), 'transient', true],
  [answered(425), 'transient', true],
  [answered(501), 'permanent', true],
  [answered(505), 'permanent', true],
  [answered(200), 'permanent', true], // an answer nobody can read: a maintenance page, a torn body
  [answered(302), 'permanent', false],
  [answered(401), 'permanent', false],
  [answered(403), 'permanent', false],
  [answered(404), 'permanent', false],
  [answered(410), 'permanent', false],
  [
    new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 500, soapCode: 'MustUnderstand' } }),
    'permanent',
    false,
  ],
])('%s', (error, kind, stale) => {
  expect(classify(error)).toBe(kind)
  expect(mayServeStale(error)).toBe(stale)
})

const graphql = (code: string, status = 200): GatewayError =>
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status, code } })

test.each<readonly [GatewayError, string, boolean]>([
  [graphql('INTERNAL_SERVER_ERROR'), 'transient', true],
  [graphql('SERVICE_UNAVAILABLE'), 'transient', true],
  [graphql('TIMEOUT'), 'transient', true],
  [graphql('THROTTLED'), 'throttled', true],
  [graphql('UNAUTHENTICATED'), 'permanent', false],
  [graphql('FORBIDDEN'), 'permanent', false],
  [graphql('NOT_FOUND'), 'permanent', false],
  [graphql('GRAPHQL_VALIDATION_FAILED'), 'permanent', false],
  [graphql('BAD_USER_INPUT'), 'permanent', false],
  [graphql('ITS_OWN'), 'permanent', true],
  [graphql('constructor'), 'permanent', true],
  [graphql('UNAUTHENTICATED', 500), 'transient', true],
  [graphql('INTERNAL_SERVER_ERROR', 401), 'permanent', false],
])('the code of a GraphQL error says what a status would: %j', (error, kind, stale) => {
  expect(classify(error)).toBe(kind)
  expect(mayServeStale(error)).toBe(stale)
})

test('every code of the table: only what the other side did is made again or answered from the cache', () => {
  const retried: ErrorCode[] = []
  const stale: ErrorCode[] = []
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    const error = new GatewayError(code, 'x')
    if (classify(error) !== 'permanent') retried.push(code)
    if (mayServeStale(error)) stale.push(code)
  }
  expect(retried).toEqual(['AGENT_FAILED', 'BACKEND_FAILED'])
  expect(stale).toEqual(['BREAKER_OPEN', 'DEADLINE_EXCEEDED', 'BACKEND_FAILED'])
})

test.each([undefined, null, 'x', new Error('x'), new DOMException('gone', 'AbortError')])(
  'a foreign throw, a caller who has gone, is neither: %s',
  (thrown) => {
    expect(classify(thrown)).toBe('permanent')
    expect(mayServeStale(thrown)).toBe(false)
  },
)

test('a detail of any shape is no status', () => {
  for (const detail of [null, [429], 'x', { status: '429' }, { soapCode: 7 }])
    expect(classify(new GatewayError('BACKEND_FAILED', 'x', { detail }))).toBe('transient')
})
