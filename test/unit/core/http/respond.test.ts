import { createServer } from 'node:http'
import type { RequestListener, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test, vi } from 'vitest'
import { respond } from '../../../../core/http/respond.ts'
import type { RespondOptions } from '../../../../core/http/respond.ts'
import { running } from './raw-client.ts'

const OPTIONS: RespondOptions = {
  close: false,
  stallMs: 1000,
  abort: () => undefined,
  onStream: () => () => undefined,
  onStreamError: (error) => {
    throw error
  },
}

async function listening(listener: RequestListener) {
  const server = createServer(listener)
  await new Promise<void>((ready) => server.listen({ port: 0, host: '127.0.0.1' }, ready))
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, // it listens on TCP
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}

test.each([1, 256, 16 * 1024, 16 * 1024 + 1, 100_000])(
  'an answer of %i bytes arrives byte for byte, whatever they are and wherever they lie in their buffer',
  async (length) => {
    const buffer = Uint8Array.from({ length: length + 20 }, (_, at) => at % 256)
    const body = buffer.subarray(13, 13 + length)
    await using edge = await running({
      handler: async () => ({ status: 200, headers: { 'x-a': 'b' }, body }),
    })
    const answer = await fetch(edge.origin)
    expect(answer.headers.get('content-length')).toBe(String(length))
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(Uint8Array.from(body))
  },
)

test('a caller who goes before the end of the turn takes nobody with him whose answer waits there too', async () => {
  const waiting: ServerResponse[] = []
  await using server = await listening((_, outgoing) => {
    if (waiting.push(outgoing) < 3) return
    for (const each of waiting) void respond(each, { status: 200, body: 'here' }, OPTIONS)
    waiting[1]?.destroy()
  })
  const asked = []
  for (let count = 1; count <= 3; count += 1) {
    asked.push(fetch(server.origin).then((answer) => answer.text()))
    if (count < 3) await vi.waitUntil(() => waiting.length === count)
  }
  const results = await Promise.allSettled(asked)
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
})
