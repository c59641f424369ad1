// SEMANTICS 15, 36, 39: a store that refuses or forgets to answer at random: whatever the order, every promise holds in the end.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { Store } from '../../core/store/store.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel, said } from '../support/parts.ts'
import { post, readLog, say } from '../support/rest.ts'
import type { AcceptedBody, Answered } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest }, chat: { adapter: chat } }
agents: { helper: { adapter: bot } }
backends: { erp: { adapter: erp, timeout: 20s } }
lanes: { attempts: 100 }
routes: [{ when: "kind = 'request'", backend: erp }, { agent: helper }]
`
const UNSTEADY = new Set<string | symbol>(['accept', 'take', 'settle', 'claim', 'handOver', 'find', 'lease'])
const CUSTOMERS = 6
const EACH = 25

test('1 in 12 operations fails, before or after it was done', { timeout: 180_000 }, async () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  console.info(`seed ${seed}`)
  const random = mulberry(seed)
  let isUnsteady = true
  const around = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        if (!UNSTEADY.has(name)) return value.bind(target) as unknown
        return async (...given: unknown[]): Promise<unknown> => {
          const dice = isUnsteady ? random() : 1
          if (dice < 1 / 24) throw new GatewayError('STORE_UNAVAILABLE', 'refused')
          const result: unknown = await Reflect.apply(value, target, given)
          if (dice < 1 / 12) throw new GatewayError('STORE_UNAVAILABLE', 'forgotten')
          return result
        }
      },
    })
  const bot = handAgent('bot', echo)
  const chat = handChannel('chat')
  const erp = handBackend('erp', { Pay: { safe: false } }, async () => ({ data: { paid: true } }))
  await using house = await openHouse({ yaml, adapters: [bot.adapter, chat.adapter, erp.adapter], around })

  const acknowledged = new Map<string, string>()
  const paid = new Map<string, number>()
  const told = new Set<string>()
  await Promise.all(
    Array.from({ length: CUSTOMERS }, async (_, customer) => {
      for (let n = 0; n < EACH; n++) {
        const key = `${customer}/${n}`
        const { body } = await again(() => say(house.base, key, { customer: `c${customer}`, key }))
        acknowledged.set(key, body.id)
        // The channel that pushes: accepted once, however often it is offered.
        const chatted = await again(async () => {
          const draft = said(key, { externalId: key, sender: { id: `p${customer}`, role: 'customer' } })
          return post(`${house.base}/chat`, { draft, waitMs: n % 3 === 0 ? 200 : 0 })
        })
        told.add(chatted.body.reply?.parts?.[0]?.text ?? '')
        const answer = await post(`${house.base}/v1/requests/Pay`, {}, { key })
        paid.set(key, answer.status)
      }
    }),
  )
  isUnsteady = false
  await until(
    async () => ((await house.store.find({ by: 'open', limit: 1000 })).some(isAtWork) ? undefined : true),
    60_000,
  ).catch(async (error: unknown) => {
    const left = (await house.store.find({ by: 'open', limit: 1000 })).filter(isAtWork)
    throw new Error(`still at work: ${JSON.stringify(left.slice(0, 5))}`, { cause: error })
  })

  const { accepted, settled, expired, dead, waiting } = await house.ledger()
  expect({ accepted, waiting, dead }).toEqual({ accepted: settled + expired + dead, waiting: 0, dead: 0 })
  expect(accepted).toBe(CUSTOMERS * EACH * 2)
  for (let customer = 0; customer < CUSTOMERS; customer++) {
    const log = await readLog(house.base, `web:c${customer}`)
    const inbound = log.filter(({ direction }) => direction === 'inbound')
    expect(inbound.map(({ externalId, id }) => [externalId, id])).toEqual(
      Array.from({ length: EACH }, (_entry, n) => [`${customer}/${n}`, acknowledged.get(`${customer}/${n}`)]),
    )
    const outbound = log.filter(({ direction }) => direction === 'outbound')
    expect(outbound.map(({ causationId }) => causationId)).toEqual(inbound.map(({ id }) => id))
    expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_entry, index) => index + 1))
  }
  // Each reply of the channel that pushes came back with a response or was pushed.
  for (const { text } of chat.sent) told.add(text)
  for (const key of acknowledged.keys()) expect(told).toContain(`echo ${key}`)
  // At most once, whatever was said about it: an unsafe call is never made twice for one id.
  const calls = new Map<string, number>()
  for (const { message } of erp.calls) {
    const key = message.externalId ?? ''
    calls.set(key, (calls.get(key) ?? 0) + 1)
  }
  expect([...calls.values()].every((count) => count === 1)).toBe(true)
  for (const [key, status] of paid) {
    if (status === 200) expect(calls.get(key), key).toBe(1)
    expect([200, 503], `${key}: ${status}`).toContain(status)
  }
})

function isAtWork(row: { row: string; kind?: string; state?: string }): boolean {
  return row.row === 'work' && row.kind !== 'claim'
}

/** As a caller with an id does: the same again until it is answered. */
async function again(ask: () => Promise<Answered<AcceptedBody>>): Promise<Answered<AcceptedBody>> {
  return until(async () => {
    const answer = await ask()
    return answer.status < 300 ? answer : undefined
  })
}

/** A small seeded generator, so that a failure can be run again. */
function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
