// Nothing forged gets in: every check of a request, against an encoder that is not ours.
import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cipherKey, open, seal } from '../../../../adapters/wechat/cipher.ts'
import { openEcho, openPush } from '../../../../adapters/wechat/gate.ts'
import type { GateOptions } from '../../../../adapters/wechat/gate.ts'
import { parseQuery } from '../../../../adapters/wechat/query.ts'
import { isSame } from '../../../../adapters/wechat/signature.ts'
import * as wecom from '@wecom/crypto'
import {
  APP_ID,
  KEY,
  OTHER_KEY,
  TOKEN,
  now,
  plainPush,
  sealedPush,
  sealedRequest,
  sha1,
  textXml,
} from './pushing.ts'

const plain: GateOptions = {
  product: 'official',
  token: TOKEN,
  keys: [],
  receiveIds: [APP_ID],
  skewMs: 300_000,
  now: Date.now,
}
const sealed: GateOptions = { ...plain, keys: [cipherKey(KEY)] }

test('an encrypted push is opened, by an encoder that is not ours', () => {
  const arrival = openPush(sealedPush(textXml('你好 🙂')), sealed)
  expect(arrival).toMatchObject({
    kind: 'push',
    format: 'xml',
    document: { fields: { Content: '你好 🙂', MsgId: '6054768590064713728' } },
  })
})

test('a plain body on an encrypted account is refused, however well its signature fits', () => {
  expect(openPush(plainPush(textXml('hi')), plain).kind).toBe('push')
  expect(openPush(plainPush(textXml('hi')), sealed)).toEqual({ kind: 'refused', why: 'plain body' })
})

test('an encrypted body on a plain account is refused, in compatible mode its plain half counts', () => {
  expect(openPush(sealedPush(textXml('hi')), plain)).toEqual({ kind: 'refused', why: 'encrypted body' })
  const compatible = sealedPush(textXml('inner'), {
    beside: '<FromUserName>ann</FromUserName><MsgType>text</MsgType><Content>outer</Content>',
  })
  expect(openPush(compatible, plain)).toMatchObject({ document: { fields: { Content: 'outer' } } })
  // With a key only what the cipher holds is worth anything.
  expect(openPush(compatible, sealed)).toMatchObject({ document: { fields: { Content: 'inner' } } })
})

test.each([
  ['another account', { receiveId: 'wx0000000000000000' }],
  ['a longer one', { receiveId: `${APP_ID}0` }],
  ['a shorter one', { receiveId: APP_ID.slice(0, -1) }],
  ['none', { receiveId: '' }],
  ['another key', { key: OTHER_KEY }],
])('a text closed for %s is refused', (_what, options) => {
  expect(openPush(sealedPush(textXml('hi'), options), sealed)).toEqual({ kind: 'refused', why: 'cipher' })
})

test('any of the configured receiveids is taken, an empty one only if it is configured', () => {
  const both = { ...sealed, receiveIds: ['wx-one', ''] }
  for (const receiveId of ['wx-one', ''])
    expect(openPush(sealedPush(textXml('hi'), { receiveId }), both).kind).toBe('push')
  expect(openPush(sealedPush(textXml('hi')), both).kind).toBe('refused')
})

test('while the key changes over the previous one is taken too, and the answer is closed with the one that fitted', () => {
  const rotating = { ...sealed, keys: [cipherKey(OTHER_KEY), cipherKey(KEY)] }
  for (const key of [KEY, OTHER_KEY]) {
    const arrival = openPush(sealedPush(textXml('hi'), { key }), rotating)
    expect(arrival).toMatchObject({ kind: 'push', sealed: { key: cipherKey(key), receiveId: APP_ID } })
  }
})

/** As a forger with the key could: whatever the bytes are, they are only encrypted. */
function rawEncrypted(text: Uint8Array): string {
  const bytes = Buffer.from(`${KEY}=`, 'base64')
  const cipher = createCipheriv('aes-256-cbc', bytes, bytes.subarray(0, 16)).setAutoPadding(false)
  return Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')
}

/** A text with any padding, closed with the right key. */
function padded(pad: readonly number[], length = 400): string {
  const id = Buffer.from(APP_ID)
  const head = Buffer.alloc(20)
  const size = length - 20 - id.byteLength - pad.length
  head.writeUInt32BE(size, 16)
  const text = Buffer.concat([head, Buffer.alloc(size, '<'), id, Buffer.from(pad)])
  return rawEncrypted(text)
}

test.each([
  ['0', [0]],
  ['33 of 33', Array<number>(33).fill(33)],
  ['255', [255]],
  ['unequal', [3, 2, 3]],
  ['16 where 32 belong', [...Array<number>(15).fill(7), 16]],
])('padding %s is refused', (_what, pad) => {
  expect(open(padded(pad, 416), [cipherKey(KEY)], [APP_ID])).toBeUndefined()
  expect(openPush(sealedRequest(padded(pad, 416)), sealed)).toEqual({ kind: 'refused', why: 'cipher' })
})

test('padding 1 to 32 is taken, in whole blocks of 32 bytes alone', () => {
  for (let pad = 1; pad <= 32; pad += 1) {
    const bytes = Array<number>(pad).fill(pad)
    expect(open(padded(bytes, 416), [cipherKey(KEY)], [APP_ID]), String(pad)).toBeDefined()
    expect(open(padded(bytes, 400), [cipherKey(KEY)], [APP_ID]), String(pad)).toBeUndefined()
  }
})

test('a length beyond the text is refused, also one that a signed reader would take for negative', () => {
  const key = cipherKey(KEY)
  for (const length of [397, 0x7fffffff, 0x80000000, 0xffffffff]) {
    const text = Buffer.alloc(416, 'x')
    text.writeUInt32BE(length, 16)
    text.fill(1, 415)
    expect(open(rawEncrypted(text), [key], [APP_ID, 'x'.repeat(18)])).toBeUndefined()
  }
})

test('every changed bit of a push is noticed: of the text, the signature, the timestamp, the nonce', () => {
  const push = sealedPush(textXml('pay 100 to bob'))
  const text = Buffer.from(push.body).toString('latin1')
  const [start, end] = [text.indexOf('CDATA[', text.indexOf('<Encrypt>')) + 6, text.lastIndexOf(']]>')]
  let changed = 0
  for (let index = start; index < end; index += 1) {
    for (let bit = 0; bit < 8; bit += 1) {
      const body = Buffer.from(push.body)
      body[index] = (body[index] ?? 0) ^ (1 << bit)
      expect(openPush({ ...push, body }, sealed).kind, `byte ${index}, bit ${bit}`).toBe('refused')
      changed += 1
    }
  }
  expect(changed).toBeGreaterThan(3000)
  const query = Buffer.from(push.query)
  for (const name of ['msg_signature=', 'timestamp=', 'nonce=']) {
    const from = push.query.indexOf(name) + name.length
    const to = `${push.query}&`.indexOf('&', from)
    for (let index = from; index < to; index += 1)
      for (let bit = 0; bit < 7; bit += 1) {
        const flipped = Buffer.from(query)
        flipped[index] = (flipped[index] ?? 0) ^ (1 << bit)
        expect(openPush({ ...push, query: flipped.toString('latin1') }, sealed).kind).toBe('refused')
      }
  }
})

test('every changed bit of the ciphertext itself is noticed or leaves another text, which the signature refuses', () => {
  const encrypted = wecom.encrypt(KEY, textXml('hi'), APP_ID)
  const bytes = Buffer.from(encrypted, 'base64')
  for (let index = 0; index < bytes.byteLength; index += 1) {
    const flipped = Buffer.from(bytes)
    flipped[index] = (flipped[index] ?? 0) ^ 1
    const again = flipped.toString('base64')
    const push = sealedRequest(encrypted)
    const body = Buffer.from(Buffer.from(push.body).toString('utf8').replace(encrypted, again))
    expect(openPush({ ...push, body }, sealed)).toEqual({ kind: 'refused', why: 'signature' })
  }
})

test('a push from beyond the window is refused, before as well as after; the window is the config’s', () => {
  for (const accounts of [
    { gate: plain, push: plainPush },
    { gate: sealed, push: sealedPush },
  ]) {
    const at = (seconds: number): string =>
      accounts.gate &&
      openPush(accounts.push(textXml('hi'), { timestamp: now() + seconds }), accounts.gate).kind
    expect([-290, 0, 290].map(at)).toEqual(['push', 'push', 'push'])
    expect([-310, 310, -86_400, 86_400].map(at)).toEqual(['refused', 'refused', 'refused', 'refused'])
    const wide = { ...accounts.gate, skewMs: 86_400_000 }
    expect(openPush(accounts.push(textXml('hi'), { timestamp: now() - 3600 }), wide).kind).toBe('push')
    expect(openPush(accounts.push(textXml('hi'), { timestamp: 1 }), { ...wide, skewMs: 0 }).kind).toBe('push')
    for (const timestamp of ['', 'now', '1e9', '-1', ' 1'])
      expect(openPush(accounts.push(textXml('hi'), { timestamp }), wide).kind).toBe('refused')
  }
})

test('a query with a key twice, an empty value, a broken escape or without a signature is refused', () => {
  const { query, body } = plainPush(textXml('hi'))
  const refused = (changed: string): boolean => openPush({ query: changed, body }, plain).kind === 'refused'
  expect(refused(query)).toBe(false)
  for (const name of ['signature', 'timestamp', 'nonce']) {
    const pair = new RegExp(`${name}=[^&]*`, 'u').exec(query)?.[0] ?? ''
    expect(refused(`${query}&${pair}`)).toBe(true)
    expect(refused(query.replace(pair, ''))).toBe(true)
    expect(refused(query.replace(pair, `${name}=`))).toBe(true)
    expect(refused(query.replace(pair, `${name}=%`))).toBe(true)
  }
  const empty = `signature=${sha1(TOKEN, '', '')}&timestamp=&nonce=`
  expect(openPush({ query: empty, body }, { ...plain, skewMs: 0 }).kind).toBe('refused')
})

test('a plus in the query is a plus', () => {
  expect(parseQuery('echostr=a+b/c%2B==&x=%20')).toEqual(
    new Map([
      ['echostr', 'a+b/c+=='],
      ['x', ' '],
    ]),
  )
  expect(parseQuery('a=1&a=1')).toBeUndefined()
  expect(parseQuery('a=%zz')).toBeUndefined()
})

test('the check of the address: plain for official accounts, encrypted for WeCom, at any time', () => {
  const old = { timestamp: '1', nonce: 'n' }
  const query = (given: Record<string, string>): string => new URLSearchParams(given).toString()
  const signature = sha1(TOKEN, '1', 'n')
  expect(openEcho({ query: query({ ...old, signature, echostr: 'e' }) }, sealed)).toEqual({
    kind: 'echo',
    text: 'e',
  })
  const echostr = wecom.encrypt(KEY, '94966531020182955848408', APP_ID)
  const msg_signature = wecom.getSignature(TOKEN, '1', 'n', echostr)
  const secret = query({ ...old, msg_signature, echostr })
  for (const product of ['wecom', 'wecom-kf', 'wecom-bot', 'component'] as const)
    expect(openEcho({ query: secret }, { ...sealed, product })).toEqual({
      kind: 'echo',
      text: '94966531020182955848408',
    })
  // The plain signature does not open WeCom's door.
  const mixed = query({ ...old, signature, msg_signature: signature, echostr: 'e' })
  expect(openEcho({ query: mixed }, { ...sealed, product: 'wecom' }).kind).toBe('refused')
  expect(openEcho({ query: secret }, sealed).kind).toBe('refused')
})

test('an envelope with two kinds of Encrypt, or one twice, is refused', () => {
  const encrypted = wecom.encrypt(KEY, textXml('hi'), APP_ID)
  const { query } = sealedRequest(encrypted, { nonce: 'x' })
  for (const body of [
    JSON.stringify({ Encrypt: encrypted, encrypt: encrypted }),
    `<xml><Encrypt>${encrypted}</Encrypt><Encrypt>${encrypted}</Encrypt></xml>`,
    `<xml><Encrypt><a>${encrypted}</a></Encrypt></xml>`,
    JSON.stringify({ Encrypt: [encrypted] }),
    '{}',
    '',
  ])
    expect(openPush({ query, body: Buffer.from(body) }, sealed).kind, body.slice(0, 40)).toBe('refused')
})

test('what was closed is opened again, by us and by the other library, for any text', () => {
  const key = cipherKey(KEY)
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.stringMatching(/^[a-z0-9]{0,40}$/u),
      (text, receiveId) => {
        const bytes = Buffer.from(text, 'utf8')
        const encrypted = seal(bytes, { key, receiveId })
        expect(Buffer.from(open(encrypted, [key], [receiveId])?.bytes ?? [])).toEqual(bytes)
        const theirs = wecom.decrypt(KEY, encrypted)
        expect([theirs.message, theirs.id]).toEqual([bytes.toString('utf8'), receiveId])
      },
    ),
  )
})

test('no bytes whatever come in or throw', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.uint8Array({ maxLength: 300 }), (query, body) => {
      expect(openPush({ query, body }, plain).kind).toBe('refused')
      expect(openPush({ query, body }, sealed).kind).toBe('refused')
      expect(openEcho({ query }, sealed).kind).toBe('refused')
      expect(open(Buffer.from(body).toString('base64'), [cipherKey(KEY)], [''])).toBeUndefined()
    }),
  )
})

test('texts are compared as bytes, in one time for one length', () => {
  expect(isSame('abc', 'abc')).toBe(true)
  expect(isSame('abc', 'abd')).toBe(false)
  expect(isSame('abc', 'ab')).toBe(false)
  expect(isSame('\u00e9', 'e\u0301')).toBe(false)
})
