// Customers who repeat each message with its id until it is acknowledged, callers of a business system, and the ledger of both.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startBot, textOf } from '../../support/bot.ts'
import { startGateway, temporaryDirectory } from '../../support/gateway.ts'
import type { GatewayProcess } from '../../support/gateway.ts'
import { post, readLog } from '../../support/rest.ts'
import { startBusiness } from '../business.ts'
import { slowness } from '../random.ts'
import { pause } from '../world.ts'

export interface Said {
  readonly key: string
  readonly customer: string
  id?: string
  sequence?: number
}

export interface Sample {
  /** Wall time at its end, and how long it took, in milliseconds. */
  readonly at: number
  readonly ms: number
  readonly status: number
}

/** What the probe wrote twice a second. */
export interface Late {
  readonly at: number
  readonly rss: number
  /** For a processor, since the process began, in milliseconds. */
  readonly waited: number
  /** Milliseconds, without those of `waited`. */
  readonly late: readonly number[]
}

export interface RedisWorld extends AsyncDisposable {
  readonly gateway: GatewayProcess
  readonly said: Said[]
  readonly messages: Sample[]
  /** Answered from the cache, and by the business system: neither needs the store. */
  readonly looks: Sample[]
  readonly asks: Sample[]
  acknowledged(): number
  /** Throws what made a customer give up. */
  checkCustomers(): void
  /** How late the gateway's event loop was. */
  lateness(): Promise<readonly Late[]>
  /** Ends the load; what was never acknowledged is repeated until it is. */
  rest(): Promise<void>
  /** Everything acknowledged is there, once, under its number and with one answer; the numbers have no gap and the ledger adds up. */
  nothingLost(): Promise<void>
}

type Ledger = Record<'accepted' | 'settled' | 'expired' | 'dead' | 'waiting', number>

const CUSTOMERS = 8
const AGAIN_MS = 50
/** The ledger asks every partition: not to be asked for all the time. */
const LOOK_MS = 500
const STANDING_MS = 20_000

const yaml = (store: string, bot: string, business: string): string => `
channels: { web: { adapter: rest } }
store: ${store}
backends:
  shop:
    adapter: rest
    url: ${business}
    timeout: 5s
    operations:
      Look: { path: "/look/{n}", safe: true, public: true, cache: { fresh: 1h, stale: 1h } }
      Ask: { path: "/ask/{n}", safe: true }
agents: { helper: { adapter: webhook, url: "${bot}", timeout: 10s } }
routes:
  - { when: "kind = 'request'", backend: shop }
  - { agent: helper }
`

/** `store` is the store's section, as YAML in one line. */
export async function startRedisWorld(store: string, random: () => number): Promise<RedisWorld> {
  await using started = new AsyncDisposableStack()
  const bot = started.use(await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } })))
  const business = started.use(await startBusiness(random))
  const directory = await temporaryDirectory()
  const probe = join(directory, 'late.jsonl')
  const options = `${process.env['NODE_OPTIONS'] ?? ''} --import=${join(import.meta.dirname, 'loop-probe.ts')}`
  const gateway = started.use(
    await startGateway({
      yaml: yaml(store, bot.url, business.url),
      env: { NODE_OPTIONS: options, LOOP_PROBE: probe },
      directory,
    }),
  )
  const said: Said[] = []
  const messages: Sample[] = []
  const looks: Sample[] = []
  const asks: Sample[] = []
  const load = { isRunning: true, isOver: false }
  expect((await post(`${gateway.base}/v1/requests/Look`, { n: '1' })).status).toBe(200) // from now on it is cached

  async function timed(into: Sample[], call: () => Promise<number>): Promise<number> {
    const begun = performance.now()
    const status = await call().catch(() => 0)
    into.push({ at: Date.now(), ms: performance.now() - begun, status })
    return status
  }

  async function tell(one: Said): Promise<void> {
    const body = { sender: { id: one.customer }, text: one.key }
    for (;;) {
      const status = await timed(messages, async () => {
        const answered = await post(`${gateway.base}/v1/messages`, body, { key: one.key })
        if (answered.status === 200 || answered.status === 202) {
          one.id = answered.body.id
          one.sequence = answered.body.sequence
        }
        return answered.status
      })
      if (one.id !== undefined || load.isOver) return
      // 0: no answer. He who has an id asks again.
      if (status !== 503 && status !== 429 && status !== 0)
        throw new Error(`a message was answered ${status}`)
      await pause(AGAIN_MS)
    }
  }

  const talking = Array.from({ length: CUSTOMERS }, async (_, customer) => {
    while (load.isRunning) {
      const one: Said = { key: `k${said.length}`, customer: `c${customer}` }
      said.push(one)
      await tell(one)
      await pause(random() * 20)
    }
  })
  const asking = (['Look', 'Ask'] as const).map(async (type) => {
    while (load.isRunning) {
      await timed(
        type === 'Look' ? looks : asks,
        async () => (await post(`${gateway.base}/v1/requests/${type}`, { n: '1' })).status,
      )
      await pause(AGAIN_MS)
    }
  })
  const resources = started.move()
  const gaveUp: unknown[] = []
  for (const one of [...talking, ...asking]) one.catch((error: unknown) => gaveUp.push(error))

  return {
    gateway,
    said,
    messages,
    looks,
    asks,
    acknowledged: () => said.filter(({ id }) => id !== undefined).length,
    checkCustomers() {
      if (gaveUp.length > 0)
        throw new Error(`a customer gave up: ${gateway.log().slice(-2000)}`, { cause: gaveUp[0] })
    },
    async lateness() {
      const lines = (await readFile(probe, 'utf8')).trim().split('\n')
      return lines.map((line) => JSON.parse(line) as Late) // the probe wrote them
    },
    async rest() {
      load.isRunning = false
      await Promise.all([...talking, ...asking])
    },
    async nothingLost() {
      const token = (await readFile(join(directory, 'data/admin.token'), 'utf8')).trim()
      const headers = { authorization: `Bearer ${token}` }
      const ledger = await workedOff(async () => {
        const response = await fetch(`${gateway.base}/admin/v1/ledger`, { headers })
        return (await response.json()) as Ledger // our own admin API
      }, gateway)
      expect(ledger).toMatchObject({ accepted: ledger.settled, expired: 0, dead: 0, waiting: 0 })
      for (let customer = 0; customer < CUSTOMERS; customer++) {
        const mine = said.filter((one) => one.customer === `c${customer}`)
        const log = await readLog(gateway.base, `web:c${customer}`)
        expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_entry, at) => at + 1))
        const inbound = log.filter(({ direction }) => direction === 'inbound')
        expect(inbound.map(({ externalId }) => externalId)).toEqual(mine.map(({ key }) => key))
        for (const { key, id, sequence } of mine)
          expect(inbound.find(({ externalId }) => externalId === key)).toMatchObject({ id, sequence })
        const answers = log
          .filter(({ direction }) => direction === 'outbound')
          .map(({ causationId }) => causationId ?? '')
        expect(answers.toSorted(byText)).toEqual(inbound.map(({ id }) => id).toSorted(byText))
      }
    },
    async [Symbol.asyncDispose]() {
      load.isRunning = false
      load.isOver = true // nobody is there to answer
      await gateway.kill()
      await Promise.allSettled([...talking, ...asking])
      await resources[Symbol.asyncDispose]()
    },
  }
}

/** Customers are quicker than the bot: what waits takes its time, and only standing still is wrong. */
async function workedOff(look: () => Promise<Ledger>, gateway: GatewayProcess): Promise<Ledger> {
  let least = Infinity
  let since = performance.now()
  for (;;) {
    const ledger = await look()
    if (ledger.waiting === 0) return ledger
    if (ledger.waiting < least) {
      least = ledger.waiting
      since = performance.now()
    }
    if (performance.now() - since > STANDING_MS * slowness())
      throw new Error(
        `${ledger.waiting} messages wait and none of them is done: ${troublesIn(gateway.log())}`,
      )
    await pause(LOOK_MS)
  }
}

function troublesIn(log: string): string {
  return log
    .split('\n')
    .filter((line) => !line.includes('"level":"info"'))
    .join('\n')
    .slice(-4000)
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
