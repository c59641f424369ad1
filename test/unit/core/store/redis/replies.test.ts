// What a server may answer: whatever Redis says, in pieces of any size; and nothing that could cost more than it may.
import { createServer } from 'node:net'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { ServerConnector } from '../../../../../core/store/redis/connectors.ts'
import { ReplyLimits } from '../../../../../core/store/redis/replies.ts'
import { until } from '../../../../support/gateway.ts'

const { reply } = fc.letrec<{ reply: Buffer }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 5 },
    fc.stringMatching(/^[ -~]{0,40}$/).map((text) => Buffer.from(`+${text}\r\n`)),
    fc.stringMatching(/^[ -~]{0,40}$/).map((text) => Buffer.from(`-ERR ${text}\r\n`)),
    fc.integer().map((number) => Buffer.from(`:${number}\r\n`)),
    fc.constant(Buffer.from('$-1\r\n')),
    fc.constant(Buffer.from('*-1\r\n')),
    fc
      .uint8Array({ maxLength: 60 })
      .map((bytes) => Buffer.concat([Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])),
    fc
      .array(tie('reply'), { maxLength: 4 })
      .map((parts) => Buffer.concat([Buffer.from(`*${parts.length}\r\n`), ...parts])),
  ),
}))

test('every reply passes, in pieces of any size, and what follows it is read from its beginning', () => {
  fc.assert(
    fc.property(
      fc.array(reply, { minLength: 1, maxLength: 5 }),
      fc.integer({ min: 1, max: 50 }),
      (replies, size) => {
        const limits = new ReplyLimits()
        const bytes = Buffer.concat(replies)
        for (let at = 0; at < bytes.length; at += size)
          expect(limits.read(bytes.subarray(at, at + size))).toBeUndefined()
        expect(limits.read(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toContain('does not begin')
      },
    ),
  )
})

test.each([
  ['a text that is announced too long', '$999999999999\r\n', 'a text of 999999999999 bytes'],
  ['a list that is announced too long', '*4294967297\r\n', 'a list of 4294967297'],
  ['a length that is none', '$12a\r\n', 'no number'],
  ['lists within lists', '*1\r\n'.repeat(100_000), 'deep'],
  ['a line without an end', `+${'x'.repeat(300_000)}`, 'a line of more'],
  ['a web page', '<html>\r\n', 'does not begin'],
  [
    'more texts than there is memory for',
    `*1000\r\n${`$1000000\r\n${'x'.repeat(1_000_000)}\r\n`.repeat(150)}`,
    'a reply of more',
  ],
])('%s ends it', (_what, text, why) => {
  const limits = new ReplyLimits()
  const bytes = Buffer.from(text)
  let trouble: string | undefined
  for (let at = 0; at < bytes.length && trouble === undefined; at += 65_536)
    trouble = limits.read(bytes.subarray(at, at + 65_536))
  expect(trouble).toContain(why)
})

test('a server that answers nonsense loses its line; the process lives and asks again', async () => {
  let lines = 0
  const nonsense = ['*4294967297\r\n', '*1\r\n'.repeat(50_000), 'HTTP/1.1 200 OK\r\n\r\n']
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    const answer = nonsense[lines++ % nonsense.length] ?? ''
    socket.on('data', () => socket.write(answer))
  })
  const listening = Promise.withResolvers<void>()
  server.listen(0, '127.0.0.1', listening.resolve)
  await listening.promise
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const errors: string[] = []
  const redis = new Redis({
    port,
    Connector: ServerConnector,
    retryStrategy: () => 10,
    commandTimeout: 200,
    disconnectTimeout: 50,
  })
  redis.on('error', (error: Error) => errors.push(error.message))
  await until(() => (lines > 8 ? true : undefined))
  redis.disconnect()
  server.close()
  expect(errors.some((message) => message.includes('it answered nonsense: a list of'))).toBe(true)
  expect(errors.some((message) => message.includes('deep'))).toBe(true)
})
