// Cards as the messages of each product: menus and articles, flat or in the platform's own form.
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { contentsOf } from '../../../../../adapters/wechat/api/contents.ts'
import type { Content, Family } from '../../../../../adapters/wechat/api/contents.ts'

const sent = (data: Json, family: Family): Promise<readonly Content[]> =>
  contentsOf({ kind: 'card', text: 'T', data }, family, async () => 'm')

const articles = Array.from({ length: 10 }, (_, n) => ({
  title: `t${n}`,
  url: `https://a.example/${n}`,
  pagepath: 'p',
}))

test.each<[string, Json, string]>([
  ['flat', { articles }, 'news'],
  ['in its own form', { msgtype: 'news', news: { articles } }, 'news'],
  ['in its own form, of its own pages', { msgtype: 'mpnews', mpnews: { articles } }, 'mpnews'],
])('WeCom gets articles by eight in a message, and all of them: %s', async (_, data, type) => {
  const titles = [articles.slice(0, 8), articles.slice(8)].map((group) =>
    group.map(({ title, url }) => ({ title, url })),
  )
  expect(await sent(data, 'wecom')).toMatchObject(
    titles.map((group) => ({ msgtype: type, [type]: { articles: group } })),
  )
})

test('articles in WeCom’s own form keep what only WeCom knows, and what stands beside them', async () => {
  const news = { articles, note: 1 }
  expect(await sent({ msgtype: 'news', news }, 'wecom')).toEqual([
    { msgtype: 'news', news: { articles: articles.slice(0, 8), note: 1 } },
    { msgtype: 'news', news: { articles: articles.slice(8), note: 1 } },
  ])
  expect(await sent({ msgtype: 'news', news: { articles: [] } }, 'wecom')).toEqual([
    { msgtype: 'news', news: { articles: [] } },
  ])
})

const site = { type: 'view', content: '官网', url: 'https://a.example' }
const yes = { type: 'click', id: '1', content: '是' }
const page = { type: 'miniprogram', appid: 'a', pagepath: 'p', content: '小程序' }

test('flat choices that open something do so in 微信客服, with or without their type', async () => {
  const { type: _, ...untyped } = site
  const view = { type: 'view', view: { content: '官网', url: 'https://a.example' } }
  const miniprogram = { type: 'miniprogram', miniprogram: { appid: 'a', pagepath: 'p', content: '小程序' } }
  const list = [site, untyped, page, yes, { id: '2', content: '否' }, { type: 'constructor', content: '?' }]
  expect(await sent({ list }, 'kf')).toEqual([
    {
      msgtype: 'msgmenu',
      msgmenu: {
        list: [
          view,
          view,
          miniprogram,
          { type: 'click', click: { id: '1', content: '是' } },
          { type: 'click', click: { id: '2', content: '否' } },
          { type: 'click', click: { id: '', content: '?' } },
        ],
      },
    },
  ])
})

test('an official account gets flat choices as a menu, and in words where one is no answer', async () => {
  expect(await sent({ list: [yes, { id: '2', content: '否' }] }, 'official')).toMatchObject([
    {
      msgmenu: {
        list: [
          { id: '1', content: '是' },
          { id: '2', content: '否' },
        ],
      },
    },
  ])
  for (const [other, said] of [
    [site, '官网\nhttps://a.example'],
    [{ content: '官网', url: 'https://a.example' }, '官网\nhttps://a.example'],
    [page, '小程序'],
  ] as const)
    expect(await sent({ list: [other, yes] }, 'official')).toEqual([
      { msgtype: 'text', text: { content: `T\n${said}\n是` } },
    ])
})
