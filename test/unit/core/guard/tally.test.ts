// Whose failure a call's end is, for the breaker.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { checkedUrl } from '../../../../core/guard/outbound.ts'
import { isTheirFailure } from '../../../../core/guard/tally.ts'
import { packError, unpackError } from '../../../../core/plugins/wire.ts'

const fromWorker = (error: unknown): Error => unpackError(structuredClone(packError(error)))

function refusal(): unknown {
  try {
    return checkedUrl('file:///etc/hosts')
  } catch (error) {
    return error
  }
}

test.each([
  ['a GatewayError', (cause: unknown) => new GatewayError('BACKEND_FAILED', 'cannot reach it', { cause })],
  ['an Error', (cause: unknown) => new Error('cannot reach it', { cause })],
  [
    'an Error in a GatewayError',
    (cause: unknown) =>
      new GatewayError('BACKEND_FAILED', 'no token', { cause: new Error('cannot reach it', { cause }) }),
  ],
])(
  'our own refusal of an address is not their failure inside %s, from a worker neither (DESIGN §7)',
  (_what, around) => {
    const failure = around(refusal())
    expect([isTheirFailure(failure), isTheirFailure(fromWorker(failure))]).toEqual([false, false])
  },
)

test('a refusal behind a redirect is their failure: somebody was asked, and sent us there', () => {
  const cause = new GatewayError('FORBIDDEN', 'where this would go is not a public address')
  expect(isTheirFailure(new GatewayError('BACKEND_FAILED', 'cannot reach it', { cause }))).toBe(true)
})

test('causes that lead round in a circle are looked at and end', () => {
  const failure = new Error('cannot reach it')
  failure.cause = failure
  expect(isTheirFailure(failure)).toBe(true)
})
