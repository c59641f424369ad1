// plugins/_examples/nats and its connection: a server that goes and comes back, TLS, an end that loses no answer.
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import { GatewayError } from 'dragoman'
import type { Backend, Channel } from 'dragoman'
import { testHost, testMessage, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { expect, onTestFinished, test } from 'vitest'

import adapter from '../../../plugins/_examples/nats/index.ts'
import { makeCertificate } from '../../support/certificate.ts'
import { until } from '../../support/gateway.ts'
import { NatsServer } from '../../support/nats-server.ts'
import { createFrom } from '../../support/create-from.ts'

const never = new AbortController().signal
const operations = { GetOrder: { subject: 'shop.get' } }

async function backend(config: object): Promise<Backend> {
  const made = createFrom(adapter.backend, { operations, ...config }, testScope({ id: 'bus' }))
  onTestFinished(() => made[Symbol.asyncDispose]())
  await made.start?.(never)
  return made
}

async function channel(config: object, host: TestHost = testHost()): Promise<Channel> {
  const made = createFrom(adapter.channel, { subjects: { 'shop.get': 'GetOrder' }, ...config }, testScope())
  onTestFinished(() => made[Symbol.asyncDispose]())
  await made.start(host, never)
  return made
}

function ask(made: Backend, signal = never): Promise<unknown> {
  const params = { orderNo: '1' }
  const message = testMessage({ kind: 'request', type: 'GetOrder', data: params })
  return made.call({ operation: 'GetOrder', params, message, key: 'k', attempt: 1 }, signal)
}

const answered = { data: { total: '1.10' } }
function answering(): TestHost {
  const host = testHost()
  host.answer({ origin: 'backend', ...answered })
  return host
}

test('the server is killed and comes back: calls fail at once and unexecuted, then are answered again', async () => {
  await using server = await NatsServer.start()
  const servers = server.url
  await channel({ servers }, answering())
  const made = await backend({ servers })
  expect(await ask(made)).toStrictEqual(answered)
  await server.end('SIGKILL')
  const gone = await until(async () => {
    const deadline = AbortSignal.timeout(200)
    const error = await ask(made, deadline).catch((thrown: unknown) => thrown)
    return error instanceof GatewayError ? error : undefined
  })
  expect([gone.code, gone.notExecuted]).toStrictEqual(['BACKEND_FAILED', true])
  await expect(made.probe?.(never)).rejects.toThrow('is not connected')
  await server.begin()
  const again = await until(() => ask(made).catch(() => undefined), 30_000)
  expect(again).toStrictEqual(answered)
})

test('a server that is away at the start: the gateway starts, nothing is executed, and it is found when it is there', async () => {
  await using server = await NatsServer.start()
  const servers = server.url
  await server.end()
  const [made] = await Promise.all([backend({ servers }), channel({ servers }, answering())])
  await expect(ask(made)).rejects.toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })
  await server.begin()
  expect(await until(() => ask(made).catch(() => undefined), 30_000)).toStrictEqual(answered)
})

test('a server that refuses us for a while, a password that was changed too early, is waited for', async () => {
  await using server = await NatsServer.start(['--auth', 'right'])
  const [servers, token] = [server.url, 'right']
  await channel({ servers, token }, answering())
  const made = await backend({ servers, token })
  await server.end()
  await server.begin(['--auth', 'other'])
  // Three of each.
  const refusals = (): number => server.log().split('authentication error').length - 1
  await until(() => (refusals() >= 6 ? true : undefined), 30_000)
  await server.end()
  await server.begin()
  expect(await until(() => ask(made).catch(() => undefined), 30_000)).toStrictEqual(answered)
})

test('a server that comes back before its streams do: they are heard again soon after they are there', async () => {
  await using server = await NatsServer.start()
  const servers = server.url
  const bus = await connect({ servers, maxReconnectAttempts: -1, reconnectTimeWait: 50 })
  onTestFinished(() => bus.close())
  const manager = await jetstreamManager(bus)
  await manager.streams.add({ name: 'NOTES', subjects: ['notes'] })
  const host = testHost({ Note: { kind: 'event' } })
  const streams = { NOTES: { consumer: 'desk', subjects: { notes: 'Note' } } }
  await channel({ servers, subjects: { here: 'Note' }, streams }, host)
  await server.end()
  await server.begin([], { jetstream: false })
  const isBack = async (): Promise<unknown> => (await bus.request('here', '{}').catch(() => undefined))?.data
  await until(isBack, 30_000)
  await server.end()
  await server.begin()
  await until(
    () =>
      jetstream(bus)
        .publish('notes', '{}')
        .catch(() => undefined),
    30_000,
  )
  const isHeard = (): true | undefined =>
    host.drafts.some(({ metadata }) => metadata?.['nats:stream'] === 'NOTES') ? true : undefined
  await until(isHeard, 20_000) // asked for every 30 s, as is usual, it would be later
})

test('what has begun is answered before the channel ends', async () => {
  await using server = await NatsServer.start()
  const slow = Promise.withResolvers<void>()
  const host = answering()
  const begun: string[] = []
  const held: TestHost = {
    ...host,
    async accept(draft) {
      begun.push(draft.type)
      await slow.promise
      return host.accept(draft)
    },
  }
  const made = await channel({ servers: server.url }, held)
  const bus = await connect({ servers: server.url })
  onTestFinished(() => bus.close())
  const asked = bus.request('shop.get', '{}', { timeout: 20_000 })
  await until(() => begun[0])
  const ended = made[Symbol.asyncDispose]()
  slow.resolve()
  expect((await asked).json()).toStrictEqual(answered.data)
  await ended
})

test('TLS: the certificate is checked by the authority of the config', async () => {
  using certificate = makeCertificate()
  const { cert, key } = certificate
  await using server = await NatsServer.start(['--tls', '--tlscert', cert, '--tlskey', key])
  const servers = `tls://localhost:${server.port}`
  await channel({ servers, certificates: { ca: cert } }, answering())
  expect(await ask(await backend({ servers, certificates: { ca: cert } }))).toStrictEqual(answered)
  const stranger = await backend({ servers })
  await expect(ask(stranger)).rejects.toThrow('is not connected')
})
