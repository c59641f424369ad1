// A business system that says 100 Continue although nobody asked it to.
import { once } from 'node:events'
import net from 'node:net'
import type { buildConnector } from 'undici'
import { afterEach, expect, test } from 'vitest'
import { createFetch } from '../../../../core/guard/fetch.ts'
import type { GuardedFetch } from '../../../../core/guard/fetch.ts'
import { withoutContinue } from '../../../../core/guard/unasked-continue.ts'
import { recorded, serveRaw } from './servers.ts'

const made: GuardedFetch[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((guarded) => guarded.dispose()))
})

function guardedFetch(): typeof fetch {
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 1,
    responseLimitBytes: 100_000,
    log: recorded().log,
  })
  made.push(guarded)
  return guarded.fetch
}

const proceed =
  'HTTP/1.1 100 Continue\r\nServer: Microsoft-IIS/5.0\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n'
const plain = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes'
const long = 'long '.repeat(4000)
const likeIt = 'HTTP/1.1 100 Continue\r\n\r\n'

test.each([
  ['in one packet', [proceed + plain], 'yes'],
  ['in two packets', [proceed, plain], 'yes'],
  [
    'in packets that cut it',
    ['HTT', proceed.slice(3, 11), `${proceed.slice(11)}HTTP/1.`, plain.slice(7)],
    'yes',
  ],
  [
    'before an answer that is longer than a head may be',
    [`${proceed}HTTP/1.1 200 OK\r\nContent-Length: ${long.length}\r\n\r\n${long}`],
    long,
  ],
  ['byte by byte', Array.from(proceed + plain), 'yes'],
  ['twice', [proceed + proceed, plain], 'yes'],
  ['as HTTP/1.0, without a reason', [`HTTP/1.0 100 \r\n\r\n${plain}`], 'yes'],
  ['in a body alone', ['HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n', likeIt], likeIt],
])('a server may say 100 Continue unasked %s (RFC 9110 §15.2)', async (_what, packets, body) => {
  let connections = 0
  const write = async (socket: net.Socket): Promise<void> => {
    for (const packet of packets) {
      socket.write(packet)
      await new Promise((resolve) => setImmediate(resolve)) // each is read by itself
    }
  }
  const server = net.createServer({ noDelay: true }, (socket) => {
    connections += 1
    let heard = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString()
      if (!/\r\n\r\n\d$/.test(heard)) return
      heard = ''
      void write(socket)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo // it listens on TCP
  const post = guardedFetch()
  for (let i = 0; i < 3; i++) {
    const response = await post(`http://127.0.0.1:${port}/`, { method: 'POST', body: `${i}` })
    expect([response.status, await response.text()]).toEqual([200, body])
  }
  expect(connections).toBe(1)
  server.close()
})

test('the end of an answer passes at once, also where more of the request is written while it comes', async () => {
  const server = net.createServer((socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      socket.once('data', () => socket.write('0\r\n\r\n'))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as net.AddressInfo // it listens on TCP
  const socket = net.connect(port, '127.0.0.1')
  withoutContinue((_options, callback) => callback(null, socket))(
    {} as buildConnector.Options,
    () => undefined,
  ) // what it connects to is here
  const heard = async (): Promise<unknown> => {
    await once(socket, 'readable')
    return String(socket.read())
  }
  socket.write('first')
  expect(await heard()).toMatch(/^HTTP\/1\.1 200/)
  socket.write('second')
  expect(await heard()).toBe('0\r\n\r\n')
  socket.destroy()
  server.close()
})

test.each([
  ['and nothing else', proceed],
  ['and a line that is none', `${proceed}nonsense`],
  ['without an end', proceed + 'HTTP/1.1 100 Continue\r\n' + 'x: y\r\n'.repeat(3000)],
])('a server that says 100 Continue %s has broken the line', async (_what, bytes) => {
  await using server = await serveRaw(bytes)
  const failure = await guardedFetch()(server.origin, { method: 'POST', body: 'x' }).catch(
    (error: unknown) => error,
  )
  expect(failure).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
})
