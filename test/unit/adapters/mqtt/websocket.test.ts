// MQTT over WebSocket: what was sent before the end counts, as it does over TCP.
import type { Socket } from 'dragoman'
import { expect, test } from 'vitest'

import { streamOf } from '../../../../adapters/mqtt/websocket.ts'
import { until } from '../../../support/gateway.ts'
import { bareBroker, publishPacket } from './world.ts'

const DISCONNECT = [0xe0, 0]
/** CONNECT with the will `gone` to the topic `w` (MQTT 3.1.1 §3.1). */
const CONNECT = [
  0x10,
  22,
  0,
  4,
  ...Buffer.from('MQTT'),
  4,
  6,
  0,
  60,
  0,
  1,
  0x63,
  0,
  1,
  0x77,
  0,
  4,
  ...Buffer.from('gone'),
]

async function open(onPublished: (text: string) => Promise<void>) {
  const broker = await bareBroker(onPublished)
  const sent: Uint8Array[] = []
  let isOpen = true
  let hear: Parameters<Socket['onMessage']>[0] = () => undefined
  let end: Parameters<Socket['onClose']>[0] = () => undefined
  const socket = {
    async send(data: Uint8Array) {
      if (isOpen) sent.push(data)
      return isOpen
    },
    onMessage: (handler: typeof hear) => void (hear = handler),
    onClose: (handler: typeof end) => void (end = handler),
    close() {},
  } as unknown as Socket // all that the stream asks of it
  broker.handle(streamOf(socket))
  /** As the network brings messages: one in a turn. */
  const bring = async (...bytes: readonly number[]): Promise<void> => {
    await hear(Uint8Array.from(bytes))
    await new Promise((next) => setImmediate(next))
  }
  await bring(...CONNECT)
  await until(() => sent.length > 0 || undefined)
  return {
    broker,
    bring,
    close: () => {
      isOpen = false
      end(1000, '')
    },
  }
}

test('who says DISCONNECT behind what is still being taken and closes the WebSocket has taken leave: no will, nothing lost [MQTT-3.14.4-3]', async () => {
  const taken: string[] = []
  const { promise: free, resolve: release } = Promise.withResolvers<void>()
  const { broker, bring, close } = await open(async (text) => {
    await free
    taken.push(text)
  })
  const ids = Array.from({ length: 10 }, (_, index) => index + 1)
  await bring(...ids.flatMap((id) => publishPacket('t', `m${id}`, { qos: 1, id })))
  await bring(...publishPacket('t', 'last'))
  await bring(...DISCONNECT)
  close()
  release()
  await until(() => taken.length > 10 || undefined)
  expect(taken).toEqual([...ids.map((id) => `m${id}`), 'last'])
  await until(() => broker.connections === 0 || undefined)
  await broker.close()
})

test('a WebSocket that closes without DISCONNECT ends the connection, and its will is sent [MQTT-3.1.2-8]', async () => {
  const taken: string[] = []
  const { broker, close } = await open(async (text) => void taken.push(text))
  expect(broker.connections).toBe(1)
  close()
  await until(() => broker.connections === 0 || undefined)
  await until(() => taken.length > 0 || undefined)
  expect(taken).toEqual(['gone'])
  await broker.close()
})
