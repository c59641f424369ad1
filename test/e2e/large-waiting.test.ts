// Large messages that wait behind a dead target: a start takes them in parts, in the memory it has.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newId } from '../../core/ids.ts'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import { message } from '../conformance/store/world.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'

const WAITING = 120
const HEAP_MB = 128
const config = (port: number): string => `
channels: { web: { adapter: rest } }
agents:
  dead: { adapter: webhook, url: "http://127.0.0.1:${port}/dead", timeout: 2s, breaker: { minimumCalls: 1000000 } }
  helper: { adapter: webhook, url: "http://127.0.0.1:${port}/bot", timeout: 20s }
lanes: { hold: 24h, attempts: 100 }
routes:
  - { when: "$substring(sender.id, 0, 1) = 'w'", agent: dead }
  - { agent: helper }
`

async function fill(directory: string): Promise<void> {
  await using store = await openSqliteStore({ directory })
  const text = randomBytes(450_000).toString('hex')
  await Promise.all(
    Array.from({ length: WAITING }, async (_, n) => {
      const [id, sender, conversation] = [newId(), `w${n}`, `web:w${n}`]
      const receivedAt = new Date().toISOString()
      const parts = [{ kind: 'text', text }] as const
      await store.accept({
        home: `web/${sender}`,
        conversation,
        message: message(id, { sender: { id: sender, role: 'customer' }, conversation, parts, receivedAt }),
        raw: { mediaType: 'application/json', bytes: Buffer.from(JSON.stringify({ sender, text })) },
        work: { lane: conversation, priority: 1, limit: 1000 },
        inbox: true,
      })
    }),
  )
}

test(
  '120 messages of 0.9 MB that wait for a dead agent: a gateway with a small heap starts, lives and serves others',
  { timeout: 120_000 },
  async () => {
    const directory = await temporaryDirectory()
    onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
    await fill(join(directory, 'data'))
    const tried = new Set<string>()
    const served: string[] = []
    const target = createServer((request, response) => {
      const id = String(request.headers['webhook-id'])
      if (request.url === '/dead') {
        tried.add(id)
        request.socket.destroy()
        return
      }
      served.push(id)
      request.resume().on('end', () => response.writeHead(202).end())
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void target.close())
    await once(target, 'listening')
    await using gateway = await startGateway({
      directory,
      yaml: config((target.address() as AddressInfo).port),
      env: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MB}` },
    })
    await until(() => (tried.size === WAITING ? true : undefined), 90_000)
    const answer = await fetch(`${gateway.base}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ sender: { id: 'ann' }, text: 'hello' }),
    })
    expect(answer.status).toBe(202)
    const { id } = (await answer.json()) as { id: string }
    await until(() => (served.includes(id) ? true : undefined))
    expect(gateway.log()).not.toContain('"level":"error"')
  },
)

test('large messages at an agent that does not answer hold nobody else up', { timeout: 60_000 }, async () => {
  const target = createServer((request, response) => {
    // The hung agent takes what it is sent, and says nothing.
    request.resume().on('end', () => request.url === '/bot' && response.end('{"text":"here"}'))
  }).listen(0, '127.0.0.1')
  onTestFinished(() => {
    target.closeAllConnections()
    target.close()
  })
  await once(target, 'listening')
  await using gateway = await startGateway({
    yaml: config((target.address() as AddressInfo).port).replace('timeout: 2s', 'timeout: 50s'),
    env: { NODE_OPTIONS: `--max-old-space-size=${2 * HEAP_MB}` },
  })
  const say = (sender: string, text: string, prefer = 'respond-async'): Promise<Response> =>
    fetch(`${gateway.base}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer },
      body: JSON.stringify({ sender: { id: sender }, text }),
    })
  const text = randomBytes(450_000).toString('hex')
  for (let n = 0; n < 80; n++) expect((await say(`w${n}`, text)).status).toBe(202)
  for (const customer of ['ann', 'bob']) {
    const answer = await say(customer, 'hello', 'wait=20')
    expect([answer.status, await answer.text()]).toStrictEqual([200, expect.stringContaining('here')])
  }
})
