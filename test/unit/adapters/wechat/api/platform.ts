// A platform's API for one account against the simulated platform, over real HTTP.
import type { Draft, Message, Part } from 'dragoman'

import type { Account } from '../../../../../adapters/wechat/account.ts'
import { createPlatform } from '../../../../../adapters/wechat/api/index.ts'
import type { Platform } from '../../../../../adapters/wechat/platform.ts'
import type { ReplyContext } from '../../../../../adapters/wechat/reply-context.ts'
import { startPlatformApi } from '../../../../../bin/demo/simulator/api.ts'
import type { PlatformApi } from '../../../../../bin/demo/simulator/api.ts'
import { world } from './scopes.ts'
import type { World } from './scopes.ts'

export const SECRET = 'a-secret-that-nobody-may-see'

export interface Trial extends AsyncDisposable {
  readonly api: PlatformApi
  readonly platform: Platform
  readonly here: World
  /** Another instance of the same account on the same store. */
  another(name: string): Platform
}

export async function trial(account: Partial<Account> = {}, here = world()): Promise<Trial> {
  const api = await startPlatformApi({ appId: 'wx1', secret: SECRET })
  const whole: Account = {
    product: 'official',
    appId: 'wx1',
    secret: SECRET,
    apiBase: api.base,
    ...account,
  }
  const all: Platform[] = []
  const another = (name: string): Platform => {
    const made = createPlatform(whole, here.scope(name))
    all.push(made)
    return made
  }
  return {
    api,
    here,
    platform: another('one'),
    another,
    async [Symbol.asyncDispose]() {
      for (const platform of all) await platform[Symbol.asyncDispose]()
      await api[Symbol.asyncDispose]()
    },
  }
}

export const never = new AbortController().signal

/** A reply as the core hands it over, one part of it. */
export function reply(parts: readonly Part[] | string, context: Partial<ReplyContext> | null = {}): Message {
  const id = '01900000-0000-7000-8000-000000000001'
  return {
    kind: 'message',
    type: 'text',
    sender: { id: 'helper', role: 'bot' },
    parts: typeof parts === 'string' ? [{ kind: 'text', text: parts }] : parts,
    id,
    channel: 'wechat',
    conversation: 'wechat:oAnn',
    direction: 'outbound',
    sequence: 2,
    receivedAt: '2026-01-01T00:00:00.000Z',
    correlationId: id,
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ...(context !== null && {
      replyContext: { adapter: 'wechat', version: 1, to: 'oAnn', account: 'gh_1', ...context },
    }),
  }
}

/** What became of each draft of 微信客服, by its text. */
export function draftOf(item: { readonly [field: string]: unknown }): Draft | undefined {
  const { text, external_userid: id } = item
  if (typeof id !== 'string' || typeof text !== 'object' || text === null || !('content' in text))
    return undefined
  return {
    kind: 'message',
    type: 'text',
    sender: { id, role: 'customer' },
    parts: [{ kind: 'text', text: String(text.content) }],
  }
}
