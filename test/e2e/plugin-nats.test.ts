// The folder of plugins/_examples/nats as an integrator copies it: a gateway with it, callers over HTTP and NATS, and a server that is killed.
import { cp, mkdir, readFile, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { expect, onTestFinished, test } from 'vitest'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { NatsServer } from '../support/nats-server.ts'

const EXAMPLE = resolve(import.meta.dirname, '../../plugins/_examples/nats')

/** The config of its README; what nobody acknowledged comes again soon. */
async function readmeConfig(): Promise<string> {
  const [, yaml] = /^```yaml\n(.*?)^```/ms.exec(await readFile(join(EXAMPLE, 'README.md'), 'utf8')) ?? []
  return (yaml ?? '').replace('consumer: desk,', 'consumer: desk, ackWaitMs: 2000,')
}

async function home(): Promise<string> {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  return directory
}

async function openGateway(url: string, directory: string): Promise<GatewayProcess> {
  await mkdir(join(directory, 'plugins'), { recursive: true })
  await cp(EXAMPLE, join(directory, 'plugins', 'nats'), { recursive: true })
  const env = { NATS_URL: url, BOT_URL: 'http://127.0.0.1:9/bot' }
  return startGateway({ yaml: await readmeConfig(), directory, env })
}

async function ship(base: string, orderNo: string): Promise<number> {
  const response = await fetch(`${base}/v1/requests/Ship`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `ship-${orderNo}` },
    body: JSON.stringify({ orderNo }),
  })
  return response.status
}

test('a request comes in over HTTP or NATS and is answered by a service on NATS, also where a stream was made after the gateway had started', async () => {
  await using server = await NatsServer.start()
  const bus = await connect({ servers: server.url })
  onTestFinished(() => bus.close())
  const manager = await jetstreamManager(bus)
  await manager.streams.add({ name: 'SHIPPED', subjects: ['shipped.*'] })
  bus.subscribe('shop.orders.*', {
    callback: (_error, message) => void message.respond('{"orderNo":"000777","total":1.10}'),
  })
  await bus.flush()
  await using gateway = await openGateway(server.url, await home())
  const getOrder = (): Promise<Response> =>
    fetch(`${gateway.base}/v1/requests/GetOrder`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"orderNo":"000777"}',
    })
  expect((await getOrder()).status).toBe(503)
  await manager.streams.add({ name: 'NOTES', subjects: ['notes.*'] })
  const response = await until(async () => {
    const answer = await getOrder()
    return answer.status === 503 ? undefined : answer
  }, 30_000)
  expect([response.status, await response.json()]).toStrictEqual([200, { orderNo: '000777', total: '1.10' }])
  const overNats = await bus.request('desk.orders.000777.get', '', { timeout: 10_000 })
  expect(overNats.json()).toStrictEqual({ orderNo: '000777', total: '1.10' })
  const errors = gateway.log().match(/"level":"error".*/gu)
  expect(errors).toEqual([expect.stringContaining('stream not found (it is tried again by itself')])
})

test('the server is killed while messages run, then the gateway: nothing is lost, nothing is there twice', async () => {
  const MESSAGES = 200
  const CUSTOMERS = 5
  await using server = await NatsServer.start()
  const bus = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  onTestFinished(() => bus.close())
  const manager = await jetstreamManager(bus)
  await manager.streams.add({ name: 'NOTES', subjects: ['notes.*'] })
  await manager.streams.add({ name: 'SHIPPED', subjects: ['shipped.*'] })
  const directory = await home()
  let gateway = await openGateway(server.url, directory)
  onTestFinished(() => gateway[Symbol.asyncDispose]())

  /** As a careful publisher does it: again with the same id until it is acknowledged. */
  async function publish(n: number): Promise<void> {
    const payload = JSON.stringify({ said: `note ${n}` })
    await until(async () => {
      const ack = await jetstream(bus)
        .publish(`notes.c${n % CUSTOMERS}`, payload, { msgID: `note-${n}`, timeout: 1000 })
        .catch(() => undefined)
      return ack?.seq
    }, 60_000)
  }
  /** As a careful caller does it: again with the same key until it is done. */
  const shipOnce = (n: number): Promise<number> =>
    until(async () => ((await ship(gateway.base, `o${n}`).catch(() => 0)) === 200 ? 200 : undefined), 60_000)

  async function run(): Promise<void> {
    for (let n = 0; n < MESSAGES; n++) {
      await Promise.all([publish(n), ...(n % 5 === 0 ? [shipOnce(n)] : [])])
      if (n === 50) await server.end('SIGKILL').then(() => server.begin())
      if (n === 110) {
        await gateway.kill()
        gateway = await openGateway(server.url, directory)
      }
      if (n === 160) void server.end('SIGKILL').then(() => server.begin())
    }
  }
  await run()
  const stored = async (customer: number): Promise<readonly string[]> => {
    const response = await fetch(`${gateway.base}/v1/conversations/bus:c${customer}/messages?limit=1000`)
    if (response.status !== 200) return []
    const { messages } = (await response.json()) as {
      messages: { direction: string; parts?: { text: string }[] }[] // our own API
    }
    return messages
      .filter(({ direction }) => direction === 'inbound')
      .map(({ parts }) => parts?.[0]?.text ?? '')
  }
  for (let customer = 0; customer < CUSTOMERS; customer++) {
    const wanted = Array.from({ length: MESSAGES / CUSTOMERS }, (_, n) => `note ${n * CUSTOMERS + customer}`)
    await until(async () => ((await stored(customer)).length >= wanted.length ? true : undefined), 30_000)
    expect((await stored(customer)).toSorted()).toStrictEqual(wanted.toSorted())
  }
  await until(async () => {
    const { num_ack_pending, num_pending } = await manager.consumers.info('NOTES', 'desk')
    return num_ack_pending + num_pending === 0 ? true : undefined
  }, 60_000)
  const { state } = await manager.streams.info('SHIPPED', { subjects_filter: '>' })
  expect(state.messages).toBe(MESSAGES / 5)
  expect(Object.values(state.subjects ?? {})).toStrictEqual(Array(MESSAGES / 5).fill(1))
}, 120_000)
