// The link over HTTP against a server that takes no more than so many bytes at once, as a proxy in front of the gateway may.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { UpFrame } from '../../../../../core/api.ts'
import { openHttp } from '../../../../../core/link/client/transport-http.ts'
import { welcome } from './fake-links.ts'

interface Taking {
  /** The numbers of each request that was taken. */
  readonly taken: number[][]
  /** The bytes of each request that came. */
  readonly bytes: number[]
  readonly gone: string[]
  readonly send: (...texts: readonly string[]) => void
}

async function taking(maxBytes: number): Promise<Taking> {
  const taken: number[][] = []
  const bytes: number[] = []
  const gone: string[] = []
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request)
    const { frames } = JSON.parse(body.toString()) as { frames: UpFrame[] } // as the link writes it
    const numbers = frames.filter((frame) => frame.t === 'send').map(({ n }) => n)
    if (request.headers.prefer !== undefined) return // nothing new ever comes
    if (numbers.length > 0) bytes.push(body.length)
    if (body.length > maxBytes) {
      response.writeHead(413).end()
      return
    }
    if (numbers.length > 0) taken.push(numbers)
    response.end(JSON.stringify({ frames: [welcome()] }))
  }
  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const transport = openHttp({
    address: `http://127.0.0.1:${port}/v1/link`,
    token: 'ann',
    device: 'd',
    hello: () => ({ t: 'hello', v: 1, device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }),
    onFrames: async () => undefined,
    onGone: ({ reason }) => gone.push(reason),
    patienceMs: () => 5000,
  })
  onTestFinished(() => {
    transport.close()
    server.close()
    server.closeAllConnections()
  })
  return {
    taken,
    bytes,
    gone,
    send: (...texts) =>
      transport.send(texts.map((text, at) => ({ t: 'send', n: at + 1, id: `m-${at}`, message: { text } }))),
  }
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at + 1)

test('after a 413 half as much is sent at once, down to one frame: everything arrives in order, nothing twice', async () => {
  const { taken, gone, send } = await taking(5000)
  send(...Array.from({ length: 30 }, () => 'x'.repeat(4000)), ...Array.from({ length: 10 }, () => 'y'))
  await vi.waitFor(() => expect(taken.flat()).toEqual(upTo(40)), 5000)
  expect(Math.max(...taken.map(({ length }) => length))).toBeLessThanOrEqual(11)
  expect(gone).toEqual([])
})

test('a request holds no more bytes than every gateway takes, whatever characters they are (DESIGN §12)', async () => {
  const { taken, bytes, send } = await taking(1_000_000)
  send(...Array.from({ length: 12 }, () => '王'.repeat(20_000)))
  await vi.waitFor(() => expect(taken.flat()).toEqual(upTo(12)), 5000)
  expect(Math.max(...bytes)).toBeLessThan(256 * 1024)
  expect(bytes.length).toBeLessThan(7)
})

test('one frame that is too large for the way ends the link, which says so', async () => {
  const { taken, gone, send } = await taking(5000)
  send('x'.repeat(6000))
  await vi.waitFor(() => expect(gone).toEqual(['answered with 413']), 5000)
  expect(taken).toEqual([])
})

test.each([
  [401, 'text/html', true],
  [403, 'application/problem+json; charset=utf-8', true],
  [403, 'text/html', false],
])('%i of %s is a refused token: %s', async (status, type, isRefused) => {
  vi.stubGlobal('fetch', async () => new Response('', { status, headers: { 'content-type': type } }))
  onTestFinished(() => void vi.unstubAllGlobals())
  const gone = await new Promise((onGone) =>
    openHttp({
      address: 'http://gateway/v1/link',
      token: 'ann',
      device: 'd',
      hello: () => ({ t: 'hello', v: 1, device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }),
      onFrames: async () => undefined,
      onGone,
      patienceMs: () => 5000,
    }),
  )
  expect(gone).toEqual({ reason: `answered with ${status}`, isRefused })
})
