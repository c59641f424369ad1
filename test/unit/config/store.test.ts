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
])('%s is taken, and its password is a secret', async (url) => {
  const config = await load(`store: { url: "${url}", durability: strict }`)
  expect(config.store).toMatchObject({ url, durability: 'strict' })
  expect(config.secrets.includes('hunter22')).toBe(url.includes('hunter22'))
})

test.each(['http://127.0.0.1', 'redis://', '127.0.0.1:6379', 'redis://u:hunter22@h:1/x y'])(
  '%s is no address of a Redis',
  async (url) => {
    const [problem] = await problemsOf(`store: { url: "${url}" }`)
    expect(problem).toContain('it must be redis://HOST:PORT/DATABASE')
    expect(problem).not.toContain('hunter22')
  },
)
