// A client id that the config names, at a real mosquitto, which lets one connection have it.
import type { Backend, BackendCall } from 'dragoman'
import { testMessage, testScope } from 'dragoman/testing'
import { connectAsync } from 'mqtt'
import { expect, test } from 'vitest'

import adapter from '../../../../adapters/mqtt/index.ts'
import { createFrom } from '../../../support/create-from.ts'
import { until } from '../../../support/gateway.ts'
import { startMosquitto } from './mosquitto.ts'

function call(operation: string): BackendCall {
  const message = testMessage({ kind: 'request', type: operation, data: {} })
  return { operation, params: {}, message, key: message.id, attempt: 1 }
}

test('a backend with a client id of its own that a reload replaces keeps its connection: the answers to its calls arrive', async () => {
  await using mosquitto = await startMosquitto()
  const service = await connectAsync(mosquitto.url)
  const asked: { readonly replyto: string; readonly correlationid: string }[] = []
  service.on('message', (_topic, payload) => asked.push(JSON.parse(payload.toString())))
  await service.subscribeAsync('svc/+', { qos: 1 })
  const open = async (operations: object): Promise<Backend> => {
    const config = { url: mosquitto.url, clientId: 'gw-orders', operations }
    const backend = createFrom(adapter.backend, config, testScope({ id: 'orders' }))
    await backend.start?.(AbortSignal.timeout(30_000))
    return backend
  }
  const answer = async (data: number): Promise<void> => {
    const { replyto, correlationid } = await until(() => asked.shift())
    await service.publishAsync(replyto, JSON.stringify({ correlationid, data }), { qos: 1 })
  }
  const Slow = { topic: 'svc/slow', replyTopic: 'svc/slow/answers' }
  const New = { topic: 'svc/new', replyTopic: 'svc/new/answers/{correlation}' }

  const old = await open({ Slow })
  const slow = old.call(call('Slow'), AbortSignal.timeout(10_000))
  await until(() => asked.length > 0 || undefined)
  await using changed = await open({ New })
  await answer(1)
  expect(await slow).toEqual({ data: 1 })
  await old[Symbol.asyncDispose]()
  const made = changed.call(call('New'), AbortSignal.timeout(10_000))
  await answer(2)
  expect(await made).toEqual({ data: 2 })
  await service.endAsync()
})
