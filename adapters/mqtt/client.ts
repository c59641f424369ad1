// A connection to somebody else's broker: mqtt.js without its store, so that what is sent again, and when, is ours to say.
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import { connect } from 'mqtt'
import type { IClientOptions, IPublishPacket, MqttClient } from 'mqtt'

import { GatewayError } from 'dragoman'
import type { Log } from 'dragoman'

export interface ClientOptions {
  readonly url: string
  readonly clientId: string
  /** Not clean: the broker keeps what comes for us while we are away. */
  readonly clean: boolean
  readonly keepAliveSeconds: number
  readonly log: Log
  /**
   * Called one at a time. Resolves: it is acknowledged. Rejects: it is not; the connection closes, and the broker sends this and
   * what follows again.
   */
  readonly onMessage: (topic: string, payload: Uint8Array, qos: 0 | 1 | 2, retained: boolean) => Promise<void>
  readonly onConnected: (sessionPresent: boolean) => void
}

export interface BrokerClient {
  readonly connected: boolean
  /** Resolves with PUBACK (QoS 0: written). Rejects with `BACKEND_FAILED`; with `notExecuted` where nothing was sent. */
  publish(
    topic: string,
    payload: string,
    options: { readonly qos: 0 | 1; readonly signal?: AbortSignal },
  ): Promise<void>
  /** Rejects with `BACKEND_FAILED`. */
  subscribe(filter: string, qos: 0 | 1): Promise<void>
  /** Waits a moment for what is owed, then sends DISCONNECT, which leaves a session that is not clean in place. Always resolves. */
  close(): Promise<void>
}

const RECONNECT_MS = 1000
const CONNECT_MS = 10_000
/** What is owed when it closes is waited for this long. */
const CLOSE_MS = 2000
const SUBSCRIBE_REFUSED = 128

/** Connects, and again whenever the connection ends, until it is closed. Never rejects: the other broker may come later. */
export function openClient(options: ClientOptions): BrokerClient {
  const { log } = options
  let closed = false
  let last = ''
  const client: MqttClient = connect(options.url, {
    clientId: options.clientId,
    clean: options.clean,
    keepalive: options.keepAliveSeconds,
    protocolVersion: 4,
    reconnectPeriod: RECONNECT_MS,
    reconnectOnConnackError: true,
    connectTimeout: CONNECT_MS,
    resubscribe: false,
    queueQoSZero: false,
    outgoingStore: forgetfulStore(),
  } satisfies IClientOptions)

  // Called for one packet at a time; PUBACK goes out with `done`. (`customHandleAcks` is for MQTT 5 alone, and silently ignored else.)
  client.handleMessage = (packet, done) => void handle(packet, () => done())

  async function handle(
    { topic, payload, qos, retain }: IPublishPacket,
    acknowledge: () => void,
  ): Promise<void> {
    const { stream } = client
    try {
      await options.onMessage(
        topic,
        typeof payload === 'string' ? Buffer.from(payload) : payload,
        qos,
        retain,
      )
    } catch (error) {
      const { message: reason } = GatewayError.from(error)
      if (qos > 0) {
        log.warn('a message was not taken; the other broker will send it again', { topic, reason })
        // Never acknowledged: what comes after it must not overtake it.
        setTimeout(() => stream.destroy(), RECONNECT_MS).unref()
        return
      }
      log.warn('a message of QoS 0 was lost', { topic, reason })
    }
    acknowledge()
  }

  const problem = (reason: string): void => {
    if (closed || reason === last) return
    last = reason
    log.warn('the other broker cannot be reached; trying on', { reason })
  }
  client.on('error', (error) => problem(error.message === '' ? String(error) : error.message))
  client.on('connect', ({ sessionPresent }) => {
    last = ''
    options.onConnected(sessionPresent)
  })
  const sent = new Set<number>()
  client.on('close', () => {
    // Without a store nobody else tells those who wait for their PUBACK.
    for (const messageId of sent) client.removeOutgoingMessage(messageId)
    sent.clear()
  })

  const away = (): GatewayError =>
    new GatewayError('BACKEND_FAILED', 'the broker is not connected', { notExecuted: true })

  return {
    get connected() {
      return client.connected
    },
    async publish(topic, payload, { qos, signal }) {
      if (!client.connected) throw away()
      signal?.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      let messageId: number | undefined
      client.publish(topic, payload, { qos }, (error) => {
        if (messageId !== undefined) sent.delete(messageId)
        if (error === undefined || error === null) resolve()
        else
          reject(
            new GatewayError('BACKEND_FAILED', `no PUBACK from the broker: ${error.message}`, {
              cause: error,
            }),
          )
      })
      if (qos > 0) {
        messageId = client.getLastMessageId()
        sent.add(messageId)
      }
      await promise
    },
    async subscribe(filter, qos) {
      if (!client.connected) throw away()
      try {
        const granted = await client.subscribeAsync(filter, { qos })
        if (granted.some((one) => one.qos === SUBSCRIBE_REFUSED)) throw new Error('SUBACK 0x80')
      } catch (error) {
        throw new GatewayError('BACKEND_FAILED', `the broker does not let us subscribe to ${filter}`, {
          cause: error,
        })
      }
    },
    async close() {
      if (closed) return
      closed = true
      // mqtt.js waits for each PUBACK that is owed, also for one that never comes, or whose connection has ended meanwhile.
      const gone = new Promise((resolve) => client.once('close', () => resolve(undefined)))
      const late = pause(CLOSE_MS, undefined, { ref: false })
      await Promise.race([client.endAsync(!client.connected), gone, late])
      client.stream.destroy()
    },
  }
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
