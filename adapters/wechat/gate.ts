// Who may come in: every check of a request before anything is believed that stands in it.
import type { HttpRequest } from 'dragoman'

import type { Product } from './account.ts'
import { open } from './cipher.ts'
import type { CipherKey, Sealed } from './cipher.ts'
import { readDocument, textIn, without } from './document.ts'
import type { Document, Fields, Format } from './document.ts'
import { digestOf } from './drafts.ts'
import { parseQuery } from './query.ts'
import { isSame, signatureOf } from './signature.ts'

export interface GateOptions {
  readonly product: Product
  readonly token: string
  /** The present key, then the previous one; none: the account sends plain bodies. */
  readonly keys: readonly CipherKey[]
  readonly receiveIds: readonly string[]
  /** 0: a push may be of any time. */
  readonly skewMs: number
  readonly now: () => number
}

/** For the operator's log and figures. The caller is told the same whatever it was. */
export type Refusal =
  | 'query'
  | 'signature'
  | 'timestamp'
  | 'plain body'
  | 'encrypted body'
  | 'body'
  | 'cipher'
  | 'replay'

export interface Pushed {
  readonly kind: 'push'
  /** The text of the platform, after the cipher. */
  readonly bytes: Uint8Array
  /** Of the envelope: an answer has the same. */
  readonly format: Format
  /** Undefined: it is the platform's, and nobody can read it. Only where a cipher vouches for it. */
  readonly document: Document | undefined
  /** Of what the platform says. A twin of it in cipher is closed anew at each try, and counts for nothing. */
  readonly digest: string
  /** With what an answer is closed; undefined: the account sends plain bodies. */
  readonly sealed?: Sealed
  /** Plain bodies: what was signed, which is not the body. */
  readonly signed: string
}

export type Arrival =
  | Pushed
  | { readonly kind: 'echo'; readonly text: string }
  | { readonly kind: 'refused'; readonly why: Refusal }

const refused = (why: Refusal): Arrival => ({ kind: 'refused', why })

/** The check of the address: GET with `echostr`, which is given back. Its time does not matter. */
export function openEcho(request: Pick<HttpRequest, 'query'>, options: GateOptions): Arrival {
  const query = parseQuery(request.query)
  const echo = query?.get('echostr')
  if (query === undefined || echo === undefined || echo === '') return refused('query')
  const { product } = options
  const isSealed =
    product.startsWith('wecom') || (product === 'component' && query.get('signature') === undefined)
  // Official accounts and mini programs send it as it is, whatever mode they are in; a msg_signature beside it is not looked at.
  if (!isSealed)
    return isSigned(query, 'signature', options) ? { kind: 'echo', text: echo } : refused('signature')
  if (!isSigned(query, 'msg_signature', options, echo)) return refused('signature')
  const opened = open(echo, options.keys, options.receiveIds)
  return opened === undefined
    ? refused('cipher')
    : { kind: 'echo', text: Buffer.from(opened.bytes).toString('utf8') }
}

/**
 * A push. With a key only what the cipher holds is believed: an encrypted body stands for itself, and whatever stands beside it
 * (compatible mode) is worth nothing. Without one the signature is all there is, and it does not cover the body.
 */
export function openPush(request: Pick<HttpRequest, 'query' | 'body'>, options: GateOptions): Arrival {
  const query = parseQuery(request.query)
  if (query === undefined) return refused('query')
  return options.keys.length > 0
    ? openSealed(request.body, query, options)
    : openPlain(request.body, query, options)
}

type Query = ReadonlyMap<string, string>

function openSealed(body: Uint8Array, query: Query, options: GateOptions): Arrival {
  const envelope = read(body)
  if (envelope === undefined) return refused('body')
  const encrypted = encryptedIn(envelope.fields)
  if (encrypted === undefined) return refused('plain body')
  if (!isSigned(query, 'msg_signature', options, encrypted)) return refused('signature')
  if (!isFresh(query, options)) return refused('timestamp')
  const opened = open(encrypted, options.keys, options.receiveIds)
  if (opened === undefined) return refused('cipher')
  const { bytes, sealed } = opened
  return {
    kind: 'push',
    bytes,
    format: envelope.format,
    document: read(bytes),
    digest: digestOf(bytes),
    sealed,
    signed: query.get('msg_signature') ?? '',
  }
}

function openPlain(body: Uint8Array, query: Query, options: GateOptions): Arrival {
  if (!isSigned(query, 'signature', options)) return refused('signature')
  if (!isFresh(query, options)) return refused('timestamp')
  const document = read(body)
  if (document === undefined) return refused('body')
  if (!isPush(document.fields))
    return refused(encryptedIn(document.fields) === undefined ? 'body' : 'encrypted body')
  const fields = without(document.fields, CIPHERS)
  const hasCipher = Object.keys(fields).length < Object.keys(document.fields).length
  return {
    kind: 'push',
    bytes: body,
    format: document.format,
    document: { format: document.format, fields },
    digest: digestOf(hasCipher ? Buffer.from(JSON.stringify(fields), 'utf8') : body),
    signed: [query.get('timestamp'), query.get('nonce')].join('\n'),
  }
}

/** What holds the body a second time in compatible mode. */
const CIPHERS: ReadonlySet<string> = new Set(['Encrypt', 'encrypt'])

function isPush(fields: Fields): boolean {
  return ['MsgType', 'InfoType', 'action'].some((name) => textIn(fields, name) !== undefined)
}

/** One of the two names, once. */
function encryptedIn(fields: Fields): string | undefined {
  const [upper, lower] = [fields['Encrypt'], fields['encrypt']]
  if (upper !== undefined && lower !== undefined) return undefined
  const value = upper ?? lower
  return typeof value === 'string' && value !== '' ? value : undefined
}

function isSigned(
  query: Query,
  name: 'signature' | 'msg_signature',
  { token }: GateOptions,
  encrypted?: string,
): boolean {
  const [given, timestamp, nonce] = [query.get(name), query.get('timestamp'), query.get('nonce')]
  // Empty ones would still be signed texts, but the platform never sends them.
  if (given === undefined || !timestamp || !nonce) return false
  const parts = encrypted === undefined ? [token, timestamp, nonce] : [token, timestamp, nonce, encrypted]
  return isSame(signatureOf(...parts), given)
}

function isFresh(query: Query, { skewMs, now }: GateOptions): boolean {
  const timestamp = query.get('timestamp') ?? ''
  if (!/^\d{1,12}$/.test(timestamp)) return false
  return skewMs === 0 || Math.abs(now() - Number(timestamp) * 1000) <= skewMs
}

function read(bytes: Uint8Array): Document | undefined {
  try {
    return readDocument(bytes)
  } catch {
    return undefined // whatever is wrong with it: who sent it is told nothing, and the operator sees the refusal
  }
}
