// What people say in Feishu as parts, and parts as what Feishu shows. Pure.
import type { Json, Message, Part } from 'dragoman'

import { isObject, objectIn, textIn } from './callback.ts'
import type { Fields } from './callback.ts'
import { marked, markedApart, markOf } from './stale.ts'

/** The parts of `im.message.receive_v1`; the names of those who are mentioned stand in the text. */
export function partsOf(message: Fields): readonly Part[] {
  const type = textIn(message, 'message_type') ?? ''
  const content = contentOf(message)
  const named = (text: string): string => withNames(text, message)
  switch (type) {
    case 'text':
      return [{ kind: 'text', text: named(textIn(content, 'text') ?? '') }]
    case 'post':
      return postParts(content, named)
    case 'image':
      return [media('image', '[image]', { id: textIn(content, 'image_key') })]
    case 'file':
    case 'folder': {
      const name = textIn(content, 'file_name')
      return [media('file', name ?? '[file]', { id: textIn(content, 'file_key'), name })]
    }
    case 'audio':
      return [media('audio', '[audio]', { id: textIn(content, 'file_key') }, content)]
    case 'media':
      return [
        media(
          'video',
          '[video]',
          { id: textIn(content, 'file_key'), name: textIn(content, 'file_name') },
          content,
        ),
      ]
    case 'sticker':
      return [media('image', '[sticker]', { id: textIn(content, 'file_key') })]
    case 'location':
      return [{ kind: 'location', text: textIn(content, 'name') ?? '[location]', data: content }]
    default:
      return [{ kind: 'card', text: `[${type}]`, data: content }]
  }
}

interface Media {
  readonly id: string | undefined
  readonly name?: string | undefined
}

function media(kind: Part['kind'], text: string, { id, name }: Media, data?: Fields): Part {
  return {
    kind,
    text,
    media: { ...(id !== undefined && { id }), ...(name !== undefined && { name }) },
    ...(data !== undefined && { data }),
  }
}

/** Rich text: its words in one part, with an address behind each link, its pictures and films after them. */
function postParts(content: Fields, named: (text: string) => string): readonly Part[] {
  const lines: string[] = []
  const others: Part[] = []
  const title = textIn(content, 'title')
  if (title !== undefined) lines.push(title)
  for (const paragraph of listOf(content['content'])) {
    let line = ''
    for (const element of listOf(paragraph).filter(isObject)) {
      if (element['tag'] === 'img')
        others.push(media('image', '[image]', { id: textIn(element, 'image_key') }))
      else if (element['tag'] === 'media')
        others.push(media('video', '[video]', { id: textIn(element, 'file_key') }))
      else line += wordsOf(element)
    }
    lines.push(line)
  }
  const text = named(lines.join('\n').trim())
  return text === '' && others.length > 0 ? others : [{ kind: 'text', text, data: content }, ...others]
}

function wordsOf(element: Fields): string {
  const text = textIn(element, 'text') ?? ''
  switch (element['tag']) {
    case 'a': {
      const href = textIn(element, 'href')
      return href === undefined || href === text ? text : `${text} (${href})`
    }
    case 'at':
      return textIn(element, 'user_id')?.startsWith('@_') === true
        ? (textIn(element, 'user_id') ?? '')
        : `@${textIn(element, 'user_name') ?? ''}`
    case 'emotion':
      return `[${textIn(element, 'emoji_type') ?? 'emoji'}]`
    case 'hr':
      return '---'
    default:
      return text
  }
}

/** `@_user_1` stands for who is mentioned. */
function withNames(text: string, message: Fields): string {
  const names = new Map(
    listOf(message['mentions'])
      .filter(isObject)
      .map((mention) => [textIn(mention, 'key') ?? '', textIn(mention, 'name') ?? '']),
  )
  return text.replace(/@_(?:user_\d+|all)/g, (key) =>
    key === '@_all' ? '@all' : `@${names.get(key) ?? key.slice(1)}`,
  )
}

function contentOf(message: Fields): Fields {
  try {
    const content = JSON.parse(textIn(message, 'content') ?? '{}') as Json // JSON.parse yields plain data
    return isObject(content) ? content : {}
  } catch {
    return {} // a message all the same: its type is told
  }
}

function listOf(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? (value as readonly Json[]) : [] // an array of JSON
}

// ─── Outwards ────────────────────────────────────────────────────────────────────────────────────────────────────────

export interface Outgoing {
  readonly msg_type: string
  /** JSON as a text, as the API wants it. */
  readonly content: string
}

/** The platform refuses longer ones: 150 kB of a text, 30 kB of rich text or a card. */
const MOST_BYTES = { text: 150_000, other: 30_000 } as const

/**
 * One push is one part, and the sentence under a stale one, which is a message of its own behind what is no text, or what it would
 * make too long. Undefined: the part is too long for any form.
 */
export function outgoing(message: Message, staleText: string): readonly Outgoing[] | undefined {
  const part = message.parts?.[0] ?? { kind: 'text', text: saidBy(message.data) }
  const mark = markOf(message, staleText)
  const ways = [marked(part, mark), ...(mark === undefined ? [] : [markedApart(part, mark)])]
  return ways.map((way) => way.map(formOf)).find((made) => !made.some(isTooLong))
}

function isTooLong({ msg_type, content }: Outgoing): boolean {
  return Buffer.byteLength(content) > (msg_type === 'text' ? MOST_BYTES.text : MOST_BYTES.other)
}

function formOf(part: Part): Outgoing {
  const { kind, text, media: attached, data } = part
  const form = (msg_type: string, content: Json): Outgoing => ({ msg_type, content: JSON.stringify(content) })
  const id = attached?.id
  if (kind === 'card' && isObject(data)) return form('interactive', data)
  if (kind === 'image' && id !== undefined) return form('image', { image_key: id })
  if (kind === 'audio' && id !== undefined) return form('audio', { file_key: id })
  if ((kind === 'file' || kind === 'video') && id !== undefined) return form('file', { file_key: id })
  const fields = isObject(data) ? data : {}
  const said = text === '' ? namedBy(fields, attached?.name) : text
  const address = attached?.url ?? (kind === 'text' ? undefined : webAddressIn(fields))
  const url = address !== undefined && isNamedIn(said, address) ? undefined : address
  // A text may mention people with markup, `<at user_id="all">`; in rich text words are words.
  if (url === undefined && !said.includes('<')) return form('text', { text: said })
  const words = said.split('\n').map((line) => [{ tag: 'text', text: line }])
  const link = url === undefined ? [] : [[{ tag: 'a', text: url, href: url }]]
  return form('post', { zh_cn: { title: '', content: [...(said === '' ? [] : words), ...link] } })
}

/** A path or a `data:` address leads nobody anywhere. */
function webAddressIn(fields: Fields): string | undefined {
  const url = textIn(fields, 'url')
  return url !== undefined && /^https?:\/\//iu.test(url) ? url : undefined
}

/** The text has this address, and not only a longer one that begins like it. */
function isNamedIn(text: string, address: string): boolean {
  const [, ...behind] = text.split(address)
  return behind.some((rest) => !/^(?:[\w/#&=%~+@-]|[.:,;?!]\w)/u.test(rest))
}

/** What a part without a text may be called by: a link its title, a place its label, else where it is. */
function namedBy(fields: Fields, fileName: string | undefined): string {
  const name = ['title', 'name', 'label']
    .map((each) => textIn(fields, each))
    .find((each) => each !== undefined)
  const place = [fields['latitude'], fields['longitude']].filter((each) => each !== undefined)
  return name ?? fileName ?? (place.length === 2 ? place.map(String).join(',') : '')
}

/** Where there are no parts: the fault's own words, the text in the data, or the data. */
function saidBy(data: Json | undefined): string {
  if (typeof data === 'string') return data
  const fields = isObject(data) ? data : {}
  return (
    textIn(objectIn(fields, 'fault'), 'message') ?? textIn(fields, 'text') ?? JSON.stringify(data ?? null)
  )
}
