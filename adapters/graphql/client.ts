// graphql-request over the guarded fetch: exact numbers both ways, and an answer of any status is an answer.
import { ClientError, GraphQLClient } from 'graphql-request'

import { GatewayError } from 'dragoman'

import type { Answered } from './answer.ts'
import { parseJsonText } from '../data/json.ts'

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
    const client = new GraphQLClient(url, {
      fetch: transport,
      errorPolicy: 'all',
      jsonSerializer: { parse: parseJsonText, stringify: (value: unknown) => JSON.stringify(value) },
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
      })
    }
  }
}
// GraphQL over HTTP §6.1: the newer media type says by the status whether anything was executed.
const ACCEPT = 'application/graphql-response+json, application/json;q=0.9'
