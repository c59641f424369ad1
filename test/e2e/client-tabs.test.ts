// Two tabs of a browser and one box: Web Locks and IndexedDB as they are, the client as the chat page is given it.
import { chromium } from 'playwright-core'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, beforeEach, afterEach, expect, test } from 'vitest'
import type * as Browsers from '../../core/link/client/browser.ts'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'

// What `open` puts into the page.
declare const dragoman: typeof Browsers
declare const tab: {
  readonly states: string[]
  client: Browsers.Client
  box: Browsers.Box
  start(box: string | Browsers.Box): Browsers.Client
}

let gateway: GatewayProcess
let browser: Browser
let context: BrowserContext

beforeAll(async () => {
  gateway = await startGateway({ yaml: 'channels: { web: { adapter: rest } }' })
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] })
}, 120_000)
afterAll(async () => {
  await browser.close()
  await gateway[Symbol.asyncDispose]()
})
beforeEach(async () => {
  context = await browser.newContext()
})
afterEach(() => context.close())

/** A tab with a client of no links: what is looked at happens on the device. */
async function open(prepare?: (page: Page) => Promise<void>): Promise<Page> {
  const page = await context.newPage()
  await prepare?.(page)
  await page.goto(`${gateway.base}/demo/chat`)
  // A text: what stands here as `import` is not the page's.
  await page.evaluate(`import('/demo/chat/client/browser.ts').then((all) => { globalThis.dragoman = all })`)
  await page.evaluate((url) => {
    const states: string[] = []
    const start = (box: string | Browsers.Box): Browsers.Client => {
      const client = dragoman.connect({ url, token: 'ann', links: [], box })
      client.onState((event) => {
        if (event.what === 'link') states.push([event.status, event.reason ?? ''].join(' ').trim())
      })
      return client
    }
    Object.assign(globalThis, { tab: { states, start } })
  }, gateway.base)
  return page
}

const send = (page: Page, text: string): Promise<string> =>
  page.evaluate(async (words) => {
    tab.client ??= tab.start('box')
    return tab.client.send(words).then(
      () => 'kept',
      (error: unknown) => String(error),
    )
  }, text)
const states = (page: Page): Promise<readonly string[]> => page.evaluate(() => tab.states)
const close = (page: Page): Promise<void> => page.evaluate(() => tab.client.close())

test('a second tab says that it waits; closed, it lets go and rejects what was sent there', async () => {
  const [first, second] = [await open(), await open()]
  expect(await send(first, '1')).toBe('kept')
  const sent = send(second, '2')
  await second.waitForFunction(() => tab.states.length > 1)
  expect(await states(second)).toEqual(['connecting', 'waiting another tab has this box'])
  await close(second)
  expect(await sent).toBe('Error: the client is closed')
  expect((await states(second)).at(-1)).toBe('closed')
  await close(first)
})

test('a second tab goes on when the first is closed, with what was sent there meanwhile', async () => {
  const [first, second] = [await open(), await open()]
  expect(await send(first, '1')).toBe('kept')
  const sent = send(second, '2')
  await second.waitForFunction(() => tab.states.length > 1)
  await close(first)
  expect(await sent).toBe('kept')
  expect(await states(second)).toEqual([
    'connecting',
    'waiting another tab has this box',
    'connecting',
    'connecting links names none',
  ])
})

test('a box that is used a second time is as much one tab’s own as the first time', async () => {
  const [first, second] = [await open(), await open()]
  await first.evaluate(async () => {
    tab.box = dragoman.indexedDbBox('box')
    await tab.start(tab.box).close()
    tab.client = tab.start(tab.box)
  })
  expect(await send(first, '1')).toBe('kept')
  const sent = send(second, '2')
  await second.waitForFunction(() => tab.states.length > 1)
  expect(await states(second)).toEqual(['connecting', 'waiting another tab has this box'])
  await close(first)
  expect(await sent).toBe('kept')
})

test('a client whose box cannot be written lets it go, and the next one of the same tab has it', async () => {
  const page = await open()
  expect(await send(page, '1')).toBe('kept')
  await page.evaluate(() => {
    const put = Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, 'put')
    Object.assign(globalThis, { put })
    IDBObjectStore.prototype.put = () => {
      throw new DOMException('the disk is full', 'QuotaExceededError')
    }
  })
  expect(await send(page, '2')).toContain('the disk is full')
  await page.evaluate(async () => {
    Object.defineProperty(IDBObjectStore.prototype, 'put', Reflect.get(globalThis, 'put'))
    await tab.client.close()
    tab.client = tab.start('box')
  })
  expect(await send(page, '3')).toBe('kept')
})

test('a browser without IndexedDB is told so', async () => {
  const page = await open(async (fresh) => {
    await fresh.addInitScript(() => Object.defineProperty(globalThis, 'indexedDB', { value: undefined }))
  })
  expect(await send(page, '1')).toBe(
    'Error: this browser has no IndexedDB here: give connect a box of your own',
  )
})
