// The store's section: where it is, what it must promise, and no password in any message.
import { expect, test } from 'vitest'
import { load, problemsOf } from './fakes.ts'

test('without an address it is the embedded store, which needs no promise', async () => {
  const { store } = await load('{}')
  expect(store).not.toHaveProperty('url')
  expect(store.durability).toBe('any')
})

test.each([
  'redis://127.0.0.1:6379',
  'redis://127.0.0.1:6379/3',
  'rediss://user:hunter22@redis.example:6380/0',
  'redis://:hunter22@[::1]:6379',
  'redis+sentinel://user:hunter22@one:26379,two:26379/mymaster/2',
  'rediss+sentinel://one,two/mymaster',
  'redis+cluster://user:hunter22@one:7000,two:7001,three',
])('%s is taken, and its password is a secret', async (url) => {
  const config = await load(`store: { url: "${url}", durability: strict }`)
  expect(config.store).toMatchObject({ url, durability: 'strict' })
  expect(config.secrets.includes('hunter22')).toBe(url.includes('hunter22'))
})

test.each([
  'http://127.0.0.1',
  'redis://',
  '127.0.0.1:6379',
  'redis://u:hunter22@h:1/x y',
  'redis://one:1,two:1',
  'redis+sentinel://u:hunter22@one:1,two:1',
  'redis+cluster://one:1/3',
])('%s is no address of a Redis', async (url) => {
  const [problem] = await problemsOf(`store: { url: "${url}" }`)
  expect(problem).toContain('it must be redis://HOST:PORT/DATABASE')
  expect(problem).not.toContain('hunter22')
})

test.each([
  ['redis://h:99999', 'port from 1 to 65535'],
  ['redis://127.0.0.1:0', 'port from 1 to 65535'],
  ['redis+cluster://one:7000,two:70000', 'port from 1 to 65535'],
  ['redis://::1', 'every host is HOST or HOST:PORT'],
  ['redis://u:100%@h', 'write it as %25'],
])('%s is refused as a start would: %s', async (url, message) => {
  const problems = await problemsOf(`store: { url: "${url}" }`)
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain(message)
})

test('TLS names files that can be read, a certificate only with its key; Sentinels may have a password of their own', async () => {
  const place = import.meta.filename
  const { store } = await load(
    `store: { url: "rediss+sentinel://one/mymaster", tls: { ca: "${place}", cert: "${place}", key: "${place}" }, sentinel: { user: eye, password: hunter23 }, replicas: 2 }`,
  )
  expect(store).toMatchObject({
    tls: { caFile: place, certFile: place, keyFile: place },
    sentinel: { user: 'eye', password: 'hunter23' },
    replicas: 2,
  })
  const [unread] = await problemsOf('store: { url: "rediss://one", tls: { ca: ./none.pem } }')
  expect(unread).toContain('store.tls.ca: ')
  const [alone] = await problemsOf(`store: { url: "rediss://one", tls: { cert: "${place}" } }`)
  expect(alone).toContain('"cert" and "key" are needed both or none')
})
