// A fetch that calls nobody: it notes what would go out, checked as the real one checks it, and answers what it is told.
import { GatewayError } from '../api.ts'
import { readOutbound } from '../guard/outbound.ts'
import type { CapturedResponse } from './capture.ts'

/** A request exactly as it would go: headers in their order, the body's bytes. */
export interface Recorded {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Of its form fields, where its backend has one of its own. */
  readonly charset?: string
}

/** What the other side says, without the framing. */
export type Told = Pick<CapturedResponse, 'status' | 'headers' | 'body'>

/** Answers one request. Throws where there is nothing to answer: then the call fails. */
export type Answering = (request: Recorded) => Promise<Told>

const BODILESS = new Set([204, 205, 304])

/** Makes the fetch of one component. Throws as the guarded fetch does for a request that could not be sent. */
export function recordingFetch(answering: Answering): typeof fetch {
  return async (input, init) => {
    const { url, method, headers, body } = await readOutbound(input, init)
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : (body ?? new Uint8Array())
    const recorded: Recorded = { method, url: url.href, headers: sent(url, headers, bytes), body: bytes }
    const { status, headers: told, body: content } = await answering(recorded)
    return responseOf(recorded, { status, headers: told, body: content })
  }
}

function sent(url: URL, pairs: readonly string[], body: Uint8Array): Readonly<Record<string, string>> {
  const headers: Record<string, string> = Object.create(null) // null prototype: names come from adapters
  headers['host'] = url.host
  for (let index = 0; index + 1 < pairs.length; index += 2)
    headers[pairs[index] ?? ''] = pairs[index + 1] ?? ''
  if (body.length > 0) headers['content-length'] = String(body.length)
  return headers
}

function responseOf({ method, url }: Recorded, { status, headers, body }: Told): Response {
  const { 'content-length': _length, 'transfer-encoding': _coding, ...rest } = headers
  try {
    const content = BODILESS.has(status) || method === 'HEAD' ? null : Buffer.from(body)
    const response = new Response(content, { status, headers: rest })
    Object.defineProperty(response, 'url', { value: url })
    return response
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('BACKEND_FAILED', `the given answer is none HTTP allows: ${why}`, { cause: error })
  }
}
