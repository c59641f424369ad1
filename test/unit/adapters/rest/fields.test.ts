import { GatewayError } from 'dragoman'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { asksFor, idempotencyKey, preferredWaitMs } from '../../../../adapters/rest/fields.ts'
import { stopwatch } from '../../../support/processor.ts'

test.each([
  ['wait=5', 5000],
  ['Wait = 5', 5000],
  ['respond-async, wait=2', 2000],
  ['foo; bar="a, wait=9", wait=3', 3000],
  ['wait="4"', 4000],
  ['wait=1;x=y', 1000],
  ['wait=1, wait=20', 1000], // RFC 7240 §2: the first counts
  ['wait=600', 30_000],
  ['wait=99999999999999999999', 30_000],
  ['wait=0', 0],
  ['wait', undefined],
  ['wait=soon', undefined],
  ['wait=-1', undefined],
  ['wait=1.5', undefined],
  ['return=minimal', undefined],
  ['x="wait=5', undefined],
  ['', undefined],
  [undefined, undefined],
])('Prefer: %s asks for %s ms (RFC 7240 §4.3)', (field, waitMs) => {
  expect(preferredWaitMs(field, 30_000)).toBe(waitMs)
})

test('a hostile Prefer field costs no time', () => {
  const watch = stopwatch()
  fc.assert(
    fc.property(
      fc.constantFrom('"\\', '"', ',;=', '\\"', 'wait='),
      fc.integer({ min: 1, max: 16_000 }),
      (piece, count) => {
        preferredWaitMs(piece.repeat(count), 30_000)
      },
    ),
  )
  expect(watch()).toBeLessThan(2000)
})

test.each([
  ['abc', 'abc'],
  ['8e03978e-40d5-43dd-bc93-6894a57f9324', '8e03978e-40d5-43dd-bc93-6894a57f9324'],
  ['"abc"', 'abc'],
  [' "a b" ', 'a b'],
  [String.raw`"a\"b\\c"`, String.raw`a"b\c`],
])('Idempotency-Key: %s means %s, bare or as a structured string (RFC 9651 §3.3.3)', (field, key) => {
  expect(idempotencyKey(field)).toBe(key)
})

test.each(['', '""', 'a, b', '"a", "b"', 'a b', '"a', 'ключ', '"a\\x"', 'x'.repeat(257)])(
  'Idempotency-Key: %s is no key and is refused',
  (field) => {
    expect(() => idempotencyKey(field)).toThrow(GatewayError)
  },
)

test('the key in the header and the id in the body must agree', () => {
  expect(idempotencyKey('"k"', 'k')).toBe('k')
  expect(idempotencyKey(undefined, 'k')).toBe('k')
  expect(idempotencyKey(undefined)).toBeUndefined()
  expect(() => idempotencyKey('a', 'b')).toThrow(/differ/)
})

test('every printable text survives as a structured string', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ -~]{1,100}$/), (key) => {
      const quoted = `"${key.replaceAll(/["\\]/g, String.raw`\$&`)}"`
      expect(idempotencyKey(quoted)).toBe(key)
    }),
  )
})

test('only who names the event stream gets one (RFC 9110 §12.5.1)', () => {
  expect(asksFor('text/event-stream', 'text/event-stream')).toBe(true)
  expect(asksFor('application/json, text/event-stream;q=0.5', 'text/event-stream')).toBe(true)
  expect(asksFor('text/event-stream;q=0', 'text/event-stream')).toBe(false)
  expect(asksFor('*/*', 'text/event-stream')).toBe(false)
  expect(asksFor(undefined, 'text/event-stream')).toBe(false)
})
