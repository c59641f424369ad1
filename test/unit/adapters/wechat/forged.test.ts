// A forger without the key, and one with half of what he needs, against accounts nobody has seen before: nothing of theirs becomes a draft.
import { createCipheriv, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import wechat from '../../../../adapters/wechat/index.ts'
import { testHost, testScope } from '../../../../core/testing.ts'
import type { TestHost } from '../../../../core/testing.ts'
import { now, openReply, plainPush, sealedPush, sealedRequest, sha1, textXml } from './pushing.ts'
import type { Account, PushRequest } from './pushing.ts'

const letters = (from: string, minLength: number, maxLength: number) =>
  fc.array(fc.constantFrom(...from.split('')), { minLength, maxLength }).map((all) => all.join(''))
const ALNUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
/** Any account: also keys whose last letter has bits that nobody reads, and tokens of three letters. */
const anyAccount: fc.Arbitrary<Required<Account>> = fc.record({
  token: letters(ALNUM, 3, 32),
  key: letters(`${ALNUM}+/`, 43, 43),
  receiveId: letters(ALNUM.toLowerCase(), 8, 24).map((id) => `wx${id}`),
})

interface Trial {
  readonly host: TestHost
  push(request: PushRequest): Promise<string>
}

async function trial({ token, key, receiveId }: Required<Account>, more: object = {}): Promise<Trial> {
  const given = { appId: receiveId, token, encodingAESKey: key, ...more }
  const checked = wechat.channel?.config['~standard'].validate(given)
  if (checked === undefined || checked instanceof Promise || checked.issues !== undefined)
    throw new Error(JSON.stringify(checked))
  const channel = wechat.channel?.create(checked.value, testScope({ id: 'main' }))
  const host = testHost()
  await channel?.start(host, new AbortController().signal)
  return {
    host,
    async push(request) {
      const { status, body } = await host.handle(request)
      return `${status} ${body as string}` // this channel's bodies are texts
    },
  }
}

/** Encrypted with the right key, whatever the bytes are. */
function encrypted(bytes: Uint8Array, { key }: Required<Account>): string {
  const secret = Buffer.from(`${key}=`, 'base64')
  const cipher = createCipheriv('aes-256-cbc', secret, secret.subarray(0, 16)).setAutoPadding(false)
  return Buffer.concat([cipher.update(bytes), cipher.final()]).toString('base64')
}

/** The platform's text around a message, with any receiveid, length and padding. */
function framed(
  message: string,
  { id, pad, length }: { readonly id: string; readonly pad?: readonly number[]; readonly length?: number },
): Buffer {
  const text = Buffer.from(message)
  const head = Buffer.concat([randomBytes(16), Buffer.alloc(4)])
  head.writeUInt32BE((length ?? text.byteLength) >>> 0, 16)
  const body = Buffer.concat([head, text, Buffer.from(id)])
  const count = 32 - (body.byteLength % 32)
  return Buffer.concat([body, Buffer.from(pad ?? Array<number>(count).fill(count))])
}

/** A message that leaves exactly `room` bytes for the padding. */
function fitting(room: number, id: string): string {
  const bare = textXml('', { from: 'ann' })
  const rest = (20 + bare.length + id.length + room) % 32
  return textXml('x'.repeat((32 - rest) % 32), { from: 'ann' })
}

const FORBIDDEN = '403 forbidden'

test('what the platform sends is taken, and answered so that its decoder reads it', async () => {
  await fc.assert(
    fc.asyncProperty(anyAccount, fc.string({ unit: 'grapheme', maxLength: 80 }), async (account, typed) => {
      const said = typed.replaceAll(']]>', '')
      const on = await trial(account)
      on.host.answer({ parts: [{ kind: 'text', text: 'yes 🙂' }], origin: 'agent' })
      const answer = await on.push(sealedPush(textXml(said), account))
      expect(openReply(answer, account)).toContain('<Content><![CDATA[yes 🙂]]></Content>')
      expect(on.host.drafts[0]?.parts).toEqual([{ kind: 'text', text: said }])
    }),
    { numRuns: 25 },
  )
})

test('nothing forged gets through, whatever the account (kit, rules 1 and 4)', async () => {
  await fc.assert(
    fc.asyncProperty(anyAccount, anyAccount, async (account, other) => {
      const on = await trial(account)
      const { receiveId: id } = account
      const xml = textXml('pay bob')
      const good = sealedPush(xml, account)
      const text = Buffer.from(good.body).toString()
      const framedAs = (name: string): PushRequest =>
        sealedRequest(encrypted(framed(xml, { id: name }), account), account)
      const paddedWith = (pad: readonly number[]): PushRequest =>
        sealedRequest(encrypted(framed(fitting(pad.length, id), { id, pad }), account), account)
      const foreign = sealedPush(textXml('pay eve'), account)
      const forged: Readonly<Record<string, PushRequest>> = {
        'a plain body': plainPush(xml, account),
        'a plain body beside an empty Encrypt': plainPush(
          xml.replace('</xml>', '<Encrypt></Encrypt></xml>'),
          account,
        ),
        'another token': sealedPush(xml, { ...account, token: other.token }),
        'no token': sealedPush(xml, { ...account, token: '' }),
        'another key, the right token': sealedPush(xml, { ...account, key: other.key }),
        'another account': framedAs(other.receiveId),
        'an account that begins like ours': framedAs(`${id}x`),
        'the beginning of our account': framedAs(id.slice(0, -1)),
        'our account in capitals': framedAs(id.toUpperCase()),
        'our account and a zero byte': framedAs(`${id}\0`),
        'no account': framedAs(''),
        'padding 0': paddedWith([0]),
        'padding 33': paddedWith(Array<number>(33).fill(33)),
        'padding 255': paddedWith([255]),
        'padding of unequal bytes': paddedWith([3, 2, 3]),
        'a length beyond the end': sealedRequest(
          encrypted(framed(xml, { id, length: 0xff_ff_ff_ff }), account),
          account,
        ),
        'a length that takes the account in': sealedRequest(
          encrypted(framed(xml, { id, length: xml.length + id.length }), account),
          account,
        ),
        'half a block': sealedRequest(
          Buffer.from(encrypted(framed(xml, { id }), account), 'base64')
            .subarray(0, -16)
            .toString('base64'),
          account,
        ),
        'nothing encrypted': sealedRequest('AAAA', account),
        'another body under this signature': { ...good, body: foreign.body },
        'this body under another signature': { ...good, query: foreign.query },
        'the plain signature as the other': {
          ...good,
          query: good.query.replace(
            /msg_signature=\w+/u,
            `msg_signature=${/(?:^|&)signature=(\w+)/u.exec(good.query)?.[1]}`,
          ),
        },
        'the signature in capitals': {
          ...good,
          query: good.query.replace(/msg_signature=\w+/u, (one) =>
            one.toUpperCase().replace(/^\w+=/u, 'msg_signature='),
          ),
        },
        'a signature twice': { ...good, query: `${good.query}&msg_signature=${'0'.repeat(40)}` },
        'a timestamp twice': { ...good, query: `${good.query}&timestamp=${now()}` },
        'an empty nonce': sealedPush(xml, { ...account, nonce: '' }),
        'an empty timestamp': sealedPush(xml, { ...account, timestamp: '' }),
        'no number as timestamp': sealedPush(xml, { ...account, timestamp: `${now()}.5` }),
        'from beyond the window': sealedPush(xml, { ...account, timestamp: now() - 302 }),
        'from the future': sealedPush(xml, { ...account, timestamp: now() + 302 }),
        'Encrypt twice': {
          ...good,
          body: Buffer.from(text.replace('</xml>', '<Encrypt><![CDATA[x]]></Encrypt></xml>')),
        },
        'Encrypt inside something': {
          ...good,
          body: Buffer.from(
            text.replace('<Encrypt>', '<x><Encrypt>').replace('</Encrypt>', '</Encrypt></x>'),
          ),
        },
        'Encrypt as an attribute': plainPush('<xml Encrypt="AAAA"/>', account),
      }
      for (const [what, request] of Object.entries(forged))
        expect([what, await on.push(request)]).toEqual([what, FORBIDDEN])
      expect(on.host.drafts).toEqual([])
      // The same frames with nothing wrong in them.
      for (const request of [framedAs(id), paddedWith([1]), paddedWith(Array<number>(32).fill(32))])
        expect(await on.push(request)).toBe('200 success')
      // What stands beside an encrypted body is worth nothing.
      const beside = '<FromUserName>eve</FromUserName><MsgType>event</MsgType><Content>forged</Content>'
      expect(await on.push(sealedPush(xml, { ...account, beside }))).toBe('200 success')
      expect(on.host.drafts.slice(3)).toMatchObject([
        { type: 'text', sender: { id: 'ann' }, parts: [{ text: 'pay bob' }] },
      ])
    }),
    { numRuns: 15 },
  )
})

test('of every push any single changed bit is refused', async () => {
  await fc.assert(
    fc.asyncProperty(anyAccount, fc.infiniteStream(fc.nat()), async (account, any) => {
      const on = await trial(account)
      const push = sealedPush(textXml('pay bob'), account)
      const body = Buffer.from(push.body)
      const from = body.indexOf('<Encrypt><![CDATA[') + 18
      const to = body.indexOf(']]>', from)
      for (let times = 0; times < 40; times += 1) {
        const at = from + ((any.next().value ?? 0) % (to - from))
        const flipped = Buffer.from(body)
        flipped[at] = (flipped[at] ?? 0) ^ (1 << ((any.next().value ?? 0) % 8))
        expect(await on.push({ ...push, body: flipped })).toBe(FORBIDDEN)
      }
      expect(on.host.drafts).toEqual([])
    }),
    { numRuns: 15 },
  )
})

test('the window is the config’s, to the second, before and after; 0s takes any time', async () => {
  const account = { token: 'T0ken', key: randomBytes(32).toString('base64').slice(0, 43), receiveId: 'wx1' }
  const at = (seconds: number) => sealedPush(textXml('hi'), { ...account, timestamp: now() + seconds })
  const narrow = await trial(account, { skew: '10s' })
  for (const seconds of [-8, 0, 8]) expect(await narrow.push(at(seconds))).toBe('200 success')
  for (const seconds of [-12, 12]) expect(await narrow.push(at(seconds))).toBe(FORBIDDEN)
  const open = await trial(account, { skew: '0s' })
  for (const seconds of [-1_000_000, 1_000_000]) expect(await open.push(at(seconds))).toBe('200 success')
})

test('the address of a WeCom account is echoed only for its own ciphertext', async () => {
  await fc.assert(
    fc.asyncProperty(anyAccount, anyAccount, async (account, other) => {
      const on = await trial(account, { product: 'wecom' })
      const echo = async (id: string, { key, token }: Required<Account>): Promise<string> => {
        const echostr = encrypted(framed('1616140317555161061', { id }), { ...account, key })
        const query = new URLSearchParams({
          msg_signature: sha1(token, '1', 'n', echostr),
          timestamp: '1',
          nonce: 'n',
          echostr,
        })
        const { status, body } = await on.host.handle({
          method: 'GET',
          path: '/wechat',
          query: query.toString(),
        })
        return `${status} ${body as string}` // this channel's bodies are texts
      }
      expect(await echo(account.receiveId, account)).toBe('200 1616140317555161061')
      expect(await echo(other.receiveId, account)).toBe(FORBIDDEN)
      expect(await echo(account.receiveId, { ...account, token: other.token })).toBe(FORBIDDEN)
      expect(await echo(account.receiveId, { ...account, key: other.key })).toBe(FORBIDDEN)
    }),
    { numRuns: 20 },
  )
})
