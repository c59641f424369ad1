// The connection to somebody else's broker, before a broker that does what brokers should not.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

import type { Log } from 'dragoman'
import { expect, test } from 'vitest'

import { openClient } from '../../../../adapters/mqtt/client.ts'
import type { BrokerClient } from '../../../../adapters/mqtt/client.ts'
import { until } from '../../../support/gateway.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const CONNACK = Uint8Array.of(0x20, 2, 0, 0)
const PUBLISH = 0x32

interface Mute extends AsyncDisposable {
  readonly client: BrokerClient
  readonly peer: Socket
  readonly hasPublish: () => boolean
}

/** A broker that takes the connection and says nothing more. */
async function mute(): Promise<Mute> {
  const peers: Socket[] = []
  let received = 0
  const server = createServer((socket) => {
    peers.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => socket.write(CONNACK))
    socket.on('data', (piece: Buffer) => (received = piece[0] ?? 0))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server has one
  const connected = Promise.withResolvers<unknown>()
  const client = openClient({
    url: `mqtt://127.0.0.1:${port}`,
    clientId: 'c',
    clean: false,
    keepAliveSeconds: 60,
    log: silent,
    onMessage: async () => undefined,
    onConnected: connected.resolve,
  })
  await connected.promise
  const [peer] = peers
  if (peer === undefined) throw new Error('nobody came')
  return {
    client,
    peer,
    hasPublish: () => received === PUBLISH,
    async [Symbol.asyncDispose]() {
      for (const socket of peers) socket.destroy()
      server.close()
    },
  }
}

test.each([
  ['never comes', () => undefined],
  ['can come no more, for the connection ends', (peer: Socket) => peer.destroy()],
])('a connection is closed also where a PUBACK %s, and who waits for it hears that', async (_, then) => {
  await using broker = await mute()
  const { client, peer, hasPublish } = broker
  const publishing = client.publish('t', 'x', { qos: 1 }).catch((error: unknown) => error)
  await until(() => hasPublish() || undefined)
  const closing = client.close()
  then(peer)
  await closing
  expect(await publishing).toMatchObject({ code: 'BACKEND_FAILED' })
})
