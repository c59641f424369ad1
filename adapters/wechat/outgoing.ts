// What one part of an answer is as a WeChat message, whichever way it goes: in the response or by the customer-service API.
import type { Json, Message, Part, Reply } from 'dragoman'

export interface Article {
  readonly title: string
  readonly description: string
  readonly url: string
  readonly picUrl: string
}

/** Media without a `mediaId` must be uploaded first: only the API's side can do that. */
export type Outgoing =
  | { readonly type: 'text'; readonly content: string }
  | { readonly type: 'image' | 'voice'; readonly mediaId?: string; readonly url?: string }
  | {
      readonly type: 'video'
      readonly mediaId?: string
      readonly url?: string
      readonly thumbMediaId: string
      readonly title: string
      readonly description: string
    }
  | {
      readonly type: 'file'
      readonly mediaId?: string
      readonly url?: string
      readonly name: string
    }
  | {
      readonly type: 'music'
      readonly title: string
      readonly description: string
      readonly musicUrl: string
      readonly hqMusicUrl: string
      readonly thumbMediaId: string
    }
  | { readonly type: 'news'; readonly articles: readonly Article[] }
  /** mini-program page */
  | {
      readonly type: 'miniprogrampage'
      readonly title: string
      readonly appId: string
      readonly pagePath: string
      readonly thumbMediaId: string
    }
  /** The platform's own customer-service staff take over; only as a passive reply. */
  | { readonly type: 'transfer_customer_service'; readonly kfAccount?: string }

/**
 * image, audio and video by `media.id` or `media.url`; audio with `data.type` music, a link, and a card whose `data.type` is
 * news, miniprogrampage or transfer_customer_service as what their names say; anything else by its text.
 */
export function outgoingOf(part: Part): Outgoing {
  const { media, text } = part
  const data = membersOf(part.data)
  const source = {
    ...(media?.id !== undefined && { mediaId: media.id }),
    ...(media?.url !== undefined && { url: media.url }),
  }
  const hasMedia = media?.id !== undefined || media?.url !== undefined
  const said = (name: string): string => textIn(data, name)
  switch (part.kind) {
    case 'image':
      return hasMedia ? { type: 'image', ...source } : { type: 'text', content: text }
    case 'audio':
      if (said('type') === 'music' || said('musicUrl') !== '')
        return {
          type: 'music',
          title: said('title') || (media?.name ?? text),
          description: said('description'),
          musicUrl: said('musicUrl') || (media?.url ?? ''),
          hqMusicUrl: said('hqMusicUrl'),
          thumbMediaId: said('thumbMediaId'),
        }
      return hasMedia ? { type: 'voice', ...source } : { type: 'text', content: text }
    case 'video':
      if (!hasMedia) return { type: 'text', content: text }
      return {
        type: 'video',
        ...source,
        thumbMediaId: said('thumbMediaId'),
        title: said('title') || (media?.name ?? ''),
        description: said('description') || text,
      }
    case 'file':
      return hasMedia
        ? { type: 'file', ...source, name: media?.name ?? text }
        : { type: 'text', content: text }
    case 'link': {
      const article = articleOf(data, { title: media?.name ?? text, url: media?.url ?? '' })
      return article.url === '' ? { type: 'text', content: text } : { type: 'news', articles: [article] }
    }
    case 'card':
      return cardOf(data, text)
    case 'text':
    case 'location':
      return { type: 'text', content: text }
  }
}

/** What a whole answer is, part by part. A fault says its message; data without parts is shown as text. */
export function partsOf(
  reply: Pick<Reply, 'parts' | 'data' | 'fault'> | Pick<Message, 'parts' | 'data'>,
): readonly Part[] {
  if ('fault' in reply && reply.fault !== undefined) return [{ kind: 'text', text: reply.fault.message }]
  if (reply.parts !== undefined && reply.parts.length > 0) return reply.parts
  const { data } = reply
  if (data === undefined || data === null) return []
  const members = membersOf(data)
  if (CARDS.has(textIn(members, 'type'))) return [{ kind: 'card', text: textIn(members, 'text'), data }]
  return [{ kind: 'text', text: typeof data === 'string' ? data : JSON.stringify(data) }]
}

const CARDS: ReadonlySet<string> = new Set(['news', 'miniprogrampage', 'transfer_customer_service'])

function cardOf(data: Members, text: string): Outgoing {
  switch (textIn(data, 'type')) {
    case 'transfer_customer_service': {
      const kfAccount = textIn(data, 'kfAccount')
      return { type: 'transfer_customer_service', ...(kfAccount !== '' && { kfAccount }) }
    }
    case 'miniprogrampage':
      return {
        type: 'miniprogrampage',
        title: textIn(data, 'title') || text,
        appId: textIn(data, 'appId'),
        pagePath: textIn(data, 'pagePath'),
        thumbMediaId: textIn(data, 'thumbMediaId'),
      }
    case 'news': {
      const list = data['articles']
      const articles = (Array.isArray(list) ? list : []).map((each: Json) =>
        articleOf(membersOf(each), { title: text, url: '' }),
      )
      return articles.length === 0 ? { type: 'text', content: text } : { type: 'news', articles }
    }
    default:
      return { type: 'text', content: text }
  }
}

function articleOf(data: Members, preset: { readonly title: string; readonly url: string }): Article {
  return {
    title: textIn(data, 'title') || preset.title,
    description: textIn(data, 'description'),
    url: textIn(data, 'url') || preset.url,
    picUrl: textIn(data, 'picUrl'),
  }
}

type Members = { readonly [member: string]: Json }

function membersOf(data: Json | undefined): Members {
  return typeof data === 'object' && data !== null && !isList(data) ? data : {}
}

function isList(data: Json): data is readonly Json[] {
  return Array.isArray(data)
}

function textIn(data: Members, name: string): string {
  const value = Object.hasOwn(data, name) ? data[name] : undefined
  return typeof value === 'string' ? value : ''
}
