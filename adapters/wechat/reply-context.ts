// What a channel writes beside a message so that an answer finds its way back, also after a restart (SEMANTICS 21).
import type { Json } from 'dragoman'

/** Kept with the message; handed back with every push of its answer. */
export interface ReplyContext {
  readonly adapter: 'wechat'
  readonly version: 1
  /** FromUserName: openid, userid, external_userid; of a bot's message the userid. */
  readonly to: string
  /** ToUserName: gh_…, corpid or bot id. */
  readonly account: string
  /** component: appid of the account the message was for. */
  readonly authorizer?: string
  /** 微信客服: the account the customer wrote to. */
  readonly openKfId?: string
  /** wecom: the application the message was for. */
  readonly agentId?: string
  /** wecom-bot: the chat the message was said in. */
  readonly chatId?: string
  /** wecom-bot: where one later answer may be posted. */
  readonly responseUrl?: string
}

/** The context as it was written; undefined for one that another adapter or another version wrote. */
export function replyContextOf(value: Json | undefined): ReplyContext | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const context = value as Partial<Record<keyof ReplyContext, Json>> // any object may be asked for these members
  if (context.adapter !== 'wechat' || context.version !== 1) return undefined
  const { to, account, authorizer, openKfId, agentId, chatId, responseUrl } = context
  if (typeof to !== 'string' || typeof account !== 'string') return undefined
  return {
    adapter: 'wechat',
    version: 1,
    to,
    account,
    ...(typeof authorizer === 'string' && { authorizer }),
    ...(typeof openKfId === 'string' && { openKfId }),
    ...(typeof agentId === 'string' && { agentId }),
    ...(typeof chatId === 'string' && { chatId }),
    ...(typeof responseUrl === 'string' && { responseUrl }),
  }
}
