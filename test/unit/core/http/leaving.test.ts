// How the listener ends: what runs is finished, what rests is closed, and nobody is kept longer than the time given.
import { expect, test, vi } from 'vitest'
import { echo, running, wire } from './raw-client.ts'

test('draining finishes what runs, closes what idles, and takes nothing new', async () => {
  let release: (() => void) | undefined
  await using edge = await running({
    handler: async (request) => {
      if (request.path === '/slow') await new Promise<void>((resolve) => (release = resolve))
      return echo(request)
    },
  })
  const idle = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await idle.until(/GET \/ /u)
  const silent = wire(edge.port)
  const slow = wire(edge.port, 'GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect([release, edge.edge.connections]).toEqual([expect.any(Function), 3]), 10_000)
  const drained = edge.edge.drain(60_000)
  await Promise.all([idle.closed(), silent.closed()])
  await expect(fetch(`http://127.0.0.1:${edge.port}/`)).rejects.toThrow('fetch failed')
  release?.()
  expect(await slow.closed()).toMatch(/connection: close[^]*GET \/slow/u)
  await drained
  expect(edge.edge.connections).toBe(0)
})

test('leaving takes no new connection, but a request on one at rest is still answered, as its last', async () => {
  await using edge = await running()
  const resting = wire(edge.port, 'GET /one HTTP/1.1\r\nHost: a\r\n\r\n')
  const silent = wire(edge.port)
  await resting.until(/GET \/one /u)
  await vi.waitFor(() => expect(edge.edge.connections).toBe(2), 10_000)
  const left = edge.edge.leave(60_000)
  await expect(fetch(`http://127.0.0.1:${edge.port}/`)).rejects.toThrow('fetch failed')
  resting.send('GET /two HTTP/1.1\r\nHost: a\r\n\r\n')
  silent.send('GET /three HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(await resting.closed()).toMatch(/connection: close[^]*GET \/two/u)
  expect(await silent.closed()).toMatch(/connection: close[^]*GET \/three/u)
  await left
  await edge.edge.drain(60_000)
  expect([edge.edge.connections, edge.refused]).toEqual([0, []])
})

test('who says nothing while the edge is leaving keeps it no longer than the time given, and draining closes it', async () => {
  await using edge = await running()
  const silent = wire(edge.port)
  await vi.waitFor(() => expect(edge.edge.connections).toBe(1), 10_000)
  await edge.edge.leave(20)
  expect(edge.edge.connections).toBe(1)
  await edge.edge.drain(60_000)
  expect(await silent.closed()).toBe('')
})

test('what does not end by the deadline is cut', async () => {
  let begun = false
  await using edge = await running({
    handler: () => {
      begun = true
      return new Promise(() => undefined)
    },
  })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect(begun).toBe(true), 10_000)
  await edge.edge.drain(20)
  expect(await client.closed()).toBe('')
})
