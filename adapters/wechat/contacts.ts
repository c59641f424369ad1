// Who is behind a conversation, for what we say first (the text of an event's route): no question, no reply context.
import { LRUCache } from 'lru-cache'

import { GatewayError } from 'dragoman'
import type { Scope } from 'dragoman'

import { digestOf } from './drafts.ts'
import { replyContextOf } from './reply-context.ts'
import type { ReplyContext } from './reply-context.ts'

export interface Contacts {
  /** Returns at once: a customer who cannot be noted is answered all the same. */
  note(conversation: string, context: ReplyContext): void
  find(conversation: string): Promise<ReplyContext | undefined>
}

/** As long as conversations count as active, with room to spare; the platform's windows are shorter. */
const KEPT_MS = 7 * 24 * 3_600_000
const REMEMBERED = 10_000

/** A customer's own conversation with the channel, to whom an openid is all that is needed, is known by its name. */
export function createContacts({ id, state, log }: Pick<Scope, 'id' | 'state' | 'log'>): Contacts {
  const noted = new LRUCache<string, string>({ max: REMEMBERED, ttl: KEPT_MS / 2 })
  const own = `${id}:`
  const keyOf = (conversation: string): string => `contact/${digestOf(Buffer.from(conversation, 'utf8'))}`
  return {
    note(conversation, { responseUrl: _once, ...context }) {
      if (conversation === own + context.to && isPlain(context)) return
      const text = JSON.stringify(context)
      if (noted.get(conversation) === text) return
      noted.set(conversation, text)
      state.put(keyOf(conversation), { ...context }, { ttlMs: KEPT_MS }).catch((error: unknown) => {
        noted.delete(conversation)
        log.warn('who is behind a conversation could not be noted', {
          error: GatewayError.from(error).message,
        })
      })
    },
    async find(conversation) {
      const found = replyContextOf((await state.get(keyOf(conversation)))?.value)
      if (found !== undefined) return found
      const to = conversation.startsWith(own) ? conversation.slice(own.length) : ''
      // What the platform says about itself is the channel's own, or WeCom's: it would be a customer of that name.
      if (to === '' || to === id || to === 'sys') return undefined
      return { adapter: 'wechat', version: 1, to, account: '' }
    },
  }
}

function isPlain({ authorizer, openKfId, agentId, chatId }: ReplyContext): boolean {
  return [authorizer, openKfId, agentId, chatId].every((each) => each === undefined)
}
