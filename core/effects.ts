// What an event does for its customer: the route's text, once in each of his active conversations (SEMANTICS 29).
import { newId, moment, traceparent } from './ids.ts'
import type { ConversationRow, Store, Work } from './store/store.ts'
import type { Pinned } from './pipeline.ts'
import type { Route } from './router.ts'

export interface EffectsOptions {
  readonly store: Store
  readonly now: () => number
  readonly pin: () => Pinned
  readonly dedupeMs: number
  readonly laneLimit: { readonly platform: number }
  readonly poke: (home: string) => void
}

const ACTIVE_MS = 72 * 3_600_000
const MAX_CONVERSATIONS = 16

/** Each effect is its own accept with a key made of event, route and conversation: redelivery sends it once. */
export function createEffects(options: EffectsOptions): (work: Work, route: Route) => Promise<void> {
  const { store, now, pin, dedupeMs, laneLimit, poke } = options
  return async (work, route) => {
    const text = await route.reply?.(work.message)
    if (text === undefined || text === '') return
    using pinned = pin()
    for (const conversation of await activeConversations(work)) {
      const pushes = pinned.components.channel(conversation.channel)?.channel.send !== undefined
      const key = ['effect', work.message.id, route.number, conversation.conversation].join('\u001F')
      await store.accept({
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
          traceparent: traceparent(work.message.traceparent),
        },
        dedupe: { key, fingerprint: key, ttlMs: dedupeMs },
        // A channel that is pulled from finds it in the log; one that pushes has it sent in the order of its pushes.
        ...(pushes && {
          work: {
            lane: `push:${conversation.channel}:${conversation.conversation}`,
            priority: 1,
            limit: laneLimit.platform,
          },
        }),
        inbox: true,
      })
      if (pushes) poke(conversation.home)
    }
  }

  async function activeConversations(work: Work): Promise<readonly ConversationRow[]> {
    const rows = await store.find({
      by: 'customer',
      customer: work.message.sender.id,
      limit: MAX_CONVERSATIONS,
    })
    const since = moment(now() - ACTIVE_MS)
    return rows.filter((row): row is ConversationRow => row.row === 'conversation' && row.lastAt >= since)
  }
}
