// What cannot be shown or sent: it is told as lost, with the reason, and never tried for nothing.
import type { Part } from 'dragoman'
import { expect, test } from 'vitest'
import { createPlatform } from '../../../../../adapters/wechat/api/index.ts'
import { never, reply, trial } from './platform.ts'
import { world } from './scopes.ts'

test('a part for which nothing can be said is told as lost, also where the API sends the others', async () => {
  const card: Part = {
    kind: 'card',
    text: '',
    data: { articles: [{ title: 'Pay', url: 'https://a.example/7' }] },
  }
  const file: Part = { kind: 'file', text: '', media: { id: 'm' } }
  for (const [product, context, body] of [
    ['wecom-bot', 'response', { markdown: { content: 'Pay\nhttps://a.example/7' } }],
    ['official', undefined, { msgtype: 'news' }],
    ['wecom-kf', undefined, { text: { content: 'Pay\nhttps://a.example/7' } }],
  ] as const) {
    await using t = await trial({ product })
    const responseUrl = `${t.api.base}/cgi-bin/aibot/response`
    const more = context === undefined ? { openKfId: 'wk1' } : { responseUrl }
    const parts = product === 'wecom-kf' ? [card] : [card, file]
    await t.platform.send(reply(parts, more), 'k', never)
    expect(t.api.asked.at(-1)?.body).toMatchObject(body)
    expect(t.here.logged).toEqual(
      parts.length === 1 ? [] : [expect.stringContaining('no text and no address')],
    )
  }
})
test('without a secret nothing is tried again and again: the reason stands in the verdict at once', async () => {
  await using t = await trial()
  await using platform = createPlatform(
    { product: 'official', appId: 'wx1', apiBase: t.api.base },
    t.here.scope(),
  )
  const delivery = await platform.send(reply('late'), 'k1', never)
  expect(delivery).toMatchObject({
    status: 'refused',
    retry: false,
    reason: expect.stringContaining('did not come in time'),
  })
  expect(t.api.asked).toEqual([])
})

test.each<[string, readonly Part[], string]>([
  ['a character', [{ kind: 'text', text: 'bell\u0007x' }], 'U+0007'],
  ['half of a pair', [{ kind: 'text', text: '\uD83D' }], 'U+D83D'],
  ['a picture without a text', [{ kind: 'image', text: '' }], 'no text'],
  ['nothing at all', [{ kind: 'text', text: '' }], 'give the route a `reply`'],
])(
  'without a secret, what the response cannot carry is told as that, not as late: %s',
  async (_name, parts, why) => {
    const account = { appId: 'wx1', apiBase: 'http://127.0.0.1:9' }
    await using platform = createPlatform({ product: 'official', ...account }, world().scope())
    await using suite = createPlatform({ product: 'component', ...account, appId: 'ww1' }, world().scope())
    for (const mute of [platform, suite]) {
      const delivery = await mute.send(reply(parts), 'k1', never)
      expect(delivery).toMatchObject({
        status: 'refused',
        retry: false,
        reason: expect.stringContaining(why),
      })
      expect(delivery).not.toMatchObject({ reason: expect.stringMatching(/time|late/u) })
    }
  },
)
