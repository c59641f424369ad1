// SEMANTICS 21, 22: a GraphQL channel that is replaced, or stopped, finishes what it began, and says of a subscription only that it is cut.
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'

import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handAgent, handBackend } from '../support/parts.ts'

const yaml = (depth: number): string => `
channels: { app: { adapter: graphql, limits: { depth: ${depth} } } }
backends: { erp: { adapter: erp } }
agents: { helper: { adapter: bot } }
routes: [{ when: "kind = 'request'", backend: erp }, { agent: helper }]
`
const PAY = 'mutation { a: request(operation: "Pay") { data } b: request(operation: "Pay") { data } }'
const paid = (a: number, b: number) => ({ data: { a: { data: { n: a } }, b: { data: { n: b } } } })
const FOLLOW = 'subscription { messages(conversation: "c") { text } }'
const say = (text: string): string =>
  `mutation { sendMessage(sender: {id: "ann"}, text: "${text}", conversation: "c") { id } }`

/** Each call of `erp` waits until it is let go, and answers with its number. */
function slowErp() {
  const waiting: (() => void)[] = []
  const erp = handBackend('erp', { Pay: { safe: false } }, async () => {
    const n = erp.calls.length
    await new Promise<void>((go) => waiting.push(go))
    return { data: { n } }
  })
  return {
    erp,
    begun: (count: number) => until(() => (erp.calls.length >= count ? true : undefined)),
    letGo: () => waiting.shift()?.(),
  }
}

function ask(base: string, query: string, accept = 'application/json'): Promise<Response> {
  return fetch(`${base}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept },
    body: JSON.stringify({ query }),
  })
}

/** A socket of graphql-transport-ws, and all that came over it. */
async function socket(base: string) {
  const ws = new WebSocket(`${base.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
  const came: unknown[] = []
  ws.on('message', (data: Buffer) => came.push(JSON.parse(data.toString())))
  ws.on('close', (code) => came.push(code))
  await new Promise((open) => ws.once('open', open))
  ws.send(JSON.stringify({ type: 'connection_init' }))
  const seen = (count: number) => until(() => (came.length >= count ? true : undefined))
  await seen(1)
  return {
    came,
    seen,
    ping: () => ws.send(JSON.stringify({ type: 'ping' })),
    subscribe: (id: string, query: string) =>
      ws.send(JSON.stringify({ id, type: 'subscribe', payload: { query } })),
  }
}

test('a mutation that is under way when its channel is replaced, or the gateway stopped, is answered, field by field, its socket goes on until then, and a stream is cut without `complete`', async () => {
  const { erp, begun, letGo } = slowErp()
  const bot = handAgent('bot', async () => undefined)
  await using house = await openHouse({ yaml: yaml(11), adapters: [erp.adapter, bot.adapter] })
  expect((await ask(house.base, say('hello'))).status).toBe(200)
  const stream = await ask(house.base, FOLLOW, 'text/event-stream')
  const streamed = stream.text()
  const idle = await socket(house.base)
  idle.subscribe('s', FOLLOW)
  await idle.seen(2)

  const posted = ask(house.base, PAY)
  await begun(1)
  const evented = ask(house.base, PAY, 'text/event-stream') // as graphql-sse asks for everything
  await begun(2)
  await house.reload(yaml(10))
  letGo()
  await begun(3)
  letGo()
  await begun(4)
  expect((await streamed).match(/^event: .+$/gmu)).toEqual(['event: next'])
  await idle.seen(3)
  expect(idle.came.slice(1)).toEqual([expect.objectContaining({ id: 's', type: 'next' }), 1012])
  letGo()
  letGo()
  const answered = await posted
  expect(answered.status).toBe(200)
  expect(await answered.json()).toEqual(paid(1, 3))
  expect(await (await evented).text()).toBe(
    `:\n\nevent: next\ndata: ${JSON.stringify(paid(2, 4))}\n\nevent: complete\ndata:\n\n`,
  )

  const busy = await socket(house.base)
  busy.subscribe('s', FOLLOW)
  await busy.seen(2)
  busy.subscribe('m', PAY)
  await begun(5)
  await house.reload(yaml(9))
  letGo()
  await begun(6)
  busy.ping()
  await busy.seen(3)
  expect((await ask(house.base, say('after the reload'))).status).toBe(200)
  await busy.seen(4)
  busy.subscribe('q', '{ __typename }')
  await busy.seen(6)
  letGo()
  await busy.seen(9)
  expect(busy.came.slice(2)).toEqual([
    { type: 'pong' },
    { id: 's', type: 'next', payload: { data: { messages: { text: 'after the reload' } } } },
    { id: 'q', type: 'next', payload: { data: { __typename: 'Query' } } },
    { id: 'q', type: 'complete' },
    { id: 'm', type: 'next', payload: paid(5, 6) },
    { id: 'm', type: 'complete' },
    1012,
  ])

  const last = await socket(house.base)
  last.subscribe('m', 'mutation { request(operation: "Pay") { data } }')
  await begun(7)
  const stopped = house.stop()
  letGo()
  await stopped
  expect(last.came.slice(1)).toEqual([
    { id: 'm', type: 'next', payload: { data: { request: { data: { n: 7 } } } } },
    { id: 'm', type: 'complete' },
    1012,
  ])
})
