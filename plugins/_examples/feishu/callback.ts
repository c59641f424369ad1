// A callback as it arrives: its signature, its cipher, its token. Pure.
import { createDecipheriv, createHash, timingSafeEqual } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type { HttpRequest, Json } from 'dragoman'

export type Fields = Readonly<Record<string, Json>>

export interface Keys {
  readonly encryptKey: string
  readonly verificationToken: string
}

export type Callback =
  /** The platform checks our address, once, when it is entered. */
  | { readonly kind: 'challenge'; readonly challenge: string }
  | {
      readonly kind: 'event'
      readonly id: string
      readonly type: string
      readonly at?: string
      readonly event: Fields
    }
  /** Genuine, and nothing we know. */
  | { readonly kind: 'unknown'; readonly what: string }

const BLOCK_BYTES = 16
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Throws `AUTH_FAILED` for what is not the platform's, `DECODE_FAILED` for what cannot be read. */
export function readCallback(request: Pick<HttpRequest, 'headers' | 'body'>, keys: Keys): Callback {
  const { encryptKey } = keys
  const outer = parse(request.body)
  if (encryptKey === '') return readPlain(outer, keys)
  const sealed = outer['encrypt']
  // With a key only what the cipher holds is believed, however the rest looks.
  if (typeof sealed !== 'string') throw refused('the body is not encrypted')
  const isSigned = isGenuine(request, encryptKey)
  const callback = opened(sealed, keys, isSigned)
  // The check of the address comes without a signature; who could encrypt it has the key.
  if (callback.kind !== 'challenge' && !isSigned) throw refused('the signature is wrong')
  return callback
}

/** Who has not signed learns from no answer how far his cipher text came: the padding alone would tell what another's holds. */
function opened(sealed: string, keys: Keys, isSigned: boolean): Callback {
  try {
    return readPlain(parse(decrypt(sealed, keys.encryptKey)), keys)
  } catch (error) {
    throw isSigned ? error : refused('the body is neither signed nor a check of the address', error)
  }
}

function readPlain(fields: Fields, { verificationToken }: Keys): Callback {
  const header = objectIn(fields, 'header')
  const token = textIn(header, 'token') ?? textIn(fields, 'token')
  if (verificationToken !== '' && !isSame(token ?? '', verificationToken))
    throw refused('the token is another one')
  if (fields['type'] === 'url_verification')
    return { kind: 'challenge', challenge: textIn(fields, 'challenge') ?? '' }
  const id = textIn(header, 'event_id')
  const type = textIn(header, 'event_type')
  if (fields['schema'] !== '2.0' || id === undefined || type === undefined)
    return { kind: 'unknown', what: 'a callback that is no event of version 2.0' }
  const at = moment(textIn(header, 'create_time'))
  return { kind: 'event', id, type, event: objectIn(fields, 'event'), ...(at !== undefined && { at }) }
}

function isGenuine({ headers, body }: Pick<HttpRequest, 'headers' | 'body'>, encryptKey: string): boolean {
  const hash = createHash('sha256')
  hash.update(headers['x-lark-request-timestamp'] ?? '')
  hash.update(headers['x-lark-request-nonce'] ?? '')
  hash.update(encryptKey)
  hash.update(body)
  return isSame(headers['x-lark-signature'] ?? '', hash.digest('hex'))
}

/** AES-256-CBC, PKCS#7; the key is the SHA-256 of the Encrypt Key, the first block is the IV. */
export function decrypt(sealed: string, encryptKey: string): Uint8Array {
  const bytes = Buffer.from(sealed, 'base64')
  const key = createHash('sha256').update(encryptKey).digest()
  try {
    const decipher = createDecipheriv('aes-256-cbc', key, bytes.subarray(0, BLOCK_BYTES))
    return Buffer.concat([decipher.update(bytes.subarray(BLOCK_BYTES)), decipher.final()])
  } catch (error) {
    throw refused('the body cannot be decrypted with our key', error)
  }
}

function parse(bytes: Uint8Array): Fields {
  let value: Json
  try {
    value = JSON.parse(utf8.decode(bytes)) as Json // JSON.parse yields plain data; every number of a callback is small
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the body is not JSON in UTF-8', { cause: error })
  }
  if (!isObject(value)) throw new GatewayError('DECODE_FAILED', 'the body is no JSON object')
  return value
}

/** What was wrong is for the log; the caller learns nothing that helps him to guess. */
function refused(why: string, cause?: unknown): GatewayError {
  return new GatewayError('AUTH_FAILED', why, { status: 403, cause })
}

function isSame(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(given), digest(wanted))
}

/** Milliseconds since the epoch, as a text. */
export function moment(text: string | undefined): string | undefined {
  return text !== undefined && /^\d{12,14}$/.test(text) ? new Date(Number(text)).toISOString() : undefined
}

export function isObject(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

export function objectIn(fields: Fields, name: string): Fields {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return isObject(value) ? value : {}
}

export function textIn(fields: Fields, name: string): string | undefined {
  const value = Object.hasOwn(fields, name) ? fields[name] : undefined
  return typeof value === 'string' && value !== '' ? value : undefined
}
