// One HTTP call of the platform's API: a deadline of its own, and its answer told apart. Never the address in a message: it holds secrets.
import { GatewayError } from 'dragoman'
import type { Json, Scope } from 'dragoman'

import { numberIn, parseFields, textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import { nameIn } from './file-names.ts'

export interface WireCall {
  readonly method: 'GET' | 'POST'
  /** Below the account's `apiBase`, or a whole address that the platform itself has given. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: Json | FormData
  /** The answer may be a file instead of JSON. */
  readonly file?: boolean
  readonly timeoutMs?: number
}

export type WireAnswer =
  | { readonly status: 'ok'; readonly fields: Fields }
  | {
      readonly status: 'file'
      readonly bytes: Uint8Array
      readonly mediaType: string
      readonly name?: string
    }
  | { readonly status: 'error'; readonly code: number; readonly text: string }

export type Wire = (call: WireCall, signal: AbortSignal) => Promise<WireAnswer>

const CALL_MS = 8000

/**
 * Makes the calls of one account. Throws `BACKEND_FAILED` (with `notExecuted` where no byte went out) for a line that broke
 * and an answer that is none of the platform's, `DEADLINE_EXCEEDED` after 8 s; an `errcode` is an answer.
 */
export function createWire(apiBase: string, fetch: Scope['fetch']): Wire {
  return async ({ method, path, query = {}, body, file = false, timeoutMs = CALL_MS }, signal) => {
    const url = new URL(path.startsWith('/') ? `${apiBase}${path}` : path)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    const what = `the platform's ${url.pathname}`
    const deadline = AbortSignal.timeout(timeoutMs)
    let response: Response
    try {
      response = await fetch(url, {
        method,
        signal: AbortSignal.any([signal, deadline]),
        redirect: 'manual', // a redirect would take the token along to somewhere else
        ...bodyOf(body),
      })
    } catch (error) {
      if (deadline.aborted && !signal.aborted)
        throw new GatewayError('DEADLINE_EXCEEDED', `${what}: no answer within ${timeoutMs} ms`)
      throw error
    }
    const bytes = new Uint8Array(await response.arrayBuffer())
    if (!response.ok)
      throw new GatewayError('BACKEND_FAILED', `${what}: answers with status ${response.status}`, {
        // RFC 9110 §15.5.9 and RFC 6585 §4: these were not looked at; a 5xx of some proxy proves nothing.
        notExecuted: response.status === 429,
      })
    return answerOf(response, bytes, { file, what })
  }
}

function bodyOf(body: WireCall['body']): RequestInit {
  if (body === undefined) return {}
  if (body instanceof FormData) return { body }
  return { body: JSON.stringify(body), headers: { 'content-type': 'application/json; charset=utf-8' } }
}

function answerOf(
  response: Response,
  bytes: Uint8Array,
  { file, what }: { readonly file: boolean; readonly what: string },
): WireAnswer {
  const mediaType = response.headers.get('content-type') ?? ''
  const isText = mediaType === '' || /\b(?:json|text)\b/iu.test(mediaType)
  const fields = file && !isText ? undefined : parseFields(bytes)
  if (fields !== undefined) {
    const code = numberIn(fields, 'errcode') ?? 0
    if (code === 0) return { status: 'ok', fields }
    return { status: 'error', code, text: textIn(fields, 'errmsg') ?? '' }
  }
  if (!file) throw new GatewayError('BACKEND_FAILED', `${what}: the answer is no JSON object`)
  const name = nameIn(response.headers.get('content-disposition'))
  return { status: 'file', bytes, mediaType, ...(name !== undefined && { name }) }
}
