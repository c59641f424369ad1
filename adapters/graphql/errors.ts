// Failures in GraphQL's own form (GraphQL §7.1.2): every code of the table, business faults, and what the libraries throw.
import { GraphQLError, Kind } from 'graphql'
import type { GraphQLErrorExtensions, GraphQLErrorOptions } from 'graphql'

import { GatewayError, errorTable } from 'dragoman'
import type { ErrorCode, Fault, Log } from 'dragoman'

import type { Queued } from './call.ts'

// Codes that are not in the gateway's table.
/** The ones clients of automatic persisted queries look for. */
export const PERSISTED_NOT_FOUND = 'PERSISTED_QUERY_NOT_FOUND'
export const PERSISTED_NOT_SUPPORTED = 'PERSISTED_QUERY_NOT_SUPPORTED'
const QUEUED = 'QUEUED'

/** Any thrown value as a GraphQL error with `extensions.code`; a foreign one is logged and tells the caller nothing. */
export function graphqlError(thrown: unknown, log: Log): GraphQLError {
  if (thrown instanceof GraphQLError && isOurs(thrown)) return thrown
  const error = GatewayError.from(thrown)
  if (error.code === 'INTERNAL') log.error('a call failed', { error: thrown })
  return inItsForm(error)
}

/** An error of the gateway as a GraphQL error with `extensions.code`. */
export function inItsForm(error: GatewayError): GraphQLError {
  const { code, retry, detail, retryAfterMs } = error
  const headers = retryAfterMs === undefined ? undefined : { 'retry-after': seconds(retryAfterMs) }
  return new GraphQLError(clipped(error.message), {
    extensions: {
      code,
      retryable: retry,
      ...(detail !== undefined && { detail }),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
      ...(headers !== undefined && { http: { headers } }),
    },
  })
}

/** A document or its variables are refused before anything is executed: status 400 whatever the caller accepts. */
export function refusal(message: string, status = 400): GraphQLError {
  const http = { status, own: true } satisfies Http
  return new GraphQLError(clipped(message), {
    extensions: { code: 'DECODE_FAILED', retryable: false, http },
  })
}

/** A business fault: a valid answer, with its own code. */
export function faultError(fault: Fault): GraphQLError {
  return new GraphQLError(fault.message, { extensions: { code: fault.code, fault } })
}

/** A request that was stored to be done later, where the field's type leaves no way to say so: sent again it would be done twice. */
export function queuedError({ id, status }: Queued): GraphQLError {
  return new GraphQLError(
    'the business system is away: the request is stored and will be carried out when it is back',
    { extensions: { code: QUEUED, retryable: false, id, ...(status !== undefined && { status }) } },
  )
}

/** Gives an error of the libraries (parser, validator, executor, yoga) a code of the table; with `hidden`, no name of the schema is suggested. */
export function coded(error: GraphQLError, options: { readonly hidden?: boolean } = {}): GraphQLError {
  if (isOurs(error)) return withStatus(error)
  // What a field met does not make the request a wrong one (GraphQL over HTTP §6.4.2).
  const http: Http = { ...(!isOfField(error) && { status: 400 }), ...httpOf(error.extensions) }
  const message = options.hidden === true ? withoutSuggestion(error.message) : error.message
  return new GraphQLError(clipped(message), {
    ...placeOf(error),
    extensions: {
      code: codeOf(error, http.status),
      retryable: false,
      // The executor leaves `spec` out where it refuses variables or an operation's name, the validator has it (GraphQL over HTTP §6.4.1).
      http: http.status === 400 ? { ...http, spec: true } : http,
    },
  })
}

/** Whatever the libraries throw or collect, as one of the two above: what a resolver threw keeps its place in the answer. */
export function maskedError(
  error: unknown,
  { log, hidden }: { readonly log: Log; readonly hidden: boolean },
): GraphQLError {
  if (!(error instanceof GraphQLError)) return graphqlError(error, log)
  const { originalError } = error
  if (!(originalError instanceof GatewayError)) return coded(error, { hidden })
  const { message, extensions } = graphqlError(originalError, log)
  return new GraphQLError(message, {
    ...placeOf(error),
    extensions,
  })
}

/** An error as it goes out: without what was meant for the HTTP layer alone. */
export function shownError(error: GraphQLError): ReturnType<GraphQLError['toJSON']> {
  const { extensions, ...rest } = error.toJSON()
  const { http: _http, ...others } = extensions ?? {}
  return Object.keys(others).length === 0 ? rest : { ...rest, extensions: others }
}

interface Http {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** yoga's: the status is 200 for who accepts application/json alone. */
  readonly spec?: boolean
  /** Ours: the status is that whatever the caller accepts. */
  readonly own?: boolean
}

function isOurs({ extensions }: GraphQLError): boolean {
  const { code, fault } = extensions
  return (
    fault !== undefined ||
    code === PERSISTED_NOT_FOUND ||
    code === PERSISTED_NOT_SUPPORTED ||
    code === QUEUED ||
    Object.hasOwn(errorTable, String(code))
  )
}

function codeOf(error: GraphQLError, status: number | undefined): ErrorCode {
  if (status === 405) return 'METHOD_NOT_ALLOWED'
  if (status === 413) return 'TOO_LARGE'
  return isOfField(error) ? 'ENCODE_FAILED' : 'DECODE_FAILED'
}

/**
 * With a path it was met while the answer was written: the business system's data does not fit the schema. What is wrong with an
 * argument (GraphQL §6.4.1) has the place of that, not of a field.
 */
function isOfField({ path, nodes }: GraphQLError): boolean {
  return path !== undefined && nodes?.[0]?.kind === Kind.FIELD
}

function placeOf({
  nodes,
  source,
  positions,
  path,
}: GraphQLError): Pick<GraphQLErrorOptions, 'nodes' | 'source' | 'positions' | 'path'> {
  return {
    ...(nodes !== undefined && { nodes }),
    ...(source !== undefined && { source }),
    ...(positions !== undefined && { positions }),
    ...(path !== undefined && { path }),
  }
}

function httpOf(extensions: GraphQLErrorExtensions): Http | undefined {
  const { http } = extensions
  return typeof http === 'object' && http !== null ? http : undefined
}

// yoga takes every failure to parse for one of the syntax, whose status depends on what the caller accepts: a refusal has its own.
function withStatus(error: GraphQLError): GraphQLError {
  const { spec, ...http } = httpOf(error.extensions) ?? {}
  if (spec !== true || http.own !== true) return error
  return new GraphQLError(error.message, { ...placeOf(error), extensions: { ...error.extensions, http } })
}

// What a caller sent may stand in a message: it is not sent back to him by the megabyte.
function clipped(message: string): string {
  return message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message
}
const MAX_MESSAGE = 500

// The validator suggests names of the schema, which a caller without introspection shall not learn.
function withoutSuggestion(message: string): string {
  return message.replace(/ Did you mean .*$/s, '')
}

/** RFC 9110 §10.2.3 */
function seconds(ms: number): string {
  return String(Math.max(1, Math.ceil(ms / 1000)))
}
