// The broker: aedes as the front end only. What it would keep, spread or swallow is taken from it here.
import type { EventEmitter } from 'node:events'
import type { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import { Aedes } from 'aedes'
import type { Client, ConnectPacket, PublishPacket } from 'aedes'
import { LRUCache } from 'lru-cache'

import { GatewayError } from 'dragoman'
import type { Credential, Identity, Log } from 'dragoman'

import { createDoor } from './connections.ts'
import { nothingKept, silentEmitter } from './nothing-kept.ts'
import { createSession } from './session.ts'
import type { OpenSession, Published, Session } from './session.ts'
import { Subscriptions } from './subscriptions.ts'
import { isText } from './topics.ts'

export interface BrokerOptions {
  readonly maxConnections: number
  readonly maxKeepAliveSeconds: number
  readonly log: Log
  /** Throws `AUTH_FAILED` and the like. The stream tells what came with the connection itself. */
  readonly identify: (credential: Credential, stream: Duplex) => Promise<Identity>
  readonly onSession: (session: Session) => SessionHandler
  readonly onRefused: (reason: string) => void
}

/** What becomes of what one client does. */
export interface SessionHandler {
  mayPublish(topic: string, will: boolean): boolean
  maySubscribe(filter: string): boolean
  /** Granted: what waited for it may go out. `isNew`: the client had not subscribed to it before. */
  onSubscribed(filter: string, isNew: boolean): void
  /** One at a time. Resolves: acknowledge it. Rejects: the connection closes, and the client sends it again. */
  onPublished(packet: Published): Promise<void>
  /** It may not publish there. Acknowledged all the same [MQTT-3.3.5-2], or the client would send it for ever. */
  onForbidden(packet: Published): void
  onClosed(): void
}

export interface Broker {
  readonly connections: number
  /** Who is to get what goes to a topic, with the QoS he is served with. */
  subscribers(topic: string): ReadonlyMap<Session, 0 | 1>
  /** The one of that client id. */
  session(id: string): Session | undefined
  handle(stream: Duplex): void
  close(): Promise<void>
}

const CONNECT_MS = 10_000
const DRAIN_MS = 30_000
const MAX_FILTERS = 64
const MAX_RECEIVING = 100
const MAX_CLIENT_ID = 128
/** What one client has published and is not taken yet; beyond it nothing more is read of it. A publish holds more than its payload. */
const MAX_WAITING_BYTES = 256 * 1024
const PUBLISH_BYTES = 512
/** SEMANTICS 43: a client is cut at most once in this time, or it would do nothing but come back. */
const CUT_MS = 1000
/** A connection ends this long after its credential: the link says why before (`kick auth`). */
const EXPIRED_GRACE_MS = 2000
/** Beyond it a timer fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1
const NOTHING = Buffer.alloc(0)

/** CONNACK return codes (MQTT 3.1.1 §3.2.2.3). */
const IDENTIFIER_REJECTED = 2
const SERVER_UNAVAILABLE = 3
const BAD_CREDENTIALS = 4
const NOT_AUTHORIZED = 5

/** What a client asked for, until it is known. */
interface Connecting {
  readonly packet: ConnectPacket
  /** No client id, and yet a session to keep [MQTT-3.1.3-8]. */
  readonly halfNamed: boolean
}

interface Open {
  readonly session: OpenSession
  readonly handler: SessionHandler
  /** Something was not taken and comes again: what follows it must not overtake it. */
  isBehind: boolean
  /** Until the connection may be cut, once for all that was not taken. */
  cut: Promise<void> | undefined
  /** Only where the credential has an end. */
  readonly expiry: NodeJS.Timeout | undefined
}

/** Opens the front end. Nothing listens yet: connections are handed to `handle`. */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const { log, onRefused } = options
  const open = new WeakMap<Duplex, Open>()
  const byId = new Map<string, OpenSession>()
  /** Of those in `byId`. */
  const subscriptions = new Subscriptions<OpenSession>()
  const wills = new WeakSet<object>()
  const connecting = new WeakMap<Client, Connecting>()
  const cuts = new LRUCache<string, number>({ max: 10_000 })
  let closing = false

  const persistence = nothingKept<Client>({
    onAcknowledged: (client, messageId) => open.get(client.conn)?.session.onAcknowledged(messageId),
    onWill: (will) => wills.add(will),
    receiving: (client) => open.get(client.conn)?.session.receiving,
  })
  const aedes = new Aedes({
    mq: silentEmitter(),
    persistence,
    concurrency: 0,
    connectTimeout: CONNECT_MS,
    drainTimeout: DRAIN_MS,
    maxInflightInbound: MAX_RECEIVING,
    preConnect(client, packet, callback) {
      // Sessions are clean, whatever is asked for: SessionPresent is 0 (§3.2.2.2), and state is the store's.
      connecting.set(client, { packet, halfNamed: packet.clean !== true && packet.clientId === '' })
      packet.clean = true
      const { keepalive = 0 } = packet
      packet.keepalive =
        keepalive === 0 ? options.maxKeepAliveSeconds : Math.min(keepalive, options.maxKeepAliveSeconds)
      callback(null, true)
    },
    authenticate(client, username, password, done) {
      const refuse = (returnCode: number, reason: string): void => {
        onRefused(reason)
        done(Object.assign(new Error(reason), { returnCode }), null)
      }
      const known = async (): Promise<void> => {
        const { packet, halfNamed } = connecting.get(client) ?? {}
        if (halfNamed === true) return refuse(IDENTIFIER_REJECTED, 'no client id')
        if (client.id.length > MAX_CLIENT_ID || !client.id.isWellFormed())
          return refuse(IDENTIFIER_REJECTED, 'client id')
        const who = await options.identify(credentialOf(username, password), client.conn)
        if (client.closed || closing) return
        const holder = byId.get(client.id)
        // Takeover [MQTT-3.1.4-2] is for the owner: another's client id is not for the taking while it is in use.
        if (holder !== undefined && !holder.closed && !isSame(holder.who, who))
          return refuse(IDENTIFIER_REJECTED, 'client id in use')
        const session = createSession(client, who)
        const handler = options.onSession(session)
        const willTopic = packet?.will?.topic
        if (willTopic !== undefined && !handler.mayPublish(willTopic, true)) {
          handler.onClosed()
          return refuse(NOT_AUTHORIZED, 'will')
        }
        const expiry = endWith(who, session)
        open.set(client.conn, { session, handler, isBehind: false, cut: undefined, expiry })
        if (holder !== undefined) forgetFilters(holder)
        byId.set(client.id, session)
        if (packet !== undefined) forget(packet)
        done(null, true)
      }
      known().catch((error: unknown) => refuse(returnCodeOf(error, password), 'identity'))
    },
    authorizeSubscribe(client, subscription, callback) {
      const { session, handler } = open.get(client.conn) ?? {}
      const { topic, qos } = subscription
      if (session === undefined || handler === undefined) return callback(new Error('not connected'))
      const isNew = !session.filters.has(topic)
      const allowed = !isNew || session.filters.size < MAX_FILTERS
      if (!allowed || !handler.maySubscribe(topic)) {
        onRefused('subscription')
        return callback(null, null) // SUBACK 0x80, §3.9.3
      }
      const served = qos === 0 ? 0 : 1
      session.filters.set(topic, served)
      if (byId.get(session.id) === session) subscriptions.set(topic, session, served)
      callback(null, subscription)
      handler.onSubscribed(topic, isNew)
    },
    authorizeForward(client, packet) {
      const messageId = open.get(client.conn)?.session.sending
      return messageId === undefined ? packet : Object.assign(packet, { messageId })
    },
    authorizePublish(client, packet, callback) {
      const known = client === null ? undefined : open.get(client.conn)
      if (known === undefined) return callback(new Error('not connected'))
      const will = wills.has(packet)
      if (will && closing) return callback(new Error('the gateway closes the connection, not the client'))
      void settle(known, packet, { will, callback })
    },
  })

  /** aedes begins as many at once as come one by one. When one of them is done it reads on; one that is about to be cut is not listened to. */
  function mayRead(stream: Duplex): boolean {
    const known = open.get(stream)
    return known === undefined || (known.cut === undefined && known.session.waitingBytes < MAX_WAITING_BYTES)
  }

  /** It stays known: aedes may still ask about it. */
  function leave(stream: Duplex): void {
    const { session, handler, expiry } = open.get(stream) ?? {}
    if (session === undefined) return
    clearTimeout(expiry)
    session.end()
    forgetFilters(session)
    if (byId.get(session.id) === session) byId.delete(session.id)
    handler?.onClosed()
  }

  function forgetFilters(session: OpenSession): void {
    for (const filter of session.filters.keys()) subscriptions.delete(filter, session)
  }

  /** The hook is what stands before PUBACK: nothing else of aedes waits for us. */
  async function settle(
    known: Open,
    packet: PublishPacket,
    { will, callback }: { readonly will: boolean; readonly callback: (error?: Error | null) => void },
  ): Promise<void> {
    let failure: Error | null = null
    try {
      const published = { ...publishedOf(packet), will }
      const bytes = published.payload.byteLength + PUBLISH_BYTES
      await known.session.inOrder(() => take(known, published, packet.messageId), bytes)
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error))
      if (!will) await (known.cut ??= holdCut(known.session))
    }
    callback(failure)
  }

  async function take(known: Open, packet: Published, messageId = 0): Promise<void> {
    const { session, handler } = known
    if (packet.qos === 2) {
      if (session.receiving.has(messageId)) return // sent again before its PUBREL: PUBREC again, [MQTT-4.3.3-2]
      if (session.receiving.size >= MAX_RECEIVING)
        throw new GatewayError('RATE_LIMITED', `${MAX_RECEIVING} messages of QoS 2 wait for PUBREL`)
    }
    const isAllowed = handler.mayPublish(packet.topic, packet.will)
    if (!isAllowed) onRefused('topic')
    // The connection of who sends it MUST be closed [MQTT-1.5.3-1] [MQTT-1.5.3-2].
    if (!isText(packet.topic))
      throw new GatewayError('DECODE_FAILED', `client ${session.id} sent a topic that is no text`)
    // It comes again with what it follows, in order [MQTT-4.6.0-1].
    if (known.isBehind && packet.qos > 0 && !packet.will)
      throw new GatewayError('RATE_LIMITED', `client ${session.id} is about to be cut`)
    try {
      if (isAllowed) await handler.onPublished(packet)
      else handler.onForbidden(packet)
    } catch (error) {
      known.isBehind = true
      throw error
    }
    if (packet.qos === 2) session.receiving.add(messageId)
  }

  async function holdCut(session: Session): Promise<void> {
    const key = `${session.who.role}/${session.who.id}/${session.id}`
    const now = performance.now()
    const at = Math.max(now, (cuts.get(key) ?? -CUT_MS) + CUT_MS)
    cuts.set(key, at)
    if (at > now) await pause(at - now, undefined, { ref: false })
  }

  // Nothing that one client publishes reaches another, nor is it kept: what aedes would do with it after PUBACK is nothing.
  aedes.publish = (_packet: unknown, client: unknown, done?: unknown) => {
    const end = typeof client === 'function' ? client : done
    if (typeof end === 'function') end()
  }

  // An `error` nobody listens to ends the process; its type forgets that there is one.
  const emitter: EventEmitter = aedes
  emitter.on('error', (error: unknown) => log.error('the broker failed', { error }))
  aedes.on('clientError', (client, error) =>
    log.debug('an MQTT connection ended', { client: client.id, reason: error.message }),
  )
  aedes.on('connectionError', (_client, error) =>
    log.debug('an MQTT connection ended before login', { reason: error.message }),
  )
  aedes.on('unsubscribe', (filters, client) => {
    const { session } = open.get(client.conn) ?? {}
    for (const filter of filters) {
      if (session?.filters.delete(filter) === true) subscriptions.delete(filter, session)
    }
  })
  aedes.on('connackSent', (packet, client) => {
    if (packet.returnCode === 0) door.known(client.conn)
  })
  const door = createDoor({
    maxConnections: options.maxConnections,
    handle: (stream) => void aedes.handle(stream),
    mayRead,
    onLeft: leave,
    onRefused,
  })
  await aedes.listen()

  return {
    get connections() {
      return door.size
    },
    subscribers: (topic) => subscriptions.of(topic),
    session: (id) => byId.get(id),
    handle(stream) {
      if (closing) stream.destroy()
      else door.enter(stream)
    },
    async close() {
      if (closing) return
      closing = true
      await door.close()
      await new Promise<void>((resolve) => aedes.close(() => resolve()))
    },
  }
}

function endWith({ until }: Identity, session: Session): NodeJS.Timeout | undefined {
  if (until === undefined) return undefined
  const ms = Math.min(MAX_TIMER_MS, until + EXPIRED_GRACE_MS - Date.now())
  return setTimeout(() => session.finish(), ms).unref()
}

function publishedOf(packet: {
  readonly topic: string
  readonly payload: string | Buffer
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}): Omit<Published, 'will'> {
  const { topic, payload, qos, retain } = packet
  return { topic, payload: typeof payload === 'string' ? Buffer.from(payload) : payload, qos, retain }
}

/** aedes holds the packet as long as the connection; what it logged in with is not needed any more. */
function forget(packet: ConnectPacket): void {
  packet.username = ''
  packet.password = NOTHING
}

function credentialOf(username: string | undefined, password: Buffer | undefined): Credential {
  if (username === undefined && password === undefined) return { scheme: 'none' }
  return { scheme: 'basic', user: username ?? '', password: password?.toString('utf8') ?? '' }
}

export function isSame(one: Pick<Identity, 'role' | 'id'>, other: Pick<Identity, 'role' | 'id'>): boolean {
  return one.role === other.role && one.id === other.id
}

function returnCodeOf(error: unknown, password: unknown): number {
  const { code, retry } = GatewayError.from(error)
  if (code === 'AUTH_FAILED') return password === undefined ? NOT_AUTHORIZED : BAD_CREDENTIALS
  return retry || code === 'INTERNAL' ? SERVER_UNAVAILABLE : NOT_AUTHORIZED
}
