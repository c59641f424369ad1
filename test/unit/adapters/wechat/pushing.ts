// The platform's side in tests: pushes signed and closed by an independent encoder (@wecom/crypto), replies opened by another (node-easywechat).
import { createHash } from 'node:crypto'
import * as wecom from '@wecom/crypto'
import Encryptor from 'node-easywechat/dist/Core/Encryptor.js'

export const TOKEN = 'a-token-of-tests'
export const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG'
export const OTHER_KEY = 'kWxPEV2UEDyxWpmPdKC3F4dgPDmOvfKX1HGnEUDS1aR'
export const APP_ID = 'wxb11529c136998cb6'

export interface Account {
  readonly token?: string
  readonly key?: string
  readonly receiveId?: string
}

export interface Signing extends Account {
  /** Seconds since the epoch. */
  readonly timestamp?: number | string
  readonly nonce?: string
}

export interface PushRequest {
  readonly method: 'POST'
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

const nonces = { next: 1 }

/** A push of an account without a key. */
export function plainPush(body: string | Uint8Array, signing: Signing = {}): PushRequest {
  const { token = TOKEN, timestamp = now(), nonce = `n${nonces.next++}` } = signing
  const signature = sha1(token, String(timestamp), nonce)
  return request(body, { signature, timestamp: String(timestamp), nonce, openid: 'somebody' })
}

/** A push of an account with a key: the plain signature comes along, as it really does. */
export function sealedPush(
  text: string,
  options: Signing & { readonly format?: 'xml' | 'json' | 'bot'; readonly beside?: string } = {},
): PushRequest {
  const { key = KEY, receiveId = APP_ID, format = 'xml', beside = '' } = options
  return sealedRequest(wecom.encrypt(key, text, receiveId), { ...options, format, beside })
}

export function sealedRequest(
  encrypted: string,
  options: Signing & { readonly format?: 'xml' | 'json' | 'bot'; readonly beside?: string } = {},
): PushRequest {
  const {
    token = TOKEN,
    timestamp = now(),
    nonce = `n${nonces.next++}`,
    format = 'xml',
    beside = '',
  } = options
  const bodies = {
    xml: `<xml><ToUserName><![CDATA[gh_outer]]></ToUserName>${beside}<Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`,
    json: JSON.stringify({ ToUserName: 'gh_outer', Encrypt: encrypted }),
    bot: JSON.stringify({ encrypt: encrypted }),
  }
  return request(bodies[format], {
    signature: sha1(token, String(timestamp), nonce),
    msg_signature: wecom.getSignature(token, String(timestamp), nonce, encrypted),
    encrypt_type: 'aes',
    timestamp: String(timestamp),
    nonce,
  })
}

/** What a reply says to the platform: the text, or the reason why the platform would throw it away. */
export function openReply(body: string, account: Account = {}): string {
  const { token = TOKEN, key = KEY, receiveId = APP_ID } = account
  const encryptor = new Encryptor(receiveId, token, key, receiveId)
  const value = (name: string): string =>
    new RegExp(`(?:<${name}>(?:<!\\[CDATA\\[)?|"${name}": ?"?)([^\\]<",}]+)`, 'iu').exec(body)?.[1] ?? ''
  return encryptor.decrypt(
    value('Encrypt'),
    value('MsgSignature'),
    value('Nonce'),
    Number(value('TimeStamp')),
  )
}

/** A customer's text as an official account gets it. */
export function textXml(
  content: string,
  { from = 'ann', id = '6054768590064713728' }: { readonly from?: string; readonly id?: string } = {},
): string {
  return `<xml><ToUserName><![CDATA[gh_10f6c3c3ac5a]]></ToUserName>
<FromUserName><![CDATA[${from}]]></FromUserName>
<CreateTime>1409735668</CreateTime>
<MsgType><![CDATA[text]]></MsgType>
<Content><![CDATA[${content}]]></Content>
<MsgId>${id}</MsgId>
</xml>`
}

export function eventXml(event: string, fields = '', from = 'ann'): string {
  return `<xml><ToUserName><![CDATA[gh_10f6c3c3ac5a]]></ToUserName><FromUserName><![CDATA[${from}]]></FromUserName><CreateTime>1409735668</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[${event}]]></Event>${fields}</xml>`
}

export function now(): number {
  return Math.floor(Date.now() / 1000)
}

export function sha1(...parts: readonly string[]): string {
  return createHash('sha1').update(parts.toSorted().join('')).digest('hex')
}

function request(body: string | Uint8Array, query: Readonly<Record<string, string>>): PushRequest {
  return {
    method: 'POST',
    path: '/wechat',
    query: new URLSearchParams(query).toString(),
    headers: { 'content-type': 'text/xml' },
    body: typeof body === 'string' ? Buffer.from(body, 'utf8') : body,
  }
}
