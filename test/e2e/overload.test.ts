// More than can be done, on a whole gateway: refused at the door, nothing half taken in, and every ledger adds up.
import { Agent, request } from 'node:http'
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import { metric } from '../support/rest.ts'

const yaml = (overload: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: helper } }
overload: ${overload}
routes: [{ agent: helper }]
`
const RESULTS = ['offered', 'accepted', 'refused', 'failed'] as const

/** So many at once; resolves their statuses. */
async function flood(
  house: House,
  many: number,
  { priority = 'u=3', sockets = 200 }: { readonly priority?: string; readonly sockets?: number } = {},
): Promise<readonly number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: sockets })
  const { hostname, port } = new URL(house.base)
  const one = (n: number): Promise<number> =>
    new Promise((resolve, reject) => {
      const body = JSON.stringify({ sender: { id: `c${n % 50}` }, text: `m${n}` })
      const headers = {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        priority,
      }
      const path = '/v1/messages'
      request({ agent, hostname, port, path, method: 'POST', headers }, (response) => {
        response.resume()
        response.once('end', () => resolve(response.statusCode ?? 0))
      })
        .once('error', reject)
        .end(body)
    })
  const statuses = await Promise.all(Array.from({ length: many }, (_, n) => one(n)))
  agent.destroy()
  return statuses
}
const counted = (house: House, priority: string): Promise<number[]> =>
  Promise.all(
    RESULTS.map((result) =>
      metric(house.base, `dragoman_limits_total{limit="admission",name="${priority}",result="${result}"}`),
    ),
  )

test('what is refused is not stored, what is taken is; offered = accepted + refused + failed, exactly', async () => {
  const helper = handAgent('helper', echo)
  await using house = await openHouse({
    yaml: yaml('{ turn: 1ms, wait: 1ms }'),
    adapters: [helper.adapter],
  })
  const statuses = await flood(house, 2000)
  const taken = statuses.filter((status) => status === 202).length
  const refused = statuses.filter((status) => status === 503).length
  expect(taken + refused).toBe(2000)
  expect(refused).toBeGreaterThan(0)
  expect(taken).toBeGreaterThan(0)
  expect(await counted(house, 'normal')).toEqual([2000, taken, refused, 0])
  expect(await metric(house.base, 'dragoman_refused_total{reason="admission"}')).toBe(refused)
  expect((await house.ledger()).accepted).toBe(taken)
})

test('with time to wait nobody is refused; in a dry run neither, but it is counted', async () => {
  const helper = handAgent('helper', echo)
  await using house = await openHouse({ yaml: yaml('{ wait: 60s }'), adapters: [helper.adapter] })
  expect(new Set(await flood(house, 1000))).toEqual(new Set([202]))
  await house.reload(yaml('{ turn: 1ms, wait: 1ms, dryRun: true }'))
  expect(new Set(await flood(house, 1000))).toEqual(new Set([202]))
  expect(await counted(house, 'normal')).toEqual([2000, 2000, 0, 0])
  expect(
    await metric(house.base, 'dragoman_limits_dry_run_total{limit="admission",name="normal"}'),
  ).toBeGreaterThan(0)
})

test('urgent ones are served while the others are refused', async () => {
  const helper = handAgent('helper', echo)
  await using house = await openHouse({
    yaml: yaml('{ turn: 1ms, wait: 100ms }'),
    adapters: [helper.adapter],
  })
  const [low, urgent] = await Promise.all([
    flood(house, 3000, { priority: 'u=7', sockets: 1000 }),
    flood(house, 30, { priority: 'u=0' }),
  ])
  expect(new Set(urgent)).toEqual(new Set([202]))
  expect(new Set(low)).toEqual(new Set([202, 503]))
})

test('RFC 9218, SEMANTICS 27: a message has the priority that the door granted, else its channel’s, and a route’s before both', async () => {
  const helper = handAgent('helper', echo)
  await using house = await openHouse({
    yaml: `
channels:
  web: { adapter: rest }
  vip: { adapter: rest, path: /vip, priority: high }
agents: { helper: { adapter: helper } }
routes: [{ when: "parts[0].text = 'now'", agent: helper, priority: urgent }, { agent: helper }]
`,
    adapters: [helper.adapter],
  })
  const say = async (
    path: string,
    headers: Record<string, string>,
    body: object,
  ): Promise<string | undefined> => {
    const id = `c${helper.asked.length}`
    await fetch(`${house.base}${path}/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', prefer: 'wait=10', ...headers },
      body: JSON.stringify({ sender: { id }, ...body }),
    })
    return helper.asked.at(-1)?.message.priority
  }
  const text = { text: 'hello' }
  expect(await say('/v1', {}, text)).toBeUndefined()
  expect(await say('/v1', { priority: 'u=6' }, text)).toBe('low')
  expect(await say('/vip', {}, text)).toBe('high')
  expect(await say('/vip', { priority: 'u=7' }, text)).toBe('low')
  expect(await say('/vip', { priority: 'u=7' }, { ...text, priority: 'normal' })).toBe('normal')
  expect(await say('/v1', { priority: 'u=7' }, { text: 'now' })).toBe('urgent')
})
