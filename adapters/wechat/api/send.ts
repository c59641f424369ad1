// The push of one part of an answer by the customer-service API, with its verdict: sent, refused, or nobody knows (SEMANTICS 6).
import { GatewayError } from 'dragoman'
import type { Delivery, Json, Message, Part, Scope } from 'dragoman'

import { isSuite } from '../account.ts'
import type { Account } from '../account.ts'
import { BOT_BYTES, LOST_PART, saidWithin } from '../fallback-text.ts'
import {
  MAX_MESSAGES,
  NOTHING,
  isNothing,
  isTransfer,
  passiveContent,
  passiveFallback,
  shownParts,
  whyUnsaid,
} from '../passive.ts'
import { replyContextOf } from '../reply-context.ts'
import type { ReplyContext } from '../reply-context.ts'
import { isFields } from './answer-text.ts'
import { botContents, contentsOf, familyOf } from './contents.ts'
import type { Content, Family, Upload } from './contents.ts'
import { rulingOf } from './errors.ts'
import type { Authorised, Media } from './media.ts'
import { idOf } from './operations.ts'
import type { Wire, WireAnswer, WireCall } from './wire.ts'
import type { Customer, Windows } from './windows.ts'

export interface SendParts {
  readonly account: Account
  readonly scope: Pick<Scope, 'state' | 'log'>
  readonly authorised: Authorised
  /** Without a token, for addresses that are their own credential. */
  readonly wire: Wire
  readonly media: Media
  /** Absent: the product has no window. */
  readonly windows: Windows | undefined
  /** 微信客服: the account a customer wrote to last. */
  readonly lastKfAccount: (customer: string) => Promise<string | undefined>
}

export type Send = (message: Message, key: string, signal: AbortSignal) => Promise<Delivery>

type Address = Pick<ReplyContext, 'to' | 'authorizer' | 'openKfId' | 'agentId' | 'responseUrl'>

/** The platform says "later" in seconds or minutes, never exactly. */
const LATER_MS = 10_000
/** For all files of a push together: the core gives it up after 15 s, and takes it for one that may have been sent. */
const FILES_MS = 12_000
/** How far an answer of several messages has come, should its push be repeated. */
const PROGRESS_MS = 24 * 3_600_000

/** Makes the push of one account. It never throws: what went wrong is in the delivery. */
export function createSend(parts: SendParts): Send {
  const { account, scope, media } = parts
  const family = familyOf(account.product)

  async function deliver(message: Message, key: string, signal: AbortSignal): Promise<Delivery> {
    const shown = shownParts(message)
    if (isNothing(shown)) return never(NOTHING)
    // It will not be there the next time either; once it is, the dead letter can be sent again.
    if (isSuite(account) || (family !== 'bot' && account.secret === undefined))
      return never(whyOnlyResponse(message, account))
    const address = await addressOf(message, family, parts.lastKfAccount)
    if (typeof address === 'string') return never(address)
    if ((family === 'official' || family === 'miniprogram') && shown.some(isTransfer))
      return never(NO_TRANSFER)
    const { contents, lost } = await messagesOf(shown, address, signal)
    if (contents.length === 0) return never(NOTHING)
    if (lost !== undefined) scope.log.warn(lost, { id: message.id })
    if (contents.length > MAX_MESSAGES)
      return never(
        `the answer needs ${contents.length} messages, and the platform sends ${MAX_MESSAGES}: shorten it`,
      )
    const [only] = contents
    return contents.length === 1 && only !== undefined
      ? sendOne(only, address, { key: `${key}#0`, signal })
      : sendAll(contents, address, { key, signal })
  }

  async function messagesOf(
    shown: readonly Part[],
    { authorizer }: Address,
    signal: AbortSignal,
  ): Promise<{ readonly contents: readonly Content[]; readonly lost?: string | undefined }> {
    if (family === 'bot') {
      const { text, lost } = saidWithin(shown, BOT_BYTES)
      return { contents: botContents(text), lost }
    }
    let within: AbortSignal | undefined
    const upload: Upload = (file) => {
      within ??= AbortSignal.any([signal, AbortSignal.timeout(FILES_MS)])
      return media.ofUrl(file, { authorizer, signal: within })
    }
    const each: (readonly Content[])[] = []
    for (const part of shown) each.push(await contentsOf(part, family, upload))
    const isWhole = each.every((contents, index) => contents.length > 0 || shown[index]?.kind === 'text')
    return { contents: each.flat(), ...(!isWhole && { lost: LOST_PART }) }
  }

  /** One message after the other, from where the push has come to at an earlier try. */
  async function sendAll(
    contents: readonly Content[],
    address: Address,
    { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  ): Promise<Delivery> {
    const first = await doneOf(key)
    const keys = contents.map((_, index) => `${key}#${index}`)
    const left = first > 0 ? undefined : await parts.windows?.left(customerOf(address), keys)
    if (left !== undefined && left > 0 && left < contents.length)
      return never(
        `the answer needs ${contents.length} messages, and the last action of the customer allows ${left} more: nothing of it was sent`,
      )
    for (const [index, content] of contents.entries()) {
      if (index < first) continue
      const delivery = await sendOne(content, address, { key: `${key}#${index}`, signal })
      if (delivery.status !== 'sent')
        return { ...delivery, ...(index > 0 && partly(delivery, index, contents)) }
      await scope.state.put(`sent/${key}`, { done: index + 1 }, { ttlMs: PROGRESS_MS })
    }
    return { status: 'sent' }
  }

  async function doneOf(key: string): Promise<number> {
    const { value } = (await scope.state.get(`sent/${key}`)) ?? {}
    return isFields(value) && typeof value['done'] === 'number' ? value['done'] : 0
  }

  async function sendOne(
    content: Content,
    address: Address,
    { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  ): Promise<Delivery> {
    const leave = await parts.windows?.take(customerOf(address), key)
    if (leave?.status === 'closed') return never(leave.why)
    const giveBack = async (): Promise<void> => {
      if (leave?.status === 'open') await leave.giveBack()
    }
    let answer: WireAnswer
    try {
      answer = await posted(content, address, { key, signal })
    } catch (error) {
      const delivery = broken(error, family)
      if (delivery.status === 'refused') await giveBack()
      return delivery
    }
    if (answer.status !== 'error') return { status: 'sent' }
    const { verdict, says } = rulingOf(answer.code, answer.text)
    switch (verdict) {
      case 'doubt':
        // 微信客服 removes duplicates by msgid: a repeat is safe, whatever became of the first.
        if (family === 'kf') return later(says)
        return { status: 'unknown', reason: says }
      case 'window':
      case 'quota':
        if (leave?.status === 'open') await leave.shut()
        return never(says)
      case 'later':
      case 'renew':
      case 'setup':
      case 'cursor':
        await giveBack()
        return later(says)
      case 'refused':
        await giveBack()
        return never(says)
    }
  }

  function posted(
    content: Content,
    address: Address,
    { key, signal }: { readonly key: string; readonly signal: AbortSignal },
  ): Promise<WireAnswer> {
    const { authorizer, responseUrl } = address
    if (family === 'bot')
      return parts.wire({ method: 'POST', path: responseUrl ?? '', body: content }, signal)
    return parts.authorised(callOf(content, address, { family, key, account }), { authorizer, signal })
  }

  return async (message, key, signal) => {
    try {
      return await deliver(message, key, signal)
    } catch (error) {
      return broken(error, family)
    }
  }
}

const NO_TRANSFER =
  'the transfer to the platform’s staff is possible in the response alone, and as its only part: this came too late for it, or beside others'

/** Of an account that says nothing but in the response: why this answer was not there. */
function whyOnlyResponse(message: Message, account: Account): string {
  const scene = { product: account.product, isEvent: false }
  const sayable = passiveContent(message, scene) ?? passiveFallback(message, scene)
  const only = isSuite(account)
    ? 'a WeCom suite answers in the response alone'
    : 'the channel has no `secret`'
  const why =
    sayable === undefined
      ? whyUnsaid(message, scene)
      : 'an answer that did not come in time for the response, or is to an event, cannot be sent'
  return `${only}: ${why}`
}

function customerOf({ to: openId, authorizer }: Address): Customer {
  return { openId, ...(authorizer !== undefined && { authorizer }) }
}

function partly(
  { reason }: { readonly reason?: string },
  done: number,
  contents: readonly Content[],
): { readonly reason: string } {
  const count = `${done} of ${contents.length} messages were sent`
  return { reason: reason === undefined ? count : `${count}: ${reason}` }
}

function callOf(
  content: Content,
  address: Address,
  { family, key, account }: { readonly family: Family; readonly key: string; readonly account: Account },
): WireCall {
  const { to, openKfId, agentId = account.agentId } = address
  if (family === 'wecom') {
    const agentid: Json = /^\d{1,15}$/.test(agentId ?? '') ? Number(agentId) : (agentId ?? '')
    return { method: 'POST', path: '/cgi-bin/message/send', body: { touser: to, agentid, ...content } }
  }
  if (family === 'kf') {
    const body: Json = { touser: to, open_kfid: openKfId ?? '', msgid: idOf(key), ...content }
    return { method: 'POST', path: '/cgi-bin/kf/send_msg', body }
  }
  return { method: 'POST', path: '/cgi-bin/message/custom/send', body: { touser: to, ...content } }
}

/** To whom; a text says why that cannot be told. */
async function addressOf(
  message: Message,
  family: Family,
  lastKfAccount: SendParts['lastKfAccount'],
): Promise<Address | string> {
  const context = replyContextOf(message.replyContext)
  if (context === undefined && message.replyContext !== undefined)
    return 'the reply context is of another adapter or version' // SEMANTICS 21
  if (family === 'bot' && context?.responseUrl === undefined)
    return 'a WeCom bot speaks only where it was spoken to: there is no address for an answer that is late or that the response cannot carry'
  const address: Address | undefined = context ?? defaultAddress(message)
  if (address === undefined)
    return `conversation "${message.conversation}" does not say which customer of the platform it is with`
  if (family !== 'kf' || address.openKfId !== undefined) return address
  const openKfId = await lastKfAccount(address.to)
  if (openKfId === undefined) return `it is not known to which customer-service account "${address.to}" wrote`
  return { ...address, openKfId }
}

/** A message that answers nothing, the text of an event: the default conversation names the customer (SEMANTICS 9). */
function defaultAddress({ channel, conversation }: Message): Address | undefined {
  const start = `${channel}:`
  const to = conversation.startsWith(start) ? conversation.slice(start.length) : ''
  return to === '' ? undefined : { to }
}

/** A line that broke. 微信客服 removes duplicates by msgid; elsewhere a repeat is safe only if nothing was sent. */
function broken(error: unknown, family: Family): Delivery {
  const { message, code, notExecuted, retryAfterMs } = GatewayError.from(error)
  if (code === 'ENCODE_FAILED' || code === 'FORBIDDEN' || code === 'DECODE_FAILED') return never(message)
  const afterMs = retryAfterMs === undefined ? {} : { afterMs: Math.max(retryAfterMs, LATER_MS) }
  if (notExecuted || family === 'kf') return { status: 'refused', retry: true, reason: message, ...afterMs }
  return { status: 'unknown', reason: message }
}

function later(reason: string): Delivery {
  return { status: 'refused', retry: true, reason, afterMs: LATER_MS }
}

function never(reason: string): Delivery {
  return { status: 'refused', retry: false, reason }
}
