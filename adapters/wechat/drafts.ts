// A verified push as a draft: who, what, and by which key it is the same again.
import { createHash } from 'node:crypto'

import type { ChannelHost, Draft, DraftBase, Json, Part, Party } from 'dragoman'

import type { Product } from './account.ts'
import { listIn, textIn, without } from './document.ts'
import type { Fields } from './document.ts'
import { partsOfMessage } from './parts.ts'
import type { Contact } from './platform.ts'
import type { ReplyContext } from './reply-context.ts'

export interface Push {
  readonly fields: Fields
  /** The text of the platform, after the cipher. */
  readonly bytes: Uint8Array
  readonly mediaType: string
  /** Of what the platform says: its repeats have the same, another push another. */
  readonly digest: string
}

export interface DraftOptions {
  readonly product: Product
  /** The channel's name: who speaks where the platform names nobody. */
  readonly channel: string
  /** component: appid of the account the push was for, from the address. */
  readonly authorizer?: string | undefined
}

/** What a push means, before the channel's `operations` are asked. */
export interface Meaning {
  /** Names under which `operations` may have it, the most exact one first. */
  readonly names: readonly string[]
  readonly type: string
  readonly base: DraftBase
  /** The platform's repeats have the same; absent: the draft tells. */
  readonly fingerprint?: string
  /** Event: its payload. Message: the fields that its parts do not say. */
  readonly data?: Json
  readonly contact?: Contact
}

const STANDARD: ReadonlySet<string> = new Set([
  'ToUserName',
  'FromUserName',
  'CreateTime',
  'MsgType',
  'MsgId',
])

/** The meaning of a push in the form of official accounts, mini programs and WeCom applications. */
export function meaningOf(push: Push, options: DraftOptions): Meaning {
  const type = textIn(push.fields, 'MsgType') ?? ''
  return type.toLowerCase() === 'event' ? eventMeaning(push, options) : messageMeaning(push, type, options)
}

/** The draft of a meaning: by the first of the channel's operations that has its name, else as it is. */
export async function draftOf(meaning: Meaning, host: ChannelHost, body: Fields): Promise<Draft> {
  const { base, type, data } = meaning
  const operation = operationFor(meaning.names, host)
  const mapped = operation === undefined ? undefined : await host.draft(operation, body, base)
  return mapped ?? { sender: nobody, ...base, type, ...(data !== undefined && { data }) }
}
const nobody: Party = { id: 'wechat', role: 'system' }

function operationFor(names: readonly string[], host: ChannelHost): string | undefined {
  for (const name of names) if (Object.hasOwn(host.operations, name)) return name
  // CLICK of an official account is click of a WeCom application.
  const listed = Object.keys(host.operations)
  for (const name of names) {
    const found = listed.find((each) => each.toLowerCase() === name.toLowerCase())
    if (found !== undefined) return found
  }
  return undefined
}

function messageMeaning(push: Push, type: string, options: DraftOptions): Meaning {
  const { fields } = push
  const said = partsOfMessage(type, fields)
  const rest = without(fields, new Set([...STANDARD, ...(said?.told ?? [])]))
  const parts: readonly Part[] = said?.parts ?? [{ kind: 'text', text: `[${type}]` }]
  const menuId = textIn(fields, 'bizmsgmenuid')
  const id = textIn(fields, 'MsgId')
  return {
    names: [...(menuId === undefined || menuId === '' ? [] : [menuId]), type],
    type,
    base: {
      ...baseOf(push, options),
      kind: 'message',
      parts,
      // A message without an id is known again by its whole text: the platform repeats it to the byte.
      externalId: scoped(id === undefined || id === '' ? `-:${push.digest}` : id, fields, options),
    },
    fingerprint: push.digest,
    ...(Object.keys(rest).length > 0 && { data: rest }),
    contact: 'message',
  }
}

function eventMeaning(push: Push, options: DraftOptions): Meaning {
  const { fields } = push
  const event = textIn(fields, 'Event') ?? ''
  const key = textIn(fields, 'EventKey') ?? ''
  const contact = contacts.get(event.toLowerCase())
  // SCAN brings the scene alone, a subscription by the same code the scene behind a word of the platform.
  const names = [key, key.replace(/^qrscene_/, ''), event].filter((name) => name !== '')
  return {
    names: isMenu.has(event.toLowerCase()) ? names : names.toReversed(),
    type: event === '' ? 'event' : event,
    base: {
      ...baseOf(push, options),
      kind: 'event',
      externalId: scoped(eventKey(fields, event, key), fields, options),
    },
    fingerprint: push.digest,
    data: fields,
    ...(contact !== undefined && { contact }),
  }
}

const isMenu: ReadonlySet<string> = new Set([
  'click',
  'scan',
  'subscribe',
  'scancode_push',
  'scancode_waitmsg',
  'pic_sysphoto',
  'pic_photo_or_album',
  'pic_weixin',
  'location_select',
  'taskcard_click',
  'template_card_event',
  'template_card_menu_event',
])

const contacts: ReadonlyMap<string, Contact> = new Map<string, Contact>([
  ['click', 'menu'],
  ['scancode_push', 'menu'],
  ['scancode_waitmsg', 'menu'],
  ['scan', 'scan'],
  ['subscribe', 'subscribe'],
  ['user_enter_tempsession', 'enter'],
])

/**
 * CreateTime, Event and EventKey, of a WeCom application with AgentID; beside them, where there are any, what tells two results
 * of one second apart (MsgID is the id of a job, not of this push) and what stands for the customer in 微信客服.
 */
function eventKey(fields: Fields, event: string, key: string): string {
  if (event === 'kf_msg_or_event')
    return [
      textIn(fields, 'OpenKfId'),
      textIn(fields, 'CreateTime'),
      short(textIn(fields, 'Token') ?? ''),
    ].join(':')
  const parts = [textIn(fields, 'CreateTime') ?? '', event, short(key)]
  for (const name of ['AgentID', 'MsgID', 'TaskId', 'JobId']) {
    const value = textIn(fields, name)
    if (value !== undefined) parts.push(short(value))
  }
  return parts.join(':')
}

/** component: one openid is of one account, but nobody promises that two accounts never count alike. */
function scoped(id: string, fields: Fields, { product }: DraftOptions): string {
  return product === 'component' ? `${textIn(fields, 'ToUserName') ?? ''}:${short(id)}` : short(id)
}

/** A key has room for 512 characters and none for controls: what does not fit is known by its digest. */
export function short(value: string): string {
  return value.length <= 120 && !CONTROL.test(value) ? value : digestOf(Buffer.from(value, 'utf8'))
}
const CONTROL = new RegExp(String.raw`[\u0000-\u001F\u007F-\u009F]`, 'u')

/** Of a text, for a key. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32)
}

function baseOf(
  { fields, bytes, mediaType }: Push,
  { product, channel, authorizer }: DraftOptions,
): Omit<DraftBase, 'kind'> {
  const from = textIn(fields, 'FromUserName') ?? ''
  const account = textIn(fields, 'ToUserName') ?? ''
  const occurredAt = momentOf(textIn(fields, 'CreateTime'))
  // `sys` is WeCom itself.
  const isCustomer = from !== '' && from !== 'sys'
  const context: ReplyContext = {
    adapter: 'wechat',
    version: 1,
    to: from,
    account,
    ...(product === 'component' && authorizer !== undefined && { authorizer }),
    ...agentOf(fields),
  }
  return {
    sender: isCustomer
      ? { id: from, role: 'customer' }
      : { id: from === '' ? channel : from, role: 'system' },
    ...(occurredAt !== undefined && { occurredAt }),
    ...(isCustomer && { replyContext: { ...context } }),
    raw: { mediaType, bytes },
  }
}

function agentOf(fields: Fields): { readonly agentId?: string } {
  const [agent] = listIn(fields, 'AgentID')
  return typeof agent === 'string' && agent !== '' ? { agentId: agent } : {}
}

/** Seconds since the epoch, as the platform writes them, as RFC 3339. */
export function momentOf(seconds: string | undefined): string | undefined {
  if (seconds === undefined || !/^\d{1,11}$/.test(seconds)) return undefined
  return new Date(Number(seconds) * 1000).toISOString()
}
