// plugins/_examples/feishu inwards: callbacks that the platform's own SDK takes too, and each rule of the README.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { AESCipher, adaptDefault, EventDispatcher } from '@larksuiteoapi/node-sdk'
import { errorTable, GatewayError } from 'dragoman'
import type { Channel, ErrorCode, Part } from 'dragoman'
import { testHost, testPlugin, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { expect, onTestFinished, test } from 'vitest'

import { decrypt } from '../../../plugins/_examples/feishu/callback.ts'
import adapter from '../../../plugins/_examples/feishu/index.ts'
import { account, said, seal, sign } from '../../support/feishu-platform.ts'
import type { Sealed } from '../../support/feishu-platform.ts'
import { createFrom } from '../../support/create-from.ts'

const never = new AbortController().signal
const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {} }
const config = { ...account, apiBase: 'http://127.0.0.1:9' }
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
      metadata: { 'feishu:chat_id': 'oc_1' },
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
  const made = createFrom(adapter.channel, { ...config, ...more }, scope)
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
  ['an unsigned cipher text that opens and holds no callback', () => ({ ...seal([]), headers: {} })],
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

test('two messages of one chat have the same metadata: an answer that is kept is found again', async () => {
  const { host, post } = await open()
  for (const id of ['om_a', 'om_b'])
    await post(seal(said({ text: 'Where is my order?' }, { message: { message_id: id } })))
  expect(host.drafts[1]?.metadata).toStrictEqual(host.drafts[0]?.metadata)
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

test.each<[string, string, object, object]>([
  [
    'a click on a card',
    'card.action.trigger',
    {
      operator: { tenant_key: 't', user_id: 'u1', open_id: 'ou_ann' },
      context: { open_message_id: 'om_1', open_chat_id: 'oc_1' },
    },
    { replyContext: { adapter: 'feishu', version: 1, chat: 'oc_1' } },
  ],
  [
    'a chat that is opened',
    'im.chat.access_event.bot_p2p_chat_entered_v1',
    { chat_id: 'oc_1', operator_id: { open_id: 'ou_ann' } },
    { replyContext: { adapter: 'feishu', version: 1, chat: 'oc_1' } },
  ],
  [
    'a reaction',
    'im.message.reaction.created_v1',
    { message_id: 'om_1', operator_type: 'user', user_id: { open_id: 'ou_ann' } },
    {},
  ],
])('%s is an event of the person who did it, and knows the chat it names', async (_, type, event, more) => {
  const { host, post } = await open()
  const header = { event_id: 'e', event_type: type, token: account.verificationToken }
  expect((await post(seal({ schema: '2.0', header, event }))).status).toBe(200)
  expect(host.drafts).toMatchObject([{ kind: 'event', type, sender: { id: 'ou_ann' }, ...more }])
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
