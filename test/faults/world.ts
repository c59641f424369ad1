// A gateway under steady load, and what is promised of it whatever fails: nothing acknowledged is lost, nothing is seen twice.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayOptions, GatewayProcess } from '../support/gateway.ts'
import { readLog } from '../support/rest.ts'
import { startBusiness } from './business.ts'
import type { Business } from './business.ts'

/** One answered request. */
export interface Sample {
  readonly at: number
  readonly ms: number
  readonly status: number
  readonly isStale: boolean
}

export interface Sent {
  readonly key: string
  readonly customer: string
  /** 0: no answer came. */
  status: number
  id?: string
}

export interface World extends AsyncDisposable {
  gateway: GatewayProcess
  readonly bot: Bot
  /** The one that fails. */
  readonly sick: Business
  readonly well: Business
  /** Of the one that fails, cacheable; of the other. */
  readonly looks: Sample[]
  readonly asks: Sample[]
  readonly orders: Sent[]
  readonly messages: Sent[]
  /** Begins the load; disposed, it ends when every request has its answer. */
  load(rates?: Partial<Rates>): AsyncDisposable
  restart(): Promise<void>
  /** In kilobytes. */
  memory(): Promise<number>
  /** How long the gateway's main thread could have run and got no processor, in milliseconds since it began. */
  waitedForCpu(): Promise<number>
  admin(path: string): Promise<unknown>
  /** Everything that was acknowledged is there, once, with one answer; every order was carried out as it was answered. */
  nothingLost(): Promise<void>
}

/** A second. */
export interface Rates {
  readonly looks: number
  readonly asks: number
  readonly orders: number
  readonly messages: number
}
const RATES: Rates = { looks: 40, asks: 60, orders: 10, messages: 15 }
const THINGS = 10
const CUSTOMERS = 5
const ANSWER_MS = 20_000

const yaml = (world: { sick: Business; well: Business; bot: Bot }): string => `
channels: { web: { adapter: rest } }
backends:
  sick:
    adapter: rest
    url: ${world.sick.url}
    timeout: 500ms
    retry: { attempts: 1 }
    breaker: { minimumCalls: 10, openFor: 500ms }
    operations:
      Look: { path: "/look/{n}", safe: true, public: true, cache: { fresh: 0s, stale: 1h } }
      Order: { method: POST, path: /order, onFailure: queue, queueKey: n }
  well:
    adapter: rest
    url: ${world.well.url}
    timeout: 5s
    operations: { Ask: { path: "/ask/{n}", safe: true } }
agents: { helper: { adapter: webhook, url: "${world.bot.url}", timeout: 5s } }
routes:
  - { when: "type = 'Look' or type = 'Order'", backend: sick }
  - { when: "type = 'Ask'", backend: well }
  - { agent: helper }
`

export async function startWorld(
  random: () => number,
  options: Omit<GatewayOptions, 'yaml' | 'directory'> = {},
): Promise<World> {
  await using started = new AsyncDisposableStack()
  const bot = started.use(
    await startBot((asked) => ({ body: { text: `echo ${textOf(asked).slice(0, 20)}` } })),
  )
  const sick = started.use(await startBusiness(random))
  const well = started.use(await startBusiness(random))
  const file = yaml({ sick, well, bot })
  const first = started.use(await startGateway({ ...options, yaml: file }))
  const { directory } = first
  let gateway = first
  const looks: Sample[] = []
  const asks: Sample[] = []
  const orders: Sent[] = []
  const messages: Sent[] = []

  async function call(path: string, body: object, key?: string) {
    const begun = performance.now()
    const response = await fetch(`${gateway.base}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== undefined && { 'idempotency-key': key }) },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    })
    const text = await response.text()
    const isStale = response.headers.get('cache-status')?.includes('stale') === true
    return { at: begun, ms: performance.now() - begun, status: response.status, isStale, text }
  }

  async function read(kind: 'Look' | 'Ask', into: Sample[]): Promise<void> {
    const begun = performance.now()
    try {
      const { text: _, ...sample } = await call(`/v1/requests/${kind}`, {
        n: String(Math.floor(random() * THINGS)),
      })
      into.push(sample)
    } catch {
      into.push({ at: begun, ms: performance.now() - begun, status: 0, isStale: false })
    }
  }

  async function send(list: Sent[], path: string, body: (sent: Sent) => object): Promise<void> {
    const number = list.length
    const sent: Sent = { key: `k${number}`, customer: `c${number % CUSTOMERS}`, status: 0 }
    list.push(sent)
    await again(sent, path, body(sent))
  }

  async function again(sent: Sent, path: string, body: object): Promise<void> {
    try {
      const { status, text } = await call(path, body, sent.key)
      sent.status = status
      const { id } = JSON.parse(text) as { id?: string } // our own channel's answer
      if (status === 202 && id !== undefined) sent.id = id
    } catch {
      sent.status = 0 // nobody knows
    }
  }

  const kinds: Readonly<Record<keyof Rates, () => Promise<void>>> = {
    looks: () => read('Look', looks),
    asks: () => read('Ask', asks),
    orders: () => send(orders, '/v1/requests/Order', ({ key }) => ({ n: key })),
    messages: () =>
      send(messages, '/v1/messages', ({ key, customer }) => ({ sender: { id: customer }, text: key })),
  }

  const world: World = {
    get gateway() {
      return gateway
    },
    set gateway(next) {
      gateway = next
    },
    bot,
    sick,
    well,
    looks,
    asks,
    orders,
    messages,
    load(rates = {}) {
      const under = new Set<Promise<void>>()
      const timers = Object.entries({ ...RATES, ...rates }).map(([kind, perSecond]) =>
        // Open loop: what does not answer holds up nothing but itself.
        perSecond === 0
          ? undefined
          : setInterval(() => {
              const one = kinds[kind as keyof Rates]().finally(() => under.delete(one)) // a key of `Rates`
              under.add(one)
            }, 1000 / perSecond),
      )
      return {
        async [Symbol.asyncDispose]() {
          for (const timer of timers) clearInterval(timer)
          await Promise.all(under)
        },
      }
    },
    async restart() {
      gateway = await startGateway({ ...options, yaml: file, directory })
    },
    async memory() {
      const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+)/mu.exec(status)?.[1])
    },
    async waitedForCpu() {
      const text = await readFile(`/proc/${gateway.pid}/task/${gateway.pid}/schedstat`, 'utf8')
      return Number(text.split(' ')[1]) / 1e6
    },
    async admin(path) {
      const token = (await readFile(join(directory, 'data/admin.token'), 'utf8')).trim()
      const response = await fetch(`${gateway.base}/admin/v1/${path}`, {
        headers: { authorization: `Bearer ${token}` },
      })
      return response.json()
    },
    async nothingLost() {
      // Who got no answer asks again with his id, as a caller with an id does.
      for (const one of messages)
        for (let tries = 0; one.status !== 200 && one.status !== 202 && tries < 20; tries++)
          await again(one, '/v1/messages', { sender: { id: one.customer }, text: one.key })
      expect(messages.filter(({ status }) => status !== 200 && status !== 202)).toEqual([])
      // What nobody knows keeps its place until an operator decides; nothing else waits.
      await until(async () => {
        const { waiting } = (await world.admin('ledger')) as { waiting: number } // our own admin API
        return waiting === (await halted()).size ? true : undefined
      }, 60_000)
      for (let customer = 0; customer < CUSTOMERS; customer++) {
        const log = await readLog(gateway.base, `web:c${customer}`)
        expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_entry, at) => at + 1))
        const mine = messages.filter((one) => one.customer === `c${customer}`).map(({ key }) => key)
        const inbound = log.filter(({ direction }) => direction === 'inbound')
        expect(inbound.map(({ externalId }) => externalId ?? '').toSorted(byText)).toEqual(
          mine.toSorted(byText),
        )
        const answers = log
          .filter(({ direction }) => direction === 'outbound')
          .map(({ causationId }) => causationId ?? '')
        expect(answers.toSorted(byText)).toEqual(inbound.map(({ id }) => id).toSorted(byText))
      }
      await ordersKept()
    },
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await all[Symbol.asyncDispose]()
    },
  }
  const all = started.move()
  return world

  /** SEMANTICS 2, 3: none twice; what was answered or queued was carried out; what nobody knows stands in the dead letters. */
  async function ordersKept(): Promise<void> {
    expect([...sick.done.values()].filter((times) => times !== 1)).toEqual([])
    const unknown = await halted()
    expect(unknown.size).toBeGreaterThanOrEqual(orders.filter(({ status }) => status === 409).length)
    const carried = orders.filter(({ status }) => status === 200 || status === 202).length
    expect(sick.done.size + unknown.size).toBeGreaterThanOrEqual(carried)
    for (const { id, status } of orders)
      if (status === 202 && id !== undefined && !unknown.has(id))
        expect(sick.done.get(id), `the order ${id} was queued`).toBe(1)
    console.log(
      `${messages.length} messages, ${orders.length} orders, ${unknown.size} of them for an operator`,
    )
  }

  async function halted(): Promise<ReadonlySet<string>> {
    const { letters } = (await world.admin('dead-letters?limit=500&type=Order')) as {
      letters: { id: string; halts: boolean; code: string }[]
    } // our own admin API
    expect(letters.filter(({ halts, code }) => !halts || code !== 'OUTCOME_UNKNOWN')).toEqual([])
    return new Set(letters.map(({ id }) => id))
  }
}

export function percentile(samples: readonly Sample[], share: number): number {
  const sorted = samples.map(({ ms }) => ms).toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

export function between(samples: readonly Sample[], from: number, to: number): readonly Sample[] {
  return samples.filter(({ at }) => at >= from && at < to)
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
