// plugins/_examples/feishu outwards: the calls that the platform's own client makes, and what its answers mean.
import { Client } from '@larksuiteoapi/node-sdk'
import type { Channel, Delivery, Json, Message, Part } from 'dragoman'
import { testHost, testMessage, testScope } from 'dragoman/testing'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'

import adapter from '../../../plugins/_examples/feishu/index.ts'
import { markOf, STALE_TEXT } from '../../../plugins/_examples/feishu/stale.ts'
import { account, startFeishu } from '../../support/feishu-platform.ts'
import type { Answering } from '../../support/feishu-platform.ts'
import { createFrom } from '../../support/create-from.ts'

const platform = await startFeishu()
afterAll(() => platform[Symbol.asyncDispose]())
const never = new AbortController().signal
const silent = { error() {}, warn() {}, info() {}, debug() {}, trace() {} }

async function open(more: object = {}, scope = testScope({ id: 'feishu' })): Promise<Channel> {
  const made = createFrom(adapter.channel, { ...account, apiBase: platform.base, ...more }, scope)
  onTestFinished(() => made[Symbol.asyncDispose]())
  await made.start(testHost(), never)
  return made
}

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
  const made = await open()
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
  await Promise.all([send(one, text('a')), send(two, text('b')), send(one, text('c'))])
  const restarted = await open({}, scope)
  await send(restarted, text('d'))
  expect(platform.tokens()).toBe(before + 1)
  platform.revoke()
  expect(await send(one, text('e'))).toStrictEqual({ status: 'sent' })
  expect(await send(two, text('f'))).toStrictEqual({ status: 'sent' })
  expect(platform.tokens()).toBe(before + 2)
})

test('after its id, its secret or its platform is changed in the config, an app does not go on with the token of the one before', async () => {
  const scope = testScope()
  await send(await open({}, scope), text('a'))
  const from = platform.asked.length
  for (const other of [{ appSecret: 'new' }, { appId: 'cli_other' }]) {
    const delivery = await send(await open(other, scope), text('b'))
    expect(delivery).toMatchObject({ status: 'refused', retry: true })
  }
  await using lark = await startFeishu()
  expect(await send(await open({ apiBase: lark.base }, scope), text('c'))).toStrictEqual({ status: 'sent' })
  expect([platform.asked.length, lark.tokens()]).toStrictEqual([from, 1])
})

test('in doubt it is sent again with the same uuid, and shown once', async () => {
  const made = await open()
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
  const made = await open()
  platform.next(answer)
  expect(await send(made, text('x'))).toStrictEqual(delivery)
})

test('a wrong secret is said without it, and tried again: somebody has to mend it', async () => {
  const made = await open({ appSecret: 'not-the-one' })
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
    'a link whose address stands in its data, as WeChat has it',
    { kind: 'link', text: '', data: { title: 'Track', url: 'https://a.example/' } },
    {
      msg_type: 'post',
      content: JSON.stringify({
        zh_cn: {
          title: '',
          content: [
            [{ tag: 'text', text: 'Track' }],
            [{ tag: 'a', text: 'https://a.example/', href: 'https://a.example/' }],
          ],
        },
      }),
    },
  ],
  ...[text('Order 7'), text(`${'订'.repeat(14_000)} https://a.example/`)].map(
    (part): [string, Part, object] => [
      'a text beside an address that its system has in its data',
      { ...part, data: { url: 'https://a.example/' } },
      { msg_type: 'text', content: JSON.stringify({ text: part.text }) },
    ],
  ),
  [
    'a picture whose address is the picture itself',
    { kind: 'image', text: 'Chart', data: { url: `data:image/png;base64,${'A'.repeat(40_000)}` } },
    { msg_type: 'text', content: '{"text":"Chart"}' },
  ],
  [
    'a link that is only a path',
    { kind: 'link', text: 'Order 7', data: { url: '/internal/orders/7' } },
    { msg_type: 'text', content: '{"text":"Order 7"}' },
  ],
  [
    'a link whose text has its address',
    { kind: 'link', text: '看https://a.example/7。', data: { url: 'https://a.example/7' } },
    { msg_type: 'text', content: '{"text":"看https://a.example/7。"}' },
  ],
  [
    'a link whose text has a longer address',
    { kind: 'link', text: 'https://a.example/70', data: { url: 'https://a.example/7' } },
    {
      msg_type: 'post',
      content: JSON.stringify({
        zh_cn: {
          title: '',
          content: [
            [{ tag: 'text', text: 'https://a.example/70' }],
            [{ tag: 'a', text: 'https://a.example/7', href: 'https://a.example/7' }],
          ],
        },
      }),
    },
  ],
  [
    'a place without a text',
    { kind: 'location', text: '', data: { latitude: '31.2', longitude: 121.4, label: '外滩' } },
    { msg_type: 'text', content: '{"text":"外滩"}' },
  ],
  [
    'a place without a name',
    { kind: 'location', text: '', data: { latitude: '31.2', longitude: 121.4 } },
    { msg_type: 'text', content: '{"text":"31.2,121.4"}' },
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
  ['data with a text', { text: 'shipped', no: 7 }, { msg_type: 'text', content: '{"text":"shipped"}' }],
  ['data that is a text', 'shipped', { msg_type: 'text', content: '{"text":"shipped"}' }],
  [
    'a fault',
    { fault: { code: 'X', message: 'no such order' } },
    { msg_type: 'text', content: '{"text":"no such order"}' },
  ],
])('%s goes out', async (_, part, wanted) => {
  const made = await open()
  expect(await send(made, part)).toStrictEqual({ status: 'sent' })
  expect(platform.asked.at(-1)?.body).toMatchObject(wanted)
})

test('a stale answer says so, once: under its text, or in a message of its own behind what is no text', async () => {
  const made = await open({ staleText: 'Of {asOf}. Not the newest.' })
  const from = platform.asked.length
  const picture: Part = { kind: 'image', text: '[image]', media: { id: 'img_1' } }
  for (const more of [
    { data: { text: 'shipped' } },
    { parts: [text('shipped')] },
    { parts: [text('first')], aside: true },
    { parts: [picture] },
  ] as const) {
    const message = { ...testMessage({ parts: [], ...more }), stale: true, replyContext: context }
    expect(await made.send?.(message, key, never)).toStrictEqual({ status: 'sent' })
  }
  const said = platform.asked.slice(from).map(({ body }) => body)
  expect(said.map(({ content }) => content)).toStrictEqual([
    '{"text":"shipped\\nNot the newest."}',
    '{"text":"shipped\\nNot the newest."}',
    '{"text":"first"}',
    '{"image_key":"img_1"}',
    '{"text":"Not the newest."}',
  ])
  expect(said[3]?.['uuid']).not.toBe(said[4]?.['uuid'])
})

test('a text that its sentence would make too long has it in a message behind it, and what was sent before a refusal is said', async () => {
  const made = await open({ staleText: 'Not the newest.' })
  const words = 'a'.repeat(149_980)
  const message = {
    ...testMessage({ parts: [text(words)] }),
    stale: true,
    replyContext: context,
  }
  const before = platform.shown().length
  expect(await made.send?.(message, key, never)).toStrictEqual({ status: 'sent' })
  expect(platform.shown().slice(before)).toStrictEqual([`{"text":"${words}"}`, '{"text":"Not the newest."}'])
  const refused = { status: 400, body: { code: 230_002, msg: 'out of chat' } }
  const late = { status: 429, body: { code: 99_991_400, msg: 'limit' } }
  for (const [answer, retry] of [
    [refused, false],
    [late, true],
  ] as const) {
    platform.next({ status: 200, body: { code: 0 } }, answer)
    expect(await made.send?.(message, `${key}${retry}`, never)).toMatchObject({
      status: 'refused',
      retry,
      reason: expect.stringMatching(/^1 of 2 messages were sent: /u) as string,
    })
  }
})

test('the sentence names the moment of the answer; where it has none and nothing else is left, the default stands there', async () => {
  const mark = markOf({ stale: true, asOf: '2026-01-31T09:00:00.000Z' }, 'of {asOf}')
  expect(mark).toMatch(/^of 2026-\d\d-\d\d \d\d:\d\d$/)
  expect(markOf({ stale: true }, 'of {asOf}')).toBe(STALE_TEXT)
})

test('the answer to an event goes to its chat; what answers nothing goes to the person of the conversation (SEMANTICS 9)', async () => {
  const made = await open({ senderId: 'union_id' })
  const from = platform.asked.length
  const message = { ...testMessage({ parts: [text('hi')] }), channel: 'lark', conversation: 'lark:on_ann' }
  const chat = { adapter: 'feishu', version: 1, chat: 'oc_1' }
  for (const replyContext of [chat, undefined])
    await made.send?.({ ...message, ...(replyContext !== undefined && { replyContext }) }, key, never)
  expect(platform.asked.slice(from).map(({ url, body }) => [url, body['receive_id']])).toStrictEqual([
    ['/open-apis/im/v1/messages?receive_id_type=chat_id', 'oc_1'],
    ['/open-apis/im/v1/messages?receive_id_type=union_id', 'on_ann'],
  ])
  for (const conversation of ['of somebody', 'lark:', 'lark:lark'])
    expect(await made.send?.({ ...message, conversation }, key, never)).toMatchObject({
      status: 'refused',
      retry: false,
      reason: expect.stringContaining('nobody knows') as string,
    })
})

test('another adapter’s reply context, and what is too long, are refused for good', async () => {
  const made = await open()
  const from = platform.asked.length
  for (const foreign of [{ ...context, adapter: 'wechat' }, { ...context, version: 2 }, null])
    expect(await send(made, text('x'), foreign)).toMatchObject({ status: 'refused', retry: false })
  expect(await send(made, text('x'.repeat(150_001)))).toMatchObject({ status: 'refused', retry: false })
  expect(platform.asked.length).toBe(from)
})

test('a deadline ends the call', async () => {
  const made = await open()
  await send(made, text('warm'))
  await expect(send(made, text('x'), context, AbortSignal.abort(new Error('over')))).rejects.toThrow('over')
})
