// Who waits for which answer: by the topic where it has the correlation in it, else by `correlationid` in the payload.
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'

import { isObject, parseJson } from '../data/json.ts'
import type { CompiledRequest } from './request.ts'

export interface Waiting extends Disposable {
  /** The payload of the answer. Rejects with what the signal says, or `BACKEND_FAILED` for what is no JSON. */
  readonly answer: Promise<Json>
}

export interface Correlation {
  /** What is to be subscribed to. */
  readonly filters: readonly string[]
  /** A message on one of these topics; one that nobody waits for (any more) is dropped. */
  arrived(topic: string, payload: Uint8Array): void
  wait(correlationId: string, replyTopic: string, signal: AbortSignal): Waiting
}

interface Waiter {
  readonly replyTopic: string
  readonly resolve: (payload: Json) => void
  readonly reject: (error: unknown) => void
}

export function createCorrelation(requests: Iterable<CompiledRequest>): Correlation {
  const filters = new Set<string>()
  for (const { replyFilter } of requests) if (replyFilter !== undefined) filters.add(replyFilter)
  const byId = new Map<string, Waiter>()
  const byTopic = new Map<string, string>()

  return {
    filters: [...filters],
    arrived(topic, bytes) {
      const named = byTopic.get(topic)
      let payload: Json
      try {
        payload = parseJson(bytes)
      } catch (error) {
        const waiter = named === undefined ? undefined : byId.get(named)
        waiter?.reject(new GatewayError('BACKEND_FAILED', 'the answer is not JSON', { cause: error }))
        return
      }
      const id = named ?? correlationOf(payload)
      const waiter = id === undefined ? undefined : byId.get(id)
      // The topic it was asked for on: another device's answer is not this one's.
      if (waiter?.replyTopic === topic) waiter.resolve(payload)
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
        },
      }
    },
  }
}

function correlationOf(payload: Json): string | undefined {
  if (!isObject(payload)) return undefined
  const id = payload['correlationid'] ?? payload['correlationId']
  return typeof id === 'string' ? id : undefined
}
