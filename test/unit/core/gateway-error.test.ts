// The error that crosses every boundary, made by authors whom no compiler checks.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { ErrorCode } from '../../../core/api.ts'
import { packError, unpackError } from '../../../core/plugins/wire.ts'

test.each([200, 302, 42, 399, 600, 450.5, Number.NaN, '503' as unknown as number])(
  'RFC 9110 §15.5: status %s tells of no error, so that of its code is told, and the author why',
  (status) => {
    const behind = new Error('the reason')
    const error = new GatewayError('AUTH_FAILED', 'no', { status, cause: behind })
    expect(error.status).toBe(401)
    expect(error.cause).toMatchObject({
      message: `GatewayError has no status ${status}, only 400 to 599: that of its code is told`,
      cause: behind,
    })
    expect(unpackError(packError(error))).toMatchObject({ status: 401, cause: { cause: behind } })
  },
)

test('a status of 400 to 599 takes the place of that of its code', () => {
  for (const status of [400, 403, 599]) {
    const error = new GatewayError('AUTH_FAILED', 'no', { status })
    expect(error.status).toBe(status)
    expect(error).not.toHaveProperty('cause')
  }
})

test.each(['NOPE', 'toString', undefined])(
  'the code %s, which there is not, is named with those there are, and what was to be said is kept',
  (code) => {
    const make = () => new GatewayError(code as ErrorCode, 'the order is closed')
    expect(make).toThrow(TypeError)
    expect(make).toThrow(
      /^GatewayError has no code ("\w+"|undefined): write one of AUTH_FAILED, .*OUTCOME_UNKNOWN$/u,
    )
    expect(make).toThrow(
      expect.objectContaining({ cause: expect.objectContaining({ message: 'the order is closed' }) }),
    )
  },
)
