// The folder of plugins/_examples/postgres as an integrator copies it, into a gateway that runs: its README's config, a real database.
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Client } from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { PostgresServer } from '../support/postgres-server.ts'

const EXAMPLE = resolve(import.meta.dirname, '../../plugins/_examples/postgres')

test('dropped into a running gateway it answers requests, and when the database dies its last good answers', async () => {
  await using server = await PostgresServer.start()
  const client = new Client({ host: '127.0.0.1', port: server.port, database: 'postgres', user: 'postgres' })
  await client.connect()
  await client.query(`CREATE TABLE orders (order_no text, customer text, total numeric(12,2), ordered timestamptz);
    INSERT INTO orders VALUES ('000777', 'ann', 1.10, '2026-01-02 03:04:05+08'), ('000778', 'ann', 1280.00, '2026-03-01')`)
  await client.end()
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await mkdir(join(directory, 'plugins'))
  const before = 'channels: { web: { adapter: rest } }\nroutes: []\n'
  const env = { PGPORT: String(server.port) }
  await using gateway = await startGateway({ yaml: before, directory, env })

  await cp(EXAMPLE, join(directory, 'plugins', 'postgres'), { recursive: true })
  const [, yaml = ''] = /^```yaml\n(.*?)^```/ms.exec(await readFile(join(EXAMPLE, 'README.md'), 'utf8')) ?? []
  await writeFile(join(directory, 'gateway.yaml'), yaml.replace('fresh: 30s', 'fresh: 1ms'))
  const ask = async (operation: string, params: object): Promise<readonly [number, unknown]> => {
    const response = await fetch(`${gateway.base}/v1/requests/${operation}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(params),
    })
    return [response.status, await response.json()]
  }
  const order = { orderNo: '000777', total: '1.10', ordered: '2026-01-01T19:04:05Z' }
  await until(
    async () => ((await ask('GetOrder', { orderNo: '000777' }))[0] === 200 ? true : undefined),
    30_000,
  )
  expect(await ask('GetOrder', { orderNo: '000777' })).toStrictEqual([200, order])
  expect(await ask('OrdersOf', { customer: 'ann', since: '2026-02-01' })).toStrictEqual([
    200,
    [{ orderNo: '000778', total: '1280.00' }],
  ])
  expect(await ask('OrdersOf', { customer: "ann' OR true --" })).toStrictEqual([200, []])
  expect(await ask('GetOrder', { orderNo: '1' })).toMatchObject([422, { code: 'OrderNotFound' }])
  expect(await ask('OrdersOf', { customer: 'ann', since: 'never' })).toMatchObject([
    422,
    { code: 'InvalidParameters' },
  ])

  await server.end()
  expect(await ask('GetOrder', { orderNo: '000777' })).toStrictEqual([200, { ...order, stale: true }])
  expect(await ask('OrdersOf', { customer: 'ann' })).toMatchObject([502, { code: 'BACKEND_FAILED' }])
  await server.begin()
  expect(await ask('GetOrder', { orderNo: '000777' })).toStrictEqual([200, order])
})
