// The schema of the other side, where it tells it.
import { buildClientSchema, getIntrospectionQuery } from 'graphql'
import type { GraphQLSchema, IntrospectionQuery } from 'graphql'

import type { Scope } from 'dragoman'

import type { Answered } from './answer.ts'
import type { Client } from './client.ts'
import type { Expression } from '../data/expression.ts'
import { isFieldValue } from '../data/field.ts'
import { isObject } from '../data/json.ts'

const WAIT_MS = 5000
const PAUSE_MS = 30_000

export interface ServerSchemaOptions {
  readonly client: Client
  readonly scope: Pick<Scope, 'log' | 'now'>
  /** Those of every operation; one that has no value without a message is not sent. */
  readonly headers: readonly (readonly [string, Expression])[]
  /** Hears of a schema that came after the start; what it throws is logged. */
  readonly onLater: (schema: GraphQLSchema) => void
}

/** Disposed with the backend: a question under way ends, and none follows. */
export interface ServerSchema extends Disposable {
  /** Undefined as long as the server has not told it. */
  readonly schema: GraphQLSchema | undefined
  /** For `start`: asks, and waits 5 s at most. Rejects with the signal's reason alone: a server may be down, or keep its schema to itself. */
  begin(signal: AbortSignal): Promise<void>
  /** For a call, which does not wait: asks again where the server was down or refused, once in 30 s at most. */
  renew(): void
}

export function createServerSchema(options: ServerSchemaOptions): ServerSchema {
  const { client, scope, headers, onLater } = options
  const { log } = scope
  const ending = new AbortController()
  let schema: GraphQLSchema | undefined
  let askedAt = -Infinity
  let mayTell = true

  /** Whether the server may tell it another time. */
  async function ask(signal: AbortSignal, level: 'warn' | 'debug'): Promise<boolean> {
    const later = (why: Readonly<Record<string, unknown>>): true => {
      log[level]('the server did not tell its schema yet: the documents are not checked', why)
      return true
    }
    askedAt = scope.now()
    let answered: Answered
    try {
      answered = await client({
        document: getIntrospectionQuery({ descriptions: false }),
        variables: {},
        headers: await standing(headers),
        signal: AbortSignal.any([signal, ending.signal, AbortSignal.timeout(WAIT_MS)]),
      })
    } catch (error) {
      return later({ error })
    }
    const { status, data, errors } = answered
    if (status >= 500 || NOT_NOW.has(status)) return later({ status, errors })
    if (!isObject(data) || !isObject(data['__schema'])) {
      log.info('the server keeps its schema to itself: the documents are not checked', { errors })
      return false
    }
    try {
      schema = buildClientSchema(data as unknown as IntrospectionQuery) // checked by buildClientSchema, which throws
    } catch (error) {
      log.warn(NO_SCHEMA, { error })
    }
    return false
  }

  async function asked(signal: AbortSignal, level: 'warn' | 'debug'): Promise<void> {
    mayTell = false // while the question is open there is no second
    mayTell = await ask(signal, level)
  }

  async function askAgain(): Promise<void> {
    await asked(ending.signal, 'debug')
    try {
      if (schema !== undefined) onLater(schema)
    } catch (error) {
      log.warn(NO_SCHEMA, { error })
    }
  }

  return {
    get schema() {
      return schema
    },
    async begin(signal) {
      await asked(signal, 'warn')
      signal.throwIfAborted()
    },
    renew() {
      if (mayTell && !ending.signal.aborted && Math.abs(scope.now() - askedAt) >= PAUSE_MS) void askAgain()
    },
    [Symbol.dispose]: () => ending.abort(),
  }
}

const NO_SCHEMA = 'the server told a schema that is none: the documents are not checked'
// Our credential, or not now.
const NOT_NOW = new Set([401, 403, 408, 429])

async function standing(headers: ServerSchemaOptions['headers']): Promise<Readonly<Record<string, string>>> {
  const fields: Record<string, string> = {}
  for (const [name, expression] of headers) {
    const value = await expression({}).catch(() => undefined) // it needs the message, or its parameters
    if (value === undefined || value === null || typeof value === 'object') continue
    const text = String(value)
    if (isFieldValue(text)) fields[name.toLowerCase()] = text
  }
  return fields
}
