// Where a conversation's device listens, for what is said there without a question of its own (the text of an event's route).
import { createHash } from 'node:crypto'

import { LRUCache } from 'lru-cache'

import { GatewayError } from 'dragoman'
import type { Delivery, Json, Message, Scope } from 'dragoman'

import { isObject } from '../data/json.ts'
import type { Owner, ReplyTopic } from './mapping.ts'
import { topicProblem } from './topics.ts'

export interface ReplyTopics {
  /** The device has told, by a message that was taken, where it listens. Resolves when that is durable, or could not be made so. */
  note(conversation: string, reply: ReplyTopic): Promise<void>
  /** Where a message goes, or what becomes of one that goes nowhere. Never rejects. */
  find(message: Message): Promise<ReplyTopic | Delivery>
}

/** As long as conversations count as active, with room to spare. */
const KEPT_MS = 7 * 24 * 3_600_000
const REMEMBERED = 10_000
/** What is as young as that may be about the very message whose topic is being noted, perhaps on another instance. */
const YOUNG_MS = 5000
const AGAIN_MS = 1000
const CUSTOMERS = 'link:'

/** `isPulled`: the customer can fetch what is said in this conversation (frames, the log), also where no topic is known. */
export function createReplyTopics(
  { state, log, now }: Pick<Scope, 'state' | 'log' | 'now'>,
  isPulled: (conversation: string) => boolean,
): ReplyTopics {
  const noted = new LRUCache<string, string>({ max: REMEMBERED, ttl: KEPT_MS / 2 })

  async function contextOf({ conversation, inReplyTo, replyContext }: Message): Promise<Json | undefined> {
    // The answer to a message from a topic without `reply` goes nowhere else either.
    if (replyContext !== undefined || inReplyTo !== undefined) return replyContext
    return (await state.get(keyOf(conversation)))?.value
  }

  return {
    async note(conversation, reply) {
      const context = { v: 1, ...reply }
      const text = JSON.stringify(context)
      if (noted.get(conversation) === text) return
      noted.set(conversation, text)
      try {
        await state.put(keyOf(conversation), context, { ttlMs: KEPT_MS })
      } catch (error) {
        noted.delete(conversation)
        log.warn('where the device of a conversation listens could not be noted', {
          error: GatewayError.from(error).message,
        })
      }
    },
    async find(message) {
      const { conversation, inReplyTo, receivedAt } = message
      try {
        const context = await contextOf(message)
        if (context !== undefined) return replyTopicOf(context, conversation)
        if (inReplyTo !== undefined || isPulled(conversation)) return { status: 'sent' }
        const reason = `no topic is known for the conversation "${conversation}": none of its messages came from one with a reply`
        const isYoung = now() - Date.parse(receivedAt) < YOUNG_MS
        return { status: 'refused', retry: isYoung, ...(isYoung && { afterMs: AGAIN_MS }), reason }
      } catch (error) {
        // Nothing was sent: that is not in doubt.
        return { status: 'refused', retry: true, reason: GatewayError.from(error).message }
      }
    },
  }
}

/** What this adapter wrote into its draft, or noted. */
function replyTopicOf(context: Json, conversation: string): ReplyTopic | Delivery {
  const { v, topic, qos, owner } = isObject(context) ? context : {}
  const isTopic = typeof topic === 'string' && topicProblem(topic) === undefined
  if (v === 1 && isTopic && (qos === 0 || qos === 1)) {
    if (owner === undefined) return { topic, qos, ...ownerBefore(conversation) }
    if (isOwner(owner)) return { topic, qos, owner }
  }
  // SEMANTICS 21: never taken for sent, whoever wrote it.
  return { status: 'refused', retry: false, reason: 'the reply context is none that this adapter knows' }
}

/** What earlier versions noted names no owner: a customer's usual conversation does (SEMANTICS 9). */
function ownerBefore(conversation: string): Pick<ReplyTopic, 'owner'> {
  if (!conversation.startsWith(CUSTOMERS)) return {}
  return { owner: { role: 'customer', id: conversation.slice(CUSTOMERS.length) } }
}

function isOwner(value: Json): value is Json & Owner {
  if (!isObject(value)) return false
  const { role, id } = value
  return (role === 'customer' || role === 'agent') && typeof id === 'string'
}

/** A name of any length and characters. */
function keyOf(conversation: string): string {
  return `reply-topic/${createHash('sha256').update(conversation).digest('base64url')}`
}
