// Credentials that are asked of callers: what no request can carry is a problem of the file.
import { expect, test } from 'vitest'
import { load, problemsOf } from './fakes.ts'

const places = (token: string): readonly string[] => [
  `admin: { token: "${token}" }`,
  `identity: { keys: { erp: { key: "${token}" } } }`,
]

test('a token or a key is visible ASCII without blanks (RFC 6750 §2.1), and is not shown', async () => {
  for (const token of ['密码密码密码', 'schlüssel', 'two words', ' before', 'behind\\n', 'tab\\tbed'])
    for (const text of places(token)) {
      const [problem = '', ...more] = await problemsOf(text)
      expect(problem, text).toMatch(/(?:admin\.token|identity\.keys\.erp\.key): it must be visible ASCII/u)
      expect(problem).not.toContain(token)
      expect(more).toEqual([])
    }
  for (const text of places('!aZ09-._~+/="\\x27{}~'.replaceAll('"', ''))) await load(text)
  for (const text of places(''))
    expect(await problemsOf(text)).toEqual([expect.stringMatching(/: it must not be empty$/u)])
})

test('a user of HTTP Basic has no colon, neither he nor his password control characters (RFC 7617 §2)', async () => {
  const basic = (user: string, password = 'päss: word') =>
    `channels: { web: { adapter: rest, access: { basic: { user: "${user}", password: "${password}" } } } }`
  expect((await load(basic('jörg 王'))).channels['web']?.access).toEqual({
    basic: { user: 'jörg 王', password: 'päss: word' },
  })
  for (const user of ['ü:x', ':', 'a\\nb', 'a\\u007f'])
    expect(await problemsOf(basic(user)), user).toEqual([
      expect.stringMatching(/access\.basic\.user: .*it must have no ":" and no control characters/u),
    ])
  expect(await problemsOf(basic('u', 'hidden\\n'))).toEqual([
    expect.stringMatching(/access\.basic\.password: it must have no control characters/u),
  ])
})
