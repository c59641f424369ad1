// From an HTTP request to what it asks (GraphQL over HTTP §5): exact numbers, no duplicates, nothing but JSON.
import type { GraphQLParams } from 'graphql-yoga'

import { GatewayError } from 'dragoman'
import type { HttpRequest } from 'dragoman'

import { decodeUtf8, isObject } from '../data/json.ts'
import { ExactNumber, parseExact } from './json.ts'

const MEMBERS = ['query', 'operationName', 'variables', 'extensions', 'documentId'] as const

/** One operation, or a batch of at most `batch`. Throws `DECODE_FAILED`. */
export function paramsOf(request: HttpRequest, batch: number): GraphQLParams | GraphQLParams[] {
  if (request.method === 'GET') return member(fromQuery(request.query))
  const body = json('the body', () => decodeUtf8(request.body))
  if (!Array.isArray(body)) return member(body)
  if (request.headers['idempotency-key'] !== undefined)
    throw refused(
      'an Idempotency-Key names one thing: send the operations one by one, or with an externalId each',
    )
  if (body.length === 0) throw refused('the batch is empty')
  if (body.length > batch)
    throw refused(`the batch has ${body.length} operations: at most ${batch} are taken at once`)
  return body.map(member)
}

/** Of the members of a request only those that mean something; null stands for an absent one. Throws `DECODE_FAILED`. */
export function member(given: unknown): GraphQLParams {
  if (!isObject(given) || given instanceof ExactNumber)
    throw refused('an operation is an object with the member query')
  const found: Record<string, unknown> = {}
  for (const name of MEMBERS) {
    const value: unknown = Object.hasOwn(given, name) ? given[name as keyof typeof given] : undefined
    if (value === undefined || value === null) continue
    const wanted = name === 'variables' || name === 'extensions' ? 'object' : 'string'
    if (typeof value !== wanted || Array.isArray(value) || value instanceof ExactNumber)
      throw refused(`${name} is not ${wanted === 'object' ? 'an object' : 'a text'}`)
    found[name] = value
  }
  return found
}

function fromQuery(query: string): Readonly<Record<string, unknown>> {
  try {
    decodeURIComponent(query) // URLSearchParams would put U+FFFD in the place of bytes that are no UTF-8
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the query string is not percent-encoded UTF-8', { cause: error })
  }
  const given = new Map<string, unknown>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (given.has(name))
      throw refused(`the query string has ${JSON.stringify(name.slice(0, 80))} more than once`)
    const isJson = name === 'variables' || name === 'extensions'
    given.set(name, isJson && value !== '' ? json(name, () => value) : value === '' ? null : value)
  }
  return Object.fromEntries(given)
}

function json(what: string, text: () => string): unknown {
  try {
    return parseExact(text())
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('DECODE_FAILED', `${what} is not JSON: ${why.slice(0, 200)}`, { cause: error })
  }
}

function refused(message: string): GatewayError {
  return new GatewayError('DECODE_FAILED', message)
}
