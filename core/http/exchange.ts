// The way of one request through the edge, top to bottom: head, mount, caller, body, handler, answer.
import { validateHeaderValue } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../api.ts'
import type { HttpHandler, HttpRequest, HttpResponse, Log, ServeOptions } from '../api.ts'
import type { Admission } from '../guard/admission.ts'
import { type AddressSet, callerAddress, plainAddress } from './addresses.ts'
import { type BodyBudget, BodyShare, checkDeclared, decodeBody, dropBody, readBody } from './body.ts'
import type { Connection, LingerLimits, Turn } from './connection.ts'
import { type Head, isHost, readHead } from './head.ts'
import type { Expiries } from '../expiries.ts'
import { traceArrival } from '../tracing.ts'
import { type Identifier, isNobody } from './access.ts'
import { type Door, letIn } from './door.ts'
import type { PathTable } from './paths.ts'
import { problem } from './problem.ts'
import type { TextResponse } from './problem.ts'
import { CallerGone, Refusal, type RefusalReason } from './refusal.ts'
import { type Outgoing, respond, respondUnended } from './respond.ts'

/** A path, and everything below it, that one handler serves. */
export interface Mount extends Door {
  readonly path: string
  /** Whose it is, for keys, metrics and challenges. */
  readonly channel: string
  readonly handler: HttpHandler
  /** Of `access: 'handler'`: what can be said of a caller before his body is read. Throws `GatewayError`. */
  readonly admits?: (head: Pick<Head, 'method' | 'path' | 'headers'>) => void
  /** Absent: the listener's. */
  readonly bodyLimitBytes?: number
  /** Bytes of a body that are taken at a path of it, also where the limit is less. */
  readonly leastBodyBytes?: (path: string) => number
  /** How it says what was refused. Absent: as problem details. */
  readonly refused?: ServeOptions['refused']
  /** What became of the answer that carried a reply (SEMANTICS 5); called once per answer with `carries`. */
  readonly onCarried?: (id: string, how: 'flushed' | 'back') => void
  /** False: nobody has to hear of this reply. Absent: somebody has. */
  readonly owes?: (id: string) => boolean
}

/** What all requests of one edge share. */
export interface Gate {
  readonly table: () => PathTable<Mount>
  readonly identity: Identifier
  /** Absent: everybody is let in. */
  readonly admission: Admission | undefined
  readonly log: Log
  readonly onRefused: (reason: RefusalReason, channel?: string) => void
  readonly publicUrl: string | undefined
  readonly trusted: AddressSet | undefined
  readonly bodyLimitBytes: number
  readonly budget: BodyBudget
  readonly linger: LingerLimits
  readonly stallMs: number
  readonly streams: Set<() => void>
  /** Those among them whose caller's credential has an end. */
  readonly expiring: Expiries<() => void>
  /** Each answer is the last of its connection. */
  readonly leaving: () => boolean
  /** Nothing new is begun. */
  readonly draining: () => boolean
}

export interface Exchange {
  readonly gate: Gate
  readonly connection: Connection
  readonly incoming: IncomingMessage
  readonly outgoing: Outgoing
  /** The caller waits for `100 Continue` before sending the body (RFC 9110 §10.1.1). */
  readonly expectsContinue: boolean
}

/** What a credential opened is cut this long after its end: who can say why does so before. */
export const EXPIRED_GRACE_MS = 1000
const EMPTY = new Uint8Array(0)

/** A request's turn on its connection. */
export function turnOf(exchange: Exchange): Turn {
  const { incoming, outgoing } = exchange
  const gone = new AbortController()
  const turn: Turn = {
    incoming,
    outgoing,
    start: () => void run(exchange, turn, gone),
    closed: () => {
      if (outgoing.writableFinished) return
      turn.failure ??= new CallerGone()
      turn.fail?.(turn.failure)
      gone.abort()
    },
    failure: undefined,
    fail: undefined,
  }
  return turn
}

async function run(exchange: Exchange, turn: Turn, gone: AbortController): Promise<void> {
  const { gate, incoming } = exchange
  const begun = performance.now()
  let share: BodyShare | undefined
  let mount: Mount | undefined
  let isUnknown = false
  try {
    const head = readHead(incoming)
    mount = gate.table().find(head.path)
    if (mount === undefined)
      throw new Refusal('not_found', new GatewayError('NOT_FOUND', `nothing is served at ${head.path}`))
    const remote = remoteOf(exchange, head)
    const origin = originOf(exchange, head)
    const caller = { headers: head.headers, remote, origin }
    const admitted = letIn(gate, mount, { caller, signal: gone.signal })
    // Awaiting only what is a promise keeps most requests out of the microtask queue.
    const identity = admitted instanceof Promise ? await admitted : admitted
    isUnknown = isNobody(identity)
    mount.admits?.(head)
    if (head.hasBody) {
      const isUnseen = mount.access === 'handler' && mount.admits === undefined
      share = new BodyShare(gate.budget, isUnseen || isUnknown)
    }
    const body = share === undefined ? EMPTY : await bodyOf(exchange, turn, { head, mount, share })
    if (share !== undefined) mount = servingNow(gate, mount, head)
    const request: HttpRequest = {
      method: head.method,
      path: head.path,
      query: head.query,
      headers: asDecoded(head.headers),
      body,
      remote,
      origin,
      identity,
    }
    traceArrival(gone.signal, begun)
    const streamed = answer(exchange, mount, await mount.handler(request, gone.signal), {
      gone,
      until: identity.until,
    })
    if (streamed !== undefined) await streamed
  } catch (thrown) {
    const refused = isUnknown ? asCredential(thrown) : thrown
    await refuse(exchange, mount, refused).catch((failure: unknown) => {
      gate.log.error('a refusal cannot be written', { channel: mount?.channel, error: failure })
      exchange.outgoing.destroy()
    })
  } finally {
    share?.giveBack()
  }
}

/** A handler that identifies its callers refuses for the edge, which counts it. */
function asCredential(thrown: unknown): unknown {
  return thrown instanceof GatewayError && thrown.code === 'AUTH_FAILED'
    ? new Refusal('credential', thrown)
    : thrown
}

/** While the body came a reload may have put another generation of the same channel in its place, and ended the one that was found. */
function servingNow(gate: Gate, mount: Mount, { path }: Head): Mount {
  const now = gate.table().find(path)
  const isSame = now?.channel === mount.channel && now.path === mount.path && now.access === mount.access
  return isSame ? now : mount
}

/** The body is unpacked: what the adapter sees has no coding any more (RFC 9110 §8.4). */
function asDecoded(headers: Head['headers']): Head['headers'] {
  if (headers['content-encoding'] === undefined) return headers
  const { 'content-encoding': _coding, 'content-length': _length, ...rest } = headers
  return rest
}

function bodyOf(
  exchange: Exchange,
  turn: Turn,
  { head, mount, share }: { readonly head: Head; readonly mount: Mount; readonly share: BodyShare },
): Promise<Uint8Array> {
  const { gate, incoming, outgoing } = exchange
  const { headers, path } = head
  const limitBytes = Math.max(mount.bodyLimitBytes ?? gate.bodyLimitBytes, mount.leastBodyBytes?.(path) ?? 0)
  checkDeclared(headers, limitBytes)
  if (turn.failure !== undefined) throw turn.failure
  if (exchange.expectsContinue) outgoing.writeContinue()
  const body = readBody(incoming, {
    limitBytes,
    share,
    onFail: (fail) => {
      turn.fail = fail
    },
  })
  return headers['content-encoding'] === undefined
    ? body
    : body.then((read) => decodeBody(read, headers, { limitBytes, share }))
}

function answer(
  exchange: Exchange,
  mount: Mount,
  response: HttpResponse,
  { gone, until }: { readonly gone: AbortController; readonly until: number | undefined },
): Promise<void> | undefined {
  const { gate, connection, outgoing } = exchange
  const { carries } = response
  if (carries !== undefined && mount.owes?.(carries) !== false) watchCarried(outgoing, mount, carries)
  if (gate.leaving()) connection.close()
  return respond(outgoing, response, {
    close: connection.closing,
    stallMs: gate.stallMs,
    abort: () => gone.abort(),
    onStream: (end) => {
      gate.streams.add(end)
      if (until !== undefined) gate.expiring.set(end, until + EXPIRED_GRACE_MS)
      return () => {
        gate.streams.delete(end)
        gate.expiring.delete(end)
      }
    },
    onStreamError: (error) => {
      const isTold = error instanceof GatewayError && error.code === 'CHANNEL_GONE' // a plugin's new version, or its death
      gate.log[isTold ? 'debug' : 'error']('a stream of an answer failed', { channel: mount.channel, error })
    },
  })
}

/** SEMANTICS 5: the reply counts as given when the response was flushed, and goes back to push otherwise. */
function watchCarried(outgoing: Outgoing, mount: Mount, id: string): void {
  let told = false
  const tell = (how: 'flushed' | 'back'): void => {
    if (told) return
    told = true
    mount.onCarried?.(id, how)
  }
  if (outgoing.destroyed) {
    tell('back')
    return
  }
  outgoing.once('finish', () => tell('flushed')).once('close', () => tell('back'))
}

/** Answers what went wrong, in JSON, to a caller who sent XML as one line, or in the channel's words; then lets him finish sending. */
async function refuse(exchange: Exchange, mount: Mount | undefined, thrown: unknown): Promise<void> {
  const { gate, connection, incoming, outgoing } = exchange
  if (thrown instanceof CallerGone) return
  // The parser has not finished with a request that is refused by its head alone.
  if (!incoming.complete) await new Promise((parsed) => setImmediate(parsed))
  const error = thrown instanceof Refusal ? thrown.error : GatewayError.from(thrown)
  if (thrown instanceof Refusal) gate.onRefused(thrown.reason, mount?.channel)
  else if (error.code === 'INTERNAL' || error.code === 'ENCODE_FAILED')
    gate.log.error('a request failed', { channel: mount?.channel, error: error.cause ?? error })
  if (outgoing.destroyed) return
  if (outgoing.headersSent) {
    outgoing.destroy()
    return
  }
  const plain = problem(error, {
    text: /\bxml\b/iu.test(incoming.headers['content-type'] ?? ''),
    ...(mount === undefined ? {} : { challenge: gate.identity.challenge(mount.access, mount.channel) }),
    ...(thrown instanceof Refusal ? { headers: thrown.headers } : {}),
  })
  const isOverload = thrown instanceof Refusal && thrown.reason === 'admission'
  // Under overload no words are asked for: a worker's turn is what is short.
  const response =
    isOverload || mount?.refused === undefined ? plain : await inItsOwnWords(plain, error, { mount, gate })
  if (outgoing.destroyed) return
  const doubtful = thrown instanceof Refusal && (thrown.reason === 'host' || thrown.reason === 'malformed')
  if (doubtful || gate.leaving() || !incoming.complete) connection.close()
  respondUnended(outgoing, response, connection.closing)
  if (!incoming.complete) await dropBody(incoming, gate.linger)
  outgoing.end()
}

async function inItsOwnWords(
  plain: TextResponse,
  error: GatewayError,
  { mount, gate }: { readonly mount: Mount; readonly gate: Gate },
): Promise<TextResponse> {
  try {
    const own = await mount.refused?.(error)
    if (own === undefined) return plain
    validateHeaderValue('content-type', own.contentType)
    return { ...plain, headers: { ...plain.headers, 'content-type': own.contentType }, body: own.body }
  } catch (failure) {
    gate.log.warn('a channel did not say what was refused', { channel: mount.channel, error: failure })
    return plain
  }
}

/** The caller's address, behind trusted proxies the one they saw. */
export function remoteOf(
  { gate, connection, incoming }: Pick<Exchange, 'gate' | 'connection' | 'incoming'>,
  head: Head,
): string {
  const forwardedFor = gate.trusted === undefined ? undefined : head.headers['x-forwarded-for']
  const known = connection.caller
  if (known !== undefined && known.forwardedFor === forwardedFor) return known.address
  const peer = plainAddress(incoming.socket.remoteAddress ?? '')
  const address = gate.trusted === undefined ? peer : callerAddress({ peer, forwardedFor }, gate.trusted)
  connection.caller = { forwardedFor, address }
  return address
}

/** Our base address as the caller sees it: the configured one, else what a trusted proxy saw, else the Host header. */
export function originOf({ gate, incoming }: Pick<Exchange, 'gate' | 'incoming'>, head: Head): string {
  if (gate.publicUrl !== undefined) return gate.publicUrl
  const { socket } = incoming
  const secure = 'encrypted' in socket
  const behindProxy = isTrusted({ gate, incoming })
  const scheme =
    (behindProxy ? schemeOf(head.headers['x-forwarded-proto']) : undefined) ?? (secure ? 'https' : 'http')
  const forwardedHost = behindProxy ? last(head.headers['x-forwarded-host']) : undefined
  const host = forwardedHost !== undefined && isHost(forwardedHost) ? forwardedHost : head.host
  return `${scheme}://${host ?? ownHost(incoming)}`
}

function isTrusted({ gate, incoming }: Pick<Exchange, 'gate' | 'incoming'>): boolean {
  return gate.trusted?.(plainAddress(incoming.socket.remoteAddress ?? '')) ?? false
}

function schemeOf(forwarded: string | undefined): 'http' | 'https' | undefined {
  const scheme = last(forwarded)?.toLowerCase()
  return scheme === 'http' || scheme === 'https' ? scheme : undefined
}

/** The nearest proxy's word is the last one. */
function last(list: string | undefined): string | undefined {
  return list?.split(',').at(-1)?.trim()
}

function ownHost({ socket }: IncomingMessage): string {
  const address = plainAddress(socket.localAddress ?? '127.0.0.1')
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort ?? 0}`
}
