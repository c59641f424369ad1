// A part of an answer as the messages of the customer-service API, product by product. What a product cannot show is sent as its text.
import type { Json, Part } from 'dragoman'

import type { Product } from '../account.ts'
import { outgoingOf } from '../outgoing.ts'
import type { Article, Outgoing } from '../outgoing.ts'
import { isFields, textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import type { MediaType } from './media.ts'
import { textPieces } from './text-pieces.ts'

/** `{ msgtype: 'text', text: { content } }`: what stands beside `touser`. */
export type Content = { readonly msgtype: string; readonly [field: string]: Json }

/** Uploads what a part names by its address; resolves its media_id. */
export type Upload = (url: string, type: MediaType) => Promise<string>

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

/** 2,048 bytes of text (message/custom/send, message/send, kf/send_msg); a bot's markdown 20,480. */
const TEXT_BYTES = 2000
const MARKDOWN_BYTES = 20_000
const WECOM_ARTICLES = 8

type FileType = 'image' | 'voice' | 'video' | 'file'
/** Which files a product can send. */
const files: Readonly<Record<Family, readonly FileType[]>> = {
  official: ['image', 'voice', 'video'],
  miniprogram: ['image'],
  wecom: ['image', 'voice', 'video', 'file'],
  kf: ['image', 'voice', 'video', 'file'],
  bot: [],
}

/** One part as one message, or several where it is longer than one may be. Empty: there is nothing to show. */
export async function contentsOf(part: Part, family: Family, upload: Upload): Promise<readonly Content[]> {
  const data = isFields(part.data) ? part.data : {}
  const shown =
    family === 'bot'
      ? undefined
      : (ownContent(part, data, family) ?? (await rendered(outgoingOf(part), family, upload)))
  return shown ?? textContents(fallbackText(part, data), family)
}

/** What passive replies do not have: menus, places, and whatever else `data` spells out as the platform does. */
function ownContent(part: Part, data: Fields, family: Family): readonly Content[] | undefined {
  if (part.kind === 'location' && family === 'kf') return locationContent(part, data)
  if (part.kind !== 'card') return undefined
  const type = textIn(data, 'msgtype')
  const own = type !== undefined && Object.hasOwn(data, type) ? data[type] : undefined
  if (type !== undefined && isFields(own)) return [{ msgtype: type, [type]: own }]
  const { list } = data
  if (Array.isArray(list) && (family === 'official' || family === 'kf')) return [menu(data, list, family)]
  return undefined
}

async function rendered(
  outgoing: Outgoing,
  family: Family,
  upload: Upload,
): Promise<readonly Content[] | undefined> {
  switch (outgoing.type) {
    case 'text':
    case 'transfer_customer_service':
      return undefined
    case 'image':
    case 'voice':
    case 'video':
    case 'file':
      return files[family].includes(outgoing.type) ? fileContent(outgoing, family, upload) : undefined
    case 'music': {
      if (family !== 'official') return undefined
      const { title, description, musicUrl, hqMusicUrl, thumbMediaId } = outgoing
      const music = { title, description, musicurl: musicUrl, hqmusicurl: hqMusicUrl }
      return [{ msgtype: 'music', music: { ...music, thumb_media_id: thumbMediaId } }]
    }
    case 'news':
      return articleContents(outgoing.articles, family, upload)
    case 'miniprogrampage':
      return miniProgramPage(outgoing, family)
  }
}

async function fileContent(
  file: Outgoing & { readonly type: FileType },
  family: Family,
  upload: Upload,
): Promise<readonly Content[] | undefined> {
  const { type, mediaId, url } = file
  const id = mediaId ?? (url === undefined ? undefined : await upload(url, type))
  if (id === undefined) return undefined
  if (file.type !== 'video' || family === 'kf') return [{ msgtype: type, [type]: { media_id: id } }]
  const { title, description, thumbMediaId } = file
  const thumb = family === 'official' && thumbMediaId !== '' ? { thumb_media_id: thumbMediaId } : {}
  return [{ msgtype: 'video', video: { media_id: id, ...thumb, title, description } }]
}

async function articleContents(
  articles: readonly Article[],
  family: Family,
  upload: Upload,
): Promise<readonly Content[] | undefined> {
  const own = articles.map(({ title, description, url, picUrl }) => ({
    title,
    description,
    url,
    picurl: picUrl,
  }))
  if (family === 'wecom') return [{ msgtype: 'news', news: { articles: own.slice(0, WECOM_ARTICLES) } }]
  // message/custom/send takes one article in a message since 2018.
  if (family === 'official') return own.map((article) => ({ msgtype: 'news', news: { articles: [article] } }))
  if (family === 'miniprogram')
    return own.map(({ picurl, ...article }) => ({ msgtype: 'link', link: { ...article, thumb_url: picurl } }))
  // 微信客服 shows no link without a picture of its own.
  if (own.some(({ picurl }) => picurl === '')) return undefined
  const links: Content[] = []
  for (const { title, description, url, picurl } of own) {
    const thumb = await upload(picurl, 'image')
    links.push({ msgtype: 'link', link: { title, desc: description, url, thumb_media_id: thumb } })
  }
  return links
}

function miniProgramPage(
  page: Outgoing & { readonly type: 'miniprogrampage' },
  family: Family,
): readonly Content[] | undefined {
  if (family === 'wecom') return undefined // its notice has another form: a card with `msgtype`
  const { title, appId, pagePath, thumbMediaId } = page
  const common = { title, pagepath: pagePath, thumb_media_id: thumbMediaId }
  if (family === 'kf') return [{ msgtype: 'miniprogram', miniprogram: { appid: appId, ...common } }]
  const body = family === 'official' ? { appid: appId, ...common } : common
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

function menu(data: Fields, list: readonly Json[], family: Family): Content {
  const items = list.filter(isFields).map((item) => {
    const { id = '', content = '' } = item
    return family === 'kf' ? { type: 'click', click: { id, content } } : { id, content }
  })
  const head = textIn(data, 'head_content')
  const tail = textIn(data, 'tail_content')
  const body = {
    ...(head !== undefined && { head_content: head }),
    list: items,
    ...(tail !== undefined && { tail_content: tail }),
  }
  return { msgtype: 'msgmenu', msgmenu: body }
}

function textContents(text: string, family: Family): readonly Content[] {
  if (text === '') return []
  if (family === 'bot')
    return textPieces(text, MARKDOWN_BYTES).map((content) => ({ msgtype: 'markdown', markdown: { content } }))
  return textPieces(text, TEXT_BYTES).map((content) => ({ msgtype: 'text', text: { content } }))
}

/** What a part says where it cannot be shown: its text, and the address of what it shows. */
function fallbackText(part: Part, data: Fields): string {
  const url = textIn(data, 'url') ?? part.media?.url
  if (url === undefined || part.text.includes(url)) return part.text
  return part.text === '' ? url : `${part.text}\n${url}`
}
