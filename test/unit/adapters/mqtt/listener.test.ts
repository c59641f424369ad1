// The TCP port of the broker.
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
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
