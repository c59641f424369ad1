// The memory that request bodies may take at once: counted as they are held, given back when they are dropped.
import { setTimeout as pause } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { running, statuses, wire } from './raw-client.ts'

const LIMIT = 100_000
const post = (path: string, length: number, more = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n${more}\r\n`

test('a packed body takes the memory that it has unpacked', async () => {
  const { promise: answered, resolve } = Promise.withResolvers<void>()
  await using edge = await running({
    http: { bodyLimitBytes: LIMIT },
    edge: { bodyBudgetBytes: 150_000 },
    handler: async ({ body }) => {
      await answered
      return { status: 200, body: String(body.length) }
    },
  })
  const packed = gzipSync(Buffer.alloc(90_000))
  const first = wire(edge.port)
  const second = wire(edge.port)
  for (const caller of [first, second]) {
    caller.send(post('/', packed.length, 'Content-Encoding: gzip\r\nConnection: close\r\n'))
    caller.send(packed)
  }
  await vi.waitFor(() => expect(edge.refused).toEqual(['memory web']))
  resolve()
  const answers = await Promise.all([first.closed(), second.closed()])
  expect(new Set(answers.flatMap(statuses))).toEqual(new Set([200, 503]))
  expect(answers.find((text) => text.includes('200 OK'))).toMatch(/\r\n\r\n90000$/u)
})

test('what is dropped is held no more, also while its caller still sends', async () => {
  await using edge = await running({
    http: { bodyLimitBytes: LIMIT },
    edge: { bodyBudgetBytes: LIMIT, linger: { maxBytes: 4_000_000, maxMs: 60_000 } },
  })
  const large = wire(edge.port, post('/', 90_000))
  large.send('a'.repeat(80_000))
  await pause(100)
  const refused = wire(edge.port, post('/', 90_000))
  refused.send('a'.repeat(15_000))
  await pause(100)
  refused.send('a'.repeat(15_000))
  await vi.waitFor(() => expect(edge.refused).toEqual(['memory web']))
  const answer = await fetch(edge.origin, { method: 'POST', body: 'a'.repeat(18_000) })
  expect(answer.status).toBe(200)
  large.socket.destroy()
  refused.socket.destroy()
})

test('what was read whole is held while it is worked on, also when its caller has gone', async () => {
  const { promise: answered, resolve } = Promise.withResolvers<void>()
  let begun = 0
  await using edge = await running({
    http: { bodyLimitBytes: LIMIT },
    edge: { bodyBudgetBytes: LIMIT },
    handler: async () => {
      begun += 1
      await answered
      return { status: 200 }
    },
  })
  const first = wire(edge.port, post('/', 90_000))
  first.send('a'.repeat(90_000))
  await vi.waitFor(() => expect(begun).toBe(1))
  first.socket.destroy()
  await vi.waitFor(() => expect(edge.edge.connections).toBe(0))
  expect((await fetch(edge.origin, { method: 'POST', body: 'a'.repeat(90_000) })).status).toBe(503)
  resolve()
  await vi.waitFor(async () => {
    expect((await fetch(edge.origin, { method: 'POST', body: 'a'.repeat(90_000) })).status).toBe(200)
  })
})

test('who is not known before his body was read has half of it at most', async () => {
  await using edge = await running({
    http: { bodyLimitBytes: LIMIT },
    edge: { bodyBudgetBytes: LIMIT },
    mounts: [
      { path: '/signed', channel: 'wechat', access: 'handler', handler: async () => ({ status: 200 }) },
      { path: '/', channel: 'web', handler: async () => ({ status: 200 }) },
    ],
  })
  const stranger = wire(edge.port, post('/signed', 90_000))
  stranger.send('a'.repeat(60_000))
  await vi.waitFor(() => expect(edge.refused).toEqual(['memory wechat']))
  expect((await fetch(edge.origin, { method: 'POST', body: 'a'.repeat(90_000) })).status).toBe(200)
})

test('who is refused by his head alone is not read', async () => {
  await using edge = await running({
    mounts: [
      {
        path: '/callbacks',
        channel: 'core',
        access: 'handler',
        admits: () => {
          throw new GatewayError('AUTH_FAILED', 'the token is wrong')
        },
        handler: async () => ({ status: 200 }),
      },
    ],
  })
  const caller = wire(edge.port, post('/callbacks/1', 900))
  expect(statuses(await caller.until(/the token is wrong/u))).toEqual([401])
})
