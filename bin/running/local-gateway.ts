// How commands reach the gateway of a data folder: it leaves there where it listens on this machine and, with TLS, the files it is known by.
import { X509Certificate, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { request as requestPlainly } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestSecurely } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import type { SecureContextOptions, TLSSocket } from 'node:tls'
import { GatewayError } from '../../core/api.ts'
import { readOwn } from '../../core/planted-file.ts'
import { hold, release } from './alive.ts'

export interface LocalGateway {
  readonly origin: string
  /** PEM. */
  readonly certFile?: string | undefined
  /** Its key: where callers have to show a certificate (`http.tls.ca`), commands show the gateway's own. */
  readonly keyFile?: string | undefined
}

export interface LocalCall {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** Milliseconds until the whole answer has to be there; default 10,000. */
  readonly limitMs?: number | undefined
}

export interface LocalAnswer {
  readonly status: number
  readonly body: string
}

const LIMIT_MS = 10_000
/** What this process wrote for which data folder. */
const left = new Map<string, string>()

/** Shows as well that this process lives (`isAlive`). */
export async function leaveAddress(
  dataDirectory: string,
  { origin, certFile, keyFile }: LocalGateway,
): Promise<void> {
  const address = `${[origin, certFile, keyFile].filter((line) => line !== undefined).join('\n')}\n`
  left.set(dataDirectory, address)
  await replace(fileIn(dataDirectory), address)
  hold(dataDirectory) // last: what a dead gateway had left must not pass for ours
}

/** Only what this process has left: a start that is refused takes nothing from the gateway that runs. */
export async function takeAddress(dataDirectory: string): Promise<void> {
  const file = fileIn(dataDirectory)
  if (left.has(dataDirectory) && (await contentOf(file)) === left.get(dataDirectory)) await rm(file)
  left.delete(dataDirectory)
  release(dataDirectory)
}

/** Rejects with `ENOENT` where none runs, with `FORBIDDEN` where another user may have written what is there: the admin token would go to them. */
export async function localGateway(dataDirectory: string): Promise<LocalGateway> {
  const [origin = '', certFile, keyFile] = readOwn(fileIn(dataDirectory)).trim().split('\n')
  return { origin, certFile, keyFile }
}

/**
 * Throws `AUTH_FAILED` where who listens shows another certificate than the gateway's own: whichever name that is for, whoever signed
 * it, and when it ends, it has to be this one, and nothing is sent to anybody else; so where that one cannot be read, and where the gateway does not take us
 * for a caller. Throws `INTERNAL` where it answers what is no HTTP, and `DEADLINE_EXCEEDED` where the answer takes too long: what was asked for may be done, or yet be. Rejects with the system's
 * error where nobody listens, or there is no such file.
 */
export async function callLocally(
  { origin, certFile, keyFile }: LocalGateway,
  path: string,
  { method = 'GET', headers = {}, body, limitMs = LIMIT_MS }: LocalCall = {},
): Promise<LocalAnswer> {
  const signal = AbortSignal.timeout(limitMs)
  const own = certFile === undefined ? undefined : await certificateIn(certFile)
  const pair = certFile === undefined || keyFile === undefined ? {} : await shown(certFile, keyFile)
  let state: 'connecting' | 'known' | 'answering' = 'connecting'
  try {
    const socket = own === undefined ? undefined : await connectedTo(own, { origin, pair, signal })
    state = 'known'
    const line = socket !== undefined && { createConnection: () => socket }
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = origin.startsWith('https:') ? requestSecurely : requestPlainly
    request(`${origin}${path}`, { method, headers, signal, ...line }, resolve)
      .once('error', reject)
      .end(body)
    const answer = await promise
    state = 'answering'
    return { status: answer.statusCode ?? 0, body: await text(answer) }
  } catch (error) {
    if (signal.aborted)
      throw new GatewayError(
        'DEADLINE_EXCEEDED',
        `the gateway at ${origin} has not answered for ${limitMs / 1000} s`,
        { cause: error },
      )
    if (certFile === undefined || own === undefined) throw error
    // In TLS 1.3 who listens looks at our certificate only when it is known itself, and the request may be on its way.
    if (keyFile !== undefined && state !== 'answering' && isTurnedAway(error))
      throw turnedAway(error, { origin, certFile, own })
    if (isOfNetwork(error)) throw error
    if (state !== 'connecting')
      throw new GatewayError(
        'INTERNAL',
        `the gateway at ${origin} answered what is no HTTP (${codeOf(error)}): what was asked for may have been done`,
        { cause: error },
      )
    throw new GatewayError(
      'AUTH_FAILED',
      `who listens at ${origin} is not known by the certificate in ${certFile} (${codeOf(error)}), and was sent nothing: ` +
        'if that file has just been renewed try again, else something else listens there',
      { cause: error },
    )
  }
}

/** A new file, with an owner and a mode of its own: one that is there may be anybody's. */
async function replace(file: string, content: string): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(draft, content, { mode: 0o600, flag: 'wx' })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function contentOf(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function fileIn(dataDirectory: string): string {
  return join(dataDirectory, 'gateway.url')
}

interface Line {
  readonly origin: string
  /** What is shown to who listens. */
  readonly pair: SecureContextOptions
  readonly signal: AbortSignal
}

/**
 * Rejects where who listens shows another certificate. It is compared before anything is written, and in place of OpenSSL's checks:
 * those of the dates come first there.
 */
async function connectedTo(own: X509Certificate, { origin, pair, signal }: Line): Promise<TLSSocket> {
  const { hostname, port } = new URL(origin)
  const host = hostname.replace(/^\[|\]$/gu, '')
  const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false, ...pair })
  signal.addEventListener('abort', () => socket.destroy())
  await once(socket, 'secureConnect', { signal })
  if (socket.getPeerX509Certificate()?.raw.equals(own.raw) === true) return socket
  socket.destroy()
  throw new Error('it shows another certificate')
}

async function shown(certFile: string, keyFile: string): Promise<SecureContextOptions> {
  try {
    return { cert: await readFile(certFile), key: await readFile(keyFile) }
  } catch (error) {
    const why = `the gateway asks callers for a certificate (http.tls.ca), and its own, which is shown, cannot be used without ${keyFile} (${codeOf(error)}): ask as the gateway's user`
    throw new GatewayError('AUTH_FAILED', why, { cause: error })
  }
}

/** Our certificate was not taken: an alert (RFC 8446 §6.2), or, as Node does it, the end of the connection. */
function isTurnedAway(error: unknown): boolean {
  return /^ECONNRESET$|^ERR_SSL_.*ALERT/u.test(codeOf(error))
}

interface Shown {
  readonly origin: string
  readonly certFile: string
  readonly own: X509Certificate
}

/** The end of the connection says no more than that, and a time that is over is refused by any authority. */
function turnedAway(cause: unknown, { origin, certFile, own }: Shown): GatewayError {
  const end = own.validToDate
  const cure =
    end.getTime() < Date.now()
      ? `its own has been over since ${end.toISOString()}: renew it, signed`
      : 'have its own signed'
  return new GatewayError(
    'AUTH_FAILED',
    `the gateway at ${origin} takes callers with a certificate of http.tls.ca alone, and either turns away its own, ${certFile}, which commands show, or stopped meanwhile (${codeOf(cause)}): ` +
      `${cure} by one of these authorities too, for client and server (extendedKeyUsage clientAuth, serverAuth), ` +
      `or ask with a caller's: curl --cert CERT --key KEY -H "authorization: Bearer ADMIN_TOKEN" ${origin}/admin/v1/status`,
    { cause },
  )
}

/** The first certificate of the file is the gateway's own; those that may follow only lead to who signed it. */
async function certificateIn(file: string): Promise<X509Certificate> {
  try {
    return new X509Certificate(await readFile(file))
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw error // a copy of the data folder elsewhere: no gateway of it runs here
    const why = `the gateway's certificate cannot be read from ${file} (${codeOf(error)}), and it was sent nothing`
    throw new GatewayError('AUTH_FAILED', why, { cause: error })
  }
}

const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EPIPE',
])

function isOfNetwork(error: unknown): boolean {
  return NETWORK.has(codeOf(error))
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? String(error.code) : error.message
}
