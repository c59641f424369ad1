// What an event does for its customer: the route's text, once in each of his active conversations (SEMANTICS 29).
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import type { Components } from '../calls/calls.ts'
import { newId, moment } from '../ids.ts'
import { mayPush } from './push.ts'
import { isOfAgent } from '../store/homes.ts'
import type { ConversationRow, Store, Work } from '../store/store.ts'
import type { Route } from '../router.ts'
import { traceOn } from '../tracing.ts'

export interface EffectsOptions {
  readonly store: Pick<Store, 'accept' | 'find' | 'read'>
  readonly log: Log
  readonly now: () => number
  readonly dedupeMs: number
  readonly laneLimit: { readonly platform: number }
  readonly poke: (home: string) => void
}

const ACTIVE_MS = 72 * 3_600_000
/** As many as the store yields at once: no person has so many, and an id that many share may. */
const MAX_CONVERSATIONS = 1000
/** Of each conversation's log, for what a replay told it before. */
const MAX_MESSAGES = 1000

/** What the route of an event does besides its agent's notice, in the generation the attempt is pinned to. */
export type Effects = (work: Work, route: Route, components: Components) => Promise<void>

/**
 * Each effect is its own accept with a key made of event and conversation: redelivery sends it once, and so does a replay of its dead
 * letter, which is another message of the same `correlationId`. A replay may come when the key is forgotten, so it looks into the log as
 * well. An event has one route, and its place in the table is not part of the key: a reload between two tries may shift it.
 */
export function createEffects(options: EffectsOptions): Effects {
  const { store, log, now, dedupeMs, laneLimit, poke } = options
  return async (work, route, components) => {
    const text = await route.reply?.(work.message)
    if (text === undefined || text === '') return
    const isReplay = work.message.correlationId !== work.message.id
    for (const conversation of await activeConversations(work)) {
      if (isReplay && (await wasTold(conversation, work.message.correlationId))) continue
      const pushes = mayPush(components.channel(conversation.channel))
      const key = ['effect', work.message.correlationId, conversation.conversation].join('\u001F')
      const result = await store.accept({
        home: conversation.home,
        conversation: conversation.conversation,
        message: {
          id: newId(),
          kind: 'message',
          type: 'text',
          sender: { id: work.message.channel, role: 'system' },
          channel: conversation.channel,
          conversation: conversation.conversation,
          direction: 'outbound',
          parts: [{ kind: 'text', text }],
          receivedAt: moment(now()),
          correlationId: work.message.correlationId,
          causationId: work.message.id,
          traceparent: traceOn(work.message.traceparent),
        },
        dedupe: { key, fingerprint: key, ttlMs: dedupeMs },
        // A channel that is pulled from finds it in the log; one that pushes has it sent when what goes out is out (push-turns.ts).
        ...(pushes && {
          work: {
            lane: `push:${conversation.channel}:${conversation.conversation}`,
            priority: 1,
            limit: laneLimit.platform,
          },
        }),
        inbox: true,
      })
      if (result.status !== 'accepted' && result.status !== 'duplicate')
        throw new GatewayError(
          'OVERLOADED',
          `the text of the event could not be put into "${conversation.conversation}": ${result.status}`,
        )
      if (pushes) poke(conversation.home)
    }
  }

  /** Whether the newest messages of a conversation have the text of this event. */
  async function wasTold(
    { home, conversation, top }: ConversationRow,
    correlationId: string,
  ): Promise<boolean> {
    let after = Math.max(0, top - MAX_MESSAGES)
    while (after < top) {
      const page = await store.read({ home, log: { conversation }, after, limit: MAX_MESSAGES })
      if (page.status === 'reset' || page.next === after) return false
      const isTold = page.rows.some(
        ({ message }) => message.direction === 'outbound' && message.correlationId === correlationId,
      )
      if (isTold) return true
      after = page.next
    }
    return false
  }

  /** An event that is about no customer has its own conversation alone: an id is a name among customers only (SEMANTICS 9). */
  async function activeConversations({ message }: Work): Promise<readonly ConversationRow[]> {
    const isOfCustomer = message.sender.role === 'customer'
    const rows = await store.find(
      isOfCustomer
        ? { by: 'customer', customer: message.sender.id, limit: MAX_CONVERSATIONS }
        : { by: 'conversation', conversation: message.conversation },
    )
    const since = moment(now() - ACTIVE_MS)
    const active = rows.filter(
      (row): row is ConversationRow =>
        row.row === 'conversation' && row.lastAt >= since && !(isOfCustomer && isOfAgent(row.home)),
    )
    if (active.length === MAX_CONVERSATIONS)
      log.warn('the text of an event goes only into the conversations that were active last', {
        event: message.id,
        conversations: MAX_CONVERSATIONS,
      })
    return active
  }
}
