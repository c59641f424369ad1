// The chat page in a real browser, over a network that is cut and restored (DESIGN §12: the app's half).
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import {
  ANSWERS,
  CHROMIUM,
  drawnAgain,
  enter,
  guardedYaml,
  isAtEnd,
  marks,
  notes,
  openYaml,
  pageWithoutStorage,
  picture,
  say,
  scrollUp,
  shown,
  startsOf,
  status,
  texts,
  unfailing,
} from '../support/chat-page.ts'
import { faultProxy } from '../support/fault-proxy.ts'
import type { FaultProxy } from '../support/fault-proxy.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { startShop } from '../support/shop.ts'
import type { Shop } from '../support/shop.ts'
import { tokenOf } from '../support/token.ts'

let bot: Bot
let shop: Shop
let gateway: GatewayProcess
/** One that asks for tokens. */
let guarded: GatewayProcess
let browser: Browser
/** What the answer to `later` waits for. */
let later = Promise.withResolvers<void>()

beforeAll(async () => {
  shop = await startShop()
  bot = await startBot(async (one) => {
    const question = textOf(one)
    if (question === 'later') await later.promise
    return { body: ANSWERS[question] ?? { text: `echo ${question}` } }
  })
  const mqttPort = await freePort()
  gateway = await startGateway({ yaml: openYaml({ bot: bot.url, shop: shop.url, mqttPort }) })
  guarded = await startGateway({ yaml: guardedYaml(bot.url) })
  browser = await chromium.launch(CHROMIUM)
}, 120_000)

afterAll(async () => {
  await browser.close()
  await gateway[Symbol.asyncDispose]()
  await guarded[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
  await shop[Symbol.asyncDispose]()
})

interface Visit extends AsyncDisposable {
  readonly network: FaultProxy
  readonly context: BrowserContext
  open(prepare?: (page: Page) => Promise<void>): Promise<Page>
}

let visits = 0
/** A browser of its own, behind a network of its own, of somebody who has not been here before. */
async function visit(name: string, locale = 'en-GB'): Promise<Visit> {
  const customer = `${name}-${++visits}`
  const network = await faultProxy({ target: gateway.port, seed: 1 })
  const context = await browser.newContext({ locale, viewport: { width: 480, height: 640 } })
  return {
    network,
    context,
    async open(prepare) {
      const page = unfailing(await context.newPage())
      await prepare?.(page)
      await page.goto(`http://127.0.0.1:${network.port}/demo/chat?as=${customer}`)
      return page
    },
    async [Symbol.asyncDispose]() {
      await context.close()
      await network[Symbol.asyncDispose]()
    },
  }
}

/** Somebody with a token, or with none yet; nothing between him and the gateway. */
async function come(query: string, locale = 'en-GB'): Promise<Page> {
  const page = unfailing(await browser.newPage({ locale, viewport: { width: 480, height: 640 } }))
  await page.goto(`${guarded.base}/demo/chat${query}`)
  return page
}

test('a question is answered, marked as read, and still there when the page is loaded again', async () => {
  await using ann = await visit('ann')
  const page = await ann.open()
  await say(page, 'one')
  expect(await shown(page, 2)).toEqual(['one', 'echo one'])
  await until(async () => ((await marks(page)).every((mark) => mark === 'read') ? true : undefined))
  expect(await status(page)).toBe('Online · WebSocket')
  await page.reload()
  expect(await shown(page, 2)).toEqual(['one', 'echo one'])
  expect(await marks(page)).toEqual(['read'])
})

test('of a long chat nothing is drawn again while somebody writes, and of what he sends only what is new', async () => {
  await using ida = await visit('ida')
  const page = await ida.open()
  await say(page, 'one')
  await page.locator('li.me[data-mark=read]').waitFor()
  const drawn = await drawnAgain(page)
  await page.locator('#text').pressSequentially('two')
  await page.keyboard.press('Enter')
  await shown(page, 4)
  await page.locator('li.me[data-mark=read]').nth(1).waitFor()
  expect(await drawn()).toBe(0)
})

test('the last good answer of a system that is down says so, in both languages, of which the chosen one is kept', async () => {
  await using hal = await visit('hal')
  const page = await hal.open()
  shop.answer = async () => 200
  await say(page, 'order?')
  await shown(page, 2)
  shop.answer = async () => 503
  await say(page, 'order?')
  await shown(page, 4)
  await page.locator('li.them + li.me[data-mark=read]').waitFor()
  const time = /^\d\d:\d\d [AP]M$/u
  const [, fresh, , stale = ''] = await notes(page)
  expect([fresh, stale.replace(/of .*/u, 'of')]).toEqual(['', ' · last known, of'])
  expect(stale.split('of ')[1]).toMatch(time)
  const moments = page.locator('#messages time')
  expect(await moments.last().textContent()).toMatch(time)
  expect(Date.now() - Date.parse((await moments.last().getAttribute('datetime')) ?? '')).toBeLessThan(60_000)
  await picture(page, 'stale')
  await page.click('#language')
  await page.reload()
  await shown(page, 4)
  expect((await notes(page)).at(-1)).toMatch(/^ · 最后已知，\d\d:\d\d$/u)
  await picture(page, 'stale-zh')
}, 120_000)

test('an answer moves nobody who has scrolled up to read; at the end one stays there, however long the draft', async () => {
  await using ida = await visit('ida')
  const page = await ida.open()
  await page.setViewportSize({ width: 480, height: 320 })
  later = Promise.withResolvers<void>()
  for (const question of ['link', 'later']) await say(page, question)
  await shown(page, 7)
  expect(await isAtEnd(page)).toBe(true)
  await scrollUp(page)
  later.resolve()
  await shown(page, 8)
  expect(await page.locator('#conversation').evaluate((box) => box.scrollTop)).toBe(0)
  await say(page, 'one')
  await page.locator('li.me', { hasText: 'one' }).waitFor()
  expect(await isAtEnd(page)).toBe(true)
  await shown(page, 10)
  const field = page.locator('#text')
  await field.fill('1\n2\n3')
  expect(await field.evaluate((box) => box.scrollHeight - box.clientHeight)).toBe(0)
  await until(async () => ((await isAtEnd(page)) ? true : undefined))
  await picture(page, 'draft')
  await field.fill('1\n2\n3\n4\n5\n6\n7\n8\n9')
  expect((await field.boundingBox())?.height).toBeLessThan(140)
}, 120_000)

test('the network goes dark and comes back: what was written meanwhile is kept, told, and sent, each once and in order', async () => {
  await using ben = await visit('ben')
  const page = await ben.open()
  await say(page, '1')
  await shown(page, 2)
  ben.network.blackout(10_000)
  await say(page, '2')
  await say(page, '3')
  await page.locator('#notice:not([hidden])').waitFor()
  await say(page, '4')
  await page.locator('#notice', { hasText: '3 messages are kept on this device' }).waitFor()
  expect((await marks(page)).at(-1)).toBe('queued')
  await picture(page, 'dark')
  const all = await shown(page, 8)
  expect(all.filter((text) => !text.startsWith('echo'))).toEqual(['1', '2', '3', '4'])
  expect(all.filter((text) => text.startsWith('echo'))).toEqual(['echo 1', 'echo 2', 'echo 3', 'echo 4'])
  expect(await page.locator('#notice').isHidden()).toBe(true)
  await picture(page, 'back')
}, 120_000)

test('a page that is closed in the dark has kept what was written; the next one sends it once', async () => {
  await using cleo = await visit('cleo')
  const page = await cleo.open()
  await say(page, '1')
  await shown(page, 2)
  cleo.network.blackout(2500)
  await say(page, '2')
  await until(async () => ((await marks(page)).length === 2 ? true : undefined))
  await page.close()
  const next = await cleo.open()
  expect(await shown(next, 4)).toEqual(['1', 'echo 1', '2', 'echo 2'])
}, 120_000)

test('a WebSocket that says nothing: MQTT.js is loaded only then, and takes over after 2.5 s (DESIGN §12)', async () => {
  await using dora = await visit('dora', 'zh-CN')
  const loaded: string[] = []
  const page = await dora.open(async (fresh) => {
    fresh.on('request', (request) => loaded.push(new URL(request.url()).pathname))
    await fresh.routeWebSocket(/\/v1\/ws$/u, () => undefined)
  })
  // Safari's Enter that chooses a word comes after the composition has ended: only its code tells.
  await page.fill('#text', '订单')
  const keys = await dora.context.newCDPSession(page)
  await keys.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', key: 'Enter', windowsVirtualKeyCode: 229 })
  await say(page, '订单在哪里？')
  expect(loaded).not.toContain('/demo/chat/mqtt.js')
  expect(await shown(page, 2)).toEqual(['订单在哪里？', 'echo 订单在哪里？'])
  expect(loaded).toContain('/demo/chat/mqtt.js')
  expect(await status(page)).toBe('在线 · MQTT')
  // What keeps its link in a hidden page: the page's policy lets it be.
  await until(() => page.workers().find((worker) => worker.url().startsWith('blob:')))
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN')
  await picture(page, 'mqtt')
}, 120_000)

test('a second tab waits for the first, and goes on when that is closed', async () => {
  await using eve = await visit('eve')
  const first = await eve.open()
  await say(first, '1')
  await shown(first, 2)
  const second = await eve.open()
  await say(second, '2')
  await say(first, '3')
  expect(await shown(first, 4)).toEqual(['1', 'echo 1', '3', 'echo 3'])
  expect([await status(second), await second.inputValue('#text')]).toEqual(['Open in another tab', '2'])
  await second.locator('#notice', { hasText: 'goes out when that tab is closed' }).waitFor()
  await first.close()
  expect(await shown(second, 6)).toEqual(['1', 'echo 1', '3', 'echo 3', '2', 'echo 2'])
}, 120_000)

test('a token that runs out: the person is asked for another, and what he wrote meanwhile is kept and goes out with it', async () => {
  await using page = await come(`?as=${await tokenOf('cust1', { endsInMs: 4000 })}`)
  await say(page, 'hi')
  await shown(page, 2)
  await page.locator('#enter').waitFor()
  expect(await status(page)).toBe('Not admitted')
  await say(page, 'after expiry')
  const notice = page.locator('#notice')
  await notice.filter({ hasText: 'One message is kept on this device' }).waitFor()
  expect(await notice.textContent()).toMatch(/^The token is wrong or has run out \(answered with 401\)\./u)
  expect(await marks(page)).toEqual(['read', 'queued'])
  await picture(page, 'refused')
  await page.reload()
  expect([await page.locator('#enter').isVisible(), await texts(page)]).toEqual([true, []])
  await enter(page, await tokenOf('cust1'))
  expect(await shown(page, 4)).toEqual(['hi', 'echo hi', 'after expiry', 'echo after expiry'])
  await until(async () => ((await marks(page)).every((mark) => mark === 'read') ? true : undefined))
  expect([await page.locator('#enter').isVisible(), await notice.isVisible()]).toEqual([false, false])
  await page.reload()
  await shown(page, 4)
}, 120_000)

test('who comes next with a token of his own sees nothing of the one before him, and sends nothing of his', async () => {
  const expired = await tokenOf('cust2', { endsInMs: -60_000 })
  await using page = await come(`?as=${expired}`, 'zh-CN')
  await page.locator('#enter').waitFor()
  await say(page, 'of cust2')
  await page.locator('#notice', { hasText: '1 条消息已保存在本机' }).waitFor()
  await page.fill('#text', 'half of a word')
  await picture(page, 'refused-zh')
  await enter(page, await tokenOf('cust3'))
  await page.locator('#link[data-status=online]').waitFor()
  expect([await texts(page), await page.inputValue('#text')]).toEqual([[], ''])
  await say(page, 'of cust3')
  expect(await shown(page, 2)).toEqual(['of cust3', 'echo of cust3'])
  await page.goto(`${guarded.base}/demo/chat?as=${await tokenOf('cust2')}`)
  expect(await shown(page, 2)).toEqual(['of cust2', 'echo of cust2'])
}, 120_000)

test('a token that cannot be one is told at once; the one entered instead is taken without a new page', async () => {
  await using page = await come('?as=%C3%A9')
  await page.locator('#notice', { hasText: 'a token holds letters, digits' }).waitFor()
  await page.fill('#text', 'not sent yet')
  await enter(page, 'nonsense')
  await page.locator('#notice', { hasText: 'answered with 401' }).waitFor()
  await enter(page, ` ${await tokenOf('cust4')} `)
  await page.locator('#link[data-status=online]').waitFor()
  await say(page, '王'.repeat(22_000))
  await page.locator('#notice', { hasText: 'too long and was not sent' }).waitFor()
  await say(page, 'hi')
  expect(await shown(page, 2)).toEqual(['hi', 'echo hi'])
}, 120_000)

test('a browser that refuses storage has the chat too, is told what that means, and keeps to the language that is chosen', async () => {
  await using page = await pageWithoutStorage(`${gateway.base}/demo/chat?as=jo`)
  await say(page, 'one')
  expect(await shown(page, 2)).toEqual(['one', 'echo one'])
  await page.locator('#notice', { hasText: 'This browser refuses storage' }).waitFor()
  await page.click('#language')
  expect([await page.title(), await status(page)]).toEqual(['客户服务', '在线 · WebSocket'])
  await page.locator('#notice', { hasText: '此浏览器不允许存储' }).waitFor()
  await page.reload()
  expect(await shown(page, 2)).toEqual(['one', 'echo one'])
})

test('why a name is not taken is said in the page’s language; the conversation can be scrolled by keys', async () => {
  await using page = await come('')
  const why = (): Promise<string> =>
    page.locator('#name').evaluate((field: HTMLInputElement) => field.validationMessage)
  await enter(page, '张三')
  expect(await why()).toMatch(/^Letters and digits\./u)
  await page.click('#language')
  expect(await why()).toMatch(/^请用字母和数字。/u)
  await enter(page, 'zhangsan')
  await page.getByRole('main').getByRole('region', { name: '对话' }).focus()
  expect(await page.locator(':focus').getAttribute('id')).toBe('conversation')
})

test('an empty name in the address is none, now and later', async () => {
  await using page = await come('?as=')
  for (const query of ['?as=', '', '?as=%20']) {
    await page.goto(`${guarded.base}/demo/chat${query}`)
    expect([await page.locator('#enter').isVisible(), await page.locator('#say').isVisible()]).toEqual([
      true,
      false,
    ])
  }
})

test.each(['en-GB', 'zh-CN'])(
  'every answer is seen (%s): a fault, data, one without words, and addresses, of which only http(s) can be followed',
  async (locale) => {
    await using finn = await visit('finn', locale)
    const page = await finn.open()
    for (const question of ['fault', 'data', 'empty', 'link']) {
      const before = (await texts(page)).length
      await say(page, question)
      await shown(page, before + 2)
    }
    const rows = await page.locator('#messages li.them').allInnerTexts()
    const lines = rows.map((row) => row.split('\n').slice(0, -1).join('|'))
    const [you, they, none] =
      locale === 'zh-CN' ? ['您：', '客服：', '（无文字内容）'] : ['You:', 'Service:', '(no text)']
    expect(lines).toEqual([
      `${they}|there is no such order`,
      `${they}|{|  "order": "A1",|  "total": 12.5|}`,
      `${they}|${none}`,
      `${they}|Two addresses|Our shop|https://shop.example/orders?id=1|A trap|javascript:document.body.remove()`,
    ])
    expect(await page.locator('#messages li.me').first().innerText()).toMatch(
      new RegExp(`^${you}\nfault\n`, 'u'),
    )
    const links = await page
      .locator('#messages a')
      .evaluateAll((all) => all.map((a) => ['href', 'rel', 'target'].map((each) => a.getAttribute(each))))
    expect(links).toEqual([['https://shop.example/orders?id=1', 'noopener noreferrer', '_blank']])
    await picture(page, `answers-${locale}`)
  },
  120_000,
)

test('each line runs as its own script does: Hebrew from right to left, English from left to right', async () => {
  await using gil = await visit('gil')
  const page = await gil.open()
  await say(page, 'hebrew')
  await shown(page, 2)
  expect(await startsOf(page.locator('#messages li.them span').first())).toEqual([true, true])
  await page.fill('#text', 'מה עם הזמנה 13?')
  expect(await page.locator('#text').evaluate((field) => getComputedStyle(field).direction)).toBe('rtl')
  await picture(page, 'hebrew')
}, 120_000)

test('the page runs no script but its own, and gives nothing else away', async () => {
  const page = await fetch(`${gateway.base}/demo/chat`)
  expect(page.headers.get('content-security-policy')).toMatch(
    /default-src 'none'; script-src 'self' 'sha256-/u,
  )
  const other = await fetch(`${gateway.base}/demo/chat/client/box-file.ts`)
  expect([other.status, await other.json()]).toMatchObject([404, { code: 'NOT_FOUND' }])
  const post = await fetch(`${gateway.base}/demo/chat`, { method: 'POST' })
  expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

test('a gateway that others can reach has no such page', async () => {
  const yaml = `
http: { host: 0.0.0.0 }
identity: { keys: { shop: { key: secret-key-of-the-shop, channels: [web] } } }
channels: { web: { adapter: rest } }
`
  await using open = await startGateway({ yaml })
  expect((await fetch(`${open.base}/demo/chat`)).status).toBe(404)
})
