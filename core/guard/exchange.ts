// One HTTP request and its whole answer, over undici. Here a broken line gets its name and its verdict: executed or not.
import type { Dispatcher } from 'undici'
import { GatewayError } from '../api.ts'
import type { Outbound } from './outbound.ts'
import { hasLine, waitsForLine } from './unwritten.ts'

export interface RawAnswer {
  readonly status: number
  readonly statusText: string
  /** Lower-case names; values as Latin-1, repeated ones as a list. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** As it came over the line: still encoded. */
  readonly body: Uint8Array
}

/**
 * Sends a request and reads its answer to the end. Resolves only with a complete answer: a cut one is a failure, whatever
 * has arrived (RFC 9112 §8).
 *
 * Throws `BACKEND_FAILED` for a broken line and, with `detail.status`, for an answer beyond the limit, `DEADLINE_EXCEEDED`
 * where the line itself gave up waiting; `notExecuted` as long as no byte of the request was written. A caller's abort
 * rejects with his reason.
 */
export function exchange(dispatcher: Dispatcher, request: Outbound, maxBytes: number): Promise<RawAnswer> {
  const { url, method, headers, body = null } = request
  return new Promise((resolve, reject) => {
    if (request.signal?.aborted === true) return reject(request.signal.reason)
    const reader = new AnswerReader(request, maxBytes, { resolve, reject })
    dispatcher.dispatch(
      { origin: url.origin, path: url.pathname + url.search, method, headers, body },
      reader,
    )
  })
}

type Settle = Pick<PromiseWithResolvers<RawAnswer>, 'resolve' | 'reject'>

class AnswerReader implements Dispatcher.DispatchHandler {
  readonly #request: Outbound
  readonly #maxBytes: number
  readonly #settle: Settle
  #controller: Dispatcher.DispatchController | undefined
  #ended = false
  #stopReason: Error | undefined
  #status = 0
  #statusText = ''
  #headers: RawAnswer['headers'] = {}
  #chunks: Uint8Array[] = []
  #size = 0

  constructor(request: Outbound, maxBytes: number, settle: Settle) {
    this.#request = request
    this.#maxBytes = maxBytes
    this.#settle = settle
    if (request.signal === undefined) return
    request.signal.addEventListener('abort', this.#onAbort)
    waitsForLine(request.signal)
  }

  /** Called when a connection is there and the next thing is to write. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#stopReason !== undefined) return controller.abort(this.#stopReason) // it ended while it waited for a connection
    if (this.#request.signal !== undefined) hasLine(this.#request.signal)
  }

  /** Called for interim answers too (RFC 9110 §15.2): the final one overwrites them. */
  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: RawAnswer['headers'],
    statusText = '',
  ): void {
    this.#status = status
    this.#statusText = statusText
    this.#headers = headers
    if (this.#request.method !== 'HEAD' && Number(headers['content-length']) > this.#maxBytes)
      this.#tooLarge()
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.#size += chunk.byteLength
    if (this.#size > this.#maxBytes) this.#tooLarge()
    else this.#chunks.push(chunk)
  }

  onResponseEnd(): void {
    if (!this.#end()) return
    const [only = new Uint8Array(), ...more] = this.#chunks
    this.#settle.resolve({
      status: this.#status,
      statusText: this.#statusText,
      headers: this.#headers,
      body: more.length === 0 ? only : Buffer.concat(this.#chunks, this.#size),
    })
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#end()) this.#settle.reject(failureOf(error, this.#request, this.#controller !== undefined))
  }

  readonly #onAbort = (): void => {
    const reason: unknown = this.#request.signal?.reason
    this.#stop(reason, reason instanceof Error ? reason : new Error('aborted', { cause: reason }))
  }

  #tooLarge(): void {
    const error = new GatewayError(
      'BACKEND_FAILED',
      `${describe(this.#request)}: the answer is larger than ${this.#maxBytes} bytes`,
      { detail: { status: this.#status } },
    )
    this.#stop(error, error)
  }

  /** Settles at once; the connection is closed, or never used if there is none yet. */
  #stop(rejection: unknown, reason: Error): void {
    if (!this.#end()) return
    this.#chunks = []
    this.#stopReason = reason
    this.#settle.reject(rejection)
    this.#controller?.abort(reason)
  }

  #end(): boolean {
    if (this.#ended) return false
    this.#ended = true
    this.#request.signal?.removeEventListener('abort', this.#onAbort)
    return true
  }
}

/** What is called, in messages that may reach callers: they are not told where our business systems are. */
export function describe({ method }: Pick<Outbound, 'method'>): string {
  return `the ${method}`
}

/** The same for the log, as a cause: with the host, never the path, which may name a person. */
export function placed(error: unknown, { method, url }: Pick<Outbound, 'method' | 'url'>): Error {
  const remedy = remedies.get(codeOf(error))
  return new Error(`${method} ${url.origin}${remedy === undefined ? '' : `: ${remedy}`}`, { cause: error })
}

const words = new Map([
  ['ECONNREFUSED', 'connection refused'],
  ['ENOTFOUND', 'no such host'],
  ['EAI_AGAIN', 'its name cannot be resolved now'],
  ['ECONNRESET', 'connection reset'],
  ['EHOSTUNREACH', 'host unreachable'],
  ['ENETUNREACH', 'network unreachable'],
  ['EPIPE', 'connection closed'],
  ['UND_ERR_CONNECT_TIMEOUT', 'no connection in time'],
  ['UND_ERR_SOCKET', 'connection closed'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'fewer or more bytes than announced'],
  ['UND_ERR_HEADERS_OVERFLOW', 'its headers are too large'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'its certificate is self-signed'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'no known authority signed its certificate'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'no known authority signed its certificate'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'no known authority signed its certificate'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
  ['CERT_NOT_YET_VALID', 'its certificate is not valid yet'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another host'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'it does not speak TLS there'],
  ['EPROTO', 'the TLS handshake failed'],
])

/** Codes of which there are many: llhttp's, of which undici hands on the name alone (a cut answer with `Connection: close` is among them), and TLS alerts (RFC 8446 §6.2). */
const families = [
  [/^HPE_|^HTTPParserError$/u, 'its answer breaks the rules of HTTP'],
  [/^ERR_SSL_.*ALERT/u, 'it refused the TLS handshake'],
] as const

/** What an operator can do, for the log alone. */
const remedies = new Map([
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'name its authority in tls.ca'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'name its authority in tls.ca'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'name its authority in tls.ca'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'name its authority in tls.ca'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'see tls.serverName'],
])

function failureOf(error: Error, request: Outbound, started: boolean): GatewayError {
  if (error instanceof GatewayError) return error
  const what = describe(request)
  const code = codeOf(error)
  const options = { cause: placed(error, request), notExecuted: !started }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT')
    return new GatewayError('DEADLINE_EXCEEDED', `${what}: the line was silent for too long`, options)
  const stage = started ? 'the connection broke before the answer was complete' : 'cannot connect'
  return new GatewayError('BACKEND_FAILED', `${what}: ${stage}: ${wordsFor(code)}`, options)
}

function wordsFor(code: string): string {
  return words.get(code) ?? families.find(([pattern]) => pattern.test(code))?.[1] ?? code
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name
}
