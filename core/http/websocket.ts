// WebSockets on the one listener (RFC 6455): handshakes the edge's way, refusals in plain HTTP, limits, heartbeat, drain.
import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'
import { GatewayError } from '../api.ts'
import type { HttpRequest, Identity, SocketHandler, SocketOptions } from '../api.ts'
import { Expiries } from '../expiries.ts'
import { isNobody } from './access.ts'
import type { Connection } from './connection.ts'
import { type Door, letIn } from './door.ts'
import { EXPIRED_GRACE_MS, type Gate, originOf, remoteOf } from './exchange.ts'
import { readHead } from './head.ts'
import { readTarget } from './paths.ts'
import { rawProblem } from './problem.ts'
import { Refusal } from './refusal.ts'
import { agreeOn, checkOrigin, readOffer } from './websocket-handshake.ts'
import { CLOSE, Peer } from './websocket-peer.ts'

/** Where handshakes are taken: at this very path. */
export interface SocketMount extends Door {
  readonly path: string
  readonly handler: SocketHandler
  readonly options: SocketOptions
  /** The open ones; who disposes of the channel closes them. */
  readonly open: Set<Pick<Peer, 'restart'>>
}

export interface WebSocketLimits {
  /** Pages of these sites may connect, besides our own; lower case, `*` is any. */
  readonly origins: readonly string[]
  /** Open at once. */
  readonly sockets: number
  /** Of one address; of an IPv6 caller his /64 counts as one. */
  readonly perAddress: number
  /** Default 1 MiB. */
  readonly bufferedBytes?: number
  /** Each is pinged this often, and cut off when it has not answered by the next. Default 25 s. */
  readonly heartbeatMs?: number
}

export interface WebSockets {
  /** Replaces where handshakes are taken; the open sockets stay. */
  mount(mounts: readonly SocketMount[]): void
  /** Whether this request leaves HTTP; anything else that asks to (h2c) is an ordinary request (RFC 9110 §7.8). */
  wants(incoming: IncomingMessage): boolean
  take(handshake: Handshake): Promise<void>
  /** Closes all with 1012 (service restart), when what is under way on them is done or the time is over; the heartbeat ends. */
  drain(withinMs: number): void
  readonly open: number
}

export interface Handshake {
  readonly incoming: IncomingMessage
  readonly socket: Duplex
  /** What came behind the head. */
  readonly first: Buffer
  readonly connection: Connection
}

const MESSAGE_BYTES = 64 * 1024
const BUFFERED_BYTES = 1024 * 1024
const HEARTBEAT_MS = 25_000
/** Ten thousand pings at once would be a wave; they go out in so many parts. */
const BEATS = 25
const HANDSHAKE_MS = 10_000
/** Who showed no credential yet (`identifiesLater`) has this long; of more than so many the one who has waited longest goes. */
const STRANGER_MS = 10_000
const MAX_STRANGERS = 1024
const LINGER_MS = 2000
const NOTHING = new Uint8Array(0)

/** Makes the WebSocket side of an edge. */
export function createWebSockets(gate: Gate, limits: WebSocketLimits): WebSockets {
  const { bufferedBytes = BUFFERED_BYTES, heartbeatMs = HEARTBEAT_MS } = limits
  let table: ReadonlyMap<string, SocketMount> = new Map()
  const peers = new Set<Peer>()
  const beats = Array.from({ length: BEATS }, () => new Set<Peer>())
  const addresses = new Map<string, number>()
  const servers = new Map<number, WebSocketServer>()
  const agreed = new WeakMap<IncomingMessage, string>()
  const expiring = new Expiries<Peer>((peer) => peer.expire())
  const strangers = new Expiries<Peer>((peer) => {
    gate.onRefused('credential')
    peer.close(CLOSE.policy, 'no credential came')
  })
  /** Of each path said once. */
  const told = new WeakSet<SocketMount>()
  let opened = 0
  let beat = 0
  const heart = setInterval(() => {
    beat = (beat + 1) % BEATS
    for (const peer of beats[beat] ?? []) peer.beat()
  }, heartbeatMs / BEATS).unref()

  function serverFor(maxPayload: number): WebSocketServer {
    const known = servers.get(maxPayload)
    if (known !== undefined) return known
    const fresh = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload,
      handleProtocols: (_named, request) => agreed.get(request) || false,
    })
    // What ws finds wrong beside all that was checked before is refused as everything is.
    fresh.on('wsClientError', (error, socket) =>
      refuse(socket, undefined, new GatewayError('DECODE_FAILED', error.message)),
    )
    servers.set(maxPayload, fresh)
    return fresh
  }

  async function take(handshake: Handshake): Promise<void> {
    const { incoming, socket, first } = handshake
    socket.on('error', () => socket.destroy())
    const late = setTimeout(() => socket.destroy(), HANDSHAKE_MS)
    let mount: SocketMount | undefined
    try {
      const head = readHead(incoming)
      mount = table.get(head.path)
      if (mount === undefined)
        throw new Refusal('not_found', new GatewayError('NOT_FOUND', `nothing is served at ${head.path}`))
      const offer = readOffer(head)
      const origin = originOf({ gate, incoming }, head)
      checkOrigin(head.headers['origin'], { own: origin, allowed: limits.origins })
      const protocol = agreeOn(offer.protocols, mount.options.protocols)
      const remote = remoteOf({ gate, ...handshake }, head)
      agreed.set(incoming, protocol)
      const identity = await letIn(gate, doorOf(mount), {
        caller: { headers: offer.headers, remote, origin },
      })
      const { method, path, query } = head
      const request: HttpRequest = {
        method,
        path,
        query,
        headers: offer.headers,
        body: NOTHING,
        remote,
        origin,
        identity,
      }
      await mount.options.admit?.(request)
      if (socket.destroyed) return
      admit(remote)
      upgrade({ incoming, socket, first, mount, request })
    } catch (thrown) {
      if (mount !== undefined && thrown instanceof Refusal && thrown.reason === 'admission')
        turnAway({ incoming, socket, first, mount })
      else refuse(socket, mount, thrown)
    } finally {
      clearTimeout(late)
    }
  }

  /** Throws `Refusal` where there is no room. */
  function admit(remote: string): void {
    if (gate.draining())
      throw new Refusal('sockets', busy('the gateway is stopping; connect again in a moment'))
    if (peers.size >= limits.sockets)
      throw new Refusal('sockets', busy(`${limits.sockets} WebSockets are open, and no more are taken`))
    if ((addresses.get(networkOf(remote)) ?? 0) >= limits.perAddress)
      throw new Refusal(
        'sockets',
        new GatewayError('RATE_LIMITED', `${limits.perAddress} WebSockets are open from ${remote} already`),
      )
  }

  function upgrade(to: {
    readonly incoming: IncomingMessage
    readonly socket: Duplex
    readonly first: Buffer
    readonly mount: SocketMount
    readonly request: HttpRequest
  }): void {
    const { incoming, socket, first, mount, request } = to
    serverFor(mount.options.messageBytes ?? MESSAGE_BYTES).handleUpgrade(incoming, socket, first, (ws) => {
      const peer = enter(ws, mount, request)
      try {
        mount.handler(peer, request)
      } catch (error) {
        gate.log.error('a WebSocket could not be taken', { channel: mount.channel, error })
        peer.close(CLOSE.internal, 'the gateway made a mistake')
      }
    })
  }

  /** A page cannot see why a handshake was refused; a close code it can (1013: try again later). */
  function turnAway(to: {
    readonly incoming: IncomingMessage
    readonly socket: Duplex
    readonly first: Buffer
    readonly mount: SocketMount
  }): void {
    const { incoming, socket, first, mount } = to
    gate.onRefused('admission', mount.channel)
    if (socket.destroyed) return
    serverFor(mount.options.messageBytes ?? MESSAGE_BYTES).handleUpgrade(incoming, socket, first, (ws) => {
      ws.on('error', () => ws.terminate())
      ws.close(CLOSE.tryLater, 'the gateway is overloaded: connect again later')
      const cut = setTimeout(() => ws.terminate(), LINGER_MS)
      ws.once('close', () => clearTimeout(cut))
    })
  }

  /** Apart from its handshake, so that nothing of that lives as long as the socket. */
  function enter(ws: WebSocket, mount: SocketMount, { remote, identity }: HttpRequest): Peer {
    const network = networkOf(remote)
    const beating = beats[opened++ % BEATS]
    const peer = new Peer(ws, {
      log: gate.log,
      bufferedBytes,
      expiredCode: mount.options.expiredCode,
      concurrent: mount.options.concurrent === true,
      onMisclosed: (code, instead) => misclosed(mount, code, instead),
      onIdentified: identify,
      onGone: () => {
        peers.delete(peer)
        expiring.delete(peer)
        strangers.delete(peer)
        beating?.delete(peer)
        mount.open.delete(peer)
        const left = (addresses.get(network) ?? 1) - 1
        if (left === 0) addresses.delete(network)
        else addresses.set(network, left)
      },
    })
    peers.add(peer)
    beating?.add(peer)
    mount.open.add(peer)
    addresses.set(network, (addresses.get(network) ?? 0) + 1)
    identify(peer, identity)
    return peer
  }

  function misclosed(mount: SocketMount, code: unknown, instead: number): void {
    if (told.has(mount)) return
    told.add(mount)
    const { channel, path } = mount
    gate.log.warn(
      'a WebSocket is closed with a code that nobody may send: use 1000 to 1003, 1007 to 1014, or 3000 to 4999',
      { channel, path, code, instead },
    )
  }

  function identify(peer: Peer, who: Identity): void {
    if (!isNobody(who)) {
      strangers.delete(peer)
      expiring.set(peer, who.until === undefined ? undefined : who.until + EXPIRED_GRACE_MS)
      return
    }
    strangers.set(peer, Date.now() + STRANGER_MS)
    const { oldest } = strangers
    if (strangers.size <= MAX_STRANGERS || oldest === undefined) return
    strangers.delete(oldest) // its close takes a while
    gate.onRefused('sockets')
    oldest.close(CLOSE.tryLater, 'too many have shown no credential')
  }

  /** Plain HTTP, then the end of the connection; a client that still sends is read for a moment, or a reset would take the answer away. */
  function refuse(socket: Duplex, mount: SocketMount | undefined, thrown: unknown): void {
    const refusal = thrown instanceof Refusal ? thrown : new Refusal('admission', GatewayError.from(thrown))
    gate.onRefused(refusal.reason, mount?.channel)
    if (refusal.error.code === 'INTERNAL')
      gate.log.error('a handshake failed', { channel: mount?.channel, error: thrown })
    const { headers } = refusal
    const challenge = mount && gate.identity.challenge(mount.access, mount.channel)
    socket.end(rawProblem(refusal.error, { headers, ...(challenge !== undefined && { challenge }) }))
    socket.resume()
    const cut = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(cut))
  }

  return {
    mount(mounts) {
      table = new Map(mounts.map((mount) => [mount.path, mount]))
    },
    wants: (incoming) =>
      incoming.method === 'GET' &&
      incoming.headers.upgrade?.toLowerCase() === 'websocket' &&
      table.has(pathOf(incoming.url) ?? ''),
    take,
    drain(withinMs) {
      clearInterval(heart)
      for (const peer of peers) void peer.restart('the gateway restarts; connect again', withinMs)
    },
    get open() {
      return peers.size
    },
  }
}

function doorOf(mount: SocketMount): Door {
  const { access, options } = mount
  if (options.identifiesLater === 'access') return { ...mount, access: { asked: access } }
  return options.identifiesLater === true && access === undefined ? { ...mount, access: 'later' } : mount
}

function busy(message: string): GatewayError {
  return new GatewayError('OVERLOADED', message, { retryAfterMs: 5000, notExecuted: true })
}

/** Undefined: not a path, which the ordinary way refuses. */
function pathOf(url: string | undefined): string | undefined {
  try {
    return readTarget(url ?? '').path
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

/** One subscriber has a /64 of IPv6 (RFC 6177), and so 2^64 addresses. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const left = head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...(tail === undefined ? [] : zeros), ...right].slice(0, 4).join(':')
}
