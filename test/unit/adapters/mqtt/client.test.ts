// The connection to somebody else's broker, before a broker that does what brokers should not.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

import { Aedes } from 'aedes'
import type { Log } from 'dragoman'
import { expect, test } from 'vitest'

import { openClient } from '../../../../adapters/mqtt/client.ts'
import type { BrokerClient, ClientOptions } from '../../../../adapters/mqtt/client.ts'
import { until } from '../../../support/gateway.ts'
import { publishPacket } from './world.ts'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }
const CONNACK = Uint8Array.of(0x20, 2, 0, 0)
const PUBLISH = 0x32

interface Peer {
  readonly socket: Socket
  /** What came behind CONNECT. */
  readonly received: () => Buffer
}

interface Mute extends AsyncDisposable {
  readonly client: BrokerClient
  /** Its connections, in order. */
  readonly peers: readonly Peer[]
}

/** A broker that takes the connection and says nothing more. */
async function mute(options: Partial<ClientOptions> = {}): Promise<Mute> {
  const peers: Peer[] = []
  const server = createServer((socket) => {
    const pieces: Buffer[] = []
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write(CONNACK)
      socket.on('data', (piece: Buffer) => pieces.push(piece))
      peers.push({ socket, received: () => Buffer.concat(pieces) })
    })
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
    wanted: () => new Map(),
    onMessage: async () => undefined,
    onConnected: connected.resolve,
    ...options,
  })
  await connected.promise
  return {
    client,
    peers,
    async [Symbol.asyncDispose]() {
      const closing = client.close()
      for (const { socket } of peers) socket.destroy()
      server.close()
      await closing
    },
  }
}

test.each([
  ['never comes', () => undefined],
  ['can come no more, for the connection ends', ({ socket }: Peer) => socket.destroy()],
])('a connection is closed also where a PUBACK %s, and who waits for it hears that', async (_, then) => {
  await using broker = await mute()
  const { client } = broker
  const peer = await until(() => broker.peers[0])
  const publishing = client.publish('t', 'x', { qos: 1 }).catch((error: unknown) => error)
  await until(() => peer.received()[0] === PUBLISH || undefined)
  const closing = client.close()
  then(peer)
  await closing
  expect(await publishing).toMatchObject({ code: 'BACKEND_FAILED' })
})

/** Handlers that end when they are told to. */
function held(): {
  readonly onMessage: ClientOptions['onMessage']
  readonly taken: readonly string[]
  readonly end: (payload: string) => void
} {
  const ends = new Map<string, () => void>()
  const taken: string[] = []
  return {
    taken,
    async onMessage({ payload }, { goOn }) {
      const name = Buffer.from(payload).toString()
      taken.push(name)
      if (name.startsWith('beside')) goOn()
      await new Promise<void>((resolve) => ends.set(name, resolve))
    },
    end: (name) => ends.get(name)?.(),
  }
}
const published = (payload: string, id: number): Uint8Array =>
  Uint8Array.from(publishPacket('t', payload, { qos: 1, id }))
const puback = (id: number): readonly number[] => [0x40, 2, 0, id]

test('a message whose connection has ended is not acknowledged on the next one, where its identifier is another’s', async () => {
  const { onMessage, taken, end } = held()
  await using broker = await mute({ onMessage })
  const first = await until(() => broker.peers[0])
  first.socket.write(published('old', 1))
  await until(() => taken.length === 1 || undefined)
  first.socket.destroy()
  const second = await until(() => broker.peers[1])
  second.socket.write(published('new', 1))
  end('old')
  await until(() => taken.length === 2 || undefined)
  await new Promise((resolve) => setImmediate(resolve))
  expect([...second.received()]).toEqual([])
  end('new')
  await until(() => second.received().length > 0 || undefined)
  expect([...second.received()]).toEqual(puback(1))
})

test('what ends out of order is acknowledged in the order it came [MQTT-4.6.0-2]', async () => {
  const { onMessage, taken, end } = held()
  await using broker = await mute({ onMessage })
  const { socket, received } = await until(() => broker.peers[0])
  socket.write(Buffer.concat([published('beside 1', 1), published('beside 2', 2), published('3', 3)]))
  await until(() => taken.length === 3 || undefined)
  end('3')
  end('beside 2')
  await new Promise((resolve) => setTimeout(resolve, 50)) // nothing may come
  expect([...received()]).toEqual([])
  end('beside 1')
  await until(() => received().length === 12 || undefined)
  expect([...received()]).toEqual([puback(1), puback(2), puback(3)].flat())
})

test('a message that takes longer than the keep-alive does not cost the connection: PINGRESP is read meanwhile', async () => {
  const { onMessage, taken, end } = held()
  await using broker = await mute({ onMessage, keepAliveSeconds: 1 })
  const { socket, received } = await until(() => broker.peers[0])
  socket.write(published('slow', 1))
  const begun = performance.now()
  socket.on('data', (piece) => piece[0] === 0xc0 && socket.write(Uint8Array.of(0xd0, 0)))
  await until(() => performance.now() - begun > 2500 || undefined)
  expect(socket.destroyed).toBe(false)
  end('slow')
  await until(() => received().at(-1) === 1 || undefined)
  expect([taken, broker.peers.length]).toEqual([['slow'], 1])
})

test('a peer that answers no PINGREQ and says nothing else is given up', async () => {
  await using broker = await mute({ keepAliveSeconds: 1 })
  await until(() => broker.peers[1])
})

test.each([
  ['u:p', 'u', 'p'],
  ['u:a%3Ab', 'u', 'a:b'],
  ['u:a:b', 'u', 'a:b'],
  ['a%3Ab:c', 'a:b', 'c'],
  ['u:p%40s%2Fs', 'u', 'p@s/s'],
  ['u:100%25', 'u', '100%'],
  ['u:100%', 'u', '100%'],
  ['u:%E4%BD%A0', 'u', '你'],
  ['u:', 'u', ''],
  ['u', 'u', undefined],
])('a URL with %s logs in as the user %j with the password %j', async (login, user, password) => {
  const { promise: given, resolve } = Promise.withResolvers<readonly unknown[]>()
  const broker = await Aedes.createBroker({
    authenticate(_client, username, bytes, done) {
      resolve([username, bytes?.toString()])
      done(null, true)
    },
  })
  const server = createServer((socket) => void broker.handle(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server has one
  const client = openClient({
    url: `mqtt://${login}@127.0.0.1:${port}/`,
    clientId: 'c',
    clean: true,
    keepAliveSeconds: 60,
    log: silent,
    wanted: () => new Map(),
    onMessage: async () => undefined,
  })
  expect(await given).toEqual([user, password])
  await client.close()
  broker.close()
  server.close()
})

test('connections that end at once are told, once, with what may be the reason', async () => {
  const warned: string[] = []
  const log = { ...silent, warn: (text: string) => void warned.push(text) }
  await using broker = await mute({ log })
  for (let n = 0; n < 5; n += 1) (await until(() => broker.peers[n])).socket.destroy()
  expect(warned).toEqual([expect.stringMatching(/at once: does another client use the id c, or/u)])
})

test('all filters are asked for at once, before anything is published, and what is on the way is not missing (MQTT 3.1.1 §4.6)', async () => {
  const wanted = new Map<string, 0 | 1>([
    ['f/1', 1],
    ['f/2', 1],
  ])
  await using broker = await mute({ wanted: () => wanted })
  const { client } = broker
  const peer = await until(() => broker.peers[0])
  const { missing } = client
  wanted.set('f/3', 1) // a reload adds a backend
  const before = client.missing
  client.look()
  const after = client.missing
  const publishing = client.publish('t', 'said', { qos: 1 }).catch(() => undefined)
  await until(() => peer.received().includes('said') || undefined)
  expect([missing, before, after]).toEqual([[], ['f/3'], []])
  const places = ['f/1', 'f/2', 'f/3', 'said'].map((text) => peer.received().indexOf(text))
  expect(places).not.toContain(-1)
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  peer.socket.destroy()
  await publishing
})
