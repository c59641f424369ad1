// An answer as a passive reply: what stands in the response to the push itself.
import type { Part, Reply } from 'dragoman'

import type { Product } from './account.ts'
import { TRANSFER, articlesOf, kindOf, memberOf, textOf } from './card.ts'
import { isFields, textIn } from './document.ts'
import type { Fields } from './document.ts'
import { fallbackText, saidWithin } from './fallback-text.ts'
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
 * cannot be shown is said in words, and cut where it is too long. Undefined: `whyUnsaid` says why.
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
  const { text, ...lost } = saidWithin(parts, TEXT_BYTES)
  const content = text === '' ? undefined : fitsInto(textContentOf(text), scene)
  return content && { content, ...lost }
}
const LOST_ARTICLES = 'an answer has more articles than can be sent: only the first stand in the response'
const LOST_PARTS = 'without a secret a transfer is all that is said of an answer: its other parts are lost'

/** Why an answer stands in no response, not even in words; for operators. */
export function whyUnsaid(reply: Pick<Reply, 'parts' | 'data' | 'fault'>, { product }: Scene): string {
  const parts = shownParts(reply)
  if (isNothing(parts)) return NOTHING
  return `the response cannot carry this answer: ${whyNotCarried(parts, product)}`
}

function whyNotCarried(parts: readonly Part[], product: Product): string {
  if (!takes(product, 'text')) return `the platform shows no text in the response to a ${product}`
  const written = [saidWithin(parts, TEXT_BYTES).text, ...parts.map((part) => contentOf(part) ?? [])]
  const illegal = written.map(illegalIn).find((point) => point !== undefined)
  return illegal === undefined
    ? 'what it shows does not fit, and it has no text'
    : `${illegal} stands in it, which XML has not`
}

/** Of an answer that shows nothing; for operators. */
export const NOTHING =
  'the answer has no text or other part that could be shown, or the text is empty: give the route a `reply`'

/** Nothing is shown but, it may be, empty texts. */
export function isNothing(shown: readonly Part[]): boolean {
  return shown.every(({ kind, text }) => kind === 'text' && text === '')
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

/** Undefined for a menu, a mini-program page and whatever else only the customer-service API can show. */
function cardContent(part: Part, data: Fields): PassiveContent | undefined {
  const { type, own } = kindOf(data)
  const text = (...names: readonly string[]): string | undefined => textOf(own, ...names)
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

function titleOf(data: Fields, part: Part): string {
  return textIn(data, 'title') ?? part.media?.name ?? part.text
}

function fitting(text: string): PassiveContent | undefined {
  // An empty text is no answer: the platform would tell the customer that the account is out of order.
  return text === '' || Buffer.byteLength(text) > TEXT_BYTES ? undefined : textContentOf(text)
}

function textContentOf(text: string): PassiveContent {
  return [
    ['MsgType', 'text'],
    ['Content', text],
  ]
}
