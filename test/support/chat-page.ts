// What a person does on the chat page, and what he sees there.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import type { Locator, Page } from 'playwright-core'
import { expect } from 'vitest'
import { until } from './gateway.ts'
import { IDENTITY_YAML } from './token.ts'

export const CHROMIUM = { executablePath: '/usr/bin/chromium', args: ['--no-sandbox'] }

/** Of the bot behind it: valid ones that are more than a line of text, or less; to any other question it is an echo. */
export const ANSWERS: Readonly<Record<string, unknown>> = {
  fault: { fault: { code: 'NO_ORDER', message: 'there is no such order' } },
  data: { data: { order: 'A1', total: 12.5 } },
  empty: { parts: [{ kind: 'image', text: '', media: { id: 'm1' } }] },
  link: {
    parts: [
      { kind: 'text', text: 'Two addresses' },
      { kind: 'link', text: 'Our shop', media: { url: 'https://shop.example/orders?id=1' } },
      { kind: 'link', text: 'A trap', media: { url: 'javascript:document.body.remove()' } },
    ],
  },
  hebrew: { text: 'שלום! ההזמנה 12 נשלחה.\nOrder 12 was sent.' },
}

/** A gateway that asks for no token, with the three links. */
export function openYaml(at: {
  readonly bot: string
  readonly shop: string
  readonly mqttPort: number
}): string {
  return `
channels:
  web: { adapter: rest }
  devices: { adapter: mqtt, port: ${at.mqttPort}, websocket: /mqtt }
agents: { bot: { adapter: webhook, url: "${at.bot}" } }
backends:
  shop:
    adapter: rest
    url: ${at.shop}
    operations: { GetOrder: { method: GET, path: "/7", cache: { fresh: 0s, stale: 1h } } }
routes:
  - { when: "parts[0].text = 'order?'", backend: shop, operation: GetOrder, params: "{}" }
  - { agent: bot }
`
}

/** One that asks for tokens. */
export function guardedYaml(bot: string): string {
  return `
${IDENTITY_YAML}
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: "${bot}" } }
routes: [ { agent: bot } ]
`
}

export async function enter(page: Page, token: string): Promise<void> {
  await page.fill('#name', token)
  await page.click('#enter button')
}

export async function say(page: Page, text: string): Promise<void> {
  await page.fill('#text', text)
  await page.keyboard.press('Enter')
}

/** The lines of all messages, in order. */
export const texts = (page: Page): Promise<readonly string[]> =>
  page.locator('#messages li span').allTextContents()
/** How far the own messages have come. */
export const marks = (page: Page): Promise<readonly (string | undefined)[]> =>
  page.locator('#messages li.me').evaluateAll((rows) => rows.map((row) => row.dataset['mark']))

export const status = async (page: Page): Promise<string | null> => page.locator('#link').textContent()

/** The lines as soon as there are `count`. */
export async function shown(page: Page, count: number, ms = 60_000): Promise<readonly string[]> {
  return until(async () => {
    const now = await texts(page)
    return now.length >= count ? now : undefined
  }, ms)
}

/** Pictures for whoever wants to look. */
export async function picture(page: Page, name: string): Promise<void> {
  const folder = process.env['PICTURES']
  if (folder !== undefined) await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** What stands beside the moments of all messages. */
export const notes = (page: Page): Promise<readonly string[]> =>
  page.locator('#messages small').evaluateAll((all) => all.map((small) => small.lastChild?.textContent ?? ''))

/** Whether the last message is in view. */
export const isAtEnd = (page: Page): Promise<boolean> =>
  page.locator('#conversation').evaluate((box) => box.scrollHeight - box.clientHeight - box.scrollTop < 2)

/** How often since then anything was changed in the messages that are shown now. */
export async function drawnAgain(page: Page): Promise<() => Promise<number>> {
  const count = await page.evaluateHandle(() => {
    const counted = { times: 0 }
    const observer = new MutationObserver((changes) => (counted.times += changes.length))
    for (const item of document.querySelectorAll('#messages li'))
      observer.observe(item, { subtree: true, childList: true, characterData: true })
    return counted
  })
  return () => count.evaluate(({ times }) => times)
}

/** To the first message; resolves when the page has heard of it. */
export async function scrollUp(page: Page): Promise<void> {
  await page.locator('#conversation').evaluate((box) => {
    const scrolled = new Promise((resolve) => box.addEventListener('scroll', resolve, { once: true }))
    box.scrollTop = 0
    return scrolled
  })
}

/** Any error of its scripts fails the test. */
export function unfailing(page: Page): Page {
  return page.on('pageerror', (error) => expect.unreachable(`the page failed: ${error.message}`))
}

/** In a browser of its own whose settings block cookies, and so all that a page could keep: the real one refuses more than a script would think of. */
export async function pageWithoutStorage(address: string): Promise<Page> {
  const folder = await mkdtemp(join(tmpdir(), 'dragoman-chat-'))
  await mkdir(join(folder, 'Default'))
  const settings = { profile: { default_content_setting_values: { cookies: 2 } } }
  await writeFile(join(folder, 'Default', 'Preferences'), JSON.stringify(settings))
  const context = await chromium.launchPersistentContext(folder, { ...CHROMIUM, locale: 'en-GB' })
  const page = unfailing(await context.newPage())
  await page.goto(address)
  return Object.assign(page, {
    async [Symbol.asyncDispose]() {
      await context.close()
      await rm(folder, { recursive: true, force: true })
    },
  })
}

/**
 * Of a text in Hebrew and one in English below it: whether each begins at its own side. Where the first and the last character of a
 * line stand tells, the full stop at its end by the direction of the line.
 */
export function startsOf(both: Locator): Promise<readonly boolean[]> {
  return both.evaluate((line) => {
    const text = line.firstChild
    const range = document.createRange()
    const whole = text?.textContent ?? ''
    const leftOf = (at: number): number => {
      if (text === null) return Number.NaN
      range.setStart(text, at)
      range.setEnd(text, at + 1)
      return range.getBoundingClientRect().left
    }
    const newline = whole.indexOf('\n')
    return [leftOf(newline - 1) < leftOf(0), leftOf(newline + 1) < leftOf(whole.length - 1)]
  })
}
