// SEMANTICS 16: a gateway that dies again and again with much in flight gives up what killed it, and nothing else.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import type { Told } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { readLog, say } from '../support/rest.ts'

const CUSTOMERS = 60
const SLOWLY_MS = 60_000
const timeout = 180_000

const yaml = (bot: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot}", timeout: 60s } }
routes: [{ agent: helper }]
`

test(
  'killed four times, each time with 60 heads in flight, it gives up none of them',
  { timeout },
  async () => {
    await using bot = await startBot(() => ({ hang: true }))
    let gateway = await startGateway({ yaml: yaml(bot.url) })
    const { directory } = gateway
    await using _ = { [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
    await sayAll(gateway.base)
    await until(() => (bot.asked.length >= CUSTOMERS ? true : undefined), SLOWLY_MS)

    for (let death = 1; death <= 4; death++) {
      await gateway.kill()
      const before = bot.asked.length
      gateway = await startGateway({ yaml: yaml(bot.url), directory })
      await until(() => (bot.asked.length > before ? true : undefined), SLOWLY_MS)
      // From the third life on one is tried at a time, and not the same as before.
      if (death >= 2) expect(bot.asked.length).toBe(before + 1)
    }
    const tried = bot.asked.slice(-3).map(textOf)
    expect(new Set(tried).size).toBe(3)

    await gateway.kill()
    bot.answer = (asked) => ({ body: { text: `echo ${textOf(asked)}` } })
    gateway = await startGateway({ yaml: yaml(bot.url), directory })
    await expectAnswered(gateway.base)
    expect(await ledgerOf(gateway)).toMatchObject({ accepted: CUSTOMERS, settled: CUSTOMERS, dead: 0 })
  },
)

test(
  'a message that kills it is given up alone: 60 others in flight at its side are answered',
  { timeout },
  async () => {
    let gateway: GatewayProcess | undefined
    let deaths = 0
    const answer = async (text: string): Promise<Told> => {
      if (text === 'poison') {
        deaths++
        await gateway?.kill()
        gateway = undefined
      }
      // What else was in flight does not end before two deaths: it is as suspect as the poison.
      return deaths < 2 || text === 'poison' ? { hang: true } : { body: { text: `echo ${text}` } }
    }
    await using bot = await startBot((asked) => answer(textOf(asked)))
    gateway = await startGateway({ yaml: yaml(bot.url) })
    const { directory, base } = gateway
    await using _ = { [Symbol.asyncDispose]: async () => gateway?.[Symbol.asyncDispose]() }
    await sayAll(base)
    await until(() => (bot.asked.length >= CUSTOMERS ? true : undefined), SLOWLY_MS)
    await say(base, 'poison', { customer: 'mallory' })

    const ledger = await until(async () => {
      if (gateway === undefined) {
        const before = deaths
        const next = await startGateway({ yaml: yaml(bot.url), directory }).catch(() => undefined)
        if (next !== undefined && deaths > before) await next[Symbol.asyncDispose]()
        else gateway = next
        return undefined
      }
      const now = await ledgerOf(gateway).catch(() => undefined)
      return now?.waiting === 0 ? now : undefined
    }, SLOWLY_MS)
    expect(ledger).toMatchObject({ accepted: CUSTOMERS + 1, settled: CUSTOMERS, dead: 1 })
    expect(deaths).toBe(4)
    const alive = await until(() => gateway)
    await expectAnswered(alive.base)
    expect((await readLog(alive.base, 'web:mallory')).map(({ direction }) => direction)).toEqual(['inbound'])
  },
)

/** Loaded before the gateway: to look at this text ends it. */
const DEADLY = `
  const { toUpperCase } = String.prototype
  String.prototype.toUpperCase = function () {
    if (String(this) === 'poison') process.kill(process.pid, 'SIGKILL')
    return toUpperCase.call(this)
  }`

test('a message whose routing ends the gateway is given up without a route', { timeout }, async () => {
  await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  const route = `{ agent: helper, when: "$uppercase(parts[0].text) = 'NO'" }`
  const options = {
    yaml: yaml(bot.url).replace('routes: [', `routes: [${route}, `),
    env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(DEADLY)}` },
  }
  let gateway = await startGateway(options)
  const { directory, base } = gateway
  await using _ = { [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
  await say(base, 'poison', { customer: 'mallory' }).catch(() => undefined)

  let lives = 1
  for (; !(await isOutlived(gateway)) && lives < 8; lives++) {
    await gateway.kill()
    gateway = await until(() => startGateway({ ...options, directory }).catch(() => void lives++))
  }
  // Begun three times, given up with its route in the fourth life, without in the fifth.
  expect(lives).toBe(5)
  expect(await ledgerOf(gateway)).toMatchObject({ accepted: 1, settled: 0, dead: 1 })
  await say(gateway.base, 'c0', { customer: 'c0' })
  const log = await until(async () => {
    const entries = await readLog(gateway.base, 'web:c0')
    return entries.length > 1 ? entries : undefined
  })
  expect(log.map(({ parts }) => parts?.[0]?.text)).toEqual(['c0', 'echo c0'])
})

/** Whether it lives until nothing waits in it. */
function isOutlived(gateway: GatewayProcess): Promise<boolean> {
  return until(async () => {
    const ledger = await ledgerOf(gateway).catch(() => undefined)
    if (ledger === undefined) return false
    return ledger.waiting === 0 && ledger.accepted > 0 ? true : undefined
  })
}

async function sayAll(base: string): Promise<void> {
  const customers = Array.from({ length: CUSTOMERS }, (_, n) => `c${n}`)
  await Promise.all(customers.map((customer) => say(base, customer, { customer })))
}

async function expectAnswered(base: string): Promise<void> {
  for (let n = 0; n < CUSTOMERS; n++) {
    const log = await until(async () => {
      const entries = await readLog(base, `web:c${n}`)
      return entries.length > 1 ? entries : undefined
    }, SLOWLY_MS)
    expect(log.map(({ parts }) => parts?.[0]?.text)).toEqual([`c${n}`, `echo c${n}`])
  }
}

interface Ledger {
  readonly accepted: number
  readonly settled: number
  readonly dead: number
  readonly waiting: number
}

async function ledgerOf({ base, directory }: GatewayProcess): Promise<Ledger> {
  const token = (await readFile(join(directory, 'data/admin.token'), 'utf8')).trim()
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${base}/admin/v1/ledger`, { headers })
  return (await response.json()) as Ledger // our own page
}
