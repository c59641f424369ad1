// The simulated platform against a real gateway: slow bots, a hasty customer, the platform's repeats, and a crash.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Pushed, Simulator } from '../../bin/simulator/index.ts'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { freePort } from '../../bin/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { account, channelYaml, startWechat } from '../support/wechat/simulator.ts'

let platform: Simulator
let bot: Bot
let gateway: GatewayProcess

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
  const pushing = other.say('oCrash', 'crash 1500', { pauseMs: 1500 })
  await until(() => bot.asked.find((one) => textOf(one) === 'crash 1500'))
  await first.kill()
  await using next = await startGateway({ yaml, port, directory })
  const pushed = await pushing
  await until(() => shown('oCrash', [pushed], other)[0], 10_000)
  await later(1000)
  expect(shown('oCrash', [pushed], other)).toEqual(['answer to crash 1500'])
  // Called at least once, always by the same name, so that the bot can tell (SEMANTICS 7).
  const calls = bot.asked.filter((one) => textOf(one) === 'crash 1500')
  expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
  expect(next.log()).not.toContain(account.secret)
})

test.concurrent.each([
  [1000, 'in the response'],
  [4400, 'either way'],
  [4600, 'by the customer-service API'],
  [8000, 'by the customer-service API'],
])('a bot that takes %i ms answers %s, once (SEMANTICS 5)', async (ms, way) => {
  const customer = `oTakes${ms}`
  const text = `wait ${ms}`
  const pushed = await platform.say(customer, text)
  // Never cut off, never asked to repeat: the platform had its 200 within five seconds.
  expect(pushed.tries.map(({ status }) => status)).toEqual([200])
  if (way === 'in the response')
    expect(pushed.reply).toMatchObject({ type: 'text', text: `answer to ${text}` })
  if (way === 'by the customer-service API') expect(pushed.reply).toBeUndefined()
  await until(() => shown(customer, [pushed])[0], 12_000)
  await later(700)
  expect(shown(customer, [pushed])).toEqual([`answer to ${text}`])
})

test.concurrent('a customer who writes twice within a second gets both answers, in order', async () => {
  const first = platform.say('oHasty', 'first 700')
  await later(300)
  const second = platform.say('oHasty', 'second 0')
  const both = await Promise.all([first, second])
  expect(shown('oHasty', both)).toEqual(['answer to first 700', 'answer to second 0'])
  expect(bot.asked.map(textOf).filter((text) => /first 700|second 0/u.test(text))).toEqual([
    'first 700',
    'second 0',
  ])
})

test.concurrent('the platform’s repeats join the running work; the last one carries its answer', async () => {
  const pushed = await platform.say('oImpatient', 'slowly 3300', { cutOffMs: 1400, pauseMs: 100 })
  expect(pushed.tries.map(({ status }) => status)).toEqual([0, 0, 200])
  expect(pushed.reply?.text).toBe('answer to slowly 3300')
  await later(1000)
  expect(shown('oImpatient', [pushed])).toHaveLength(1)
  expect(bot.asked.map(textOf).filter((text) => text === 'slowly 3300')).toHaveLength(1)
})
