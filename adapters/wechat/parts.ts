// What a customer said, as parts: each message type of the official accounts, mini programs and WeCom applications.
import type { Json, Part } from 'dragoman'

import { textIn } from './document.ts'
import type { Fields } from './document.ts'

export interface Said {
  readonly parts: readonly Part[]
  /** Fields that the parts say already; the others go along as they are. */
  readonly told: readonly string[]
}

type Reader = (fields: Fields) => Said

/** The parts of a message of this type; undefined for a type nobody here knows: its fields are passed on as they are. */
export function partsOfMessage(type: string, fields: Fields): Said | undefined {
  return readers.get(type.toLowerCase())?.(fields)
}

const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['text', textPart],
  ['image', imagePart],
  ['voice', voicePart],
  ['video', (fields) => videoPart(fields, '[video]')],
  ['shortvideo', (fields) => videoPart(fields, '[short video]')],
  ['location', locationPart],
  ['link', linkPart],
  ['miniprogrampage', miniProgramPart],
  ['file', filePart],
])

function textPart(fields: Fields): Said {
  const menuId = textIn(fields, 'bizmsgmenuid')
  // An empty text is a text: the customer has sent something, and somebody may ask him what.
  return said({ kind: 'text', text: textIn(fields, 'Content') ?? '', ...dataOf({ menuId }) }, ['Content'])
}

function imagePart(fields: Fields): Said {
  const part: Part = { kind: 'image', text: '[image]', ...mediaOf(fields, { url: textIn(fields, 'PicUrl') }) }
  return said(part, ['PicUrl', 'MediaId'])
}

const FORMATS: ReadonlyMap<string, string> = new Map([
  ['amr', 'audio/amr'],
  ['speex', 'audio/speex'],
  ['mp3', 'audio/mpeg'],
])

function voicePart(fields: Fields): Said {
  const format = textIn(fields, 'Format')
  // The platform writes the words down where the account has asked for it.
  const recognition = textIn(fields, 'Recognition')
  const mediaType = FORMATS.get((format ?? '').toLowerCase())
  const part: Part = {
    kind: 'audio',
    text: recognition === undefined || recognition === '' ? '[voice]' : recognition,
    ...mediaOf(fields, { mediaType }),
    ...dataOf({ format, recognition, mediaId16K: textIn(fields, 'MediaId16K') }),
  }
  return said(part, ['MediaId', 'Format', 'Recognition', 'MediaId16K'])
}

function videoPart(fields: Fields, text: string): Said {
  const part: Part = {
    kind: 'video',
    text,
    ...mediaOf(fields, {}),
    ...dataOf({ thumbMediaId: textIn(fields, 'ThumbMediaId') }),
  }
  return said(part, ['MediaId', 'ThumbMediaId'])
}

function locationPart(fields: Fields): Said {
  // Location_X is the latitude. Both stay the text they are: 113.358800 is not 113.3588.
  const latitude = textIn(fields, 'Location_X')
  const longitude = textIn(fields, 'Location_Y')
  const label = textIn(fields, 'Label')
  const text = label === undefined || label === '' ? `${latitude ?? ''},${longitude ?? ''}` : label
  const data = { latitude, longitude, scale: textIn(fields, 'Scale'), label }
  return said({ kind: 'location', text, ...dataOf(data) }, ['Location_X', 'Location_Y', 'Scale', 'Label'])
}

function linkPart(fields: Fields): Said {
  const title = textIn(fields, 'Title')
  const url = textIn(fields, 'Url')
  const data = { title, url, description: textIn(fields, 'Description'), picUrl: textIn(fields, 'PicUrl') }
  const part: Part = {
    kind: 'link',
    text: title === undefined || title === '' ? (url ?? '[link]') : title,
    ...(url !== undefined && { media: { url } }),
    ...dataOf(data),
  }
  return said(part, ['Title', 'Url', 'Description', 'PicUrl'])
}

function miniProgramPart(fields: Fields): Said {
  const title = textIn(fields, 'Title')
  const data = {
    type: 'miniprogrampage',
    title,
    appId: textIn(fields, 'AppId'),
    pagePath: textIn(fields, 'PagePath'),
    thumbUrl: textIn(fields, 'ThumbUrl'),
    thumbMediaId: textIn(fields, 'ThumbMediaId'),
  }
  const text = title === undefined || title === '' ? '[mini program]' : title
  return said({ kind: 'card', text, ...dataOf(data) }, [
    'Title',
    'AppId',
    'PagePath',
    'ThumbUrl',
    'ThumbMediaId',
  ])
}

function filePart(fields: Fields): Said {
  const name = textIn(fields, 'Title') ?? textIn(fields, 'FileName')
  const bytes = Number(textIn(fields, 'FileTotalLen') ?? '')
  const size = Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
  const data = {
    description: textIn(fields, 'Description'),
    fileKey: textIn(fields, 'FileKey'),
    fileMd5: textIn(fields, 'FileMd5'),
  }
  const part: Part = {
    kind: 'file',
    text: name === undefined || name === '' ? '[file]' : name,
    ...mediaOf(fields, { name, bytes: size }),
    ...dataOf(data),
  }
  return said(part, ['MediaId', 'Title', 'FileName', 'FileTotalLen', 'Description', 'FileKey', 'FileMd5'])
}

/** Media with the id of the field `MediaId`. */
function mediaOf(
  fields: Fields,
  more: {
    readonly url?: string | undefined
    readonly mediaType?: string | undefined
    readonly name?: string | undefined
    readonly bytes?: number | undefined
  },
): Pick<Part, 'media'> {
  const id = textIn(fields, 'MediaId')
  const { url, mediaType, name, bytes } = more
  const media = {
    ...(id !== undefined && id !== '' && { id }),
    ...(url !== undefined && url !== '' && { url }),
    ...(mediaType !== undefined && { mediaType }),
    ...(name !== undefined && { name }),
    ...(bytes !== undefined && { bytes }),
  }
  return Object.keys(media).length === 0 ? {} : { media }
}

/** What of it is there. */
export function dataOf(members: Readonly<Record<string, string | undefined>>): { readonly data?: Json } {
  const there = Object.entries(members).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return there.length === 0 ? {} : { data: Object.fromEntries(there) }
}

function said(part: Part, told: readonly string[]): Said {
  return { parts: [part], told }
}
