// The sentence under a stale answer.
import type { Reply } from 'dragoman'
import { expect, test } from 'vitest'
import { STALE_TEXT } from '../../../../adapters/wechat/config.ts'
import { withStaleText } from '../../../../adapters/wechat/stale.ts'

const asOf = '2026-01-31T09:00:00.000Z'
const stale = (more: Partial<Reply>): Reply => ({ origin: 'cache', stale: true, asOf, ...more })
const link = { kind: 'link', text: 'Order 7', media: { url: 'https://example.com/7' } } as const

test('it ends the last text, or follows what is no text', () => {
  expect(withStaleText(stale({ parts: [{ kind: 'text', text: 'shipped' }] }), '(old)').parts).toEqual([
    { kind: 'text', text: 'shipped\n(old)' },
  ])
  expect(withStaleText(stale({ parts: [link] }), '(old)').parts).toEqual([
    link,
    { kind: 'text', text: '(old)' },
  ])
})

test('data alone is shown as the text it would be', () => {
  expect(withStaleText(stale({ data: { text: 'shipped' } }), '(old)').parts).toEqual([
    { kind: 'text', text: 'shipped\n(old)' },
  ])
  expect(withStaleText(stale({ data: 7 }), '(old)').parts).toEqual([{ kind: 'text', text: '7\n(old)' }])
})

test('{asOf} is the moment in local time; of an answer without one, the sentence that names it is left out, and the default marks it where nothing is left', () => {
  const parts = [{ kind: 'text', text: '' }] as const
  const [said] = withStaleText(stale({ parts }), 'as of {asOf}').parts ?? []
  const at = new Date(asOf)
  expect(said?.text).toMatch(/^as of 2026-\d\d-\d\d \d\d:\d\d$/u)
  expect(new Date((said?.text ?? '').slice(6)).getTime()).toBe(at.getTime())
  const { asOf: _asOf, ...fixed } = stale({ parts })
  for (const [sentence, left] of [
    ['as of {asOf}', STALE_TEXT],
    ['（截至{asOf}。）', STALE_TEXT],
    ['The shop cannot be reached. Last known: {asOf}.', 'The shop cannot be reached.'],
    ['（截至{asOf}。）以上信息可能不是最新的。', '以上信息可能不是最新的。'],
    ['As of {asOf}.\nCall us.', 'Call us.'],
  ] as const)
    expect(withStaleText(fixed, sentence).parts).toEqual([{ kind: 'text', text: left }])
})

test('what is not stale, or shows nothing, stays as it is', () => {
  const fresh: Reply = { origin: 'backend', parts: [{ kind: 'text', text: 'shipped' }] }
  expect(withStaleText(fresh, '(old)')).toBe(fresh)
  const transfer = { kind: 'card', text: '', data: { msgtype: 'transfer_customer_service' } } as const
  for (const silent of [stale({}), stale({ parts: [transfer] })])
    expect(withStaleText(silent, '(old)')).toBe(silent)
})
