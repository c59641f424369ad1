// How commands reach the gateway of a data folder: it leaves there where it listens on this machine and, with TLS, its certificate's file.
import { X509Certificate } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { request as requestPlainly } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { request as requestSecurely } from 'node:https'
import type { RequestOptions } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { GatewayError } from '../core/api.ts'

export interface LocalGateway {
  readonly origin: string
  /** PEM. */
  readonly certFile?: string | undefined
}

export interface LocalCall {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
}

export interface LocalAnswer {
  readonly status: number
  readonly body: string
}

export async function leaveAddress(dataDirectory: string, { origin, certFile }: LocalGateway): Promise<void> {
  const lines = certFile === undefined ? [origin] : [origin, certFile]
  await writeFile(fileIn(dataDirectory), `${lines.join('\n')}\n`, { mode: 0o600 })
}

export async function takeAddress(dataDirectory: string): Promise<void> {
  await rm(fileIn(dataDirectory), { force: true })
}

/** Rejects with `ENOENT` where none runs. */
export async function localGateway(dataDirectory: string): Promise<LocalGateway> {
  const [origin = '', certFile] = (await readFile(fileIn(dataDirectory), 'utf8')).trim().split('\n')
  return { origin, certFile }
}

/**
 * Throws `AUTH_FAILED` where who listens shows another certificate than the gateway's own: whichever name that is for, and whoever signed
 * it, it has to be this one, and nothing is sent to anybody else; so where that one cannot be read. Rejects with the system's error where
 * nobody listens, or there is no such file.
 */
export async function callLocally(
  { origin, certFile }: LocalGateway,
  path: string,
  { method = 'GET', headers = {}, body }: LocalCall = {},
): Promise<LocalAnswer> {
  const options = { method, headers, ...(certFile !== undefined && (await pinned(certFile))) }
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = origin.startsWith('https:') ? requestSecurely : requestPlainly
  request(`${origin}${path}`, options, resolve).once('error', reject).end(body)
  try {
    const answer = await promise
    return { status: answer.statusCode ?? 0, body: await text(answer) }
  } catch (error) {
    if (certFile === undefined || isOfNetwork(error)) throw error
    throw new GatewayError(
      'AUTH_FAILED',
      `who listens at ${origin} is not known by the certificate in ${certFile} (${codeOf(error)}), and was sent nothing: ` +
        'if that file has just been renewed try again, else something else listens there',
      { cause: error },
    )
  }
}

function fileIn(dataDirectory: string): string {
  return join(dataDirectory, 'gateway.url')
}

/** The first certificate of the file is the gateway's own; those that may follow only lead to who signed it. */
async function pinned(certFile: string): Promise<RequestOptions> {
  const own = await certificateIn(certFile)
  return {
    ca: own.toString(),
    allowPartialTrustChain: true,
    checkServerIdentity: (_host, { raw }) =>
      own.raw.equals(raw) ? undefined : new Error('it shows another certificate'),
  }
}

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
