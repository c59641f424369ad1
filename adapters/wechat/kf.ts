// 微信客服: one item of `sync_msg` as a draft. Customers' messages and the events around them; what we sent is nobody's news.
import type { ChannelHost, Part } from 'dragoman'

import { fieldsIn, listIn, textIn, without } from './document.ts'
import type { Fields } from './document.ts'
import { draftOf, momentOf, short } from './drafts.ts'
import type { Meaning } from './drafts.ts'
import { dataOf } from './parts.ts'
import type { KfDrafts } from './platform.ts'
import type { ReplyContext } from './reply-context.ts'

/** `origin` of an item: 3 the customer, 4 the platform, 5 somebody of ours in the WeCom app. */
const OF_OURS = '5'
const MOST_PARTS = 64

/** Makes the drafts that the reader hands in: by the channel's operations where they have a menu item, an event or a type. */
export function kfDrafts(host: ChannelHost, channel: string): KfDrafts {
  return async (item) => {
    const meaning = kfMeaning(item, channel)
    return meaning === undefined ? undefined : draftOf(meaning, host, item)
  }
}

function kfMeaning(item: Fields, channel: string): Meaning | undefined {
  const type = textIn(item, 'msgtype') ?? ''
  if (textIn(item, 'origin') === OF_OURS) return undefined
  const said = fieldsIn(item, type)
  const customer = textIn(item, 'external_userid') ?? textIn(said, 'external_userid') ?? ''
  const openKfId = textIn(item, 'open_kfid') ?? textIn(said, 'open_kfid')
  const id = textIn(item, 'msgid')
  const occurredAt = momentOf(textIn(item, 'send_time'))
  const context: ReplyContext = {
    adapter: 'wechat',
    version: 1,
    to: customer,
    account: '',
    ...(openKfId !== undefined && { openKfId }),
  }
  const base = {
    sender:
      customer === ''
        ? ({ id: channel, role: 'system' } as const)
        : ({ id: customer, role: 'customer' } as const),
    ...(id !== undefined && id !== '' && { externalId: short(id) }),
    ...(occurredAt !== undefined && { occurredAt }),
    ...(customer !== '' && { replyContext: { ...context } }),
  }
  if (type === 'event') {
    const event = textIn(said, 'event_type') ?? 'event'
    // The code lets one welcome message through: who answers may want it.
    return { names: [event], type: event, base: { ...base, kind: 'event' }, data: said }
  }
  const parts = partsOf(type, said)
  const menuId = textIn(said, 'menu_id')
  return {
    names: [...(menuId === undefined || menuId === '' ? [] : [menuId]), type],
    type,
    base: { ...base, kind: 'message', parts: parts ?? [{ kind: 'text', text: `[${type}]` }] },
    ...(parts === undefined && { data: without(item, STANDARD) }),
  }
}

const STANDARD: ReadonlySet<string> = new Set([
  'msgid',
  'open_kfid',
  'external_userid',
  'send_time',
  'origin',
  'msgtype',
])

function partsOf(type: string, said: Fields): readonly Part[] | undefined {
  const text = (name: string): string | undefined => textIn(said, name)
  const id = text('media_id')
  const media = id === undefined ? {} : { media: { id } }
  switch (type) {
    case 'text':
      return [{ kind: 'text', text: text('content') ?? '', ...dataOf({ menuId: text('menu_id') }) }]
    case 'image':
      return [{ kind: 'image', text: '[image]', ...media }]
    case 'voice':
      return [{ kind: 'audio', text: '[voice]', ...media }]
    case 'video':
      return [{ kind: 'video', text: '[video]', ...media }]
    case 'file':
      return [{ kind: 'file', text: '[file]', ...media }]
    case 'location':
      return [locationPart(said)]
    case 'link': {
      const url = text('url')
      const data = { title: text('title'), url, description: text('desc'), picUrl: text('pic_url') }
      const shown = text('title') || url || '[link]'
      return [{ kind: 'link', text: shown, ...(url !== undefined && { media: { url } }), ...dataOf(data) }]
    }
    case 'miniprogram': {
      const data = {
        type: 'miniprogrampage',
        title: text('title'),
        appId: text('appid'),
        pagePath: text('pagepath'),
        thumbMediaId: text('thumb_media_id'),
      }
      return [{ kind: 'card', text: text('title') || '[mini program]', ...dataOf(data) }]
    }
    case 'business_card':
      return [{ kind: 'card', text: '[business card]', ...dataOf({ type, userId: text('userid') }) }]
    case 'msgmenu':
      return [{ kind: 'text', text: menuText(said), data: said }]
    default:
      return undefined
  }
}

function locationPart(said: Fields): Part {
  const text = (name: string): string | undefined => textIn(said, name)
  const data = {
    latitude: text('latitude'),
    longitude: text('longitude'),
    label: text('name'),
    address: text('address'),
  }
  const shown = text('name') || text('address') || `${data.latitude ?? ''},${data.longitude ?? ''}`
  return { kind: 'location', text: shown, ...dataOf(data) }
}

/** A menu as a text-only link shows it. */
function menuText(said: Fields): string {
  const items = listIn(said, 'list').map((item) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item)) return ''
    const fields = item as Fields // neither null nor a list: an object
    const inside = fieldsIn(fields, textIn(fields, 'type') ?? '')
    return textIn(inside, 'content') ?? textIn(fields, 'content') ?? ''
  })
  return [
    textIn(said, 'head_content') ?? '',
    ...items.slice(0, MOST_PARTS),
    textIn(said, 'tail_content') ?? '',
  ]
    .filter((line) => line !== '')
    .join('\n')
}
