// The simulated platform against a real gateway: slow bots, a hasty customer, the platform's repeats, and a crash.
import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Pushed, Simulator } from '../../bin/demo/simulator/index.ts'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { account, channelYaml, startWechat } from '../support/wechat/simulator.ts'

let platform: Simulator
let bot: Bot
let gateway: GatewayProcess

/** What is said to nobody else, nor in another try of the same test. */
const own = (text: string): string => `${text}-${randomUUID()}`
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const yamlFor = ({ api }: Simulator): string => `
channels: { wechat: ${channelYaml(api.base)} }
agents: { helper: { adapter: webhook, url: "${bot.url}", timeout: 15s } }
routes: [{ agent: helper }]
`

beforeAll(async () => {
  platform = await startWechat()
  bot = await startBot(async (asked) => {
    const text = textOf(asked)
    await later(Number(/\d+/u.exec(text)?.[0] ?? 0))
    return { body: { text: `answer to ${text}` } }
  })
  gateway = await startGateway({ yaml: yamlFor(platform) })
  platform.url = `${gateway.base}/wechat`
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
  await platform[Symbol.asyncDispose]()
})

/** Everything the customer was shown, in whatever way it came. */
function shown(customer: string, pushes: readonly Pushed[], on = platform): readonly string[] {
  const passive = pushes.flatMap(({ reply }) => (reply === undefined ? [] : [reply.text]))
  const active = on.api.delivered.filter(({ to }) => to === customer).map(({ text }) => text)
  return [...passive, ...active]
}

test.concurrent('killed between dispatch and reply: the next life answers, once (SEMANTICS 4, 5)', async () => {
  await using other = await startWechat()
  const [port, yaml] = [await freePort(), yamlFor(other)]
  const directory = await temporaryDirectory()
  const first = await startGateway({ yaml, port, directory })
  other.url = `${first.base}/wechat`
  const text = own('crash 1500')
  const pushing = other.say('oCrash', text, { pauseMs: 1500 })
  await until(() => bot.asked.find((one) => textOf(one) === text))
  await first.kill()
  await using next = await startGateway({ yaml, port, directory })
  const pushed = await pushing
  await until(() => shown('oCrash', [pushed], other)[0])
  await later(1000)
  expect(shown('oCrash', [pushed], other)).toEqual([`answer to ${text}`])
  // Called at least once, always by the same name, so that the bot can tell (SEMANTICS 7).
  const calls = bot.asked.filter((one) => textOf(one) === text)
  expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(next.log()).not.toContain(account.secret)
})

test.concurrent.each([
  [1000, 'in the response'],
  [4400, 'either way'],
  [4600, 'by the customer-service API'],
  [8000, 'by the customer-service API'],
])('a bot that takes %i ms answers %s, once (SEMANTICS 5)', async (ms, way) => {
  const customer = own(`oTakes${ms}`)
  const text = own(`wait ${ms}`)
  const pushed = await platform.say(customer, text)
  // Never cut off, never asked to repeat: the platform had its 200 within five seconds.
  expect(pushed.tries.map(({ status }) => status)).toEqual([200])
  if (way === 'in the response')
    expect(pushed.reply).toMatchObject({ type: 'text', text: `answer to ${text}` })
  if (way === 'by the customer-service API') expect(pushed.reply).toBeUndefined()
  await until(() => shown(customer, [pushed])[0])
  await later(700)
  expect(shown(customer, [pushed])).toEqual([`answer to ${text}`])
})

test.concurrent('a customer who writes twice within a second gets both answers, in order', async () => {
  const customer = own('oHasty')
  const texts = [own('first 700'), own('second 0')] as const
  const first = platform.say(customer, texts[0])
  await until(() => bot.asked.some((one) => textOf(one) === texts[0]) || undefined)
  const second = platform.say(customer, texts[1])
  const both = await Promise.all([first, second])
  expect(shown(customer, both)).toEqual(texts.map((text) => `answer to ${text}`))
  expect(bot.asked.map(textOf).filter((text) => texts.includes(text))).toEqual(texts)
})

test.concurrent('the quick answer to a second question comes behind the late one to the first, which is still on its way', async () => {
  await using other = await startWechat()
  await using alone = await startGateway({ yaml: yamlFor(other) })
  other.url = `${alone.base}/wechat`
  other.api.fail('/cgi-bin/message/custom/send', { delayMs: 800 })
  const texts = [own('slow 5500'), own('quick 0')] as const
  const first = other.say('oTwoInARow', texts[0])
  await later(3000)
  const both = await Promise.all([first, other.say('oTwoInARow', texts[1])])
  expect(both.map(({ tries, reply }) => [tries.map(({ status }) => status), reply])).toEqual([
    [[200], undefined],
    [[200], undefined],
  ])
  await until(() => shown('oTwoInARow', both, other)[1])
  expect(shown('oTwoInARow', both, other)).toEqual(texts.map((text) => `answer to ${text}`))
})

test.concurrent('the platform’s repeats join the running work; the last one carries its answer', async () => {
  const [customer, text] = [own('oImpatient'), own('slowly 3300')]
  const pushed = await platform.say(customer, text, { cutOffMs: 1400, pauseMs: 100 })
  expect(pushed.tries.map(({ status }) => status)).toEqual([0, 0, 200])
  expect(pushed.reply?.text).toBe(`answer to ${text}`)
  await later(1000)
  expect(shown(customer, [pushed])).toHaveLength(1)
  expect(bot.asked.map(textOf).filter((one) => one === text)).toHaveLength(1)
})
