// The fetch every component gets: bounded, pooled, and closed to addresses nobody meant.
import { Agent, buildConnector } from 'undici'
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import { CodingError, decodeContent } from './content-coding.ts'
import { describe, exchange } from './exchange.ts'
import type { RawAnswer } from './exchange.ts'
import { checkedUrl, readOutbound } from './outbound.ts'
import type { Outbound } from './outbound.ts'
import { publicConnector } from './public-address.ts'
import { withoutContinue } from './unasked-continue.ts'
import { WholeResponse } from './whole-response.ts'

export interface TlsOptions {
  /** PEM. Instead of the system's authorities. */
  readonly ca?: string | Uint8Array | undefined
  /** PEM, our own certificate and its key, for servers that ask who we are. */
  readonly cert?: string | Uint8Array | undefined
  readonly key?: string | Uint8Array | undefined
  /** The name asked for and checked, where it is not the host's. */
  readonly serverName?: string | undefined
  /** False: the server's certificate is not checked. */
  readonly verify?: boolean | undefined
}

export interface FetchOptions {
  /** Hosts written in the config, each `host` or `host:port`. They may be anywhere; all others must be public. */
  readonly allow: readonly string[]
  /** What is asked in this process instead. */
  readonly own?: OwnAddresses | undefined
  /** For the hosts of `allow` alone: nobody else sees our certificate or is spared the check of his. */
  readonly tls?: TlsOptions | undefined
  /** Connections to one origin at a time; further requests wait their turn. */
  readonly connections: number
  /** Of the answer's body, encoded as well as decoded. */
  readonly responseLimitBytes: number
  readonly log: Log
}

/** Addresses of the gateway itself. */
export interface OwnAddresses {
  /** How they begin: normalised, with a slash at the end. */
  base(): string
  ask(request: Outbound): Promise<RawAnswer>
}

export interface GuardedFetch {
  /**
   * `fetch` as one knows it, but the answer is there whole when it resolves, and failures are `GatewayError`s:
   * `BACKEND_FAILED` (with `notExecuted` where no byte went out, with `detail.status` where an answer came that cannot be used),
   * `DEADLINE_EXCEEDED`, `FORBIDDEN` for an address that is not public, `ENCODE_FAILED` for a request that cannot be sent. An
   * abort rejects with the signal's reason. An answer of any status resolves.
   */
  readonly fetch: typeof fetch
  /** Closes all connections; what is still under way fails. */
  dispose(): Promise<void>
}

const maxRedirects = 5
/** RFC 9110 §15.4 */
const redirectStatuses = new Set([301, 302, 303, 307, 308])
/** Fetch §2.2.3 "null body status" */
const bodilessStatuses = new Set([204, 205, 304])
/** Fetch "request-body-header name": they go with the body. */
const bodyHeaders = new Set(['content-encoding', 'content-language', 'content-location', 'content-type'])
/** All that another origin gets to see after a redirect: whatever else was set may be a credential. */
const harmlessHeaders = new Set([
  ...bodyHeaders,
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'soapaction',
  'traceparent',
  'tracestate',
  'user-agent',
])

/** Makes the fetch of one component, with its own connections (DESIGN §4 Scope, §16 Requests). */
export function createFetch(options: FetchOptions): GuardedFetch {
  const { allow, own, tls = {}, connections, responseLimitBytes, log } = options
  const allowed = new Set(allow.map((host) => host.toLowerCase()))
  const { ca, cert, key, serverName, verify = true } = tls
  const connect = buildConnector({
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca: pem(ca) }),
    ...(cert !== undefined && { cert: pem(cert) }),
    ...(key !== undefined && { key: pem(key) }),
    ...(serverName !== undefined && { servername: serverName }),
  })
  const trusted = new Agent({ connections, connect: withoutContinue(connect) })
  const others = new Agent({ connections, connect: withoutContinue(publicConnector()) })
  let disposed = false

  async function guardedFetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
    const first = await readOutbound(input, init)
    if (disposed)
      throw new GatewayError('INTERNAL', `${describe(first)}: the component is closed`, { notExecuted: true })
    let request = first
    for (let hop = 0; ; hop += 1) {
      const answer = await send(request, hop)
      const location = redirectOf(answer, request)
      if (location === undefined) return responseOf(answer, request, hop > 0)
      if (request.redirect === 'error' || hop === maxRedirects)
        throw new GatewayError(
          'BACKEND_FAILED',
          `${describe(first)}: redirects${hop === 0 ? '' : ` more than ${hop} times`}, which is not followed`,
          { detail: { status: answer.status } },
        )
      request = redirected(request, answer.status, location)
      log.debug('following a redirect', {
        from: first.url.origin,
        to: request.url.origin,
        status: answer.status,
      })
    }
  }

  async function send(request: Outbound, hop: number): Promise<RawAnswer> {
    if (own !== undefined && request.url.href.startsWith(own.base())) return own.ask(request)
    try {
      return await exchange(isAllowed(request.url) ? trusted : others, request, responseLimitBytes)
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'FORBIDDEN')
        log.warn('refused to connect', { to: request.url.host, redirected: hop > 0, error })
      // Whoever redirected us may have acted: after the first hop nothing is proven any more.
      if (hop === 0 || !(error instanceof GatewayError) || !error.notExecuted) throw error
      throw new GatewayError(error.code, error.message, { cause: error.cause })
    }
  }

  function isAllowed({ hostname, protocol, port }: URL): boolean {
    const effectivePort = port === '' ? (protocol === 'https:' ? '443' : '80') : port
    return allowed.has(hostname) || allowed.has(`${hostname}:${effectivePort}`)
  }

  function responseOf(
    answer: RawAnswer,
    request: Outbound,
    wasRedirected: boolean,
  ): Response | Promise<Response> {
    const encoding = answer.headers['content-encoding']
    if (encoding === undefined || answer.body.byteLength === 0)
      return standardResponse(answer, { request, wasRedirected })
    return decodedResponse(answer, request, { encoding: String(encoding), wasRedirected })
  }

  async function decodedResponse(
    answer: RawAnswer,
    request: Outbound,
    { encoding, wasRedirected }: { readonly encoding: string; readonly wasRedirected: boolean },
  ): Promise<Response> {
    // They told of the encoded bytes; nobody shall decode twice.
    const { 'content-encoding': _coding, 'content-length': _length, ...headers } = answer.headers
    const body = await decoded(answer, encoding, request)
    return standardResponse({ ...answer, headers, body }, { request, wasRedirected })
  }

  async function decoded(
    { body, status }: RawAnswer,
    encoding: string,
    request: Outbound,
  ): Promise<Uint8Array> {
    try {
      return await decodeContent(body, encoding, responseLimitBytes)
    } catch (error) {
      if (!(error instanceof CodingError)) throw error
      const message = `${describe(request)}: the answer ${error.message}`
      throw new GatewayError('BACKEND_FAILED', message, { cause: error, detail: { status } })
    }
  }

  return {
    fetch: guardedFetch,
    async dispose() {
      disposed = true
      await Promise.all([trusted.destroy(), others.destroy()])
    },
  }
}

/** Where the answer sends us; undefined if we stay. */
function redirectOf(answer: RawAnswer, request: Outbound): URL | undefined {
  const { location } = answer.headers
  if (request.redirect === 'manual' || !redirectStatuses.has(answer.status) || typeof location !== 'string')
    return undefined
  try {
    return checkedUrl(location, request.url)
  } catch (error) {
    throw new GatewayError('BACKEND_FAILED', `${describe(request)}: redirects to nowhere`, {
      cause: error,
      detail: { status: answer.status },
    })
  }
}

/**
 * The request of the next hop (Fetch §4.4 HTTP-redirect fetch). Stricter than there, for a body may hold passwords and
 * customers' data: throws `BACKEND_FAILED` where it would go to another origin, and for a hop from https to http.
 */
function redirected(request: Outbound, status: number, url: URL): Outbound {
  const { method } = request
  const becomesGet =
    ((status === 301 || status === 302) && method === 'POST') ||
    (status === 303 && method !== 'GET' && method !== 'HEAD')
  const elsewhere = url.origin !== request.url.origin
  const refused =
    request.url.protocol === 'https:' && url.protocol === 'http:'
      ? 'from https to http'
      : elsewhere && !becomesGet && request.body !== undefined
        ? 'what it was sent to another origin'
        : undefined
  if (refused !== undefined)
    throw new GatewayError(
      'BACKEND_FAILED',
      `${describe(request)}: redirects ${refused}, which is not followed`,
      {
        cause: new Error(`${request.url.origin} redirects to ${url.origin}`),
        detail: { status },
      },
    )
  const headers: string[] = []
  for (let i = 0; i + 1 < request.headers.length; i += 2) {
    const [name = '', value = ''] = request.headers.slice(i, i + 2)
    if (becomesGet && bodyHeaders.has(name)) continue
    if (elsewhere && !harmlessHeaders.has(name)) continue
    headers.push(name, value)
  }
  return { ...request, url, headers, ...(becomesGet && { method: 'GET', body: undefined }) }
}

function standardResponse(
  { status, statusText, headers, body }: RawAnswer,
  { request, wasRedirected }: { readonly request: Outbound; readonly wasRedirected: boolean },
): Response {
  const bodiless = bodilessStatuses.has(status) || request.method === 'HEAD'
  try {
    // Sockets and zlib write into ordinary memory, never into a SharedArrayBuffer.
    return new WholeResponse(bodiless ? undefined : (body as Uint8Array<ArrayBuffer>), {
      status,
      statusText: /^[\t\x20-\x7e]*$/.test(statusText) ? statusText : '',
      headers,
      url: request.url.href,
      redirected: wasRedirected,
    })
  } catch (error) {
    // Statuses from 600 on, and header values fetch does not know.
    const message = `${describe(request)}: answers with status ${status} in a way HTTP does not allow`
    throw new GatewayError('BACKEND_FAILED', message, { cause: error, detail: { status } })
  }
}

function pem(value: string | Uint8Array): string | Buffer {
  return typeof value === 'string' ? value : Buffer.from(value)
}
