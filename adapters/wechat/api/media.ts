// Files to and from the platform: temporary media that live three days.
import { GatewayError } from 'dragoman'
import type { Answer, Json, Scope } from 'dragoman'
import { LRUCache } from 'lru-cache'

import { textIn } from './answer-text.ts'
import type { Fields } from './answer-text.ts'
import { rulingOf } from './errors.ts'
import { endingOf, nameAt, nameIn, shownName } from './file-names.ts'
import type { WireAnswer, WireCall } from './wire.ts'

export type MediaType = 'image' | 'voice' | 'video' | 'file' | 'thumb'

export interface MediaFile {
  readonly bytes: Uint8Array
  readonly mediaType: string
  readonly name: string
}

/** Calls with a token. */
export type Authorised = (
  call: WireCall,
  options: { readonly authorizer?: string | undefined; readonly signal: AbortSignal },
) => Promise<WireAnswer>

export interface Media {
  /**
   * The media_id of a file somewhere else, fetched and uploaded until the signal ends. Throws `ENCODE_FAILED` or, for its size,
   * `DECODE_FAILED` where the platform does not take such a file, `FORBIDDEN` where it is not to be fetched, else `BACKEND_FAILED`:
   * nothing of the message has been sent then, whatever broke (`notExecuted`).
   */
  ofUrl(file: FileAt, to: Destination): Promise<string>
}
export interface FileAt {
  readonly url: string
  readonly type: MediaType
  /** Absent: as the address, or who answers there, calls it. */
  readonly name?: string | undefined
}
export interface Destination {
  readonly authorizer?: string | undefined
  readonly signal: AbortSignal
}

const UPLOAD_MS = 12_000
/** What stands at an address may change: its media_id is used again for this long only. */
const KNOWN_MS = 600_000
const MAX_KNOWN = 500
/** developers.weixin.qq.com "新增临时素材": image and video 10 MB, voice 2 MB; WeCom files 20 MB. */
const maxBytes: Readonly<Record<MediaType, number>> = {
  image: 10 * 1024 * 1024,
  voice: 2 * 1024 * 1024,
  video: 10 * 1024 * 1024,
  file: 20 * 1024 * 1024,
  thumb: 64 * 1024,
}

/** The upload of a file. Throws `DECODE_FAILED` for one the platform would not take for its size. */
export function uploadCall(file: MediaFile, type: MediaType): WireCall {
  if (file.bytes.byteLength > maxBytes[type])
    throw wrong(
      `"${file.name}" has ${file.bytes.byteLength} bytes: the platform takes ${maxBytes[type]} as ${type}`,
    )
  const form = new FormData()
  form.set('media', new Blob([new Uint8Array(file.bytes)], { type: file.mediaType }), file.name)
  return { method: 'POST', path: '/cgi-bin/media/upload', query: { type }, body: form, timeoutMs: UPLOAD_MS }
}

/** The parameters of `uploadMedia`: `{ type, name?, mediaType?, content (base64) }`. Throws `DECODE_FAILED`. */
export function uploadOf(params: Fields): WireCall {
  const type = textIn(params, 'type') ?? ''
  const content = textIn(params, 'content') ?? ''
  if (!isMediaType(type))
    throw wrong(`uploadMedia: "type" is ${JSON.stringify(type)}: one of ${Object.keys(maxBytes).join(', ')}`)
  if (content === '' || !/^[A-Za-z0-9+/]+={0,2}$/.test(content) || content.length % 4 === 1)
    throw wrong('uploadMedia: "content" must be the file in base64')
  const mediaType = textIn(params, 'mediaType') ?? defaultTypes[type]
  const name = textIn(params, 'name') ?? `${type}.${extensionOf(mediaType)}`
  return uploadCall({ bytes: Buffer.from(content, 'base64'), mediaType, name }, type)
}

/** What a download yields: the file in base64, or the address of a video. */
export function downloadedAnswer(answer: WireAnswer & { status: 'file' }): Answer {
  const { bytes, mediaType, name } = answer
  const data: Json = {
    mediaType,
    bytes: bytes.byteLength,
    content: Buffer.from(bytes).toString('base64'),
    ...(name !== undefined && { name }),
  }
  return { data }
}

/** Fetches and uploads what parts name by their address. */
export function createMedia(fetch: Scope['fetch'], authorised: Authorised): Media {
  const known = new LRUCache<string, string>({ max: MAX_KNOWN, ttl: KNOWN_MS })
  return {
    async ofUrl(named, { authorizer, signal }) {
      const { url, type, name } = named
      const key = JSON.stringify([authorizer ?? null, type, name ?? null, url])
      const found = known.get(key)
      if (found !== undefined) return found
      try {
        const file = await download(fetch, named, signal)
        const answer = await authorised(uploadCall(file, type), { authorizer, signal })
        const id = mediaIdOf(answer, type)
        known.set(key, id)
        return id
      } catch (thrown) {
        throw notSent(thrown, type, signal)
      }
    },
  }
}

const FOR_GOOD: ReadonlySet<string> = new Set(['ENCODE_FAILED', 'DECODE_FAILED', 'FORBIDDEN'])

/** A line that broke, or a proxy's answer, says nothing of what was done: of the message it was nothing. */
function notSent(thrown: unknown, type: MediaType, signal: AbortSignal): GatewayError {
  const error = GatewayError.from(thrown)
  if (error.notExecuted || FOR_GOOD.has(error.code)) return error
  const { message, retryAfterMs } = error
  const why = signal.aborted ? 'it could not be fetched and uploaded in time' : message
  return new GatewayError('BACKEND_FAILED', `the ${type} to send: ${why}`, {
    cause: thrown,
    notExecuted: true,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

function mediaIdOf(answer: WireAnswer, type: MediaType): string {
  if (answer.status === 'error') {
    const { verdict, says } = rulingOf(answer.code, answer.text)
    throw new GatewayError(
      verdict === 'refused' ? 'ENCODE_FAILED' : 'BACKEND_FAILED',
      `the ${type} to send was not taken: ${says}`,
      { notExecuted: true },
    )
  }
  const fields = answer.status === 'ok' ? answer.fields : {}
  const id = textIn(fields, 'media_id') ?? textIn(fields, 'thumb_media_id')
  if (id !== undefined) return id
  throw new GatewayError('BACKEND_FAILED', 'the answer to the upload has no media_id', { notExecuted: true })
}

async function download(
  fetch: Scope['fetch'],
  { url, type, name }: FileAt,
  signal: AbortSignal,
): Promise<MediaFile> {
  const response = await fetch(url, { signal })
  if (!response.ok)
    throw new GatewayError('BACKEND_FAILED', `the ${type} to send: its address answers ${response.status}`, {
      notExecuted: true,
    })
  const said = response.headers.get('content-type')
  const mediaType = (said ?? defaultTypes[type]).replace(/;.*$/su, '').trim()
  const extension = extensionOf(mediaType)
  const isTelling = said !== null && extension !== 'bin' && !OF_MANY.has(mediaType)
  const atAddress = nameAt(url)
  const served =
    nameIn(response.headers.get('content-disposition')) ??
    (atAddress !== undefined && isTelling ? withKnownEnding(atAddress, `.${extension}`) : atAddress)
  const ending = endingOf(served ?? '') ?? `.${extension}`
  const shown = [name, served].map((each = '') => shownName(each, ending)).find((each) => each !== undefined)
  return {
    bytes: new Uint8Array(await response.arrayBuffer()),
    mediaType,
    name: shown ?? `${type}${ending}`,
  }
}

const defaultTypes: Readonly<Record<MediaType, string>> = {
  image: 'image/jpeg',
  voice: 'audio/amr',
  video: 'video/mp4',
  file: 'application/octet-stream',
  thumb: 'image/jpeg',
}
const extensions: Readonly<Record<string, string>> = {
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
  'audio/amr': 'amr',
  'audio/mpeg': 'mp3',
  'video/mp4': 'mp4',
  'application/pdf': 'pdf',
  'application/zip': 'zip',
  'application/msword': 'doc',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': 'pptx',
  'text/plain': 'txt',
  'text/csv': 'csv',
}

/** Files of many kinds are served as these. */
const OF_MANY: ReadonlySet<string> = new Set(['text/plain', 'application/zip'])
const endings: ReadonlySet<string> = new Set(Object.values(extensions).map((extension) => `.${extension}`))

/** The ending in an address is often that of the script that answers there (`bill.aspx`). */
function withKnownEnding(name: string, ending: string): string {
  const own = endingOf(name) ?? ''
  return endings.has(own.toLowerCase()) ? name : `${name.slice(0, name.length - own.length)}${ending}`
}

function extensionOf(mediaType: string): string {
  return Object.hasOwn(extensions, mediaType) ? (extensions[mediaType] ?? 'bin') : 'bin'
}

function isMediaType(type: string): type is MediaType {
  return Object.hasOwn(maxBytes, type)
}

function wrong(message: string): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { notExecuted: true })
}
