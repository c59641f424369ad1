// The platform's cipher: AES-256-CBC over random16 · length · text · receiveid, padded to 32 bytes, base64.
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from 'node:crypto'
import type { KeyObject } from 'node:crypto'

import { isSame } from './signature.ts'

/** PKCS#7 with blocks of 32 bytes, not of AES's 16. */
const BLOCK = 32
const RANDOM = 16
const HEAD = RANDOM + 4
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/

export interface Opened {
  readonly bytes: Uint8Array
  /** With what it was closed: an answer is closed with the same, also while the key changes over. */
  readonly sealed: Sealed
}

export interface Sealed {
  readonly key: CipherKey
  readonly receiveId: string
}

/** 32 bytes, made ready once: given as bytes they would be made ready with each text, for three times the price. */
export interface CipherKey {
  readonly secret: KeyObject
  /** The first 16 bytes of the key. */
  readonly vector: Buffer
}

/** Of the 43 letters the platform shows. Their last two bits are nobody's: any will do. */
export function cipherKey(encodingAESKey: string): CipherKey {
  const bytes = Buffer.from(`${encodingAESKey}=`, 'base64')
  return { secret: createSecretKey(bytes), vector: bytes.subarray(0, RANDOM) }
}

/**
 * Opens an encrypted text with the first key that fits. Undefined, whatever is wrong with it: base64, length, padding (1 to 32
 * bytes, all equal), the length inside, or a receiveid that is not one of these.
 */
export function open(
  encrypted: string,
  keys: readonly CipherKey[],
  receiveIds: readonly string[],
): Opened | undefined {
  if (encrypted.length % 4 !== 0 || !BASE64.test(encrypted)) return undefined
  const bytes = Buffer.from(encrypted, 'base64')
  if (bytes.byteLength === 0 || bytes.byteLength % BLOCK !== 0) return undefined
  let opened: Opened | undefined
  // Every key and every id is tried: the time tells nothing about which one fits.
  for (const key of keys) opened = openWith(bytes, key, receiveIds) ?? opened
  return opened
}

function openWith(encrypted: Buffer, key: CipherKey, receiveIds: readonly string[]): Opened | undefined {
  const decipher = createDecipheriv('aes-256-cbc', key.secret, key.vector)
  decipher.setAutoPadding(false)
  const padded = decipher.update(encrypted) // whole blocks: nothing is left for the end
  decipher.final()
  const pad = padded[padded.byteLength - 1] ?? 0
  let differs = pad < 1 || pad > BLOCK ? 1 : 0
  for (let back = 1; back <= BLOCK; back += 1) {
    const byte = padded[padded.byteLength - back] ?? 0
    if (back <= pad) differs |= byte ^ pad
  }
  if (differs !== 0) return undefined
  const text = padded.subarray(0, padded.byteLength - pad)
  if (text.byteLength < HEAD) return undefined
  const length = text.readUInt32BE(RANDOM) // unsigned: 0xffffffff is 4 GB, not -1
  if (length > text.byteLength - HEAD) return undefined
  const id = text.subarray(HEAD + length)
  let receiveId: string | undefined
  for (const each of receiveIds) {
    // As bytes: an id with a broken character in it is not one that was configured.
    if (isSame(id.toString('latin1'), Buffer.from(each, 'utf8').toString('latin1'))) receiveId = each
  }
  if (receiveId === undefined) return undefined
  return { bytes: text.subarray(HEAD, HEAD + length), sealed: { key, receiveId } }
}

/** Closes a text. `random` is for tests: 16 bytes. */
export function seal(text: Uint8Array, { key, receiveId }: Sealed, random = randomBytes(RANDOM)): string {
  const id = Buffer.from(receiveId, 'utf8')
  const length = Buffer.alloc(4)
  length.writeUInt32BE(text.byteLength)
  const size = HEAD + text.byteLength + id.byteLength
  const pad = BLOCK - (size % BLOCK)
  const padded = Buffer.concat([random, length, text, id, Buffer.alloc(pad, pad)])
  const cipher = createCipheriv('aes-256-cbc', key.secret, key.vector)
  cipher.setAutoPadding(false)
  const encrypted = cipher.update(padded)
  cipher.final()
  return encrypted.toString('base64')
}
