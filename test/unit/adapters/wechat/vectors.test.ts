// The 128 published vectors: signatures, decryption, encryption, refusals, parsing, passive replies. Their sources stand in the file.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { Json, Part } from '../../../../core/api.ts'
import { cipherKey, open, seal } from '../../../../adapters/wechat/cipher.ts'
import { channelConfig } from '../../../../adapters/wechat/config.ts'
import { readDocument, textIn } from '../../../../adapters/wechat/document.ts'
import type { Fields } from '../../../../adapters/wechat/document.ts'
import { isNotice } from '../../../../adapters/wechat/component.ts'
import { digestOf, meaningOf } from '../../../../adapters/wechat/drafts.ts'
import { openEcho, openPush } from '../../../../adapters/wechat/gate.ts'
import type { Arrival, GateOptions, Refusal } from '../../../../adapters/wechat/gate.ts'
import { closeReply, writePassive } from '../../../../adapters/wechat/passive-write.ts'
import { passiveContent } from '../../../../adapters/wechat/passive.ts'
import { success } from '../../../../adapters/wechat/refusals.ts'
import { signatureOf } from '../../../../adapters/wechat/signature.ts'

interface Vector {
  readonly id: string
  readonly kind: string
  readonly flavour?: string
  readonly method?: 'GET' | 'POST'
  readonly token: string | null
  readonly encodingAESKey: string | null
  readonly receiveId: string | null
  readonly query: Readonly<Record<string, string | null>> | null
  readonly rawQuery?: string
  readonly contentType?: string
  readonly body: string
  readonly encrypt?: string | null
  readonly random16?: string
  readonly reply?: Readonly<Record<string, Json>> | null
  readonly originalKind?: string
  readonly expected: Readonly<Record<string, Json>> & { readonly ok: boolean }
}

const file = new URL('../../../fixtures/wechat/vectors.json', import.meta.url)
const vectors = JSON.parse(readFileSync(file, 'utf8')) as readonly Vector[] // the kit's README describes it
const of = (kind: string): readonly Vector[] => vectors.filter((vector) => vector.kind === kind)

const KEY = /^[A-Za-z0-9+/]{43}$/

function queryOf({ query, rawQuery }: Vector): string {
  if (rawQuery !== undefined) return rawQuery
  const pairs = Object.entries(query ?? {}).map(
    ([name, value]) => `${name}=${encodeURIComponent(value ?? '')}`,
  )
  return pairs.join('&')
}

/** With its own moment as now. */
function gateOf({ token, encodingAESKey, receiveId, query, flavour }: Vector): GateOptions {
  return {
    product: flavour === 'wecom' ? 'wecom' : 'official',
    token: token ?? '',
    keys: encodingAESKey === null ? [] : [cipherKey(encodingAESKey)],
    receiveIds: [receiveId ?? ''],
    skewMs: 300_000,
    now: () => Number(query?.['timestamp'] ?? 0) * 1000,
  }
}

function arrive(vector: Vector): Arrival {
  const request = { query: queryOf(vector), body: Buffer.from(vector.body, 'utf8') }
  return vector.method === 'GET' ? openEcho(request, gateOf(vector)) : openPush(request, gateOf(vector))
}

test('the kit is complete', () => {
  expect(vectors).toHaveLength(128)
  const counts = Object.fromEntries(
    ['url-verify', 'signature', 'decrypt', 'encrypt-roundtrip', 'reject', 'parse', 'passive-reply'].map(
      (kind) => [kind, of(kind).length],
    ),
  )
  expect(counts).toEqual({
    'url-verify': 8,
    signature: 4,
    decrypt: 14,
    'encrypt-roundtrip': 6,
    reject: 33,
    parse: 54,
    'passive-reply': 9,
  })
})

test.each(of('url-verify'))('$id: the echo is given back', (vector) => {
  expect(arrive(vector)).toEqual({ kind: 'echo', text: vector.expected['response'] })
})

test.each(of('signature'))('$id: the signature', ({ token, query, encrypt, expected }) => {
  const parts = [token, query?.['timestamp'], query?.['nonce'], encrypt].filter(
    (part) => typeof part === 'string',
  )
  expect(signatureOf(...parts)).toBe(expected['msgSignature'] ?? expected['signature'])
})

test.each(of('decrypt'))('$id: the text behind the cipher', (vector) => {
  const { encodingAESKey, receiveId, body, query, expected } = vector
  if (query === null) {
    // One was published without its signature: the cipher alone.
    const encrypted = textIn(readDocument(Buffer.from(body)).fields, 'Encrypt') ?? ''
    const opened = open(encrypted, [cipherKey(encodingAESKey ?? '')], [receiveId ?? ''])
    expect(Buffer.from(opened?.bytes ?? []).toString('utf8')).toBe(expected['plaintext'])
    return
  }
  const arrival = arrive(vector)
  if (arrival.kind !== 'push') return expect(arrival).toMatchObject({ kind: 'push' })
  expect(Buffer.from(arrival.bytes).toString('utf8')).toBe(expected['plaintext'])
  expect(arrival.document === undefined).toBe(expected['innerParse'] === 'error')
})

test.each(of('encrypt-roundtrip'))('$id: to the byte', (vector) => {
  const { token, encodingAESKey, receiveId, random16, body, query, expected } = vector
  const sealed = { key: cipherKey(encodingAESKey ?? ''), receiveId: receiveId ?? '' }
  const encrypted = seal(Buffer.from(body), sealed, Buffer.from(random16 ?? ''))
  expect(encrypted).toBe(expected['encrypt'])
  const [timestamp, nonce] = [query?.['timestamp'] ?? '', query?.['nonce'] ?? '']
  if (expected['msgSignature'] !== undefined)
    expect(signatureOf(token ?? '', timestamp, nonce, encrypted)).toBe(expected['msgSignature'])
  const opened = open(encrypted, [sealed.key], [sealed.receiveId])
  expect(Buffer.from(opened?.bytes ?? []).toString('utf8')).toBe(body)
})

const reasons: Readonly<Record<string, Refusal>> = {
  'bad-signature': 'signature',
  'bad-xml': 'body',
  'bad-body': 'body',
  doctype: 'body',
  'missing-encrypt': 'plain body',
  'plaintext-downgrade': 'plain body',
  'bad-base64': 'cipher',
  'bad-ciphertext-length': 'cipher',
  'bad-padding': 'cipher',
  'wrong-receiveid': 'cipher',
}

test.each(of('reject'))('$id: refused for $expected.reason', (vector) => {
  const { token, encodingAESKey, receiveId, expected } = vector
  if (encodingAESKey !== null && !KEY.test(encodingAESKey)) {
    // A key that is none never gets as far as a request.
    const config = { appId: receiveId ?? '', token, encodingAESKey: encodingAESKey || 'x', product: 'wecom' }
    expect(channelConfig.safeParse(config).success).toBe(false)
    if (encodingAESKey === '')
      expect(channelConfig.safeParse({ ...config, encodingAESKey: '' }).success).toBe(false)
    return
  }
  expect(arrive(vector)).toEqual({ kind: 'refused', why: reasons[textIn(expected, 'reason') ?? ''] })
})

test.each(of('parse').filter(({ query }) => query !== null))('$id: taken in by its signature', (vector) => {
  expect(arrive(vector)).toMatchObject({ kind: 'push', document: { fields: expect.any(Object) } })
})

/** A number in an id is its text here: nothing else differs. */
function withIdsAsText(value: Json): Json {
  return JSON.parse(JSON.stringify(value), (name, each: Json) =>
    /id$/iu.test(name) && typeof each === 'number' ? String(each) : each,
  ) as Json
}

test.each(of('parse'))('$id: the fields as they were sent', ({ body, expected }) => {
  const { fields } = readDocument(Buffer.from(body, 'utf8'))
  expect(fields).toEqual(withIdsAsText(expected['fields'] ?? {}))
})

test.each(of('parse').filter(({ expected }) => 'from' in expected))(
  '$id: understood',
  ({ body, expected }) => {
    const bytes = Buffer.from(body, 'utf8')
    const { fields } = readDocument(bytes)
    const push = { fields, bytes, mediaType: 'text/xml', digest: digestOf(bytes) }
    if (expected['class'] === 'probe') return expect(textIn(fields, 'action')).toBe('CheckContainerPath')
    expect(isNotice(push)).toBe(expected['class'] === 'component')
    if (expected['class'] === 'component') return
    const meaning = meaningOf(push, { product: 'official', channel: 'wechat' })
    expect(meaning.base.kind).toBe(expected['class'])
    expect(meaning.type).toBe(expected['event'] ?? expected['msgType'])
    const from = expected['from']
    expect(meaning.base.sender).toEqual(
      from === null || from === 'sys'
        ? { id: from ?? 'wechat', role: 'system' }
        : { id: from, role: 'customer' },
    )
    if (expected['msgId'] !== null) expect(meaning.base.externalId).toBe(expected['msgId'])
    else expect(meaning.base.externalId).toContain(textIn(expected, 'createTime') ?? '-')
    expect(Date.parse(meaning.base.occurredAt ?? '')).toBe(Number(expected['createTime']) * 1000)
  },
)

/** The kit's replies as an agent would give them. */
function partOf(reply: Readonly<Record<string, Json>>): Part {
  const said = (name: string): string => textIn(reply, name) ?? ''
  const media = { id: said('mediaId') }
  switch (reply['type']) {
    case 'image':
      return { kind: 'image', text: '', media }
    case 'voice':
      return { kind: 'audio', text: '', media }
    case 'video':
      return {
        kind: 'video',
        text: '',
        media,
        data: { title: said('title'), description: said('description') },
      }
    case 'music': {
      const music = {
        title: said('title'),
        description: said('description'),
        musicurl: said('musicUrl'),
        hqmusicurl: said('hqMusicUrl'),
        thumb_media_id: said('thumbMediaId'),
      }
      return { kind: 'card', text: '', data: { msgtype: 'music', music } }
    }
    case 'news':
      return {
        kind: 'card',
        text: '',
        data: { msgtype: 'news', news: { articles: reply['articles'] ?? [] } },
      }
    case 'transfer_customer_service': {
      const transfer = { kf_account: said('kfAccount') }
      return { kind: 'card', text: '', data: { msgtype: reply['type'], [reply['type']]: transfer } }
    }
    default:
      return { kind: 'text', text: said('content') }
  }
}

test.each(of('passive-reply').filter(({ reply }) => reply !== null))(
  '$id: the reply and its fields',
  (vector) => {
    const { reply, expected } = vector
    if (reply === null || reply === undefined) throw new Error('filtered out')
    const content = passiveContent({ parts: [partOf(reply)] }, { product: 'official', isEvent: true })
    const addressed = {
      to: textIn(reply, 'toUser') ?? '',
      from: textIn(reply, 'fromUser') ?? '',
      createTime: Number(textIn(reply, 'createTime')),
    }
    const xml = writePassive(content ?? [], addressed, 'xml')
    expect(readDocument(Buffer.from(xml)).fields).toEqual(expected['fields'])
    // Every text in CDATA, every number bare, in the published order.
    expect(xml).toBe(textIn(expected, 'sampleXml')?.replaceAll(/>\s+/gu, '>').trim())
  },
)

test.each(of('passive-reply').filter(({ reply }) => reply === null))(
  '$id: the acknowledgement',
  ({ expected }) => {
    expect(success.status).toBe(expected['status'])
    expect(expected['bodyOneOf']).toContain(success.body)
  },
)

test('a closed reply is JSON for JSON with a number as TimeStamp, and XML for XML', () => {
  const [vector] = of('encrypt-roundtrip')
  const sealed = { key: cipherKey(vector?.encodingAESKey ?? ''), receiveId: 'wxba5fad812f8e6fb9' }
  const closing = { token: 'AAAAA', sealed, timestamp: 1713424427, isBot: false }
  const json = JSON.parse(closeReply('{}', 'json', closing)) as Fields // an object by the next lines
  expect(Object.keys(json)).toEqual(['Encrypt', 'MsgSignature', 'TimeStamp', 'Nonce'])
  expect(json).toMatchObject({ TimeStamp: 1713424427, Nonce: expect.stringMatching(/^\d{10}$/u) })
  const bot = JSON.parse(closeReply('{}', 'json', { ...closing, isBot: true })) as Fields // the same
  expect(Object.keys(bot)).toEqual(['encrypt', 'msgsignature', 'timestamp', 'nonce'])
  const xml = readDocument(Buffer.from(closeReply('<xml/>', 'xml', closing))).fields
  expect(Object.keys(xml)).toEqual(['Encrypt', 'MsgSignature', 'TimeStamp', 'Nonce'])
  const parts = ['TimeStamp', 'Nonce', 'Encrypt'].map((name) => textIn(xml, name) ?? '')
  expect(signatureOf('AAAAA', ...parts)).toBe(xml['MsgSignature'])
})
