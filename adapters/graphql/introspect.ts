// The schema of the other side, where it tells it.
import { buildClientSchema, getIntrospectionQuery } from 'graphql'
import type { GraphQLSchema, IntrospectionQuery } from 'graphql'

import type { Log } from 'dragoman'

import type { Client } from './client.ts'
import { isObject } from '../data/json.ts'

const WAIT_MS = 5000

/** Asks once. Undefined where the server keeps its schema to itself or does not answer: then nothing can be checked, which the log says. */
export async function askSchema(
  client: Client,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<GraphQLSchema | undefined> {
  try {
    const { data, errors } = await client({
      document: getIntrospectionQuery({ descriptions: false }),
      variables: {},
      headers: {},
      signal: AbortSignal.any([signal, AbortSignal.timeout(WAIT_MS)]),
    })
    if (!isObject(data) || !isObject(data['__schema'])) {
      log.info('the server keeps its schema to itself: the documents are not checked', { errors })
      return undefined
    }
    return buildClientSchema(data as unknown as IntrospectionQuery) // checked by buildClientSchema, which throws
  } catch (error) {
    signal.throwIfAborted()
    log.warn('the server did not tell its schema: the documents are not checked', { error })
    return undefined
  }
}
