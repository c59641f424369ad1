// Secrets that can be guessed.
import { expect, test } from 'vitest'
import { load, problemsOf } from './fakes.ts'

const weak = `
admin: { token: "hunter2" }
identity:
  customers: { secret: "中中中中中中中中中中" }
  agents: { secret: "0123456789abcdef0123456789abcde" }
  keys: { erp: { key: fifteen-letters } }
`
const strong = weak
  .replace('token: "hunter2"', 'token: 0123456789abcdef')
  .replaceAll(/secret: "[^"]*"/gu, 'secret: "0123456789abcdef0123456789abcdef"')
  .replace('fifteen-letters', 'sixteen--letters')
const paths = ['admin.token', 'identity.keys.erp.key', 'identity.customers.secret', 'identity.agents.secret']

test.each([['host: 0.0.0.0'], ['publicUrl: https://desk.example.com'], ['trustedProxies: [127.0.0.1]']])(
  'where other machines can try (%s), secrets that can be guessed are problems',
  async (http) => {
    const problems = await problemsOf(`http: { ${http} }${weak}`)
    expect(problems).toHaveLength(4)
    for (const path of paths)
      expect(problems).toContainEqual(
        expect.stringMatching(new RegExp(`${path}: it can be (?:guessed|found out).* are the least`, 'u')),
      )
    expect(problems.join('\n')).not.toMatch(/fifteen|中|0123456789|hunter2/u)
    expect(await problemsOf(`http: { ${http} }${strong}`)).toEqual([])
  },
)

test.each([[''], ['http: { publicUrl: "http://localhost:8080" }']])(
  'on loopback they are notices (%s)',
  async (http) => {
    const { notices } = await load(`${http}${weak}`)
    expect(notices).toHaveLength(4)
    for (const path of paths) expect(notices).toContainEqual(expect.stringContaining(`${path}: it can be`))
    expect((await load(strong)).notices).toEqual([])
  },
)

test('a key set of the desk that names no audience is noticed: any token of its issuer with roles would do', async () => {
  const agents = (more: string): string =>
    `identity: { agents: { jwks: "https://idp.example.com/keys"${more} } }\n`
  expect((await load(agents(''))).notices).toEqual([expect.stringContaining('`audience` says which ones')])
  expect((await load(agents(', audience: desk'))).notices).toEqual([])
})
