// A part of an answer as the messages of the customer-service API, product by product. What a product cannot show is sent as its text.
import type { Json, Part } from 'dragoman'

import type { Product } from '../account.ts'
import { memberOf } from '../card.ts'
import { fallbackText } from '../fallback-text.ts'
import { isFields, textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import type { FileAt } from './media.ts'
import { textPieces } from './text-pieces.ts'

/** `{ msgtype: 'text', text: { content } }`: what stands beside `touser`. */
export type Content = { readonly msgtype: string; readonly [field: string]: Json }

/** Uploads what a part names by its address; resolves its media_id. */
export type Upload = (file: FileAt) => Promise<string>

export type Family = 'official' | 'miniprogram' | 'wecom' | 'kf' | 'bot'

/** Products that send alike. */
export function familyOf(product: Product): Family {
  switch (product) {
    case 'official':
    case 'component':
      return 'official'
    case 'miniprogram':
      return 'miniprogram'
    case 'wecom':
      return 'wecom'
    case 'wecom-kf':
      return 'kf'
    case 'wecom-bot':
      return 'bot'
  }
}

/** 2,048 bytes of text (message/custom/send, message/send, kf/send_msg). */
const TEXT_BYTES = 2000
const WECOM_ARTICLES = 8

type FileType = 'image' | 'voice' | 'video' | 'file'
const fileTypes: ReadonlyMap<Part['kind'], FileType> = new Map([
  ['image', 'image'],
  ['audio', 'voice'],
  ['video', 'video'],
  ['file', 'file'],
] as const)
/** Which files a product can send. */
const files: Readonly<Record<Family, readonly FileType[]>> = {
  official: ['image', 'voice', 'video'],
  miniprogram: ['image'],
  wecom: ['image', 'voice', 'video', 'file'],
  kf: ['image', 'voice', 'video', 'file'],
  bot: [],
}

/** The one message that a bot may send. Empty: there is nothing to show. */
export function botContents(text: string): readonly Content[] {
  return text === '' ? [] : [{ msgtype: 'markdown', markdown: { content: text } }]
}

/** One part as one message, or several where it is longer than one may be. Empty: there is nothing to show. */
export async function contentsOf(part: Part, family: Family, upload: Upload): Promise<readonly Content[]> {
  const data = isFields(part.data) ? part.data : {}
  return (await richContents({ part, data, family, upload })) ?? textContents(fallbackText(part))
}

interface Given {
  readonly part: Part
  readonly data: Fields
  readonly family: Family
  readonly upload: Upload
}

async function richContents(given: Given): Promise<readonly Content[] | undefined> {
  const { part, data, family } = given
  switch (part.kind) {
    case 'text':
      return undefined
    case 'image':
    case 'audio':
    case 'video':
    case 'file':
      return fileContent(given)
    case 'location':
      return family === 'kf' ? locationContent(part, data) : undefined
    case 'link': {
      const url = textIn(data, 'url') ?? part.media?.url
      return url === undefined ? undefined : articleContents([articleOf(data, part.text, url)], given)
    }
    case 'card':
      return cardContents(given)
  }
}

async function fileContent({ part, data, family, upload }: Given): Promise<readonly Content[] | undefined> {
  const type = fileTypes.get(part.kind)
  if (type === undefined || !files[family].includes(type)) return undefined
  const { id, url, name } = part.media ?? {}
  const mediaId = id ?? (url === undefined ? undefined : await upload({ url, type, name }))
  if (mediaId === undefined) return undefined
  if (type !== 'video' || family === 'kf') return [{ msgtype: type, [type]: { media_id: mediaId } }]
  const title = textIn(data, 'title') ?? part.text
  const description = textIn(data, 'description') ?? ''
  const thumb = spelled(data, 'thumb_media_id', 'thumbMediaId')
  const cover = family === 'official' && thumb !== undefined ? { thumb_media_id: thumb } : {}
  return [{ msgtype: 'video', video: { media_id: mediaId, ...cover, title, description } }]
}

/** `data` by the members of the platform's own types: any with `msgtype`; else articles, a menu, a mini-program page. */
async function cardContents(given: Given): Promise<readonly Content[] | undefined> {
  const { part, data, family } = given
  const type = textIn(data, 'msgtype')
  const own = type !== undefined && Object.hasOwn(data, type) ? data[type] : undefined
  const { list } = data
  const ownArticles = type === 'news' && family === 'official' && isFields(own) ? own['articles'] : undefined
  const articles = ownArticles ?? data['articles']
  if (family === 'wecom' && (type === 'news' || type === 'mpnews') && isFields(own))
    return ownGroups(type, own)
  if (type !== undefined && isFields(own) && ownArticles === undefined)
    return [{ msgtype: type, [type]: own }]
  if (Array.isArray(articles))
    return articleContents(
      articles.filter(isFields).map((each) => articleOf(each, part.text, textIn(each, 'url') ?? '')),
      given,
    )
  if (Array.isArray(list)) {
    const items = itemsOf(list.filter(isFields), family)
    if (items !== undefined) return [menu(data, items)]
  }
  const pagePath = spelled(data, 'pagepath', 'pagePath')
  return pagePath === undefined ? undefined : miniProgramPage(given, pagePath)
}

interface Article {
  readonly title: string
  readonly description: string
  readonly url: string
  readonly picurl: string
}

function articleOf(data: Fields, title: string, url: string): Article {
  return {
    title: textIn(data, 'title') ?? title,
    description: textIn(data, 'description') ?? '',
    url,
    picurl: spelled(data, 'picurl', 'picUrl') ?? '',
  }
}

async function articleContents(
  articles: readonly Article[],
  { family, upload }: Given,
): Promise<readonly Content[] | undefined> {
  if (articles.length === 0) return undefined
  if (family === 'wecom')
    return inGroups(articles, WECOM_ARTICLES).map((group) => ({
      msgtype: 'news',
      news: { articles: group.map(plain) },
    }))
  // message/custom/send takes one article in a message since 2018.
  if (family === 'official')
    return articles.map((article) => ({ msgtype: 'news', news: { articles: [plain(article)] } }))
  if (family === 'miniprogram')
    return articles.map(({ picurl, ...article }) => ({
      msgtype: 'link',
      link: { ...article, thumb_url: picurl },
    }))
  // 微信客服 shows no link without a picture of its own.
  if (articles.some(({ picurl }) => picurl === '')) return undefined
  const links: Content[] = []
  for (const { title, description, url, picurl } of articles) {
    const thumb = await upload({ url: picurl, type: 'image' })
    links.push({ msgtype: 'link', link: { title, desc: description, url, thumb_media_id: thumb } })
  }
  return links
}

/** In WeCom's own form they keep what it alone knows (`appid`, `pagepath`). */
function ownGroups(type: string, own: Fields): readonly Content[] {
  const { articles } = own
  if (!Array.isArray(articles) || articles.length <= WECOM_ARTICLES) return [{ msgtype: type, [type]: own }]
  return inGroups<Json>(articles, WECOM_ARTICLES).map((group) => ({
    msgtype: type,
    [type]: { ...own, articles: group },
  }))
}

function inGroups<T>(all: readonly T[], most: number): readonly (readonly T[])[] {
  const count = Math.ceil(all.length / most)
  return Array.from({ length: count }, (_, index) => all.slice(index * most, (index + 1) * most))
}

function plain({ title, description, url, picurl }: Article): Json {
  return { title, description, url, picurl }
}

function miniProgramPage({ part, data, family }: Given, pagepath: string): readonly Content[] | undefined {
  if (family === 'wecom') return undefined // its notice has another form: a card with `msgtype`
  const title = textIn(data, 'title') ?? part.text
  const common = { title, pagepath, thumb_media_id: spelled(data, 'thumb_media_id', 'thumbMediaId') ?? '' }
  const appid = spelled(data, 'appid', 'appId') ?? ''
  if (family === 'kf') return [{ msgtype: 'miniprogram', miniprogram: { appid, ...common } }]
  const body = family === 'official' ? { appid, ...common } : common
  return [{ msgtype: 'miniprogrampage', miniprogrampage: body }]
}

function locationContent(part: Part, data: Fields): readonly Content[] | undefined {
  const latitude = Number(data['latitude'] ?? Number.NaN)
  const longitude = Number(data['longitude'] ?? Number.NaN)
  if (Number.isNaN(latitude) || Number.isNaN(longitude)) return undefined
  const name = textIn(data, 'name') ?? textIn(data, 'label') ?? part.text
  const address = textIn(data, 'address')
  const location = { name, latitude, longitude, ...(address !== undefined && { address }) }
  return [{ msgtype: 'location', location }]
}

/**
 * Flat ones, or as 微信客服 has them, whose fields stand under their type. Undefined: the product does not know such choices (an
 * official account's are answers, none opens an address), and they are said in words.
 */
function itemsOf(list: readonly Fields[], family: Family): readonly Json[] | undefined {
  const own = (item: Fields): Fields | undefined => memberOf(item, textIn(item, 'type') ?? '')
  const chosen = ({ id = '', content = '' }: Fields): Json => ({ id, content })
  const typed = (item: Fields): Json => {
    const { type: _, ...flat } = item
    const type = openerOf(item)
    return type === undefined ? { type: 'click', click: chosen(item) } : { type, [type]: flat }
  }
  if (family === 'kf') return list.map((item) => (own(item) === undefined ? typed(item) : item))
  const isAnswer = (item: Fields): boolean =>
    openerOf(item) === undefined && (item['type'] ?? 'click') === 'click'
  if (family !== 'official' || !list.every(isAnswer)) return undefined
  return list.map((item) => chosen(own(item) ?? item))
}

/** What a choice is that answers nothing, in the words of 微信客服. */
function openerOf(item: Fields): string | undefined {
  const type = textIn(item, 'type')
  if (type === 'view' || type === 'miniprogram' || type === 'text') return type
  return textIn(item, 'url') === undefined ? undefined : 'view'
}

function menu(data: Fields, items: readonly Json[]): Content {
  const head = textIn(data, 'head_content')
  const tail = textIn(data, 'tail_content')
  const body = {
    ...(head !== undefined && { head_content: head }),
    list: items,
    ...(tail !== undefined && { tail_content: tail }),
  }
  return { msgtype: 'msgmenu', msgmenu: body }
}

function textContents(text: string): readonly Content[] {
  if (text === '') return []
  return textPieces(text, TEXT_BYTES).map((content) => ({ msgtype: 'text', text: { content } }))
}

/** As the platform spells it, or as the channel has spelled it in a part it took in. */
function spelled(data: Fields, theirs: string, ours: string): string | undefined {
  return textIn(data, theirs) ?? textIn(data, ours)
}
