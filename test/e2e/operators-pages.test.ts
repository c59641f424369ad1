// DESIGN §16: who may read the operators' pages.
import { expect, test } from 'vitest'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startGateway } from '../support/gateway.ts'
import { post } from '../support/rest.ts'

const PAGES = ['/healthz', '/readyz', '/metrics', '/openapi.json', '/asyncapi.json']
const yaml = (host: string, channels: string): string => `
http: { host: ${host} }
channels: { ${channels} }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
identity: { keys: { shop: { key: key-of-the-shop-0123456789 } } }
`

test.each([
  ['', 'web: { adapter: rest }'],
  [
    ', though the channel asks for a password',
    'web: { adapter: rest, access: { basic: { user: u, password: secret-of-u } } }',
  ],
])('DESIGN §16: with `identity`, on loopback they need no token%s; the channel does', async (_, channels) => {
  await using gateway = await startGateway({ yaml: yaml('127.0.0.1', channels) })
  for (const page of PAGES)
    expect([page, (await fetch(`${gateway.base}${page}`)).status]).toEqual([page, 200])
  expect((await post(`${gateway.base}/v1/messages`, { text: 'hello' })).status).toBe(401)
})

test('beyond loopback they need the admin token, whatever the channel says', async () => {
  await using gateway = await startGateway({ yaml: yaml('0.0.0.0', 'web: { adapter: rest, access: open }') })
  const token = (await readFile(join(gateway.directory, 'data/admin.token'), 'utf8')).trim()
  for (const page of PAGES) {
    const statuses = ['key-of-the-shop-0123456789', token].map(async (each) => {
      const headers = { authorization: `Bearer ${each}` }
      return (await fetch(`${gateway.base}${page}`, { headers })).status
    })
    expect([page, ...(await Promise.all(statuses))]).toEqual([page, 401, 200])
  }
})
