// The TCP port of the broker.
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { expect, test } from 'vitest'
import { freePort } from '../../../../bin/demo/free-port.ts'
import { listen } from '../../../../adapters/mqtt/listener.ts'

test('a port that another program has is said with what to do', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as AddressInfo // a TCP server has one
  try {
    await expect(
      listen({ host: '127.0.0.1', port, onConnection: (socket) => socket.destroy() }),
    ).rejects.toThrow(
      `MQTT cannot listen on 127.0.0.1:${port}: the port is in use (give the channel another one)`,
    )
  } finally {
    other.close()
  }
})

test('another host on a port that this gateway has open is refused with what to do; localhost is the address it stands for', async () => {
  const onConnection = (socket: Socket): void => void socket.destroy()
  await using held = await listen({ host: '127.0.0.1', port: await freePort(), onConnection })
  const { port } = held
  await expect(listen({ host: '0.0.0.0', port, onConnection })).rejects.toThrow(
    `MQTT cannot listen on 0.0.0.0:${port}: this gateway itself has 127.0.0.1:${port} open: restart it to change the host, or give the channel another port`,
  )
  const { address } = await lookup('localhost')
  await using resolved = await listen({ host: address, port, onConnection })
  await using named = await listen({ host: 'localhost', port, onConnection })
  expect([resolved.port, named.port]).toEqual([port, port])
})
