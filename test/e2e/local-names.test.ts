// DESIGN §11, §16: without identity, and for operators on loopback, a caller is believed for being on this machine: who is, and who is not.
import { request } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startGateway } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { post } from '../support/rest.ts'

let house: House
beforeAll(async () => {
  house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`,
  })
})
afterAll(() => house[Symbol.asyncDispose]())

type Headers = Readonly<Record<string, string>>

/** The status of an answer; 101 of a WebSocket that was opened. `fetch` sets no Host. */
async function status(base: string, path: string, headers: Headers): Promise<number | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const asked = request(`${base}${path}`, { headers, agent: false }, resolve).on('error', reject)
  asked.on('upgrade', (answer, socket) => {
    socket.destroy()
    resolve(answer)
  })
  asked.end()
  const answer = await promise
  answer.resume()
  return answer.statusCode
}
const handshake: Headers = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-protocol': 'dragoman.1, bearer.ann',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

test('a page whose name was pointed at this machine (DNS rebinding) reads no conversation and opens no WebSocket', async () => {
  const { base } = house
  const said = await post(`${base}/v1/messages`, { sender: { id: 'ann' }, text: 'hello' })
  expect(said.status).toBe(202)
  const log = '/v1/conversations/web:ann/messages'
  for (const path of [log, '/v1/ws', '/demo/chat']) {
    const headers = path === '/v1/ws' ? handshake : {}
    const evil = { ...headers, host: 'evil.example:8080', origin: 'http://evil.example:8080' }
    expect([path, await status(base, path, evil)]).toEqual([path, 421])
    const served = path === '/v1/ws' ? 101 : 200
    for (const host of ['localhost:8080', '127.0.0.1', '[::1]'])
      expect([path, await status(base, path, { ...headers, host })]).toEqual([path, served])
  }
})

test("operators' pages are not for who comes through a proxy on this machine", async () => {
  for (const page of ['/healthz', '/readyz', '/metrics', '/openapi.json', '/asyncapi.json']) {
    const asked = (headers: Headers) => status(house.base, page, headers)
    expect([page, await asked({})]).toEqual([page, 200])
    expect([page, await asked({ 'x-forwarded-for': '203.0.113.7' })]).toEqual([page, 401])
    expect([page, await asked({ host: 'desk.example.com' })]).toEqual([page, 401])
  }
})

test('with identity neither does whom access lets in without a credential, unless the gateway is known by another name', async () => {
  const yaml = (more: string): string => `
http: { ${more} }
identity: { keys: { shop: { key: key-of-the-shop-0123456789 } } }
channels: { web: { adapter: rest, access: { from: [127.0.0.1] } } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`
  const evil = { host: 'evil.example:8080' }
  const log = '/v1/conversations/web:ann/messages'
  await using alone = await startGateway({ yaml: yaml('') })
  expect(await status(alone.base, log, evil)).toBe(421)
  expect(await status(alone.base, log, {})).toBe(404)
  expect(await status(alone.base, log, { ...evil, 'x-api-key': 'key-of-the-shop-0123456789' })).toBe(404)
  await using proxied = await startGateway({ yaml: yaml('publicUrl: https://desk.example') })
  expect(await status(proxied.base, log, evil)).toBe(404)
})
