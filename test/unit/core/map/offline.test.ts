// The closed network: what tries to leave gets an error, and afterwards everything is as before.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { createSocket } from 'node:dgram'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { closeNetwork } from '../../../../core/map/offline.ts'

test('connections, listeners and datagrams fail and are told; after the end they work again', async () => {
  const server = createServer((_request, response) => response.end('open')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const attempts: string[] = []
  {
    using _closed = closeNetwork((what) => void attempts.push(what))
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow('fetch failed')
    const socket = connect(port, '127.0.0.1')
    await expect(once(socket, 'connect')).rejects.toThrow('the network is closed here')
    await expect(once(createServer().listen(0), 'listening')).rejects.toThrow('the network is closed here')
    const datagrams = createSocket('udp4')
    await expect(once(datagrams.bind(0), 'listening')).rejects.toThrow('the network is closed here')
  }
  expect(attempts).toContain(`connect to 127.0.0.1:${port}`)
  expect(attempts).toContain('listen for datagrams')
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('open')
  server.closeAllConnections()
  server.close()
})
