// A channel that listens: devices and apps connect to the broker in this process.
import type { Duplex } from 'node:stream'

import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, Identity, Message, Scope } from 'dragoman'

import { openBroker } from './broker.ts'
import type { Broker, SessionHandler } from './broker.ts'
import type { ChannelConfig } from './config.ts'
import { createFrames } from './frames.ts'
import type { Frames } from './frames.ts'
import { DOWN, UP, grantsOf } from './grants.ts'
import type { GrantOptions, Grants } from './grants.ts'
import { hubOf } from './hub.ts'
import type { Outcome, Outlet } from './hub.ts'
import { takeIn } from './intake.ts'
import type { IntakeOptions } from './intake.ts'
import { listen } from './listener.ts'
import type { Listener } from './listener.ts'
import { compileMapping, replyTopicOf } from './mapping.ts'
import { encodeMessage } from './payload.ts'
import { portOpened } from './ports.ts'
import type { Published, Sent, Session } from './session.ts'
import { matches } from './topics.ts'
import { PROTOCOLS, streamOf } from './websocket.ts'

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_KEEP_ALIVE_SECONDS = 600
const DEFAULT_CONNECTIONS = 10_000
/** Nobody subscribes to the reply's topic just now: devices come back. */
const ABSENT_MS = 30_000

export function createDevices(config: ChannelConfig, scope: Scope): Channel {
  const mapping = compileMapping(config.topics)
  const hub = hubOf(scope.id)
  const stack = new AsyncDisposableStack()
  const identities = new WeakMap<Duplex, Identity>()
  let listener: Listener | undefined

  async function open(host: ChannelHost): Promise<Broker> {
    const answer: Serving['answer'] = async ({ topic, qos }, payload) =>
      void (await outlet.publish(topic, payload, { qos, signal: AbortSignal.timeout(ANSWER_MS) }))
    const serving: Serving = { hub, mapping, subscribe: config.subscribe ?? [], host, scope, answer }
    const broker = await openBroker({
      maxConnections: config.connections ?? DEFAULT_CONNECTIONS,
      maxKeepAliveSeconds: config.maxKeepAlive ?? DEFAULT_KEEP_ALIVE_SECONDS,
      log: scope.log,
      async identify(credential, stream) {
        const known = identities.get(stream)
        if (credential.scheme === 'none' && known !== undefined) return known
        return host.identify(credential)
      },
      onRefused: (reason) => scope.metrics.count('mqtt_refused', { reason }),
      onSession: (session) => new Device(session, serving),
    })
    stack.defer(() => broker.close())
    return broker
  }

  let broker: Broker | undefined
  const outlet: Outlet = {
    async publish(topic, payload, options) {
      const sending: Promise<Sent>[] = []
      for (const session of broker?.sessions ?? []) {
        const qos = subscribed(session, topic)
        if (qos !== undefined)
          sending.push(session.publish(topic, payload, { ...options, qos: qos === 0 ? 0 : options.qos }))
      }
      return outcomeOf(await Promise.all(sending))
    },
  }

  return {
    async start(host) {
      const opened = await open(host)
      broker = opened
      if (config.port !== undefined) {
        const address = config.host ?? DEFAULT_HOST
        await refuseStrangers(address, host)
        listener = await listen({
          host: address,
          port: config.port,
          tls: config.tls,
          onConnection: (socket) => opened.handle(socket),
        })
        const { port } = listener
        stack.use(listener)
        stack.defer(portOpened(scope.id, port))
        scope.log.info('MQTT is open', { host: address, port, tls: config.tls !== undefined })
      }
      if (config.websocket !== undefined)
        host.socket(
          config.websocket,
          (socket, request) => {
            const stream = streamOf(socket)
            identities.set(stream, request.identity)
            opened.handle(stream)
          },
          { protocols: PROTOCOLS, messageBytes: MESSAGE_BYTES },
        )
      host.linkedAt({ protocol: 'mqtt', up: UP, down: DOWN })
      stack.defer(hub.attach(outlet))
    },
    ...(mapping.replies && {
      async send(message: Message, key: string, signal: AbortSignal) {
        const at = replyTopicOf(message)
        if (at === undefined) return { status: 'sent' } // frames: it is in the customer's inbox
        const outcome = await outlet.publish(at.topic, encodeMessage(message, key), { qos: at.qos, signal })
        if (outcome === 'sent') return { status: 'sent' }
        if (outcome === 'unknown') return { status: 'unknown', reason: `no PUBACK from ${at.topic}` }
        return {
          status: 'refused',
          retry: true,
          afterMs: ABSENT_MS,
          reason: `nobody subscribes to ${at.topic}`,
        }
      },
    }),
    hint: () => hintOf(config, listener?.port),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

const ANSWER_MS = 10_000
/** A WebSocket message may hold several packets, or a part of one (MQTT 3.1.1 §6). */
const MESSAGE_BYTES = 256 * 1024 + 16

/** What all devices of a channel share. */
interface Serving extends GrantOptions {
  readonly host: ChannelHost
  readonly scope: Scope
  readonly answer: IntakeOptions['answer']
}

/** One class: there are thousands of them, and most hold still. */
class Device implements SessionHandler {
  readonly #session: Session
  readonly #serving: Serving
  readonly #grants: Grants
  readonly #frames: Frames | undefined

  constructor(session: Session, serving: Serving) {
    this.#session = session
    this.#serving = serving
    this.#grants = grantsOf(session, serving)
    const { frames: topics } = this.#grants
    this.#frames = topics === undefined ? undefined : createFrames(session, topics, serving.host)
  }

  mayPublish(topic: string, will: boolean): boolean {
    return this.#grants.mayPublish(topic, will)
  }

  maySubscribe(filter: string): boolean {
    return this.#grants.maySubscribe(filter)
  }

  onSubscribed(filter: string): void {
    if (filter === this.#grants.frames?.down) this.#frames?.subscribed()
  }

  async onPublished(packet: Published): Promise<void> {
    const { hub } = this.#serving
    if (this.#frames !== undefined && packet.topic === this.#grants.frames?.up)
      return this.#frames.receive(packet.payload)
    if (hub.isAwaited(packet.topic)) return hub.deliver(packet.topic, packet.payload)
    const { errorTopic } = this.#grants
    const session = this.#session
    await takeIn(packet, {
      ...this.#serving,
      identity: session.who,
      tell(payload) {
        if (session.filters.has(errorTopic)) void session.publish(errorTopic, payload, { qos: 0 })
      },
    })
  }

  onClosed(): void {
    this.#frames?.close()
  }
}

function subscribed({ filters }: Session, topic: string): 0 | 1 | undefined {
  const exact = filters.get(topic)
  if (exact !== undefined) return exact
  for (const [filter, qos] of filters) if (matches(filter, topic)) return qos
  return undefined
}

function outcomeOf(sent: readonly Sent[]): Outcome {
  if (sent.some((one) => one === 'acknowledged' || one === 'written')) return 'sent'
  return sent.includes('unknown') ? 'unknown' : 'nobody'
}

/** DESIGN §11: while nobody is identified, everything listens on loopback. */
async function refuseStrangers(address: string, host: ChannelHost): Promise<void> {
  if (/^(?:127\.|localhost$|::1$)/u.test(address)) return
  const anybody = await host.identify({ scheme: 'bearer', token: crypto.randomUUID() }).then(
    () => true,
    () => false,
  )
  if (anybody)
    throw new GatewayError(
      'INTERNAL',
      `MQTT would listen on ${address} while nobody is identified: configure identity, or listen on 127.0.0.1`,
    )
}

function hintOf({ topics, tls }: ChannelConfig, port: number | undefined): string | undefined {
  const [filter] = Object.keys(topics)
  if (port === undefined || tls !== undefined || filter === undefined) return undefined
  const topic = filter.replaceAll('+', '1').replace(/#$/u, '1')
  return `mosquitto_pub -p ${port} -q 1 -t '${topic}' -m '{"id":"1","text":"hello"}'`
}
