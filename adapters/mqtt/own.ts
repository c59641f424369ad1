// What a bridge says where it listens itself comes back to it: MQTT 3.1.1 knows no "no local". It is no news, and no customer's word.
import { createHash } from 'node:crypto'

import { LRUCache } from 'lru-cache'

import type { Scope } from 'dragoman'

import { isLikeOurs } from './payload.ts'

export interface Own {
  /** Before it is published on a topic that this bridge hears. Resolves when that is durable. Throws `STORE_UNAVAILABLE`. */
  note(topic: string, payload: string): Promise<void>
  /**
   * Whether a message is one of those that were noted, by this instance or another, in this life or an earlier one; then it is counted
   * (`mqtt_own`), and the first one on its topic warned of. Throws `STORE_UNAVAILABLE`.
   */
  isBack(topic: string, payload: Uint8Array): Promise<boolean>
}

/** Whoever publishes it again and again, as its broker is away, notes it no more often. */
const RENEWED_MS = 3_600_000
/** More than an outbox tries to publish at once. */
const NOTED = 100
/** A broker may keep for a session that is away what it said last. */
const KEPT_MS = 24 * 3_600_000
const WARNED_TOPICS = 1000

export function createOwn({ state, log, metrics }: Pick<Scope, 'state' | 'log' | 'metrics'>): Own {
  const warned = new LRUCache<string, true>({ max: WARNED_TOPICS })
  const noted = new LRUCache<string, true>({ max: NOTED, ttl: RENEWED_MS })
  return {
    async note(topic, payload) {
      const key = keyOf(topic, payload)
      if (noted.has(key)) return
      await state.put(key, true, { ttlMs: KEPT_MS })
      noted.set(key, true)
    },
    async isBack(topic, payload) {
      if (!isLikeOurs(payload)) return false
      if ((await state.get(keyOf(topic, payload))) === undefined) return false
      metrics.count('mqtt_own')
      if (!warned.has(topic))
        log.warn('the bridge hears what it publishes: a filter of `topics` covers the topic of its replies', {
          topic,
        })
      warned.set(topic, true)
      return true
    },
  }
}

/** All bytes count: with its id, each message is one of its own. U+0000 stands in no topic. */
function keyOf(topic: string, payload: string | Uint8Array): string {
  return `own/${createHash('sha256').update(`${topic}\u0000`).update(payload).digest('base64url')}`
}
