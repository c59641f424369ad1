// SEMANTICS 1, 4, 16, 36: killed at random moments under load, nothing acknowledged is lost, nothing is settled twice.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { waitedForProcessor } from '../support/processor.ts'
import { isFull, seeded, slowness } from './random.ts'

const KILLS = isFull ? 50 : 30
const CUSTOMERS = 8
const READY_MS = 3000

const yaml = (bot: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot}", timeout: 5s } }
routes: [{ agent: helper }]
`

interface Posted {
  readonly key: string
  readonly customer: string
  id?: string
  sequence?: number
}

interface LogMessage {
  readonly id: string
  readonly sequence: number
  readonly direction: string
  readonly externalId?: string
  readonly causationId?: string
  readonly parts: readonly { readonly text: string }[]
}

test(
  `${KILLS} kills under load: 0 acknowledged and lost, 0 settled twice, sequences gapless, the ledger exact`,
  { timeout: 600_000 },
  async () => {
    const random = seeded('kills')
    await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
    let gateway = await startGateway({ yaml: yaml(bot.url) })
    const { directory } = gateway
    await using _ = { [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose]() }
    const posted: Posted[] = []
    const starts: number[] = []

    for (let kill = 0; kill < KILLS; kill++) {
      const load = startLoad(gateway.base, posted)
      // SEMANTICS 16 gives up what three lives in a row did not survive. Who is asked for the next of a customer has done with the one before.
      const before = bot.asked.length
      await until(() => customersAt(posted, bot.asked.slice(before).map(textOf)) === CUSTOMERS || undefined)
      await new Promise((resolve) => setTimeout(resolve, 50 + random() * 250))
      await gateway.kill()
      await load.stop()
      const begun = performance.now()
      gateway = await startGateway({ yaml: yaml(bot.url), directory })
      starts.push(performance.now() - begun - waitedForProcessor(gateway.pid))
    }

    // What was not acknowledged is sent again with its id, as a caller with an id does.
    for (const one of posted) if (one.id === undefined) await post(gateway.base, one)
    const ledger = await until(async () => {
      const now = await readLedger(gateway)
      return now.waiting === 0 ? now : undefined
    }, 60_000)
    const sorted = starts.toSorted((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)] ?? Infinity
    console.log(
      `${posted.length} messages, starts of ${Math.round(median)} ms, at most ${Math.round(sorted.at(-1) ?? 0)} ms`,
      ledger,
    )

    expect(ledger.accepted).toBe(ledger.settled + ledger.expired + ledger.dead + ledger.waiting)
    expect(ledger.dead).toBe(0)
    for (let customer = 0; customer < CUSTOMERS; customer++) {
      const log = await readLog(gateway.base, `web:c${customer}`)
      expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_entry, index) => index + 1))
      const mine = posted.filter((one) => one.customer === `c${customer}`)
      const inbound = log.filter(({ direction }) => direction === 'inbound')
      expect(inbound.map(({ externalId }) => externalId).toSorted(byText)).toEqual(
        mine.map(({ key }) => key).toSorted(byText),
      )
      for (const { key, id, sequence } of mine)
        expect(inbound.find((message) => message.externalId === key)).toMatchObject({ id, sequence })
      const answered = log
        .filter(({ direction }) => direction === 'outbound')
        .map(({ causationId }) => causationId)
      expect(answered.toSorted(byText)).toEqual(inbound.map(({ id }) => id).toSorted(byText))
    }
    expect(median).toBeLessThan(READY_MS * slowness())
  },
)

/** Of how many customers two were asked about. */
function customersAt(posted: readonly Posted[], keys: readonly string[]): number {
  const asked = new Map<string, Set<string>>()
  for (const key of keys) {
    const { customer = '' } = posted.find((one) => one.key === key) ?? {}
    asked.set(customer, (asked.get(customer) ?? new Set()).add(key))
  }
  return [...asked.values()].filter(({ size }) => size > 1).length
}

function byText(a: string | undefined, b: string | undefined): number {
  return (a ?? '').localeCompare(b ?? '')
}

/** Posts without end, in order per customer, remembering every acknowledgement. */
function startLoad(base: string, posted: Posted[]): { stop(): Promise<void> } {
  const load = { running: true }
  const customers = Array.from({ length: CUSTOMERS }, async (_, customer) => {
    while (load.running) {
      const one: Posted = { key: `k${posted.length}`, customer: `c${customer}` }
      posted.push(one)
      try {
        await post(base, one)
      } catch {
        return // the gateway is gone: not acknowledged
      }
    }
  })
  return {
    async stop() {
      load.running = false
      await Promise.all(customers)
    },
  }
}

async function post(base: string, one: Posted): Promise<void> {
  const response = await fetch(`${base}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': one.key },
    body: JSON.stringify({ sender: { id: one.customer }, text: one.key }),
  })
  const body = (await response.json()) as { id: string; sequence: number }
  if (response.status !== 202 && response.status !== 200) throw new Error(`answered ${response.status}`)
  one.id = body.id
  one.sequence = body.sequence
}

async function readLog(base: string, conversation: string): Promise<LogMessage[]> {
  const all: LogMessage[] = []
  for (let after = 0; ;) {
    const response = await fetch(`${base}/v1/conversations/${conversation}/messages?after=${after}&limit=500`)
    const page = (await response.json()) as { messages: LogMessage[]; next: number }
    if (page.messages.length === 0) return all
    all.push(...page.messages)
    after = page.next
  }
}

interface Ledger {
  readonly accepted: number
  readonly settled: number
  readonly expired: number
  readonly dead: number
  readonly waiting: number
}

async function readLedger(gateway: GatewayProcess): Promise<Ledger> {
  const token = (await readFile(join(gateway.directory, 'data/admin.token'), 'utf8')).trim()
  const response = await fetch(`${gateway.base}/admin/v1/ledger`, {
    headers: { authorization: `Bearer ${token}` },
  })
  return (await response.json()) as Ledger
}
