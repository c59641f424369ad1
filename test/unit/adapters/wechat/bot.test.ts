// A WeCom bot's answer in the response to its push.
import type { Part } from 'dragoman'
import { expect, test } from 'vitest'
import { botReply } from '../../../../adapters/wechat/bot.ts'
import { readDocument } from '../../../../adapters/wechat/document.ts'
import { digestOf } from '../../../../adapters/wechat/drafts.ts'
import type { Push } from '../../../../adapters/wechat/drafts.ts'

function pushOf(text: string): Push {
  const bytes = Buffer.from(text, 'utf8')
  return { fields: readDocument(bytes).fields, bytes, mediaType: 'text/xml', digest: digestOf(bytes) }
}

test('a bot’s answer in the response is what its later one is: with every address, once, and cut after 20,000 bytes', () => {
  const push = pushOf('{"msgid":"1","msgtype":"text","text":{"content":"hi"}}')
  const said = (part: Partial<Part>, format: 'json' | 'xml' = 'json') =>
    botReply({ parts: [{ kind: 'link', text: 'Payment', ...part }] }, push, format)
  const contentOf = (text = ''): unknown =>
    (JSON.parse(text) as { stream: { content: string } }).stream.content // a stream
  const url = 'https://a.example/7'
  expect(contentOf(said({ data: { url } })?.text)).toBe(`Payment\n${url}`)
  expect(contentOf(said({ text: url, media: { url } })?.text)).toBe(url)
  expect(said({ data: { url } }, 'xml')?.text).toContain(`[Payment\n${url}]`)
  const long = { text: '汉'.repeat(9000) }
  expect(contentOf(said(long)?.text)).toBe(`${'汉'.repeat(6665)}…`)
  expect(said(long, 'xml')?.text).toContain(`[${'汉'.repeat(6665)}…]`)
  expect(said(long)?.lost).toContain('20000 bytes')
  expect(said({})).not.toHaveProperty('lost')
})

test('a bot’s answer has the articles of a card, and what cannot be said of it is told as lost', () => {
  const articles = [{ title: 'Payment', url: 'https://a.example/7' }]
  const card: Part = { kind: 'card', text: '', data: { articles } }
  const parts: readonly Part[] = [card, { kind: 'image', text: '', media: { id: 'm' } }]
  const push = pushOf('{"msgid":"1","msgtype":"text","text":{"content":"hi"}}')
  const said = botReply({ parts }, push, 'json')
  expect(JSON.parse(said?.text ?? '')).toMatchObject({
    stream: { content: 'Payment\nhttps://a.example/7' },
  })
  expect(said?.lost).toContain('no text and no address')
})

test.each(['bell\u0007', '\u0000', '\uFFFE', '\uD800'])(
  'a bot’s answer that XML cannot carry (%j) is not in the response (XML 1.0 §2.2): its address takes it',
  (text) => {
    const push = pushOf('<xml><MsgId>1</MsgId><MsgType>text</MsgType></xml>')
    const reply = { parts: [{ kind: 'text', text } as const] }
    expect(botReply(reply, push, 'xml')).toBeUndefined()
    expect(botReply(reply, push, 'json')).toBeDefined()
  },
)
