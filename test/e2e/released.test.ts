// SEMANTICS 2, 3: a call that has done nothing, or may be made twice, is released: the same id makes it again, with the same key.
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { Claim } from '../../core/store/store.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp, timeout: 5s, retry: { attempts: 1 }, breaker: { minimumCalls: 1000 } } }
routes: [{ backend: erp }]
`
const operations = { Look: { safe: true }, Pay: { safe: false }, Order: { safe: false, idempotent: true } }
const request = (base: string, operation: string, key: string) =>
  post<{ code?: string; attempt?: number }>(`${base}/v1/requests/${operation}`, {}, { key })

test.each(['Look', 'Order'])(
  'an operation that may be repeated (%s) is called again for the same id, also after a restart',
  async (operation) => {
    const backend = handBackend('erp', operations, async () => {
      throw new GatewayError('BACKEND_FAILED', 'connection reset')
    })
    const first = await openHouse({ yaml, adapters: [backend.adapter] })
    for (let n = 0; n < 2; n++) expect((await request(first.base, operation, 'k1')).status).toBe(502)
    await first.crash()
    await using house = await openHouse({ yaml, adapters: [backend.adapter], directory: first.directory })
    expect((await request(house.base, operation, 'k1')).status).toBe(502)
    backend.call = async ({ attempt }) => ({ data: { attempt } })
    expect((await request(house.base, operation, 'k1')).body).toEqual({ attempt: 4 })
    expect((await request(house.base, operation, 'k1')).body).toEqual({ attempt: 4 })
    expect(backend.calls).toHaveLength(4)
    expect(new Set(backend.calls.map(({ key }) => key)).size).toBe(1)
    expect(await house.dead()).toEqual([])
  },
)

test('an unsafe call that proves to have done nothing is made again, one that does not is not', async () => {
  let notExecuted = true
  const backend = handBackend('erp', operations, async () => {
    throw new GatewayError('BACKEND_FAILED', 'too many requests', { notExecuted })
  })
  await using house = await openHouse({ yaml, adapters: [backend.adapter] })
  expect((await request(house.base, 'Pay', 'p1')).status).toBe(502)
  notExecuted = false
  expect((await request(house.base, 'Pay', 'p1')).status).toBe(409)
  expect((await request(house.base, 'Pay', 'p1')).status).toBe(409)
  expect(backend.calls).toHaveLength(2)
})

test('SEMANTICS 15: a claim whose answer was lost is released, for nothing was called', async () => {
  const backend = handBackend('erp', operations, async () => ({ data: { attempt: 1 } }))
  let isLost = true
  await using house = await openHouse({
    yaml,
    adapters: [backend.adapter],
    around: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (name === 'claim' && isLost)
            return async (claim: Claim): Promise<never> => {
              isLost = false
              await target.claim(claim)
              throw new GatewayError('STORE_UNAVAILABLE', 'the answer was lost')
            }
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      }),
  })
  expect((await request(house.base, 'Pay', 'p1')).status).toBe(503)
  expect((await request(house.base, 'Pay', 'p1')).body).toEqual({ attempt: 1 })
  expect(backend.calls).toHaveLength(1)
})

test('on a real socket: a refused connection releases, and the same id succeeds when the system is back', async () => {
  const keys: (string | undefined)[] = []
  const serve = (): Server =>
    createServer((incoming, response) => {
      keys.push(incoming.headers['idempotency-key']?.toString())
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"attempt":0}')
    })
  const port = await freePort()
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends: { shop: { adapter: rest, url: "http://127.0.0.1:${port}", operations: { Pay: { method: POST, path: /pay } } } }
routes: [{ backend: shop }]
`,
  })
  expect(await request(house.base, 'Pay', 'p1')).toMatchObject({
    status: 502,
    body: { code: 'BACKEND_FAILED' },
  })
  const server = serve()
  await using _ = { [Symbol.asyncDispose]: async () => server.close().closeAllConnections() }
  await new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening))
  expect(await request(house.base, 'Pay', 'p1')).toMatchObject({ status: 200, body: { attempt: 0 } })
  expect(await request(house.base, 'Pay', 'p1')).toMatchObject({ status: 200 })
  expect(keys).toHaveLength(1)
})

test('released, and nobody asked again while its id was remembered: it is over, and the id is free', async () => {
  const backend = handBackend('erp', operations, async () => {
    throw new GatewayError('BACKEND_FAILED', 'connection reset')
  })
  const hour = `${yaml}\nstore: { dedupe: 1h }\n`
  const first = await openHouse({ yaml: hour, adapters: [backend.adapter] })
  await request(first.base, 'Look', 'k1')
  await first.crash()
  await using house = await openHouse({
    yaml: hour,
    adapters: [backend.adapter],
    directory: first.directory,
    emptyForMs: 2 * 3_600_000,
  })
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(await house.dead()).toEqual([])
  backend.call = async ({ attempt }) => ({ data: { attempt } })
  expect((await request(house.base, 'Look', 'k1')).body).toEqual({ attempt: 1 })
})
