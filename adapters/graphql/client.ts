// graphql-request over the guarded fetch: exact numbers both ways, and an answer of any status is an answer.
import { ClientError, GraphQLClient } from 'graphql-request'

import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'

import type { Answered } from './answer.ts'
import { decodeUtf8, isObject, parseJsonText } from '../data/json.ts'
import { isJson, isUtf8, mediaType } from '../data/media-type.ts'

export interface Asked {
  readonly document: string
  readonly variables: Readonly<Record<string, unknown>>
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal
}

/** Sends one document. Rejects with what the fetch rejects with, or `BACKEND_FAILED` where the answer is no GraphQL result. */
export type Client = (asked: Asked) => Promise<Answered>

/** Makes the client of one server. */
export function createClient(url: string, transport: typeof fetch): Client {
  return async ({ document, variables, headers, signal }) => {
    let came: number | undefined
    const client = new GraphQLClient(url, {
      async fetch(input, init) {
        const response = await decoded(await transport(input, init))
        came = response.status
        return response
      },
      errorPolicy: 'all',
      jsonSerializer: { parse: resultOf, stringify: (value: unknown) => JSON.stringify(value) },
      // A redirect would repeat the call somewhere the config does not name.
      redirect: 'manual',
    })
    try {
      return await client.rawRequest({
        query: document,
        variables,
        requestHeaders: { accept: ACCEPT, ...headers },
        signal,
      })
    } catch (error) {
      if (error instanceof ClientError) return error.response
      if (error instanceof GatewayError || signal.aborted) throw error
      throw new GatewayError('BACKEND_FAILED', 'the answer is no GraphQL result', {
        cause: new Error(new URL(url).host, { cause: error }), // for the log alone
        ...(came !== undefined && { detail: { status: came } }), // without one it is the line that broke
      })
    }
  }
}
// GraphQL over HTTP §6.1: the newer media type says by the status whether anything was executed.
const ACCEPT = 'application/graphql-response+json, application/json;q=0.9'

/**
 * The result as graphql-request takes it: to that null in the place of an absent entry is a mistake, and a list the answers of a batch.
 * Throws `SyntaxError` for what is no JSON object (GraphQL §7.1), and for the first part of one that goes on (incremental delivery), which
 * nobody asked for.
 */
function resultOf(text: string): Json {
  const result = parseJsonText(text)
  if (!isObject(result)) throw new SyntaxError('the answer is no JSON object')
  if (result['hasNext'] === true) throw new SyntaxError('the answer is a part, and goes on (hasNext)')
  const isNothing = (name: string): boolean => OPTIONAL.has(name) && result[name] === null
  return Object.fromEntries(Object.entries(result).filter(([name]) => !isNothing(name)))
}
const OPTIONAL = new Set(['errors', 'extensions'])

/**
 * The answer with its text decoded, which `Response.text()` would mend where it is broken. Of an error that has no JSON to read the status
 * is left. Throws `BACKEND_FAILED` for any other answer that is not JSON in UTF-8 (RFC 8259 §8.1).
 */
async function decoded(response: Response): Promise<Response> {
  const { status, statusText, ok } = response
  const declared = response.headers.get('content-type')
  const type = mediaType(declared ?? JSON_TYPE)
  const bytes = await response.bytes()
  let text = ''
  try {
    if (type === undefined || !isJson(type) || !isUtf8(type))
      throw new SyntaxError(`the content type is ${JSON.stringify(declared?.slice(0, 80))}`)
    text = decodeUtf8(bytes)
  } catch (error) {
    if (ok)
      throw new GatewayError('BACKEND_FAILED', 'the answer is not JSON in UTF-8', {
        detail: { status },
        cause: error,
      })
  }
  // graphql-request knows no other types, and takes one that is absent for text.
  const headers = new Headers(response.headers)
  if (declared === null || type === undefined || !KNOWN.has(type.essence))
    headers.set('content-type', JSON_TYPE)
  return new Response(text === '' ? null : text, { status, statusText, headers })
}

const JSON_TYPE = 'application/json'
const KNOWN = new Set([JSON_TYPE, 'application/graphql-response+json'])
