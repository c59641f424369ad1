// A client that publishes faster than it is taken in: what waits is bounded, and nothing of it is lost.
import { duplexPair } from 'node:stream'

import { expect, test } from 'vitest'

import { until } from '../../../support/gateway.ts'
import { bareBroker, connectPacket, publishPacket } from './world.ts'

const MANY = 3000

test('one packet after the other while the first is still being taken: the connection is not read on, and goes on later', async () => {
  const { promise: free, resolve: release } = Promise.withResolvers<void>()
  const taken: string[] = []
  const broker = await bareBroker(async (text) => {
    await free
    taken.push(text.slice(0, 6))
  })
  const [client, server] = duplexPair()
  client.on('error', () => undefined)
  broker.handle(server)
  client.write(Uint8Array.from(connectPacket('fast')))
  await until(() => client.readableLength >= 4 || undefined)
  client.resume()
  let read = 0
  for (let n = 0; n < MANY; n += 1) {
    const bytes = Uint8Array.from(publishPacket('t', `${100_000 + n}${'x'.repeat(1000)}`))
    client.write(bytes, () => (read += bytes.byteLength))
    await new Promise((next) => setImmediate(next))
  }
  expect(read).toBeLessThan(1024 * 1024)
  release()
  await until(() => taken.length >= MANY || undefined)
  expect(taken).toEqual(Array.from({ length: MANY }, (_, n) => `${100_000 + n}`))
  await broker.close()
})
