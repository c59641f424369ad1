// How an answer from the cache is marked in HTTP (RFC 9111 §5.1, RFC 9211).
import type { Json, Reply } from 'dragoman'

import { isObject } from '../data/json.ts'

/** Age and Cache-Status of an answer that did not come from the business system just now; nothing for one that did. */
export function staleHeaders(reply: Reply, now: number): Readonly<Record<string, string>> {
  if (reply.stale !== true && reply.origin !== 'cache') return {}
  const since = reply.asOf === undefined ? Number.NaN : Date.parse(reply.asOf)
  return {
    'cache-status': reply.stale === true ? 'dragoman; hit; detail=stale' : 'dragoman; hit',
    ...(!Number.isNaN(since) && { age: String(Math.max(0, Math.floor((now - since) / 1000))) }),
  }
}

/** A stale or partial object says so itself; a member `stale` or `partial` of its own would contradict the mark and gives way. */
export function markedData({ data, stale = false, partial = false }: Reply): Json | undefined {
  if ((!stale && !partial) || !isObject(data)) return data
  return { ...data, ...(stale && { stale }), ...(partial && { partial }) }
}
