// The address that bots and callers are given: one that nobody can reach is noticed.
import { expect, test } from 'vitest'
import { load } from './fakes.ts'

const identity = 'identity: { customers: { secret: "0123456789abcdef0123456789abcdef" } }\n'
const bot = 'agents: { helper: { adapter: webhook, url: http://127.0.0.1:9100/ } }\n'
const queue =
  'backends: { erp: { adapter: rest, url: "http://127.0.0.1:9001", operations: { Pay: { method: POST, path: /pay, safe: false, onFailure: queue } } } }\n'

async function noticesOf(http: string, more: string): Promise<readonly string[]> {
  const { notices } = await load(`http: { ${http} }\n${identity}${more}`)
  return notices.map((notice) => notice.replace(/^.*gateway\.yaml:/u, ''))
}

test.each([
  ['host: 0.0.0.0', bot, 'bots are given http://0.0.0.0:8080'],
  ['host: "::", port: 9000', bot, 'bots are given http://[::]:9000'],
  ['host: 0.0.0.0', queue, 'callers of queued writes are given http://0.0.0.0:8080'],
  ['host: 0.0.0.0', bot + queue, 'bots and callers of queued writes are given http://0.0.0.0:8080'],
])('a listener on all addresses (%s) is none that anybody can be given', async (http, more, said) => {
  expect(await noticesOf(http, more)).toEqual([
    `1:9: http.host: ${said}/…, where they reach nobody: set http.publicUrl to the gateway’s address as they see it`,
  ])
})

test.each([
  ['host: 0.0.0.0, publicUrl: "https://desk.example.com"', bot],
  ['host: 10.0.0.5', bot],
  ['port: 8080', bot + queue],
  ['host: 0.0.0.0', 'channels: { web: { adapter: rest } }\n'],
])('nothing is said where it is known, or nobody is given it (%s)', async (http, more) => {
  expect(await noticesOf(http, more)).toEqual([])
})
