// Which addresses are public, and that the address looked at is the one connected to.
import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isPublic, publicLookup } from '../../../../core/guard/public-address.ts'

test.each([
  '127.0.0.1',
  '127.255.255.254',
  '0.0.0.0',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '169.254.169.254', // cloud metadata
  '100.100.100.200', // cloud metadata, in the shared range
  '192.0.0.192',
  '198.18.0.1',
  '203.0.113.9',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:a9fe:a9fe',
  '::127.0.0.1', // IPv4-compatible, RFC 4291 §2.5.5.1
  '64:ff9b::7f00:1', // NAT64
  '2002:7f00:1::', // 6to4
  '2001::1', // Teredo
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd12:3456::1',
  'ff02::1',
  'fec0::1',
  '4000::1', // not handed out
  'localhost',
  '',
  '127.0.0.1.nip.io',
])('%s is not public', (address) => {
  expect(isPublic(address)).toBe(false)
})

test.each(['1.1.1.1', '93.184.216.34', '172.32.0.1', '2606:4700:4700::1111', '::ffff:1.1.1.1'])(
  '%s is public',
  (address) => {
    expect(isPublic(address)).toBe(true)
  },
)

test('an IPv4 address written as an IPv6 one is exactly as public as it is', () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      expect(isPublic(`::ffff:${address}`)).toBe(isPublic(address))
    }),
  )
})

test('a name answers with its public addresses only, as many as were asked for', async () => {
  const mixed = [
    { address: '10.0.0.7', family: 4 },
    { address: '93.184.216.34', family: 4 },
    { address: '2606:4700:4700::1111', family: 6 },
  ]
  const lookup = publicLookup(resolving([mixed]))
  expect(await look(lookup, true)).toEqual(mixed.slice(1))
  expect(await look(publicLookup(resolving([mixed])), false)).toBe('93.184.216.34')
})

test('a name without a public address is FORBIDDEN, nothing was executed', async () => {
  const lookup = publicLookup(resolving([[{ address: '192.168.0.1', family: 4 }]]))
  await expect(look(lookup, true)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    message: 'where this would go is not a public address', // a caller reads it: no host
    cause: { message: expect.stringContaining('name the host in the config') },
    notExecuted: true,
  })
})

test('a name that changes its mind after the check gains nothing: it is asked once per connection', async () => {
  const answers = [[{ address: '93.184.216.34', family: 4 }], [{ address: '127.0.0.1', family: 4 }]]
  const lookup = publicLookup(resolving(answers))
  expect(await look(lookup, true)).toEqual([{ address: '93.184.216.34', family: 4 }])
  expect(answers).toHaveLength(1)
  await expect(look(lookup, true)).rejects.toMatchObject({ code: 'FORBIDDEN' })
})

test('a name that cannot be resolved fails as the resolver says', async () => {
  const error = Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })
  const lookup = publicLookup((_name, _options, callback) => callback(error, ''))
  await expect(look(lookup, false)).rejects.toBe(error)
})

/** A resolver that gives each answer once. */
function resolving(answers: LookupAddress[][]): LookupFunction {
  return (_hostname, _options, callback) => callback(null, answers.shift() ?? [])
}

function look(lookup: LookupFunction, all: boolean): Promise<string | LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookup('bot.example', { all }, (error, address) => {
      if (error === null) resolve(address)
      else reject(error)
    })
  })
}
