// What of an answer stands in the response to the push, and what only the customer-service API can show.
import { expect, test } from 'vitest'
import { passiveContent } from '../../../../adapters/wechat/passive.ts'
import type { Json } from '../../../../core/api.ts'

const card = (data: Json) => passiveContent({ parts: [{ kind: 'card', text: 'text', data }] }, 'official')

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
  const news = card({ msgtype: 'news', news: { articles } })
  expect(news?.slice(0, 2)).toEqual([
    ['MsgType', 'news'],
    ['ArticleCount', 1],
  ])
  expect([card({ articles }), card({ type: 'news', articles })]).toEqual([news, news])
  expect(card({ type: 'transfer_customer_service', kfAccount: 'k@a' })).toEqual([
    ['MsgType', 'transfer_customer_service'],
    ['TransInfo', [['KfAccount', 'k@a']]],
  ])
})

test('what the response cannot hold is left to the API: menus, mini-program pages, nine articles; other cards are their text', () => {
  expect(card({ list: [{ id: '1', content: 'Yes' }] })).toBeUndefined()
  expect(card({ msgtype: 'msgmenu', msgmenu: { list: [] } })).toBeUndefined()
  expect(card({ type: 'miniprogrampage', pagePath: 'index' })).toBeUndefined()
  expect(card({ articles: Array.from({ length: 9 }, () => ({ title: 'a', url: 'u' })) })).toBeUndefined()
  expect(card({ type: 'business_card', userId: 'u' })).toEqual([
    ['MsgType', 'text'],
    ['Content', 'text'],
  ])
})
