// Who waits for which answer: by the topic where it has the correlation in it, else by `correlationid` in the payload.
import { LRUCache } from 'lru-cache'

import type { Json, Scope } from 'dragoman'

import { isObject, parseJson } from '../data/json.ts'
import { unreadable } from './request.ts'
import type { CompiledRequest } from './request.ts'
import { matches } from './topics.ts'

export interface Waiting extends Disposable {
  /** The payload of the answer. Rejects with what the signal says, or `BACKEND_FAILED` for what is no JSON, or too large. */
  readonly answer: Promise<Json>
}

export interface Correlation {
  /** What is to be subscribed to. */
  readonly filters: readonly string[]
  /** A message on one of these topics. Undefined: a call has it as its answer; otherwise why none has. `ended`: but one did wait for it. */
  arrived(topic: string, payload: Uint8Array): Unmatched | undefined
  /** It is no other's either: counted (`mqtt_answers_unmatched`), and the first one of its filter and reason warned of. */
  dropped(topic: string, reason: Unmatched): void
  wait(correlationId: string, replyTopic: string, signal: AbortSignal): Waiting
}

export type Unmatched = keyof typeof UNMATCHED

const UNMATCHED = {
  too_large: 'it is longer than the backend’s `responseLimit`',
  not_json: 'it is not JSON',
  no_correlation: 'it has no correlationid',
  ended: 'its call has ended: it is late, or came before',
  nobody_waits:
    'no call waits for its correlationid: it is late, for another instance, or not the one that was asked with',
  other_topic: 'its call waits on another topic',
} as const

const ENDED = 10_000
const ENDED_MS = 600_000
/** Of all backends of the process, as what is asked before a reload may be answered after it. */
const ended = new LRUCache<string, true>({ max: ENDED, ttl: ENDED_MS })

interface Waiter {
  readonly replyTopic: string
  readonly resolve: (payload: Json) => void
  readonly reject: (error: unknown) => void
}

export function createCorrelation(
  requests: Iterable<CompiledRequest>,
  { log, metrics, responseLimitBytes }: Pick<Scope, 'log' | 'metrics' | 'responseLimitBytes'>,
): Correlation {
  const filters = new Set<string>()
  for (const { replyFilter } of requests) if (replyFilter !== undefined) filters.add(replyFilter)
  const byId = new Map<string, Waiter>()
  const byTopic = new Map<string, string>()
  const warned = new Set<string>()

  return {
    filters: [...filters],
    arrived(topic, bytes) {
      const named = byTopic.get(topic)
      if (ended.has(topic)) return 'ended'
      const called = named === undefined ? undefined : byId.get(named)
      if (bytes.byteLength > responseLimitBytes) {
        const ids = called === undefined ? idsIn(bytes) : []
        const isHere = (id: string): boolean => byId.get(id)?.replyTopic === topic
        const whose = called ?? byId.get(ids.find(isHere) ?? '')
        whose?.reject(unreadable(`the answer is larger than ${responseLimitBytes} bytes`))
        if (whose !== undefined) return undefined
        return ids.some((id) => ended.has(endedKey(topic, id))) ? 'ended' : 'too_large'
      }
      let payload: Json
      try {
        payload = parseJson(bytes)
      } catch (error) {
        called?.reject(unreadable('the answer is not JSON', error))
        return called === undefined ? 'not_json' : undefined
      }
      const id = named ?? correlationOf(payload)
      if (id === undefined) return 'no_correlation'
      const waiter = byId.get(id)
      if (waiter === undefined) return ended.has(endedKey(topic, id)) ? 'ended' : 'nobody_waits'
      // The topic it was asked for on: another device's answer is not this one's.
      if (waiter.replyTopic !== topic) return 'other_topic'
      waiter.resolve(payload)
      return undefined
    },
    dropped(topic, reason) {
      metrics.count('mqtt_answers_unmatched', { reason })
      const filter = [...filters].find((one) => matches(one, topic)) ?? topic
      const about = `${reason} ${filter}`
      if (warned.has(about)) return
      warned.add(about)
      log.warn('an answer is no call’s', { filter, topic, reason: UNMATCHED[reason] })
    },
    wait(correlationId, replyTopic, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Json>()
      promise.catch(() => undefined) // whoever awaits it hears of it; it may end before that
      const onAbort = (): void => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      byId.set(correlationId, { replyTopic, resolve, reject })
      const perCall = replyTopic.includes(correlationId)
      if (perCall) byTopic.set(replyTopic, correlationId)
      return {
        answer: promise,
        [Symbol.dispose]() {
          signal.removeEventListener('abort', onAbort)
          byId.delete(correlationId)
          if (perCall) byTopic.delete(replyTopic)
          ended.set(perCall ? replyTopic : endedKey(replyTopic, correlationId), true)
        },
      }
    },
  }
}

/** Of a call that shares its topic with others. U+0000 stands in no topic. */
function endedKey(topic: string, id: string): string {
  return `${topic}\u0000${id}`
}

/** What may be a correlation in an answer too long to be read: `request.ts` makes them random UUIDs. */
function idsIn(bytes: Uint8Array): string[] {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  return [...new Set(text.match(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/gu))]
}

function correlationOf(payload: Json): string | undefined {
  if (!isObject(payload)) return undefined
  const id = payload['correlationid'] ?? payload['correlationId']
  return typeof id === 'string' ? id : undefined
}
