// A connection to somebody else's broker: mqtt.js without its store, so that what is sent again, and when, is ours to say.
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import { connect } from 'mqtt'
import type { IClientOptions, IPublishPacket, MqttClient } from 'mqtt'

import { GatewayError } from 'dragoman'
import type { Log } from 'dragoman'

import { Arrivals } from './arrivals.ts'
import type { ArrivalsOptions } from './arrivals.ts'
import { listenTo } from './listening.ts'
import type { Listening } from './listening.ts'

export interface ClientOptions {
  /** With user and password in it, if the broker wants them. */
  readonly url: string
  readonly clientId: string
  /** Not clean: the broker keeps what comes for us while we are away. */
  readonly clean: boolean
  readonly keepAliveSeconds: number
  readonly log: Log
  /** The filters that each connection asks for, with their QoS; what is refused is asked for again every 5 s. */
  readonly wanted: () => ReadonlyMap<string, 0 | 1>
  readonly onMessage: ArrivalsOptions['take']
  readonly onConnected?: (sessionPresent: boolean) => void
  /** Everything wanted is subscribed to, on this connection. */
  readonly onListening?: () => void
}

export interface BrokerClient {
  readonly connected: boolean
  /** The filters that are wanted and that the broker refuses, or has not been asked for on this connection. */
  readonly missing: readonly string[]
  /**
   * Resolves with PUBACK (QoS 0: written). Rejects with `BACKEND_FAILED`; with `notExecuted` where nothing was sent, with the cause
   * `ClosedBehind` where the broker closed the connection behind it.
   */
  publish(
    topic: string,
    payload: string,
    options: { readonly qos: 0 | 1; readonly signal?: AbortSignal },
  ): Promise<void>
  /** More is wanted than before: it is asked for now. */
  look(): void
  /** Waits a moment for what is owed, then sends DISCONNECT, which leaves a session that is not clean in place. Always resolves. */
  close(): Promise<void>
}

/** The other broker was there, and closed the connection instead of PUBACK: MQTT 3.1.1 has no other way to refuse a message. */
export class ClosedBehind extends Error {}

const RECONNECT_MS = 1000
const CONNECT_MS = 10_000
/** What is owed when it closes is waited for this long. */
const CLOSE_MS = 2000
const SUBSCRIBE_REFUSED = 128
/** A connection that ends so soon, so many times running, is worth a word: CONNACK alone makes the log look healthy. */
const SHORT_MS = 10_000
const SHORT_TIMES = 3

interface Connection {
  readonly stream: MqttClient['stream']
  readonly since: number
  readonly arrivals: Arrivals
  readonly listening: Listening
  heardAt: number
  /** By us: for what it sent to come again, or as nothing is heard of it. */
  isCut: boolean
}

/** Connects, and again whenever the connection ends, until it is closed. Never rejects: the other broker may come later. */
export function openClient(options: ClientOptions): BrokerClient {
  const { log, keepAliveSeconds } = options
  let closed = false
  let last = ''
  let connection: Connection | undefined
  let before: Promise<void> = Promise.resolve()
  let shortLived = 0
  const refused = new Set<string>()
  const client: MqttClient = connect(withoutLogin(options.url), {
    ...loginOf(options.url),
    clientId: options.clientId,
    clean: options.clean,
    keepalive: keepAliveSeconds,
    protocolVersion: 4,
    reconnectPeriod: RECONNECT_MS,
    reconnectOnConnackError: true,
    connectTimeout: CONNECT_MS,
    resubscribe: false,
    queueQoSZero: false,
    outgoingStore: forgetfulStore(),
  } satisfies IClientOptions)

  function begin(): void {
    const { stream } = client
    const ending = new AbortController()
    const arrivals = new Arrivals({
      take: options.onMessage,
      after: before,
      log,
      onRefused() {
        opened.isCut = true
        setTimeout(() => stream.destroy(), RECONNECT_MS).unref()
      },
    })
    const opened: Connection = {
      stream,
      since: performance.now(),
      arrivals,
      listening: listenTo({
        wanted: options.wanted,
        subscribe,
        refused,
        log,
        onComplete: () => options.onListening?.(),
        signal: ending.signal,
      }),
      heardAt: performance.now(),
      isCut: false,
    }
    connection = opened
    // When mqtt.js has taken CONNACK: before, it would keep SUBSCRIBE back, behind what is published first.
    queueMicrotask(() => opened.listening.look())
    stream.on('data', () => (opened.heardAt = performance.now()))
    stream.once('close', () => {
      if (connection === opened) connection = undefined
      ending.abort()
      before = arrivals.end()
      if (!closed && !opened.isCut) lasted(performance.now() - opened.since)
    })
  }

  function lasted(ms: number): void {
    shortLived = ms < SHORT_MS ? shortLived + 1 : 0
    if (shortLived !== SHORT_TIMES) return
    log.warn(
      `the other broker closes the connection at once: does another client use the id ${options.clientId}, or does it refuse what is published?`,
      { clientId: options.clientId },
    )
  }

  const identifiers = new WeakMap<IPublishPacket, number>()
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'connack' && packet.returnCode === 0) begin()
    if (packet.cmd !== 'publish' || packet.qos !== 1 || packet.messageId === undefined) return
    // mqtt.js has one reader, which it holds until it has sent PUBACK, on whichever connection there is by then. So PUBACK is ours to send.
    identifiers.set(packet, packet.messageId)
    packet.qos = 0
  })

  client.handleMessage = (packet, done) => void arrived(packet, () => done())

  /** `goOn` has the next packet read. */
  async function arrived(packet: IPublishPacket, goOn: () => void): Promise<void> {
    // What a connection that has ended had not handed over comes again.
    if (connection === undefined) return
    const { stream, arrivals } = connection
    const { topic, payload, retain } = packet
    const messageId = identifiers.get(packet)
    const message = { topic, retain, payload: typeof payload === 'string' ? Buffer.from(payload) : payload }
    // Only a session that somebody else has made with our id holds QoS 2: PUBCOMP is left to mqtt.js, and its reader waits for that.
    if (packet.qos === 2) return arrivals.add({ ...message, qos: 2 }, goOn)
    const qos = messageId === undefined ? 0 : 1
    await arrivals.add({ ...message, qos }, () => {
      if (messageId !== undefined && stream.writable) stream.write(pubackOf(messageId))
    })
    goOn()
  }

  // Called when PINGRESP is late: but it may stand behind what is not read yet, and any byte is a sign of life.
  const giveUp = client.onKeepaliveTimeout.bind(client)
  client.onKeepaliveTimeout = () => {
    const silentMs = performance.now() - (connection?.heardAt ?? -Infinity)
    if (connection?.arrivals.isFull === true || silentMs < keepAliveSeconds * 1000) client.sendPing()
    else {
      if (connection !== undefined) connection.isCut = true
      giveUp()
    }
  }

  const problem = (reason: string): void => {
    if (closed || reason === last) return
    last = reason
    log.warn('the other broker cannot be reached; trying on', { reason })
  }
  client.on('error', (error) => problem(error.message === '' ? String(error) : error.message))
  client.on('connect', ({ sessionPresent }) => {
    last = ''
    options.onConnected?.(sessionPresent)
  })
  const sent = new Set<number>()
  client.on('close', () => {
    // Without a store nobody else tells those who wait for their PUBACK.
    for (const messageId of sent) client.removeOutgoingMessage(messageId)
    sent.clear()
  })

  async function subscribe(filter: string, qos: 0 | 1): Promise<void> {
    try {
      const granted = await client.subscribeAsync(filter, { qos })
      if (granted.some((one) => one.qos === SUBSCRIBE_REFUSED)) throw new Error('SUBACK 0x80')
    } catch (error) {
      throw new GatewayError('BACKEND_FAILED', `the broker does not let us subscribe to ${filter}`, {
        cause: error,
      })
    }
  }

  const away = (): GatewayError =>
    new GatewayError('BACKEND_FAILED', 'the broker is not connected', { notExecuted: true })

  return {
    get connected() {
      return client.connected
    },
    get missing() {
      return connection?.listening.missing ?? [...options.wanted().keys()]
    },
    async publish(topic, payload, { qos, signal }) {
      if (!client.connected) throw away()
      signal?.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      let messageId: number | undefined
      client.publish(topic, payload, { qos }, (error) => {
        if (messageId !== undefined) sent.delete(messageId)
        if (error === undefined || error === null) return resolve()
        const isTheirs = connection?.isCut === false && !closed
        reject(
          new GatewayError('BACKEND_FAILED', `no PUBACK from the broker: ${error.message}`, {
            cause: isTheirs ? new ClosedBehind(error.message, { cause: error }) : error,
          }),
        )
      })
      if (qos > 0) {
        messageId = client.getLastMessageId()
        sent.add(messageId)
      }
      await promise
    },
    look: () => connection?.listening.look(),
    async close() {
      if (closed) return
      closed = true
      // mqtt.js waits for each PUBACK that is owed, also for one that never comes, or whose connection has ended meanwhile.
      const gone = new Promise((resolve) => client.once('close', () => resolve(undefined)))
      const late = pause(CLOSE_MS, undefined, { ref: false })
      await Promise.race([connection?.arrivals.stop(), gone, late])
      await Promise.race([client.endAsync(!client.connected), gone, late])
      client.stream.destroy()
    },
  }
}

/** MQTT 3.1.1 §3.4. */
function pubackOf(messageId: number): Uint8Array {
  return Uint8Array.of(0x40, 2, messageId >> 8, messageId & 0xff)
}

function withoutLogin(address: string): string {
  const url = new URL(address)
  url.username = ''
  url.password = ''
  return url.href
}

/** mqtt.js decodes the two together and then looks for their colon, which a password may hold as well. */
function loginOf(address: string): Pick<IClientOptions, 'username' | 'password'> {
  const { username, password } = new URL(address)
  // `user:@` is an empty password, which a URL does not tell from none.
  const hasPassword = password !== '' || /^[^@]*:@/u.test(address)
  return {
    ...((username !== '' || hasPassword) && { username: decoded(username) }),
    ...(hasPassword && { password: decoded(password) }),
  }
}

/** A `%` that begins no escape stands for itself. */
function decoded(text: string): string {
  return decodeURIComponent(text.replaceAll(/%(?![\da-f]{2})/giu, '%25'))
}

/** Keeps nothing: what mqtt.js would send again after a reconnect could be lost on the next, or be done twice. */
function forgetfulStore(): NonNullable<IClientOptions['outgoingStore']> {
  const store: NonNullable<IClientOptions['outgoingStore']> = {
    put(_packet, done) {
      done()
      return store
    },
    del(packet, done) {
      // The callback wants the packet that was deleted, of which only the identifier is known.
      done(undefined, packet as Parameters<typeof done>[1])
      return store
    },
    get(_packet, done) {
      done(new Error('missing packet'))
      return store
    },
    // Node's own streams have all that mqtt.js asks of its copy of them.
    createStream: () => Readable.from([]) as unknown as ReturnType<typeof store.createStream>,
    close: (done) => done(),
  }
  return store
}
