// A channel that listens: devices and apps connect to the broker in this process.
import { Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'

import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, Delivery, HttpRequest, LinkPlace, Message, Scope, Socket } from 'dragoman'

import { Answers } from './answers.ts'
import { isSame, openBroker } from './broker.ts'
import type { Broker, SessionHandler } from './broker.ts'
import type { ChannelConfig } from './config.ts'
import { createFrames } from './frames.ts'
import type { Frames } from './frames.ts'
import {
  DOWN,
  UP,
  downOf,
  errorTopicOf,
  mayBeAnswered,
  mayHear,
  mayPublish,
  maySubscribe,
  upOf,
} from './grants.ts'
import type { GrantOptions } from './grants.ts'
import { bestOf, hubOf } from './hub.ts'
import type { Outcome, Outlet } from './hub.ts'
import { takeIn } from './intake.ts'
import { listen } from './listener.ts'
import type { Listener } from './listener.ts'
import { compileMapping } from './mapping.ts'
import { encodeError, encodeMessage } from './payload.ts'
import { portOpened } from './ports.ts'
import { createReach } from './reach.ts'
import type { Local, PublishOptions, Reach } from './reach.ts'
import { createReplyTopics } from './reply-topics.ts'
import type { ReplyTopics } from './reply-topics.ts'
import type { Published, Session } from './session.ts'
import { PROTOCOLS, streamOf } from './websocket.ts'

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_KEEP_ALIVE_SECONDS = 600
const DEFAULT_CONNECTIONS = 10_000
const DEFAULT_KEEP_REPLIES_SECONDS = 86_400
/** One that has only just come is not taken for the older one of two. */
const SETTLED_MS = 2000

export function createDevices(config: ChannelConfig, scope: Scope): Channel {
  const mapping = compileMapping(config.topics)
  const hub = hubOf(scope.id)
  // What begins with the channel's name belongs to customers without a credential, and so without frames (SEMANTICS 9).
  const replyTopics = createReplyTopics(scope, (conversation) => !conversation.startsWith(`${scope.id}:`))
  const stack = new AsyncDisposableStack()
  /** Those over WebSocket that have not said CONNECT. */
  const handshakes = new WeakMap<Duplex, { readonly socket: Socket; readonly request: HttpRequest }>()
  let listener: Listener | undefined

  async function open(host: ChannelHost, reach: Reach): Promise<Broker> {
    const subscribe = config.subscribe ?? []
    const serving: Serving = { hub, mapping, subscribe, host, reach, replyTopics, scope }
    const broker = await openBroker({
      maxConnections: config.connections ?? DEFAULT_CONNECTIONS,
      maxKeepAliveSeconds: config.maxKeepAlive ?? DEFAULT_KEEP_ALIVE_SECONDS,
      log: scope.log,
      async identify(credential, stream) {
        const { socket, request } = handshakes.get(stream) ?? {}
        handshakes.delete(stream)
        const isKnown = request !== undefined && request.identity.id !== ''
        if (credential.scheme === 'none' && isKnown) return request.identity
        const who = await host.identify(credential, request ?? addressOf(stream))
        socket?.identified(who)
        return who
      },
      onRefused: (reason) => scope.metrics.count('mqtt_refused', { reason }),
      onSession: (session) => new Device(session, serving),
    })
    stack.defer(() => broker.close())
    return broker
  }

  const keepMs = (config.keepReplies ?? DEFAULT_KEEP_REPLIES_SECONDS) * 1000
  const deliveryOf = (outcome: Outcome, topic: string): Delivery => {
    switch (outcome) {
      case 'sent':
        return { status: 'sent' }
      case 'unknown':
        return { status: 'unknown', reason: `no PUBACK from ${topic}` }
      case 'gone':
        return { status: 'unknown', keepMs, reason: `the connection ended before PUBACK from ${topic}` }
      case 'full':
        return {
          status: 'refused',
          retry: true,
          reason: `not sent to ${topic}: too much there waits for PUBACK`,
        }
      case 'nobody':
        return { status: 'absent', keepMs, reason: `nobody subscribes to ${topic}` }
    }
  }

  let broker: Broker | undefined
  let reach: Reach | undefined
  const local: Local = {
    publish(topic, payload, { owner, ...options }) {
      const sending: Promise<Outcome>[] = []
      for (const [session, qos] of broker?.subscribers(topic) ?? []) {
        if (!mayHear(session.who, owner)) continue
        sending.push(publishTo(session, { topic, payload, ...options, qos: qos === 0 ? 0 : options.qos }))
      }
      return sending.length === 0 ? undefined : bestOf(sending)
    },
    movedAway(client, who) {
      const session = broker?.session(client)
      if (session === undefined || !isSame(session.who, who)) return
      if (performance.now() - session.since > SETTLED_MS) session.close()
    },
  }
  /** A backend's question: whoever answers it answers here, so only devices that are connected here are asked. */
  const outlet: Outlet = {
    publish: async (topic, payload, options) => (await local.publish(topic, payload, options)) ?? 'nobody',
  }

  return {
    async start(host) {
      const reaching = createReach({ host, local, log: scope.log })
      reach = reaching
      stack.defer(() => reaching.close())
      const opened = await open(host, reaching)
      broker = opened
      let place: LinkPlace = { protocol: 'mqtt', up: UP, down: DOWN }
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
        place = { ...place, port, tls: config.tls !== undefined }
        stack.use(listener)
        stack.defer(portOpened(scope.id, port))
        scope.log.info('MQTT is open', { host: address, port, tls: config.tls !== undefined })
      }
      if (config.websocket !== undefined) {
        place = { ...place, websocket: config.websocket }
        host.socket(
          config.websocket,
          (socket, request) => {
            const stream = streamOf(socket)
            handshakes.set(stream, { socket, request })
            opened.handle(stream)
          },
          { protocols: PROTOCOLS, messageBytes: MESSAGE_BYTES, identifiesLater: 'access' },
        )
      }
      host.linkedAt(place)
      stack.defer(hub.attach(outlet))
    },
    // SEMANTICS 43: what is not acknowledged is published again.
    refusable: true,
    // Without it there is nothing to push. What a topic that has lost its reply owes waits in the core until some topic has one (SEMANTICS 21).
    ...(mapping.replies && {
      async send(message: Message, key: string, signal: AbortSignal) {
        const at = await replyTopics.find(message)
        if ('status' in at) return at
        if (reach === undefined) throw new GatewayError('CHANNEL_GONE', 'the channel has not started')
        try {
          const { topic, qos, owner } = at
          const payload = encodeMessage(message, key)
          return deliveryOf(await reach.reply(key, topic, payload, { qos, signal, owner }), topic)
        } catch (error) {
          const { code, message: reason } = GatewayError.from(error)
          if (code !== 'TOO_LARGE') throw error
          return { status: 'refused', retry: false, reason }
        }
      },
    }),
    hint: () => hintOf(config, listener?.port),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

/** A WebSocket message may hold several packets, or a part of one (MQTT 3.1.1 §6). */
const MESSAGE_BYTES = 256 * 1024 + 16

/** What all devices of a channel share. */
interface Serving extends GrantOptions {
  readonly host: ChannelHost
  readonly reach: Reach
  readonly replyTopics: ReplyTopics
  readonly scope: Scope
}

/** One class: there are thousands of them, and most hold still. */
class Device implements SessionHandler {
  readonly #session: Session
  readonly #serving: Serving
  #frames: Frames | undefined
  #answers: Answers | undefined
  #isClosed = false
  #isWarned = false

  constructor(session: Session, serving: Serving) {
    this.#session = session
    this.#serving = serving
  }

  mayPublish(topic: string, will: boolean): boolean {
    return mayPublish(this.#session, { topic, will }, this.#serving)
  }

  maySubscribe(filter: string): boolean {
    return maySubscribe(this.#session, filter, this.#serving)
  }

  onSubscribed(filter: string, isNew: boolean): void {
    if (this.#frames !== undefined && filter === downOf(this.#session.id)) this.#frames.subscribed()
    // No reply goes to the gateway's own topics.
    if (filter.startsWith('dragoman/')) return
    const { id: client, who } = this.#session
    this.#serving.reach.subscribed({ client, who }, filter, isNew)
  }

  async onPublished(packet: Published): Promise<void> {
    const { hub, mapping } = this.#serving
    const session = this.#session
    if (packet.topic === upOf(session.id)) {
      // It waited behind another publish while the connection closed: nobody would close its link, and nobody hears the answer.
      if (this.#isClosed) return
      this.#frames ??= createFrames(session, this.#serving)
      return this.#frames.receive(packet.payload)
    }
    // What answers a backend is a program, never a customer.
    if (session.who.role === 'program' && hub.isAwaited(packet.topic)) {
      const isAnswer = !mapping.has(packet.topic)
      if (hub.deliver(packet.topic, packet.payload, { isAnswer }) || isAnswer) return
    }
    await takeIn(packet, {
      ...this.#serving,
      identity: session.who,
      mayBeAnswered: (topic) => mayBeAnswered(session, topic, this.#serving),
      answer: (...answer) => this.#answering().give(...answer),
      tell: (payload) => this.#tell(payload),
    })
  }

  onForbidden({ topic }: Published): void {
    const { id } = this.#session
    const error = new GatewayError('FORBIDDEN', `client ${id} may not publish to ${topic}`)
    // One that has a wrong topic in it publishes there again and again.
    if (!this.#isWarned) this.#serving.scope.log.warn('a topic was refused', { client: id, topic })
    this.#isWarned = true
    this.#tell(encodeError(error, { topic }))
  }

  onClosed(): void {
    this.#isClosed = true
    this.#frames?.close()
  }

  #answering(): Answers {
    this.#answers ??= new Answers({
      ...this.#serving,
      session: this.#session,
      tell: (payload) => this.#tell(payload),
    })
    return this.#answers
  }

  #tell(payload: string): void {
    const errorTopic = errorTopicOf(this.#session.id)
    if (this.#session.filters.has(errorTopic)) void this.#session.publish(errorTopic, payload, { qos: 0 })
  }
}

async function publishTo(
  session: Session,
  { topic, payload, ...options }: PublishOptions & { readonly topic: string; readonly payload: string },
): Promise<Outcome> {
  switch (await session.publish(topic, payload, options)) {
    case 'acknowledged':
    case 'written':
      return 'sent'
    case 'full':
      return 'full'
    case 'refused':
      return 'nobody'
    case 'unknown':
      return session.closed ? 'gone' : 'unknown'
  }
}

/** Empty where it has gone meanwhile. */
function addressOf(stream: Duplex): string {
  return stream instanceof TcpSocket ? (stream.remoteAddress ?? '') : ''
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
