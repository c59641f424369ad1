// The key of an answer in the fallback cache: what the call is given, and for whom (SEMANTICS 32).
import type { Json, Message } from '../api.ts'
import { digest } from '../ids.ts'
import { canonical } from '../json.ts'

export interface CacheQuestion {
  readonly backend: string
  /** Changes with the adapter's part of the backend's config. */
  readonly definition: string
  readonly operation: string
  /** The answer is the same for everybody. */
  readonly isPublic: boolean
  readonly params: Json
  readonly message: Message
  /** Its calls may read what was said, and not only what the parameters were made of. */
  readonly readsMessage: boolean
  /** The credential and the home the call is made for. */
  readonly caller: string
}

/** W3C Trace Context: different in each call, and no business system answers by it. */
const TRACE = new Set(['traceparent', 'tracestate'])

/**
 * Everything a rendered request can depend on: the definition, the operation, its parameters, the metadata and, where the operation
 * reads the message, what was said, without what is new in each call (ids, moments, trace). Without `public` also who asks and for whom.
 */
export function cacheKey({
  message,
  params,
  isPublic,
  caller,
  readsMessage,
  ...call
}: CacheQuestion): string {
  const { kind, type, parts, data, metadata, sender, conversation, channel } = message
  const carried = Object.entries(metadata ?? {}).filter(([name]) => !TRACE.has(name))
  const who = isPublic ? null : [caller, sender, conversation, channel]
  const own = data === params ? undefined : data
  const said = readsMessage ? [kind, type, parts, own] : []
  const { backend, definition, operation } = call
  return digest(canonical([backend, definition, operation, params, ...said, carried.toSorted(byName), who]))
}

/** By which an operator finds the answers of one set of parameters, for whomever they were. */
export function paramsDigest(params: Json): string {
  return digest(canonical(params))
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : 1
}
