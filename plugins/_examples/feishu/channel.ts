// The Feishu channel: callbacks are stored and acknowledged at once, answers are sent with our key, so that they are shown once.
import { createHash } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type {
  Channel,
  ChannelHost,
  Delivery,
  Draft,
  HttpRequest,
  HttpResponse,
  Json,
  Message,
  Party,
  Scope,
} from 'dragoman'

import { createApi } from './api.ts'
import { isObject, moment, objectIn, readCallback, textIn } from './callback.ts'
import type { Callback, Fields } from './callback.ts'
import type { ChannelConfig } from './config.ts'
import { outgoing, partsOf } from './parts.ts'

type Event = Extract<Callback, { readonly kind: 'event' }>

const MESSAGE = 'im.message.receive_v1'
const MESSAGES = '/open-apis/im/v1/messages'
/** A repeat within an hour of the first with the same `uuid` is not shown again. */
const MOST_UUID = 50

export function createChannel(config: ChannelConfig, scope: Scope): Channel {
  const api = createApi(config, scope)

  async function taken(request: HttpRequest, host: ChannelHost): Promise<HttpResponse> {
    let callback: Callback
    try {
      if (request.method !== 'POST') throw new GatewayError('METHOD_NOT_ALLOWED', 'callbacks are posted')
      callback = readCallback(request, config)
    } catch (error) {
      const { code, status } = noted(error)
      return json(status, { code })
    }
    if (callback.kind === 'challenge') return json(200, { challenge: callback.challenge })
    if (callback.kind === 'unknown') {
      scope.log.warn(`${callback.what} is acknowledged and not used`)
      return json(200, {})
    }
    try {
      const draft = await draftOf(callback, host)
      const raw = { mediaType: 'application/json', bytes: request.body }
      // No wait: the platform hangs up after 3 seconds; the answer is sent when it is there.
      if (draft !== undefined) await host.accept({ ...draft, raw }, { acknowledges: true })
      return json(200, {})
    } catch (error) {
      const { side, retry, code, status } = noted(error)
      // Refused for good, it would only come back. What cannot be stored now shall come back.
      return side === 'caller' && !retry ? json(200, {}) : json(retry ? 503 : status, { code })
    }
  }

  function noted(thrown: unknown): GatewayError {
    const error = GatewayError.from(thrown)
    scope.metrics.count('feishu_refused_total', { code: error.code })
    if (thrown instanceof GatewayError) scope.log.warn(`a callback is refused: ${error.message}`)
    else scope.log.error('a callback failed', { error: thrown })
    return error
  }

  async function draftOf(callback: Event, host: ChannelHost): Promise<Draft | undefined> {
    const { id, type, event, at } = callback
    const known = { externalId: id, ...(at !== undefined && { occurredAt: at }) }
    if (type !== MESSAGE) {
      const sender = personOf(event, config)
      const chat = textIn(event, 'chat_id') ?? textIn(objectIn(event, 'context'), 'open_chat_id')
      return host.draft(type, event, {
        kind: 'event',
        ...known,
        ...(sender !== undefined && { sender }),
        ...(chat !== undefined && { replyContext: { adapter: 'feishu', version: 1, chat } }),
      })
    }
    const message = objectIn(event, 'message')
    const from = objectIn(event, 'sender')
    // Another app's bot, or ourselves: two bots would talk for ever.
    if (textIn(from, 'sender_type') !== 'user') return undefined
    const sender = senderOf(objectIn(from, 'sender_id'), config)
    const chat = textIn(message, 'chat_id')
    const messageId = textIn(message, 'message_id')
    if (sender === undefined || chat === undefined || messageId === undefined)
      throw new GatewayError('DECODE_FAILED', `message ${id} has no ${config.senderId}, chat or id`)
    const isGroup = textIn(message, 'chat_type') !== 'p2p'
    const occurredAt = moment(textIn(message, 'create_time'))
    return {
      kind: 'message',
      type: textIn(message, 'message_type') ?? 'text',
      ...known,
      ...(occurredAt !== undefined && { occurredAt }),
      sender,
      parts: partsOf(message),
      replyContext: { adapter: 'feishu', version: 1, chat, messageId, isGroup },
      // Part of the key of kept answers: with what is new in each message, none would be found again.
      metadata: { 'feishu:chat_id': chat },
    }
  }

  return {
    async start(host) {
      host.serve(config.path, (request) => taken(request, host), { signed: true })
    },
    async send(message, key, signal) {
      const target = targetOf(message, config)
      if (target === undefined)
        return never(`nobody knows the chat of conversation "${message.conversation}"`)
      const bodies = outgoing(message, config.staleText)
      if (bodies === undefined) return never('it is longer than the platform takes')
      for (const [index, body] of bodies.entries()) {
        const uuid = uuidOf(index === 0 ? key : `${key}/${index}`)
        const outcome = await api.post(target.path, { ...target.receiver, ...body, uuid }, signal)
        if (outcome.is === 'done') continue
        scope.metrics.count('feishu_send_failed_total', { is: outcome.is })
        const reason = `${index > 0 ? `${index} of ${bodies.length} messages were sent: ` : ''}${outcome.why}`
        if (outcome.is === 'never') return never(reason)
        const { afterMs } = outcome
        return { status: 'refused', retry: true, reason, ...(afterMs !== undefined && { afterMs }) }
      }
      return { status: 'sent' }
    },
    async [Symbol.asyncDispose]() {
      // nothing is held
    },
  }
}

function never(reason: string): Delivery {
  return { status: 'refused', retry: false, reason }
}

function json(status: number, body: Json): HttpResponse {
  return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}

/** What was sent before an error goes out again with the same one, and is shown once. */
function uuidOf(key: string): string {
  return key.length <= MOST_UUID ? key : createHash('sha256').update(key).digest('base64url')
}

/** Who did what an event tells; each of its kinds names him elsewhere. */
function personOf(event: Fields, config: ChannelConfig): Party | undefined {
  const operator = objectIn(event, 'operator')
  return [
    objectIn(event, 'operator_id'),
    objectIn(operator, 'operator_id'),
    operator,
    objectIn(event, 'user_id'),
  ]
    .map((ids) => senderOf(ids, config))
    .find((sender) => sender !== undefined)
}

function senderOf(ids: Fields, { senderId }: ChannelConfig): Party | undefined {
  const id = textIn(ids, senderId)
  if (id === undefined) return undefined
  const others = Object.entries(ids).filter(([name, value]) => name !== senderId && typeof value === 'string')
  return { id, role: 'customer', ...(others.length > 0 && { attributes: Object.fromEntries(others) }) }
}

interface Target {
  readonly path: string
  readonly receiver: { readonly receive_id?: string }
}

/**
 * In a group the answer hangs on the question; alone with somebody, or to an event, it is simply said in the chat. What answers
 * nothing goes to the person the conversation names (SEMANTICS 9). Undefined: the context is another adapter's, or another
 * version's (SEMANTICS 21), or nobody is named.
 */
function targetOf(
  { replyContext: context, channel, conversation }: Message,
  { senderId }: ChannelConfig,
): Target | undefined {
  if (context === undefined) {
    const start = `${channel}:`
    const id = conversation.startsWith(start) ? conversation.slice(start.length) : ''
    // An event of nobody is the channel's own.
    return said(senderId, id === channel ? undefined : id)
  }
  if (!isObject(context) || context['adapter'] !== 'feishu' || context['version'] !== 1) return undefined
  const messageId = textIn(context, 'messageId')
  if (context['isGroup'] !== true || messageId === undefined) return said('chat_id', textIn(context, 'chat'))
  return { path: `${MESSAGES}/${encodeURIComponent(messageId)}/reply`, receiver: {} }
}

function said(idType: string, id: string | undefined): Target | undefined {
  if (id === undefined || id === '') return undefined
  return { path: `${MESSAGES}?receive_id_type=${idType}`, receiver: { receive_id: id } }
}
