// plugins/_examples/feishu: callbacks that the platform's own SDK takes, calls that its own client makes, and each rule of the README.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { AESCipher, adaptDefault, Client, EventDispatcher } from '@larksuiteoapi/node-sdk'
import { errorTable, GatewayError } from 'dragoman'
import type { Channel, Delivery, ErrorCode, Json, Message, Part } from 'dragoman'
import { testHost, testMessage, testPlugin, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'

import { decrypt } from '../../../plugins/_examples/feishu/callback.ts'
import adapter from '../../../plugins/_examples/feishu/index.ts'
import { account, said, seal, sign, startFeishu } from '../../support/feishu-platform.ts'
import type { Answering, Sealed } from '../../support/feishu-platform.ts'

const platform = await startFeishu()
afterAll(() => platform[Symbol.asyncDispose]())
const never = new AbortController().signal
const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {} }
const config = { ...account, apiBase: platform.base }
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const sample = seal(said({ text: 'Where is my order?' }, { message: { message_id: 'om_sample' } }))
await testPlugin('feishu', {
  file: new URL('../../../plugins/_examples/feishu/index.ts', import.meta.url),
  channel: {
    config,
    request: { path: '/feishu', headers: sample.headers, body: bytes(sample.body) },
    draft: {
      kind: 'message',
      sender: { id: 'ou_ann', role: 'customer', attributes: { union_id: 'on_ann', user_id: 'u1' } },
      parts: [{ kind: 'text', text: 'Where is my order?' }],
      occurredAt: '2026-01-01T00:00:00.000Z',
      metadata: { 'feishu:message_id': 'om_sample', 'feishu:chat_id': 'oc_1' },
    },
    reply: { origin: 'agent', parts: [{ kind: 'text', text: 'Soon.' }] },
  },
})

async function open(
  more: object = {},
  scope = testScope({ id: 'feishu' }),
): Promise<{
  host: TestHost
  made: Channel
  post: (sealed: Sealed) => Promise<{ status: number; body: unknown }>
}> {
  const made = adapter.channel?.create({ ...config, ...more }, scope)
  if (made === undefined) throw new TypeError('feishu has no channel')
  onTestFinished(() => made[Symbol.asyncDispose]())
  const host = testHost()
  await made.start(host, never)
  return {
    host,
    made,
    async post({ headers, body }) {
      const answer = await host.handle({ path: '/feishu', headers, body: bytes(body) })
      return {
        status: answer.status,
        body: JSON.parse(typeof answer.body === 'string' ? answer.body : '') as unknown,
      }
    },
  }
}

// ─── Callbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────

test('the cipher opens what the platform’s documents and its SDK open', () => {
  const documented = 'P37w+VZImNgPEO1RBhJ6RtKl7n6zymIbEG1pReEzghk='
  expect(Buffer.from(decrypt(documented, 'test key')).toString()).toBe('hello world')
  expect(new AESCipher('test key').decrypt(documented)).toBe('hello world')
})

test('the SDK’s own server takes the same bytes: our callbacks are sealed and signed as the platform does it', async () => {
  const heard: unknown[] = []
  const dispatcher = new EventDispatcher({ ...account, logger: silent })
  dispatcher.register({ 'im.message.receive_v1': async (data) => void heard.push(data.message.content) })
  const handler = adaptDefault('/feishu', dispatcher, { autoChallenge: true })
  const server = createServer((request, response) => void handler(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo // it listens on TCP
  const sdk = async ({ headers, body }: Sealed): Promise<unknown> => {
    const response = await fetch(`http://127.0.0.1:${port}/feishu`, { method: 'POST', headers, body })
    const text = await response.text()
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  }
  const { host, post } = await open()
  const good = seal(said({ text: '你好' }))
  await sdk(good)
  expect((await post(good)).status).toBe(200)
  expect(heard).toStrictEqual(['{"text":"你好"}'])
  expect(host.drafts).toHaveLength(1)

  const forged = { ...good, headers: { ...good.headers, 'x-lark-signature': 'f'.repeat(64) } }
  await sdk(forged)
  expect((await post(forged)).status).toBe(403)
  expect([heard.length, host.drafts.length]).toStrictEqual([1, 1])

  const check = seal({
    type: 'url_verification',
    challenge: 'ajls384kdjx98XX',
    token: account.verificationToken,
  })
  const challenge = { challenge: 'ajls384kdjx98XX' }
  expect(await sdk(check)).toStrictEqual(challenge)
  expect(await post(check)).toStrictEqual({ status: 200, body: challenge })
})

test.each<[string, () => Sealed]>([
  ['an event without encryption, where there is a key', () => sign(JSON.stringify(said({ text: 'x' })))],
  ['one sealed with another key', () => seal(said({ text: 'x' }), { ...account, encryptKey: 'other' })],
  ['another token', () => seal(said({ text: 'x' }, { header: { token: 'no' } }))],
  ['no token', () => seal(said({ text: 'x' }, { header: { token: null } }))],
  ['no signature', () => ({ ...seal(said({ text: 'x' })), headers: {} })],
  ['a challenge with another token', () => seal({ type: 'url_verification', challenge: 'x', token: 'no' })],
  [
    'a challenge in plain text',
    () =>
      sign(JSON.stringify({ type: 'url_verification', challenge: 'x', token: account.verificationToken })),
  ],
  ['a cipher text that is none', () => sign('{"encrypt":"AAAA"}')],
])('%s is refused with 403, and the answer tells nothing', async (_, make) => {
  const { host, post } = await open()
  expect(await post(make())).toStrictEqual({ status: 403, body: { code: 'AUTH_FAILED' } })
  expect(host.drafts).toHaveLength(0)
})

test('without a key the token alone is believed; without either the config is refused', async () => {
  const { host, post } = await open({ encryptKey: '' })
  const plain = (callback: object): Sealed => ({ headers: {}, body: JSON.stringify(callback) })
  expect((await post(plain(said({ text: 'x' })))).status).toBe(200)
  expect((await post(plain(said({ text: 'x' }, { header: { token: 'no' } })))).status).toBe(403)
  expect(host.drafts).toHaveLength(1)
  await expect(open({ encryptKey: '', verificationToken: '' })).rejects.toThrow('anybody could write here')
})

test('stored, then 200: the event’s id tells a repeat; what cannot be stored now is 503, what never can be is 200', async () => {
  const { host, post } = await open()
  const callback = said({ text: 'x' }, { header: { event_id: 'the-event' } })
  await post(seal(callback))
  expect(host.drafts[0]).toMatchObject({ externalId: 'the-event', kind: 'message', type: 'text' })
  expect(host.drafts[0]?.replyContext).toMatchObject({
    adapter: 'feishu',
    version: 1,
    chat: 'oc_1',
    isGroup: false,
  })
  for (const code of Object.keys(errorTable) as ErrorCode[]) {
    host.answer(new GatewayError(code, 'for the test'))
    const { side, retry } = new GatewayError(code, '')
    const { status } = await post(seal(callback))
    if (side === 'caller' && !retry) expect(status, code).toBe(200)
    else expect(status, code).toBeGreaterThanOrEqual(400)
  }
})

test.each<[string, string, object, readonly Part[]]>([
  [
    'a text with names',
    'text',
    { text: '@_user_1 hello @_user_10, @_all' },
    [{ kind: 'text', text: '@Desk hello @Ten, @all' }],
  ],
  [
    'a picture',
    'image',
    { image_key: 'img_1' },
    [{ kind: 'image', text: '[image]', media: { id: 'img_1' } }],
  ],
  [
    'a file',
    'file',
    { file_key: 'f_1', file_name: '合同.pdf' },
    [{ kind: 'file', text: '合同.pdf', media: { id: 'f_1', name: '合同.pdf' } }],
  ],
  [
    'a voice',
    'audio',
    { file_key: 'f_2', duration: 2000 },
    [{ kind: 'audio', text: '[audio]', media: { id: 'f_2' }, data: { file_key: 'f_2', duration: 2000 } }],
  ],
  [
    'a place',
    'location',
    { name: '外滩', longitude: '121.490000', latitude: '31.24' },
    [{ kind: 'location', text: '外滩', data: { name: '外滩', longitude: '121.490000', latitude: '31.24' } }],
  ],
  [
    'what nobody knows',
    'share_chat',
    { chat_id: 'oc_2' },
    [{ kind: 'card', text: '[share_chat]', data: { chat_id: 'oc_2' } }],
  ],
])('%s becomes parts', async (_, type, content, parts) => {
  const { host, post } = await open()
  const mentions = [
    { key: '@_user_1', name: 'Desk' },
    { key: '@_user_10', name: 'Ten' },
  ]
  await post(seal(said(content, { type, message: { mentions } })))
  expect(host.drafts[0]?.parts).toStrictEqual(parts)
})

test('rich text: the words in one part, its pictures after it', async () => {
  const { host, post } = await open()
  const content = {
    title: 'Broken',
    content: [
      [
        { tag: 'text', text: 'see ' },
        { tag: 'a', text: 'this', href: 'https://a.example/' },
        { tag: 'at', user_id: '@_user_1', user_name: 'x' },
      ],
      [
        { tag: 'img', image_key: 'img_1' },
        { tag: 'emotion', emoji_type: 'SMILE' },
        null,
        'x',
        { tag: 'new', text: '!' },
      ],
    ],
  }
  await post(
    seal(said(content, { type: 'post', message: { mentions: [{ key: '@_user_1', name: 'Desk' }] } })),
  )
  expect(host.drafts[0]?.parts).toStrictEqual([
    { kind: 'text', text: 'Broken\nsee this (https://a.example/)@Desk\n[SMILE]!', data: content },
    { kind: 'image', text: '[image]', media: { id: 'img_1' } },
  ])
})

test.each(['not json', '[]', '"x"', '{"__proto__":{"text":"x"}}'])(
  'a content of %s is a message all the same',
  async (content) => {
    const { host, post } = await open()
    expect((await post(seal(said({}, { message: { content } })))).status).toBe(200)
    expect(host.drafts[0]?.parts).toStrictEqual([{ kind: 'text', text: '' }])
  },
)

test('bots are not listened to; events keep their name; version 1 is acknowledged', async () => {
  const { host, post } = await open()
  expect((await post(seal(said({ text: 'x' }, { sender: { sender_type: 'app' } })))).status).toBe(200)
  expect(
    (await post(seal({ uuid: '1', token: account.verificationToken, type: 'event_callback', event: {} })))
      .status,
  ).toBe(200)
  expect(host.drafts).toHaveLength(0)
  const added = { chat_id: 'oc_1', operator_id: { open_id: 'ou_ann' } }
  const header = {
    event_id: 'e',
    event_type: 'im.chat.member.bot.added_v1',
    token: account.verificationToken,
  }
  await post(seal({ schema: '2.0', header, event: added }))
  expect(host.drafts).toMatchObject([
    {
      kind: 'event',
      type: 'im.chat.member.bot.added_v1',
      externalId: 'e',
      sender: { id: 'ou_ann' },
      data: added,
    },
  ])
})

test('senderId chooses which id the sender has; one that is not there is acknowledged and refused', async () => {
  const { host, post } = await open({ senderId: 'union_id' })
  await post(seal(said({ text: 'x' })))
  expect(host.drafts[0]?.sender.id).toBe('on_ann')
  expect(
    (await post(seal(said({ text: 'x' }, { sender: { sender_id: { open_id: 'ou_ann' } } })))).status,
  ).toBe(200)
  expect(host.drafts).toHaveLength(1)
})

// ─── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const context = { adapter: 'feishu', version: 1, chat: 'oc_1', messageId: 'om_1', isGroup: false }
let keys = 0
let key = ''
beforeEach(() => {
  keys += 1
  key = `01900000-0000-7000-8000-00000000000${keys}/0`
})

async function send(
  made: Channel,
  part: Part | Json,
  replyContext: Json = context,
  signal = never,
): Promise<Delivery | undefined> {
  const isPart = typeof part === 'object' && part !== null && 'kind' in part
  const message: Message = {
    ...testMessage(isPart ? { parts: [part as Part] } : { parts: [], data: part }),
    replyContext,
  } // told apart by kind
  return made.send?.(message, key, signal)
}
const text = (words: string): Part => ({ kind: 'text', text: words })

test('our calls are those of the platform’s own client: same address, same body, same token', async () => {
  const client = new Client({ ...account, domain: platform.base, logger: silent })
  const { made } = await open()
  const from = platform.asked.length
  const content = JSON.stringify({ text: '你好' })
  await client.im.v1.message.create({
    params: { receive_id_type: 'chat_id' },
    data: { receive_id: 'oc_1', msg_type: 'text', content, uuid: key },
  })
  await client.im.v1.message.reply({
    path: { message_id: 'om_1' },
    data: { msg_type: 'text', content, uuid: key },
  })
  platform.revoke()
  expect(await send(made, text('你好'))).toStrictEqual({ status: 'sent' })
  expect(await send(made, text('你好'), { ...context, isGroup: true })).toStrictEqual({ status: 'sent' })
  const withoutToken = platform.asked.slice(from).map(({ url, body }) => ({ url, body }))
  const [create, reply, ...ours] = withoutToken
  expect(ours).toStrictEqual([create, reply])
  expect(platform.asked.slice(from).every(({ authorization }) => /^Bearer t-\d+$/.test(authorization))).toBe(
    true,
  )
})

test('one token for all, also after a restart; a revoked one is replaced at once', async () => {
  const scope = testScope()
  const [one, two] = [await open({}, scope), await open({}, scope)]
  const before = platform.tokens()
  await Promise.all([send(one.made, text('a')), send(two.made, text('b')), send(one.made, text('c'))])
  const restarted = await open({}, scope)
  await send(restarted.made, text('d'))
  expect(platform.tokens()).toBe(before + 1)
  platform.revoke()
  expect(await send(one.made, text('e'))).toStrictEqual({ status: 'sent' })
  expect(await send(two.made, text('f'))).toStrictEqual({ status: 'sent' })
  expect(platform.tokens()).toBe(before + 2)
})

test('in doubt it is sent again with the same uuid, and shown once', async () => {
  const { made } = await open()
  const before = platform.shown().length
  platform.next({}, { status: 502, body: {} })
  expect(await send(made, text('once'))).toMatchObject({ status: 'refused', retry: true })
  expect(await send(made, text('once'))).toMatchObject({ status: 'refused', retry: true })
  expect(await send(made, text('once'))).toStrictEqual({ status: 'sent' })
  expect(platform.shown().slice(before)).toStrictEqual(['{"text":"once"}'])
})

test.each<[string, Answering, Delivery]>([
  [
    'a limit of the app',
    { status: 429, headers: { 'x-ogw-ratelimit-reset': '7' }, body: { code: 99_991_400, msg: 'limit' } },
    { status: 'refused', retry: true, afterMs: 7000, reason: expect.stringContaining('99991400') as string },
  ],
  [
    'a limit of the chat',
    { status: 400, body: { code: 230_020, msg: 'too often' } },
    { status: 'refused', retry: true, afterMs: 1000, reason: expect.stringContaining('too often') as string },
  ],
  [
    'a right that is missing',
    { status: 400, body: { code: 99_991_672, msg: 'no scope' } },
    {
      status: 'refused',
      retry: true,
      afterMs: 60_000,
      reason: expect.stringContaining('no scope') as string,
    },
  ],
  [
    'a bot that is not in the chat',
    { status: 400, body: { code: 230_002, msg: 'out of chat' } },
    { status: 'refused', retry: false, reason: expect.stringContaining('out of chat') as string },
  ],
  [
    'a page of somebody in between',
    { status: 503, body: { error: 'x' } },
    { status: 'refused', retry: true, reason: expect.stringContaining('503') as string },
  ],
])('%s', async (_, answer, delivery) => {
  const { made } = await open()
  platform.next(answer)
  expect(await send(made, text('x'))).toStrictEqual(delivery)
})

test('a wrong secret is said without it, and tried again: somebody has to mend it', async () => {
  const { made } = await open({ appSecret: 'not-the-one' })
  const delivery = await send(made, text('x'))
  expect(delivery).toMatchObject({
    status: 'refused',
    retry: true,
    reason: expect.stringContaining('app "cli_test"') as string,
  })
  expect(JSON.stringify(delivery)).not.toContain('not-the-one')
})

test.each<[string, Part | Json, object]>([
  ['a text', text('hi'), { msg_type: 'text', content: '{"text":"hi"}' }],
  [
    'markup is words, and mentions nobody',
    text('<at user_id="all">x</at>\nb'),
    {
      msg_type: 'post',
      content: JSON.stringify({
        zh_cn: {
          title: '',
          content: [[{ tag: 'text', text: '<at user_id="all">x</at>' }], [{ tag: 'text', text: 'b' }]],
        },
      }),
    },
  ],
  [
    'a link',
    { kind: 'link', text: 'see', media: { url: 'https://a.example/' } },
    {
      msg_type: 'post',
      content: JSON.stringify({
        zh_cn: {
          title: '',
          content: [
            [{ tag: 'text', text: 'see' }],
            [{ tag: 'a', text: 'https://a.example/', href: 'https://a.example/' }],
          ],
        },
      }),
    },
  ],
  [
    'a picture',
    { kind: 'image', text: '[image]', media: { id: 'img_1' } },
    { msg_type: 'image', content: '{"image_key":"img_1"}' },
  ],
  [
    'a card',
    { kind: 'card', text: 'c', data: { schema: '2.0' } },
    { msg_type: 'interactive', content: '{"schema":"2.0"}' },
  ],
  [
    'a fault',
    { fault: { code: 'X', message: 'no such order' } },
    { msg_type: 'text', content: '{"text":"no such order"}' },
  ],
])('%s goes out', async (_, part, wanted) => {
  const { made } = await open()
  expect(await send(made, part)).toStrictEqual({ status: 'sent' })
  expect(platform.asked.at(-1)?.body).toMatchObject(wanted)
})

test('another adapter’s reply context, and what is too long, are refused for good', async () => {
  const { made } = await open()
  const from = platform.asked.length
  for (const foreign of [{ ...context, adapter: 'wechat' }, { ...context, version: 2 }, null])
    expect(await send(made, text('x'), foreign)).toMatchObject({ status: 'refused', retry: false })
  expect(await send(made, text('x'.repeat(150_001)))).toMatchObject({ status: 'refused', retry: false })
  expect(platform.asked.length).toBe(from)
})

test('a deadline ends the call', async () => {
  const { made } = await open()
  await send(made, text('warm'))
  await expect(send(made, text('x'), context, AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
})
