// What of an answer stands in the response to the push, and what only the customer-service API can show.
import { expect, test } from 'vitest'
import {
  isBeyondApi,
  passiveContent,
  passiveFallback,
  whyUnsaid,
} from '../../../../adapters/wechat/passive.ts'
import type { Scene } from '../../../../adapters/wechat/passive.ts'
import type { Json, Part } from '../../../../core/api.ts'

const message: Scene = { product: 'official', isEvent: false }
const event: Scene = { product: 'official', isEvent: true }
const card = (data: Json) => passiveContent({ parts: [{ kind: 'card', text: 'text', data }] }, message)
const news = (count: number): readonly [Part] => [
  { kind: 'card', text: 'text', data: { articles: Array.from({ length: count }, () => ({ url: 'u' })) } },
]
const text = (said: string): Part => ({ kind: 'text', text: said })
const transfer: Part = { kind: 'card', text: '', data: { msgtype: 'transfer_customer_service' } }

test('a card may say its kind and its fields in either spelling', () => {
  const fields = { title: 't', description: 'd', hqMusicUrl: 'h', thumbMediaId: 'm' }
  const theirs = { title: 't', description: 'd', hqmusicurl: 'h', thumb_media_id: 'm' }
  const [own, flat, theirOwn] = [
    card({ msgtype: 'music', music: { ...fields, musicUrl: 'u' } }),
    card({ type: 'music', ...fields, musicUrl: 'u' }),
    card({ msgtype: 'music', music: { ...theirs, musicurl: 'u' } }),
  ]
  expect(own).toEqual([
    ['MsgType', 'music'],
    [
      'Music',
      [
        ['Title', 't'],
        ['Description', 'd'],
        ['MusicUrl', 'u'],
        ['HQMusicUrl', 'h'],
        ['ThumbMediaId', 'm'],
      ],
    ],
  ])
  expect([flat, theirOwn]).toEqual([own, own])
  const articles = [{ title: 'a', picUrl: 'p', url: 'u' }]
  const one = card({ msgtype: 'news', news: { articles } })
  expect(one?.slice(0, 2)).toEqual([
    ['MsgType', 'news'],
    ['ArticleCount', 1],
  ])
  expect([card({ articles }), card({ type: 'news', articles })]).toEqual([one, one])
  expect(card({ type: 'transfer_customer_service', kfAccount: 'k@a' })).toEqual([
    ['MsgType', 'transfer_customer_service'],
    ['TransInfo', [['KfAccount', 'k@a']]],
  ])
})

test('what the response cannot hold is left to the API: menus, mini-program pages; other cards are their text', () => {
  expect(card({ list: [{ id: '1', content: 'Yes' }] })).toBeUndefined()
  expect(card({ msgtype: 'msgmenu', msgmenu: { list: [] } })).toBeUndefined()
  expect(card({ type: 'miniprogrampage', pagePath: 'index' })).toBeUndefined()
  expect(card({ type: 'business_card', userId: 'u' })).toEqual([
    ['MsgType', 'text'],
    ['Content', 'text'],
  ])
})

test.each([
  [message, 1],
  [event, 8],
  [{ product: 'component', isEvent: false } as const, 1],
  [{ product: 'wecom', isEvent: false } as const, 8],
])('%j shows %i articles of a response: more are left to the API, and without one cut', (scene, most) => {
  expect(passiveContent({ parts: news(most) }, scene)?.[1]).toEqual(['ArticleCount', most])
  expect(passiveContent({ parts: news(most + 1) }, scene)).toBeUndefined()
  const cut = passiveFallback({ parts: news(most + 1) }, scene)
  expect(cut?.content[1]).toEqual(['ArticleCount', most])
  expect(cut?.lost).toContain('only the first')
})

test('six articles are more than the API sends for an official account, which has each in a message of its own', () => {
  expect([5, 6].map((count) => isBeyondApi({ parts: news(count) }, message))).toEqual([false, true])
  expect(isBeyondApi({ parts: [...news(6), text('more')] }, message)).toBe(false)
  for (const product of ['wecom', 'miniprogram'] as const)
    expect(isBeyondApi({ parts: news(9) }, { product, isEvent: false })).toBe(false)
})

test('an empty text beside others is left out; an answer of nothing else is none', () => {
  const said = passiveContent({ parts: [text(''), text('a'), text(''), text('b')] }, message)
  expect(said?.[1]).toEqual(['Content', 'a\nb'])
  expect(passiveContent({ parts: [text(''), transfer] }, message)?.[0]).toEqual([
    'MsgType',
    'transfer_customer_service',
  ])
  for (const of of [passiveContent, passiveFallback])
    expect(of({ parts: [text('')] }, message)).toBeUndefined()
})

test('a transfer beside other parts does not stand in a response that the API can follow, and alone in one that it cannot', () => {
  const parts = [text('a colleague will help you'), transfer]
  expect(passiveContent({ parts }, message)).toBeUndefined()
  expect(passiveFallback({ parts }, message)).toEqual({
    content: [['MsgType', 'transfer_customer_service']],
    lost: expect.stringContaining('its other parts are lost'),
  })
  expect(passiveFallback({ parts }, { product: 'wecom', isEvent: false })?.content[0]).toEqual([
    'MsgType',
    'text',
  ])
})

test.each<[string, readonly Part[], string]>([
  [
    'a link beside a text',
    [text('Pay here:'), { kind: 'link', text: 'Payment', media: { url: 'https://a.example/7' } }],
    'Pay here:\nPayment\nhttps://a.example/7',
  ],
  [
    'a file',
    [{ kind: 'file', text: 'Invoice', media: { url: 'https://a.example/7.pdf' } }],
    'Invoice\nhttps://a.example/7.pdf',
  ],
  [
    'a picture without a text',
    [{ kind: 'image', text: '', media: { url: 'https://a.example/7.png' } }],
    'https://a.example/7.png',
  ],
  [
    'an address that its text has already',
    [{ kind: 'file', text: 'see https://a.example/7', media: { url: 'https://a.example/7' } }],
    'see https://a.example/7',
  ],
  [
    'an address of which its text has a longer one alone',
    [{ kind: 'file', text: 'not https://a.example/70?', media: { url: 'https://a.example/7' } }],
    'not https://a.example/70?\nhttps://a.example/7',
  ],
  [
    'articles beside a text',
    [
      text('Pay here:'),
      { kind: 'card', text: '', data: { articles: [{ title: 'Payment', url: 'https://a.example/7' }, {}] } },
    ],
    'Pay here:\nPayment\nhttps://a.example/7',
  ],
  [
    'articles as the API has them, of which the text has the title',
    [
      text('Pay here:'),
      {
        kind: 'card',
        text: 'Payment',
        data: {
          msgtype: 'news',
          news: { articles: [{ title: 'Payment', url: 'https://a.example/7' }, { title: 'Terms' }] },
        },
      },
    ],
    'Pay here:\nPayment\nhttps://a.example/7\nTerms',
  ],
  [
    'music beside a text',
    [
      text('Listen'),
      {
        kind: 'card',
        text: '',
        data: { msgtype: 'music', music: { title: 'Waiting', musicurl: 'https://a.example/7' } },
      },
    ],
    'Listen\nWaiting\nhttps://a.example/7',
  ],
  [
    'a menu',
    [
      {
        kind: 'card',
        text: 'Choose',
        data: {
          msgtype: 'msgmenu',
          msgmenu: {
            head_content: 'Choose',
            list: [
              { id: '1', content: 'Yes' },
              { id: '2', content: 'No' },
            ],
          },
        },
      },
    ],
    'Choose\nYes\nNo',
  ],
  [
    'a menu of 微信客服',
    [
      {
        kind: 'card',
        text: '',
        data: {
          head_content: 'Choose',
          list: [
            { type: 'click', click: { id: '1', content: 'Yes' } },
            { type: 'view', view: { content: 'Terms', url: 'https://a.example/7' } },
          ],
          tail_content: 'Thanks',
        },
      },
    ],
    'Choose\nYes\nTerms\nhttps://a.example/7\nThanks',
  ],
  [
    'a card that has a list and an address',
    [
      text('Look:'),
      { kind: 'card', text: 'Orders', data: { url: 'https://a.example/7', list: [{ no: 1 }] } },
    ],
    'Look:\nOrders\nhttps://a.example/7',
  ],
  [
    'a file that is its own address',
    [{ kind: 'file', text: 'Invoice', media: { url: 'data:application/pdf;base64,AAAA' } }],
    'Invoice',
  ],
])('without a way to push, what cannot be shown is said in words: %s', (_name, parts, said) => {
  expect(passiveFallback({ parts }, message)).toEqual({
    content: [
      ['MsgType', 'text'],
      ['Content', said],
    ],
  })
})

test('a card that is said by its text is said with its address, as the API says it', () => {
  expect(card({ url: 'https://a.example/7' })?.[1]).toEqual(['Content', 'text\nhttps://a.example/7'])
})

test('a text too long for the response is cut between characters, and its end is told as lost', () => {
  const cut = passiveFallback({ parts: [text('汉'.repeat(1000))] }, message)
  expect(cut?.content[1]).toEqual(['Content', `${'汉'.repeat(681)}…`])
  expect(cut?.lost).toContain('2047 bytes')
})

test('an address that does not fit whole into the response is left out', () => {
  const parts: readonly Part[] = [
    text('a'.repeat(2010)),
    { kind: 'link', text: 'Pay', media: { url: 'https://a.example/pay?id=712345&token=abcdef' } },
  ]
  const cut = passiveFallback({ parts }, message)
  expect(cut?.content[1]).toEqual(['Content', `${'a'.repeat(2010)}\nPay\n…`])
  expect(cut?.lost).toContain('its end is lost')
})

test.each<[string, Part]>([
  ['a picture', { kind: 'image', text: '', media: { id: 'm' } }],
  ['a file that is its own address', { kind: 'file', text: '', media: { url: 'data:text/plain,a' } }],
  ['a page of a mini program', { kind: 'card', text: '', data: { type: 'miniprogrampage', pagePath: 'p' } }],
])('a part for which nothing can be said is told as lost: %s', (_name, part) => {
  expect(passiveFallback({ parts: [text('See the plan:'), part] }, message)).toEqual({
    content: [
      ['MsgType', 'text'],
      ['Content', 'See the plan:'],
    ],
    lost: expect.stringContaining('no text and no address'),
  })
})

test('a mini program says nothing but a transfer in the response, also without a way to push', () => {
  const scene: Scene = { product: 'miniprogram', isEvent: false }
  expect(passiveFallback({ parts: [text('a')] }, scene)).toBeUndefined()
  expect(whyUnsaid({ parts: [text('a')] }, scene)).toContain('shows no text in the response to a miniprogram')
  expect(passiveFallback({ parts: [text('a'), transfer] }, scene)?.content[0]?.[1]).toBe(
    'transfer_customer_service',
  )
})

test.each<[string, readonly Part[], string]>([
  ['nothing', [], 'give the route a `reply`'],
  ['an empty text', [text('')], 'give the route a `reply`'],
  ['a picture', [{ kind: 'image', text: '', media: { id: 'm' } }], 'what it shows does not fit'],
  ['a character in a text', [text('bell\u0007')], 'U+0007'],
  [
    'a character in a title',
    [{ kind: 'card', text: '', data: { articles: [{ title: 'b\u0007' }] } }],
    'U+0007',
  ],
  ['a character in an id', [{ kind: 'image', text: '', media: { id: 'm\u0007' } }], 'U+0007'],
])('why an answer stands in no response is told: %s', (_name, parts, why) => {
  expect(passiveFallback({ parts }, message)).toBeUndefined()
  expect(whyUnsaid({ parts }, message)).toContain(why)
})
