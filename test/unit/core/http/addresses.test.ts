import { expect, test } from 'vitest'
import { addressSet, callerAddress, isLoopback, plainAddress } from '../../../../core/http/addresses.ts'

test.each([
  ['10.0.0.0/8', '10.1.2.3', true],
  ['10.0.0.0/8', '11.1.2.3', false],
  ['10.0.0.0/8', '::ffff:10.1.2.3', true],
  ['::ffff:10.0.0.0/104', '10.9.9.9', true],
  ['192.0.2.7', '192.0.2.7', true],
  ['192.0.2.7', '192.0.2.8', false],
  ['2001:db8::/32', '2001:db8::1', true],
  ['2001:db8::/32', '2001:db9::1', false],
  ['::1', '::1', true],
  ['0.0.0.0/0', '::1', false],
  ['10.0.0.0/8', '', false],
  ['10.0.0.0/8', '0x0a.1', false],
])('in %s, %s: %s', (range, address, inside) => {
  expect(addressSet([range])(address)).toBe(inside)
})

test.each(['10.0.0.0/33', 'localhost', '', '10.0.0'])('%j is no range, and the message names it', (range) => {
  expect(() => addressSet([range])).toThrow(JSON.stringify(range))
})

test.each([
  ['127.0.0.1', true],
  ['127.8.8.8', true],
  ['localhost', true],
  ['::1', true],
  ['[::1]', true],
  ['0.0.0.0', false],
  ['::', false],
  ['10.0.0.1', false],
  ['localhost.example.com', false],
])('%s is loopback: %s', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback)
})

test('an IPv4 caller on a dual-stack listener has one name', () => {
  expect([plainAddress('::ffff:192.0.2.1'), plainAddress('::ffff:1'), plainAddress('::1')]).toEqual([
    '192.0.2.1',
    '::ffff:1',
    '::1',
  ])
})

const trusted = addressSet(['127.0.0.1', '10.0.0.0/8'])

test.each<[string, string | undefined, string, string]>([
  ['203.0.113.9', '198.51.100.1', '203.0.113.9', 'the peer is no trusted proxy'],
  ['127.0.0.1', undefined, '127.0.0.1', 'there is no header'],
  ['127.0.0.1', '198.51.100.1', '198.51.100.1', 'one proxy'],
  ['127.0.0.1', '6.6.6.6, 198.51.100.1', '198.51.100.1', 'the left one is invented'],
  ['127.0.0.1', '6.6.6.6, 198.51.100.1, 10.0.0.5', '198.51.100.1', 'two trusted proxies'],
  ['127.0.0.1', '10.0.0.5', '10.0.0.5', 'only trusted ones'],
  ['127.0.0.1', '198.51.100.1:4711', '198.51.100.1', 'with a port'],
  ['127.0.0.1', '[2001:db8::1]:4711', '2001:db8::1', 'IPv6 with a port'],
  ['127.0.0.1', '6.6.6.6, unknown', '127.0.0.1', 'an obfuscated hop ends what can be known'],
  ['127.0.0.1', '6.6.6.6, unknown, 10.0.0.5', '10.0.0.5', 'an obfuscated hop behind a trusted one'],
])('peer %s, X-Forwarded-For %s: the caller is %s (%s)', (peer, forwardedFor, caller) => {
  expect(callerAddress({ peer, forwardedFor }, trusted)).toBe(caller)
})
