// WeCom bots: their JSON (and the XML of the older group bots) is nothing like that of the applications.
import type { Json, Part, Reply } from 'dragoman'

import { fieldsIn, isFields, listIn, textIn, without } from './document.ts'
import type { Fields, Format } from './document.ts'
import { digestOf } from './drafts.ts'
import type { DraftOptions, Meaning, Push } from './drafts.ts'
import { BOT_BYTES, saidWithin } from './fallback-text.ts'
import { shownParts } from './passive.ts'
import { isWritable } from './passive-write.ts'
import type { ReplyContext } from './reply-context.ts'

// Secrets: who has them may speak in the chat.
const ADDRESSES = ['response_url', 'WebhookUrl', 'GetChatInfoUrl'] as const
const STANDARD: ReadonlySet<string> = new Set([
  ...'msgid MsgId aibotid chatid ChatId from From msgtype MsgType'.split(' '),
  ...ADDRESSES,
])

/** The meaning of a bot's push; undefined for one that nobody is to answer (the platform asks how a streamed answer goes on). */
export function botMeaning(
  { fields, bytes, mediaType, digest }: Push,
  { channel }: DraftOptions,
): Meaning | undefined {
  const type = either(fields, 'msgtype', 'MsgType') ?? ''
  if (type === 'stream') return undefined
  const from = { ...fieldsIn(fields, 'From'), ...fieldsIn(fields, 'from') }
  const user = either(from, 'userid', 'UserId') ?? ''
  const name = either(from, 'name', 'Name')
  const id = either(fields, 'msgid', 'MsgId')
  const context = contextOf(fields, user)
  const base = {
    sender:
      user === ''
        ? ({ id: channel, role: 'system' } as const)
        : ({ id: user, role: 'customer', ...(name !== undefined && { name }) } as const),
    externalId: id === undefined || id === '' || id.length > 200 ? `-:${digest}` : id,
    ...(user !== '' && { replyContext: { ...context } }),
    raw: { mediaType, bytes },
  }
  // Nobody promises that a repeat has the same address for the answer.
  const fingerprint = digestOf(Buffer.from(JSON.stringify(without(fields, new Set(ADDRESSES))), 'utf8'))
  const rest = without(fields, new Set([...STANDARD, type, capital(type)]))
  const data = Object.keys(rest).length > 0 ? { data: rest } : {}
  if (type === 'event') {
    const event = { ...fieldsIn(fields, 'Event'), ...fieldsIn(fields, 'event') }
    const eventType = either(event, 'eventtype', 'EventType') ?? 'event'
    const key = textIn(fieldsIn(event, eventType), 'event_key')
    const names = [...(key === undefined ? [] : [key]), eventType]
    const payload = without(fields, STANDARD)
    return { names, type: eventType, base: { ...base, kind: 'event' }, fingerprint, data: payload }
  }
  const parts = partsOf(type, { ...fieldsIn(fields, capital(type)), ...fieldsIn(fields, type) })
  const unknown = parts === undefined ? { data: without(fields, STANDARD) } : data
  return {
    names: [type],
    type,
    base: { ...base, kind: 'message', parts: parts ?? [{ kind: 'text', text: `[${type}]` }] },
    fingerprint,
    ...unknown,
  }
}

/**
 * The answer in a bot's own form: a stream that ends at once where somebody has asked, a text where somebody has come in. What
 * cannot be shown is said in words; `lost` tells an operator what is not in it. Undefined where there is nothing
 * to say, or XML cannot carry it: then the address that came with the message takes it.
 */
export function botReply(
  reply: Pick<Reply, 'parts' | 'data' | 'fault'>,
  push: Push,
  format: Format,
): { readonly text: string; readonly lost?: string } | undefined {
  const { text: content, ...lost } = saidWithin(shownParts(reply), BOT_BYTES)
  if (content === '' || (format === 'xml' && !isWritable([['Content', content]]))) return undefined
  return { text: written(content, push, format), ...lost }
}

function written(content: string, { fields, bytes }: Push, format: Format): string {
  if (format === 'xml') {
    const split = content.replaceAll(']]>', ']]]]><![CDATA[>')
    return `<xml><MsgType><![CDATA[text]]></MsgType><Text><Content><![CDATA[${split}]]></Content></Text></xml>`
  }
  if (textIn(fields, 'msgtype') === 'event') return JSON.stringify({ msgtype: 'text', text: { content } })
  return JSON.stringify({ msgtype: 'stream', stream: { id: digestOf(bytes), finish: true, content } })
}

function contextOf(fields: Fields, to: string): ReplyContext {
  const chatId = either(fields, 'chatid', 'ChatId')
  const responseUrl = either(fields, 'response_url', 'WebhookUrl')
  return {
    adapter: 'wechat',
    version: 1,
    to,
    account: textIn(fields, 'aibotid') ?? '',
    ...(chatId !== undefined && { chatId }),
    ...(responseUrl !== undefined && { responseUrl }),
  }
}

function partsOf(type: string, said: Fields): readonly Part[] | undefined {
  switch (type) {
    case 'text':
    case 'voice': // the platform has written it down already
      return [{ kind: type === 'text' ? 'text' : 'audio', text: either(said, 'content', 'Content') ?? '' }]
    case 'image':
      return [{ kind: 'image', text: '[image]', ...urlOf(either(said, 'url', 'ImageUrl')) }]
    case 'file':
      return [{ kind: 'file', text: '[file]', ...urlOf(textIn(said, 'url')) }]
    case 'video':
      return [{ kind: 'video', text: '[video]', ...urlOf(textIn(said, 'url')) }]
    case 'mixed':
      return mixedParts(said)
    default:
      return undefined
  }
}

function mixedParts(said: Fields): readonly Part[] | undefined {
  const items: readonly Json[] = [...listIn(said, 'msg_item'), ...listIn(said, 'MsgItem')]
  const parts = items.filter(isFields).flatMap((item) => {
    const type = either(item, 'msgtype', 'MsgType') ?? ''
    return partsOf(type, { ...fieldsIn(item, capital(type)), ...fieldsIn(item, type) }) ?? []
  })
  return parts.length === 0 ? undefined : parts.slice(0, MOST_PARTS)
}
const MOST_PARTS = 64

function urlOf(url: string | undefined): Pick<Part, 'media'> {
  return url === undefined || url === '' ? {} : { media: { url } }
}

function either(fields: Fields, lower: string, upper: string): string | undefined {
  return textIn(fields, lower) ?? textIn(fields, upper)
}

function capital(name: string): string {
  return name.slice(0, 1).toUpperCase() + name.slice(1)
}
