// What the platform wraps its pushes in. The cipher is given: a demo takes ours, the tests somebody else's.
import { createHash } from 'node:crypto'

/** AES and the SHA-1 signature over (token, timestamp, nonce, encrypted). */
export interface PlatformCipher {
  encrypt(text: string): string
  /** Throws where the text is not for this account. */
  decrypt(encrypted: string): string
  sign(timestamp: string, nonce: string, encrypted: string): string
}

export interface EnvelopeOptions {
  readonly token: string
  /** Absent: plain mode. */
  readonly cipher?: PlatformCipher
  readonly toUser: string
}

export interface Wrapped {
  readonly query: string
  readonly body: string
}

/** The push of a message: its query and body, as the platform sends them in plain or safe mode. */
export function wrap(
  xml: string,
  options: EnvelopeOptions,
  at: { readonly seconds: number; readonly nonce: string },
): Wrapped {
  const { token, cipher, toUser } = options
  const timestamp = String(at.seconds)
  const query = new URLSearchParams({
    signature: plainSignature(token, timestamp, at.nonce),
    timestamp,
    nonce: at.nonce,
  })
  if (cipher === undefined) return { query: query.toString(), body: xml }
  const encrypted = cipher.encrypt(xml)
  query.set('encrypt_type', 'aes')
  query.set('msg_signature', cipher.sign(timestamp, at.nonce, encrypted))
  const body = `<xml><ToUserName><![CDATA[${toUser}]]></ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`
  return { query: query.toString(), body }
}

/** The passive reply as XML: taken out of its envelope if it has one. Throws where the platform would drop it. */
export function unwrap(body: string, { cipher }: EnvelopeOptions): string {
  if (cipher === undefined) return body
  const encrypted = fieldOf(body, 'Encrypt')
  const timestamp = fieldOf(body, 'TimeStamp')
  const nonce = fieldOf(body, 'Nonce')
  if (encrypted === undefined || timestamp === undefined || nonce === undefined)
    throw new Error('the passive reply is not encrypted, but the account is')
  if (fieldOf(body, 'MsgSignature') !== cipher.sign(timestamp, nonce, encrypted))
    throw new Error('the signature of the passive reply is wrong')
  return cipher.decrypt(encrypted)
}

/** The signature that does not cover the body: sorted by code unit. */
export function plainSignature(token: string, timestamp: string, nonce: string): string {
  return createHash('sha1').update([token, timestamp, nonce].toSorted().join('')).digest('hex')
}

/** The first element of that name, with or without CDATA; enough for what gateways answer. */
export function fieldOf(xml: string, name: string): string | undefined {
  const match = new RegExp(`<${name}>(?:<!\\[CDATA\\[([\\s\\S]*?)\\]\\]>|([^<]*))</${name}>`, 'u').exec(xml)
  return match?.[1] ?? match?.[2]
}
