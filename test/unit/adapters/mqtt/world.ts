// A running MQTT channel before a host that remembers, and raw connections to it.
import { connect } from 'node:net'
import type { Socket as NetSocket } from 'node:net'

import type { Channel, ChannelHost, Credential, Draft, Identity, Scope } from 'dragoman'
import { GatewayError } from 'dragoman'
import { testHost, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { connectAsync } from 'mqtt'
import type { IClientOptions, MqttClient } from 'mqtt'

import { openBroker } from '../../../../adapters/mqtt/broker.ts'
import type { Broker } from '../../../../adapters/mqtt/broker.ts'
import adapter from '../../../../adapters/mqtt/index.ts'
import { portOf } from '../../../../adapters/mqtt/ports.ts'

export interface World extends AsyncDisposable {
  readonly port: number
  readonly channel: Channel
  readonly host: TestHost
  readonly drafts: readonly Draft[]
  client(options?: IClientOptions): Promise<MqttClient>
}

export interface WorldOptions {
  readonly id?: string
  readonly config?: Readonly<Record<string, unknown>>
  readonly host?: Partial<ChannelHost>
  readonly scope?: Partial<Scope>
}

export const TOPICS = {
  'shop/+/alarm': { kind: 'event', type: "'device.alarm'", sender: 'topic[1]' },
  'shop/+/say': { kind: 'message', sender: 'topic[1]', reply: "'shop/' & topic[1] & '/display'" },
  'shop/+/ask': {
    kind: 'request',
    type: "'GetOrder'",
    sender: 'topic[1]',
    reply: "'shop/' & topic[1] & '/display'",
  },
}

/** What the config loader makes of a backend's `channel: ID`. */
export function named(id: string, config: object = {}): object {
  return { id, config: { topics: {}, ...config } }
}

/** A password is the customer's name, as a gateway that tries out has it. */
export async function identify(credential: Credential): Promise<Identity> {
  if (credential.scheme === 'bearer') return { role: 'customer', id: credential.token }
  if (credential.scheme === 'none' || credential.password === '') return { role: 'program', id: 'devices' }
  if (credential.password === 'wrong') throw new GatewayError('AUTH_FAILED', 'the password is wrong')
  return { role: 'customer', id: credential.password }
}

/** The core's end of the frames, as far as a transport can tell: each is answered, and what came is shown. */
export const echoLink: ChannelHost['link'] = (who, send, options) => {
  if (who.role !== 'customer') throw new GatewayError('AUTH_FAILED', 'frames are for customers')
  return {
    async receive(frames) {
      const text = typeof frames === 'string' ? frames : Buffer.from(frames as Uint8Array).toString()
      // What a transport must carry: any frame will do.
      await send({ t: 'nak', code: `${who.id} ${options?.device ?? ''}`, message: text, retry: false })
    },
    caughtUp: async () => undefined,
    close() {},
  }
}

let worlds = 0

export async function openWorld({
  id,
  config = {},
  host: extra = {},
  scope = {},
}: WorldOptions = {}): Promise<World> {
  worlds += 1
  const name = id ?? `devices-${worlds}`
  const host = Object.assign(testHost(), { identify, link: echoLink, linkedAt() {} }, extra)
  const checked = adapter.channel?.config['~standard'].validate({
    port: 0,
    topics: TOPICS,
    subscribe: ['shop/+/display'],
    ...config,
  })
  if (checked === undefined || checked instanceof Promise || checked.issues !== undefined)
    throw new Error(JSON.stringify(checked))
  const channel = adapter.channel?.create(checked.value, { ...testScope({ id: name }), ...scope })
  if (channel === undefined) throw new Error('no channel')
  await channel.start(host, new AbortController().signal)
  const port = portOf(name) ?? 0
  const clients: MqttClient[] = []
  return {
    port,
    channel,
    host,
    drafts: host.drafts,
    async client(options = {}) {
      const client = await connectAsync(
        `mqtt://127.0.0.1:${port}`,
        { reconnectPeriod: 0, connectTimeout: 5000, ...options },
        false,
      )
      client.on('error', () => undefined)
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.end(true)
      await channel[Symbol.asyncDispose]()
    },
  }
}

export interface Raw extends Disposable {
  readonly socket: NetSocket
  readonly received: () => Buffer
  readonly closed: Promise<void>
  write(bytes: Uint8Array | readonly number[]): void
}

/** A connection that speaks whatever bytes it is given. */
export async function raw(port: number): Promise<Raw> {
  const socket = connect({ host: '127.0.0.1', port })
  const pieces: Buffer[] = []
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', () => undefined)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  await new Promise((resolve) => socket.once('connect', resolve))
  return {
    socket,
    received: () => Buffer.concat(pieces),
    closed,
    write: (bytes) => void socket.write(Uint8Array.from(bytes)),
    [Symbol.dispose]: () => socket.destroy(),
  }
}

const text = (value: string): readonly number[] => {
  const bytes = Buffer.from(value)
  return [bytes.length >> 8, bytes.length & 255, ...bytes]
}
const packet = (type: number, body: readonly number[]): readonly number[] => {
  const length: number[] = []
  let left = body.length
  do {
    length.push((left & 127) | (left > 127 ? 128 : 0))
    left >>= 7
  } while (left > 0)
  return [type, ...length, ...body]
}

/** CONNECT, MQTT 3.1.1 §3.1. */
export function connectPacket(
  clientId: string,
  {
    level = 4,
    name = 'MQTT',
    flags = 2,
    keepAlive = 60,
  }: { level?: number; name?: string; flags?: number; keepAlive?: number } = {},
): readonly number[] {
  return packet(0x10, [
    ...text(name),
    level,
    flags,
    keepAlive >> 8,
    keepAlive & 255,
    ...(level === 5 ? [0] : []),
    ...text(clientId),
  ])
}

/** PUBLISH, §3.3. */
export function publishPacket(
  topic: string,
  payload: string,
  { qos = 0, id = 1, dup = false } = {},
): readonly number[] {
  return packet(0x30 | (qos << 1) | (dup ? 8 : 0), [
    ...text(topic),
    ...(qos > 0 ? [id >> 8, id & 255] : []),
    ...Buffer.from(payload),
  ])
}

/** SUBSCRIBE to one filter, §3.8. */
export function subscribePacket(filter: string, { qos = 0, id = 1 } = {}): readonly number[] {
  return packet(0x82, [id >> 8, id & 255, ...text(filter), qos])
}

/** A broker without a channel, whose clients may do everything: `take` has what they publish. */
export function bareBroker(take: (text: string) => Promise<void>): Promise<Broker> {
  return openBroker({
    maxConnections: 10,
    maxKeepAliveSeconds: 60,
    log: { debug() {}, info() {}, warn() {}, error() {} },
    identify: async () => ({ role: 'program', id: 'p' }),
    onRefused() {},
    onSession: () => ({
      mayPublish: () => true,
      maySubscribe: () => true,
      onSubscribed() {},
      onForbidden() {},
      onClosed() {},
      onPublished: ({ payload }) => take(Buffer.from(payload).toString()),
    }),
  })
}
