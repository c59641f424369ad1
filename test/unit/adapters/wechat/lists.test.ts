// What repeats in events: an array however many came (DESIGN §3 "XML and JSON").
import { expect, test } from 'vitest'
import type { Product } from '../../../../adapters/wechat/account.ts'
import { readDocument } from '../../../../adapters/wechat/document.ts'
import { withLists } from '../../../../adapters/wechat/lists.ts'
import { eventXml, plainPush } from './pushing.ts'
import { plain, stage } from './stage.ts'

const read = (text: string, product: Product = 'official') =>
  withLists(readDocument(Buffer.from(text)).fields, product)
const one = '<List><TemplateId>a</TemplateId></List>'
const item = '<item><PicMd5Sum>1</PicMd5Sum></item>'
const picture = { PicMd5Sum: '1' }

test.each([
  ['two', `${one}${one}`, [{ TemplateId: 'a' }, { TemplateId: 'a' }]],
  ['one', one, [{ TemplateId: 'a' }]],
  ['one that is empty', '<List></List>', []],
  ['none', '', []],
])('a list of %s', (_, xml, List) => {
  const event = eventXml(
    'subscribe_msg_popup_event',
    `<SubscribeMsgPopupEvent>${xml}</SubscribeMsgPopupEvent>`,
  )
  expect(read(event)['SubscribeMsgPopupEvent']).toEqual({ List })
})

test('JSON that has one as an object', () => {
  const event = { MsgType: 'event', Event: 'subscribe_msg_sent_event', List: { TemplateId: 'a' } }
  expect(read(JSON.stringify(event))).toEqual({ ...event, List: [{ TemplateId: 'a' }] })
})

test('JSON whose list is null has none', () => {
  const event = { MsgType: 'event', Event: 'subscribe_msg_sent_event' }
  expect(read(JSON.stringify({ ...event, List: null }))).toEqual({ ...event, List: [] })
  expect(read(JSON.stringify({ ...event, SubscribeMsgSentEvent: null }))).toEqual({
    ...event,
    SubscribeMsgSentEvent: { List: [] },
  })
})

test.each<[Product, string, string, string]>([
  ['wecom', 'change_external_chat', 'MemChangeList', 'Item'],
  ['official', 'ShakearoundUserShake', 'AroundBeacons', 'AroundBeacon'],
])('%s: %s repeats %s.%s', (product, event, list, name) => {
  const xml = `<${list}><${name}>a</${name}></${list}>`
  expect(read(eventXml(event, xml), product)).toHaveProperty(list, { [name]: ['a'] })
})

test('a third party’s notice is known by its InfoType', () => {
  const xml = '<InfoType>change_contact</InfoType><ExtAttr><Item><Name>a</Name></Item></ExtAttr>'
  expect(read(`<xml><SuiteId>s</SuiteId>${xml}</xml>`, 'component')).toHaveProperty('ExtAttr', {
    Item: [{ Name: 'a' }],
  })
})

test.each<[Product, string, unknown]>([
  ['official', `<PicList>${item}</PicList>`, { item: [picture] }],
  ['official', `<PicList>${item}${item}</PicList>`, { item: [picture, picture] }],
  ['official', '<PicList></PicList>', { item: [] }],
  ['wecom', `<PicList>${item}</PicList>`, [{ item: [picture] }]],
  [
    'wecom',
    `<PicList>${item}</PicList><PicList>${item}</PicList>`,
    [{ item: [picture] }, { item: [picture] }],
  ],
  ['wecom', '<PicList></PicList>', []],
])('pictures of a menu, as %s sends them: %s', (product, xml, PicList) => {
  const event = eventXml('pic_weixin', `<SendPicsInfo><Count>1</Count>${xml}</SendPicsInfo>`)
  expect(read(event, product)['SendPicsInfo']).toEqual({ Count: '1', PicList })
})

test('a list in a list, and what holds none', () => {
  const chosen =
    '<SelectedItem><QuestionKey>q</QuestionKey><OptionIds><OptionId>1</OptionId></OptionIds></SelectedItem>'
  const event = eventXml('template_card_event', `<SelectedItems>${chosen}</SelectedItems>`)
  expect(read(event)['SelectedItems']).toEqual({
    SelectedItem: [{ QuestionKey: 'q', OptionIds: { OptionId: ['1'] } }],
  })
  expect(read(eventXml('template_card_event'))).not.toHaveProperty('SelectedItems')
  expect(read(eventXml('template_card_event', '<SelectedItems>x</SelectedItems>'))).toHaveProperty(
    'SelectedItems',
    'x',
  )
})

test('an event without any, and another event’s names, stay as they are', () => {
  const { fields } = readDocument(Buffer.from(eventXml('CLICK', one)))
  expect(withLists(fields, 'official')).toBe(fields)
})

test('whoever takes an event gets the list', async () => {
  await using on = await stage(plain)
  await on.push(
    plainPush(eventXml('subscribe_msg_sent_event', `<SubscribeMsgSentEvent>${one}</SubscribeMsgSentEvent>`)),
  )
  expect(on.host.drafts[0]?.data).toMatchObject({ SubscribeMsgSentEvent: { List: [{ TemplateId: 'a' }] } })
})
