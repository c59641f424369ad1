// Rate limits on a whole gateway: in the caller's own protocol, before anything is stored, over a reload.
import { connectAsync } from 'mqtt'
import { expect, test } from 'vitest'
import { freePort } from '../../bin/demo/free-port.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel, said } from '../support/parts.ts'
import { metric, post, say } from '../support/rest.ts'

const yaml = (limits: string): string => `
channels:
  web: { adapter: rest }
  erp: { adapter: webservice, path: /erp, namespace: "urn:erp", operations: { GetOrder: { kind: request } } }
  app: { adapter: graphql, path: /graphql }
  shop: { adapter: shop }
backends: { orders: { adapter: orders } }
agents: { helper: { adapter: helper } }
limits: ${limits}
routes:
  - { when: "kind = 'request'", backend: orders }
  - { agent: helper }
`
function parts() {
  const orders = handBackend('orders', { GetOrder: { safe: true }, Other: { safe: true } }, async () => ({
    data: { status: 'shipped' },
  }))
  const helper = handAgent('helper', echo)
  const shop = handChannel('shop')
  return { orders, shop, adapters: [orders.adapter, helper.adapter, shop.adapter] }
}
const order = (base: string, headers = {}) =>
  post<{ code?: string; detail?: string }>(`${base}/v1/requests/GetOrder`, { orderNo: '1' }, { headers })

test('an operation has its limit over all channels: 429 with Retry-After, plain text, a GraphQL error', async () => {
  const { orders, adapters } = parts()
  await using house = await openHouse({
    yaml: yaml('{ orders: { operation: GetOrder, by: all, calls: 2, per: 1h } }'),
    adapters,
  })
  expect((await order(house.base)).status).toBe(200)
  expect((await order(house.base)).status).toBe(200)
  const refused = await order(house.base)
  expect([refused.status, refused.body.code]).toEqual([429, 'RATE_LIMITED'])
  expect(refused.body.detail).toBe('limit "orders": 2 calls in 3600 s are allowed')
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(3500)
  const xml = await fetch(`${house.base}/erp`, {
    method: 'POST',
    headers: { 'content-type': 'application/xml' },
    body: '<GetOrder xmlns="urn:erp"><orderNo>1</orderNo></GetOrder>',
  })
  expect([xml.status, xml.headers.has('retry-after')]).toEqual([429, true])
  expect(await xml.text()).toContain('RATE_LIMITED')
  const graphql = await post<{ errors: { extensions: { code: string } }[] }>(`${house.base}/graphql`, {
    query: '{ request(operation: "GetOrder", params: {}) { data } }',
  })
  expect(graphql.body.errors[0]?.extensions.code).toBe('RATE_LIMITED')
  expect((await post(`${house.base}/v1/requests/Other`, {})).status).toBe(200)
  expect(orders.calls).toHaveLength(3)
})

test('each caller for himself: nothing of a refused message is stored, and the ledgers add up', async () => {
  const { adapters } = parts()
  await using house = await openHouse({
    yaml: yaml('{ each: { channel: web, calls: 3, per: 1h } }'),
    adapters,
  })
  const statuses: number[] = []
  for (let n = 0; n < 5; n += 1) statuses.push((await say(house.base, `m${n}`, { customer: 'ann' })).status)
  statuses.push((await say(house.base, 'hello', { customer: 'bob' })).status)
  expect(statuses).toEqual([202, 202, 202, 429, 429, 202])
  const limit = (result: string) =>
    metric(house.base, `dragoman_limits_total{limit="rate",name="each",result="${result}"}`)
  expect(await Promise.all(['offered', 'accepted', 'refused', 'failed'].map(limit))).toEqual([6, 4, 2, 0])
  const intake = (result: string) => metric(house.base, `dragoman_intake_total{result="${result}"}`)
  const results = ['offered', 'accepted', 'duplicate', 'refused', 'failed']
  expect(await Promise.all(results.map(intake))).toEqual([6, 4, 0, 2, 0])
  expect((await house.ledger()).accepted).toBe(4)
})

test('a platform that pushes is stored first and never limited by a rule for all; MQTT is, also where a topic has a reply (SEMANTICS 43)', async () => {
  const { shop, adapters } = parts()
  const port = await freePort()
  const devices = `devices: { adapter: mqtt, port: ${port}, topics: {
    'd/+/ask': { kind: message, sender: "topic[1]" },
    'd/+/say': { kind: message, sender: "topic[1]", reply: "'d/' & topic[1] & '/out'" } } }`
  await using house = await openHouse({
    yaml: yaml('{ each: { calls: 1, per: 1h } }').replace('shop: {', `${devices}\n  shop: {`),
    adapters,
  })
  for (let n = 0; n < 5; n += 1) expect((await shop.host.accept(said(`m${n}`))).sequence).toBeGreaterThan(0)
  expect((await house.ledger()).accepted).toBe(5)
  const device = await connectAsync({ host: '127.0.0.1', port, reconnectPeriod: 0 })
  await device.publishAsync('d/7/ask', 'hello', { qos: 1 })
  const what = new Promise((resolve) => {
    device.once('close', () => resolve('closed'))
    device.publish('d/7/say', 'hello again', { qos: 1 }, (error) => resolve(error ?? 'acknowledged'))
  })
  expect(await what).toBe('closed')
  await device.endAsync(true)
  expect((await house.ledger()).accepted).toBe(6)
  const refused = 'dragoman_limits_total{limit="rate",name="each",result="refused"}'
  expect(await metric(house.base, refused)).toBe(1)
})

test('a reload changes the limits, and who was refused stays so where they are the same', async () => {
  const { adapters } = parts()
  const same = '{ orders: { operation: GetOrder, calls: 1, per: 1h } }'
  await using house = await openHouse({ yaml: yaml(same), adapters })
  expect((await order(house.base)).status).toBe(200)
  await house.reload(yaml(`${same} # the same`))
  expect((await order(house.base)).status).toBe(429)
  await house.reload(yaml('{ orders: { operation: GetOrder, calls: 1, per: 1h, dryRun: true } }'))
  // The one call of this hour was made before.
  for (let n = 0; n < 3; n += 1) expect((await order(house.base)).status).toBe(200)
  expect(await metric(house.base, 'dragoman_limits_dry_run_total{limit="rate",name="orders"}')).toBe(3)
  await house.reload(yaml('{}'))
  expect((await order(house.base)).status).toBe(200)
})
