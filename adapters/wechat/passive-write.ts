// A passive reply as XML or JSON, and closed for an account that encrypts.
import { randomInt } from 'node:crypto'

import type { Json } from 'dragoman'

import { seal } from './cipher.ts'
import type { Sealed } from './cipher.ts'
import type { Format } from './document.ts'
import { signatureOf } from './signature.ts'

/** A passive reply's own fields, `MsgType` first, in the order the platform shows them. */
export type PassiveContent = readonly PassiveField[]
export type PassiveField = readonly [name: string, value: PassiveValue]
/** A list is one of the items of `Articles`. */
export type PassiveValue = string | number | PassiveContent

/** To whom an answer goes, and from which account: the push's two names the other way round. */
export interface Addressed {
  readonly to: string
  readonly from: string
  /** Seconds since the epoch. */
  readonly createTime: number
}

/** What closes an answer. */
export interface Closing {
  readonly token: string
  readonly sealed: Sealed
  /** Seconds since the epoch. */
  readonly timestamp: number
  /** WeCom bots have their keys in lower case. */
  readonly isBot: boolean
}

/** The reply as the platform reads it: XML is answered by XML, JSON by JSON. */
export function writePassive(
  content: PassiveContent,
  { to, from, createTime }: Addressed,
  format: Format,
): string {
  const fields: PassiveContent = [
    ['ToUserName', to],
    ['FromUserName', from],
    ['CreateTime', createTime],
    ...content,
  ]
  return format === 'xml' ? xmlOf(fields) : JSON.stringify(jsonOf(fields))
}

/** The envelope around an encrypted answer. */
export function closeReply(
  text: string,
  format: Format,
  { token, sealed, timestamp, isBot }: Closing,
): string {
  const encrypted = seal(Buffer.from(text, 'utf8'), sealed)
  const nonce = String(randomInt(1_000_000_000, 10_000_000_000))
  const signature = signatureOf(token, String(timestamp), nonce, encrypted)
  if (format === 'xml')
    return xmlOf([
      ['Encrypt', encrypted],
      ['MsgSignature', signature],
      ['TimeStamp', timestamp],
      ['Nonce', nonce],
    ])
  return JSON.stringify(
    isBot
      ? { encrypt: encrypted, msgsignature: signature, timestamp, nonce }
      : { Encrypt: encrypted, MsgSignature: signature, TimeStamp: timestamp, Nonce: nonce },
  )
}

// XML 1.0 §2.2, and halves of surrogate pairs, which no charset can carry.
const ILLEGAL = new RegExp(String.raw`[\u0000-\u0008\u000B\u000C\u000E-\u001F\uFFFE\uFFFF]|\p{Cs}`, 'u')

/** Whether XML can carry every text in it. */
export function isWritable(content: PassiveContent): boolean {
  return illegalIn(content) === undefined
}

/** The first character in it that XML cannot carry, as `U+0007`. */
export function illegalIn(value: PassiveValue): string | undefined {
  if (typeof value === 'number') return undefined
  if (typeof value !== 'string')
    return value.map(([, inside]) => illegalIn(inside)).find((point) => point !== undefined)
  const point = ILLEGAL.exec(value)?.[0].codePointAt(0)
  return point === undefined ? undefined : `U+${point.toString(16).toUpperCase().padStart(4, '0')}`
}

// As CDATA, which is what every sample of the platform has: no need to find out what it makes of a reference. The names are ours.
function xmlOf(fields: PassiveContent): string {
  return `<xml>${elementsOf(fields)}</xml>`
}

function elementsOf(fields: PassiveContent): string {
  return fields.map(([name, value]) => `<${name}>${contentOf(value)}</${name}>`).join('')
}

function contentOf(value: PassiveValue): string {
  if (typeof value === 'number') return String(value)
  if (typeof value !== 'string') return elementsOf(value)
  return `<![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`
}

function jsonOf(fields: PassiveContent): Json {
  return Object.fromEntries(
    fields.map(([name, value]) => {
      if (typeof value !== 'object') return [name, value]
      const isList = value.some(([inside]) => inside === 'item')
      return [name, isList ? value.map(([, item]) => memberOf(item)) : memberOf(value)]
    }),
  )
}

function memberOf(value: PassiveValue): Json {
  return typeof value === 'object' ? jsonOf(value) : value
}
