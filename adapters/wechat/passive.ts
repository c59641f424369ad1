// An answer as a passive reply: what stands in the response to the push itself.
import type { Json, Part, Reply } from 'dragoman'

import type { Product } from './account.ts'
import { isFields, textIn } from './document.ts'
import type { Fields } from './document.ts'
import { fallbackText, lostEnd, saidWithin } from './fallback-text.ts'
import { illegalIn, isWritable } from './passive-write.ts'
import type { PassiveContent } from './passive-write.ts'

/** The most that the platform takes as one text, in bytes of UTF-8. */
const TEXT_BYTES = 2047
const ARTICLES = 8
/** The most messages that the customer-service API sends for one part. */
export const MAX_MESSAGES = 5

/** What is answered. */
export interface Scene {
  readonly product: Product
  /** The push is an event, not a message. */
  readonly isEvent: boolean
}

/**
 * The whole answer as one passive reply. Undefined where it does not fit into one (more than one part that is no text, a long
 * text, media that must be uploaded first, a kind the product does not take): then it is pushed, part by part.
 */
export function passiveContent(
  reply: Pick<Reply, 'parts' | 'data' | 'fault'>,
  scene: Scene,
): PassiveContent | undefined {
  const parts = shownParts(reply)
  const [first, ...more] = parts
  if (first === undefined) return undefined
  const content = more.length === 0 ? contentOf(first) : textContent(parts)
  if ((articlesOf(first)?.length ?? 0) > mostArticles(scene)) return undefined
  return fitsInto(content, scene)
}

export interface Fallback {
  readonly content: PassiveContent
  /** What of the answer is not in it, in words for an operator. */
  readonly lost?: string
}

/**
 * The same without a way to push: a transfer alone, whatever stands beside it; of articles as many as there may be; else what
 * cannot be shown is said by its text and its address, and cut where it is too long. Undefined: `whyUnsaid` says why.
 */
export function passiveFallback(
  reply: Pick<Reply, 'parts' | 'data' | 'fault'>,
  scene: Scene,
): Fallback | undefined {
  const parts = shownParts(reply)
  const [first, ...more] = parts
  const transfer = parts.find(isTransfer)
  const articles = first === undefined || more.length > 0 ? undefined : articlesOf(first)
  const rich =
    transfer === undefined ? newsContent(articles?.slice(0, mostArticles(scene)) ?? []) : contentOf(transfer)
  const shown = fitsInto(rich, scene)
  if (shown !== undefined)
    return { content: shown, lost: transfer === undefined ? LOST_ARTICLES : LOST_PARTS }
  const { text, isCut } = saidWithin(parts, TEXT_BYTES)
  const content = textOf(text)
  if (text === '' || !isWritable(content)) return undefined
  return { content, ...(isCut && { lost: lostEnd(TEXT_BYTES) }) }
}
const LOST_ARTICLES = 'an answer has more articles than can be sent: only the first stand in the response'
const LOST_PARTS = 'without a secret a transfer is all that is said of an answer: its other parts are lost'

/** Why an answer stands in no response, not even by its text; for operators. */
export function whyUnsaid(reply: Pick<Reply, 'parts' | 'data' | 'fault'>): string {
  const { text } = saidWithin(shownParts(reply), TEXT_BYTES)
  const illegal = illegalIn(text)
  const why =
    illegal === undefined
      ? 'what it shows does not fit, and it has no text'
      : `${illegal} stands in it, which XML has not`
  return `the response cannot carry this answer: ${why}`
}

/** Articles that the response does not show whole and the API, each in a message of its own, could not send either. */
export function isBeyondApi(reply: Pick<Reply, 'parts' | 'data' | 'fault'>, { product }: Scene): boolean {
  if (product !== 'official' && product !== 'component') return false
  const [first, ...more] = shownParts(reply)
  return first !== undefined && more.length === 0 && (articlesOf(first)?.length ?? 0) > MAX_MESSAGES
}

/** The part hands the customer over to the platform's own staff, which only the response to a push can do. */
export function isTransfer({ kind, data }: Part): boolean {
  if (kind !== 'card' || data === undefined || !isFields(data)) return false
  return (textIn(data, 'msgtype') ?? textIn(data, 'type')) === TRANSFER
}
export const TRANSFER = 'transfer_customer_service'

/** What an answer shows: its parts but for empty texts beside others, else its fault's message, else its data as text. */
export function shownParts({ parts, data, fault }: Pick<Reply, 'parts' | 'data' | 'fault'>): readonly Part[] {
  if (parts !== undefined && parts.length > 0) {
    const said = parts.filter(({ kind, text }) => kind !== 'text' || text !== '')
    return said.length > 0 ? said : parts
  }
  if (fault !== undefined) return [{ kind: 'text', text: fault.message }]
  if (data === undefined || data === null) return []
  if (isFields(data)) {
    // A fault as the log has it, and so its push.
    const said = textIn(memberOf(data, 'fault') ?? {}, 'message')
    if (said !== undefined && Object.keys(data).length === 1) return [{ kind: 'text', text: said }]
    const text = textIn(data, 'text') ?? ''
    if (isFields(data) && textIn(data, 'msgtype') !== undefined) return [{ kind: 'card', text, data }]
    if (text !== '') return [{ kind: 'text', text }]
  }
  return [{ kind: 'text', text: typeof data === 'string' ? data : JSON.stringify(data) }]
}

const inMiniProgram: ReadonlySet<string> = new Set([TRANSFER])
const inWeCom: ReadonlySet<string> = new Set(['text', 'image', 'voice', 'video', 'news'])

function takes(product: Product, type: string): boolean {
  switch (product) {
    case 'official':
    case 'component':
      return true
    case 'miniprogram':
      // Anything else in the response is not shown to anybody: the customer-service API carries it.
      return inMiniProgram.has(type)
    case 'wecom':
      return inWeCom.has(type)
    case 'wecom-kf':
    case 'wecom-bot':
      return false // 微信客服 is answered by its API alone; a bot has a form of its own
  }
}

/** Undefined where the product does not take it, or it cannot be written. */
function fitsInto(content: PassiveContent | undefined, { product }: Scene): PassiveContent | undefined {
  const type = content?.[0]?.[1]
  if (content === undefined || typeof type !== 'string' || !takes(product, type)) return undefined
  return isWritable(content) ? content : undefined
}

/** developers.weixin.qq.com "被动回复用户消息": what answers a message shows the first one alone, what answers an event eight. */
function mostArticles({ product, isEvent }: Scene): number {
  return (product === 'official' || product === 'component') && !isEvent ? 1 : ARTICLES
}

function textContent(parts: readonly Part[]): PassiveContent | undefined {
  if (parts.some((part) => part.kind !== 'text')) return undefined
  return fitting(parts.map(fallbackText).join('\n'))
}

function contentOf(part: Part): PassiveContent | undefined {
  const data: Fields = part.data !== undefined && isFields(part.data) ? part.data : {}
  const id = part.media?.id
  switch (part.kind) {
    case 'text':
    case 'location':
      return fitting(fallbackText(part))
    case 'image':
      return id === undefined
        ? undefined
        : [
            ['MsgType', 'image'],
            ['Image', [['MediaId', id]]],
          ]
    case 'audio':
      return id === undefined
        ? undefined
        : [
            ['MsgType', 'voice'],
            ['Voice', [['MediaId', id]]],
          ]
    case 'video':
      return id === undefined ? undefined : videoContent(part, data, id)
    case 'file':
      return undefined
    case 'link': {
      const url = textIn(data, 'url') ?? part.media?.url
      return url === undefined
        ? fitting(fallbackText(part))
        : newsContent([{ ...data, url, title: titleOf(data, part) }])
    }
    case 'card':
      return cardContent(part, data)
  }
}

function videoContent(part: Part, data: Fields, id: string): PassiveContent {
  const title = titleOf(data, part)
  const description = textIn(data, 'description') ?? ''
  return [
    ['MsgType', 'video'],
    [
      'Video',
      [
        ['MediaId', id],
        ['Title', title],
        ['Description', description],
      ],
    ],
  ]
}

/** The kinds of a card that the response itself can hold. */
const inResponse: ReadonlySet<string> = new Set(['music', 'news', TRANSFER])

/**
 * A card says by `msgtype` (or `type`) which of the platform's kinds it is, and the rest beside it or, as the customer-service
 * API has it, under that name. Undefined for a menu, a mini-program page and whatever else only that API can show.
 */
function cardContent(part: Part, data: Fields): PassiveContent | undefined {
  const { type, own } = kindOf(data)
  const text = (...names: readonly string[]): string | undefined =>
    names.map((name) => textIn(own, name)).find((value) => value !== undefined)
  if (type === TRANSFER) {
    const staff = text('kf_account', 'kfAccount') ?? ''
    return [['MsgType', type], ...(staff === '' ? [] : [['TransInfo', [['KfAccount', staff]]] as const])]
  }
  if (type === 'music')
    return [
      ['MsgType', 'music'],
      [
        'Music',
        [
          ['Title', text('title') ?? part.text],
          ['Description', text('description') ?? ''],
          ['MusicUrl', text('musicurl', 'musicUrl') ?? ''],
          ['HQMusicUrl', text('hqmusicurl', 'hqMusicUrl') ?? ''],
          ['ThumbMediaId', text('thumb_media_id', 'thumbMediaId') ?? ''],
        ],
      ],
    ]
  const articles = articlesOf(part)
  if (articles !== undefined) return newsContent(articles)
  const needsApi =
    textIn(data, 'msgtype') !== undefined ||
    Array.isArray(own['list']) ||
    text('pagepath', 'pagePath') !== undefined
  return needsApi ? undefined : fitting(fallbackText(part))
}

function kindOf(data: Fields): { readonly type: string | undefined; readonly own: Fields } {
  const also = textIn(data, 'type') ?? ''
  const type = textIn(data, 'msgtype') ?? (inResponse.has(also) ? also : undefined)
  return { type, own: type === undefined ? data : (memberOf(data, type) ?? data) }
}

/** Undefined: the part is no card that holds a list of them. */
function articlesOf({ kind, data }: Part): readonly Fields[] | undefined {
  if (kind !== 'card' || data === undefined || !isFields(data)) return undefined
  const { type, own } = kindOf(data)
  const articles = own['articles']
  if ((type !== undefined && type !== 'news') || !Array.isArray(articles)) return undefined
  return articles.filter((each: Json): each is Fields => isFields(each))
}

function newsContent(articles: readonly Fields[]): PassiveContent | undefined {
  if (articles.length === 0) return undefined
  const items = articles.map(
    (article) =>
      [
        'item',
        [
          ['Title', textIn(article, 'title') ?? ''],
          ['Description', textIn(article, 'description') ?? ''],
          ['PicUrl', textIn(article, 'picurl') ?? textIn(article, 'picUrl') ?? ''],
          ['Url', textIn(article, 'url') ?? ''],
        ],
      ] as const,
  )
  return [
    ['MsgType', 'news'],
    ['ArticleCount', articles.length],
    ['Articles', items],
  ]
}

function memberOf(data: Fields, name: string): Fields | undefined {
  const value = Object.hasOwn(data, name) ? data[name] : undefined
  return value !== undefined && isFields(value) ? value : undefined
}

function titleOf(data: Fields, part: Part): string {
  return textIn(data, 'title') ?? part.media?.name ?? part.text
}

function fitting(text: string): PassiveContent | undefined {
  // An empty text is no answer: the platform would tell the customer that the account is out of order.
  return text === '' || Buffer.byteLength(text) > TEXT_BYTES ? undefined : textOf(text)
}

function textOf(text: string): PassiveContent {
  return [
    ['MsgType', 'text'],
    ['Content', text],
  ]
}
