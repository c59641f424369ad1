// Where Redis is, from one URL, and nothing of its password in what is said about it.
import { expect, test } from 'vitest'
import { addressOf } from '../../../../../core/store/redis/address.ts'

test('a server: port 6379, database 0, no user, unless the URL says so', () => {
  expect(addressOf('redis://one')).toEqual({
    kind: 'server',
    nodes: [{ host: 'one', port: 6379 }],
    isTls: false,
    database: 0,
  })
  expect(addressOf('rediss://ann:p%40ss%3A@[::1]:7000/3')).toEqual({
    kind: 'server',
    nodes: [{ host: '::1', port: 7000 }],
    isTls: true,
    user: 'ann',
    password: 'p@ss:',
    database: 3,
  })
  expect(addressOf('redis://:secret@one')).toMatchObject({ password: 'secret' })
  expect(addressOf('redis://:secret@one')).not.toHaveProperty('user')
})

test('Sentinels name a master, a cluster has one database', () => {
  expect(addressOf('redis+sentinel://ann:x@one,two:5000/my%2Fmaster/2')).toEqual({
    kind: 'sentinel',
    nodes: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 5000 },
    ],
    isTls: false,
    user: 'ann',
    password: 'x',
    master: 'my/master',
    database: 2,
  })
  expect(addressOf('rediss+cluster://one:7000,two')).toMatchObject({
    kind: 'cluster',
    isTls: true,
    nodes: [
      { host: 'one', port: 7000 },
      { host: 'two', port: 6379 },
    ],
  })
})

test.each([
  ['redis://ann:hunter22@one:x', 'HOST:PORT'],
  ['redis://ann:hunter22@one:99999', '99999'],
  ['redis://ann:hunter22@one,two', 'several hosts'],
  ['redis+sentinel://ann:hunter22@one', 'does not say the master'],
  ['redis+cluster://ann:hunter22@one/1', 'one database'],
  ['redis://ann:hunter22%zz@one', '%25'],
  ['redis://ann:hunter22@one/a/b', 'no database'],
  ['http://ann:hunter22@one', 'redis://HOST'],
])('%s is refused, and the password is not repeated', (url, why) => {
  expect(() => addressOf(url)).toThrow(why)
  expect(() => addressOf(url)).not.toThrow('hunter22')
})
