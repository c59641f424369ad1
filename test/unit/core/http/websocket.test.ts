import { once } from 'node:events'
import { expect, test, vi } from 'vitest'
import { wire } from './raw-client.ts'
import { head, listening, next } from './websocket-client.ts'

test('a handshake is answered, messages go both ways as they were sent: text as text, bytes as bytes of their own', async () => {
  const heard: unknown[] = []
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage(async (data) => {
        heard.push(data)
        await socket.send(data)
      }),
  })
  const client = await ear.client('/ws?a=1')
  client.send('hé 王')
  expect(await next(client)).toBe('hé 王')
  client.send(Buffer.from([1, 2, 255]))
  const [data, isBinary] = await once(client, 'message')
  expect([[...data], isBinary]).toEqual([[1, 2, 255], true])
  expect(heard).toEqual(['hé 王', new Uint8Array([1, 2, 255])])
  expect(heard[1]).toHaveProperty('buffer.byteLength', 3) // not a view on the socket's buffer
  expect(ear.requests[0]).toMatchObject({ method: 'GET', path: '/ws', query: 'a=1', origin: ear.origin })
  expect(ear.edge.webSockets).toBe(1)
  client.close(1000)
  await once(client, 'close')
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0), 10_000)
})

test('messages that were read together are handed over one at a time, in order', async () => {
  let atOnce = 0
  let most = 0
  const heard: string[] = []
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage(async (data) => {
        most = Math.max(most, ++atOnce)
        await new Promise(setImmediate)
        heard.push(String(data))
        atOnce--
        if (heard.length === 500) await socket.send('done')
      }),
  })
  const client = await ear.client()
  for (let n = 1; n <= 500; n++) client.send(String(n))
  expect(await next(client)).toBe('done')
  expect(most).toBe(1)
  expect(heard).toEqual(Array.from({ length: 500 }, (_, n) => String(n + 1)))
})

test('while a handler runs the socket is not read: the sender is held up, not buffered for', async () => {
  const gate = Promise.withResolvers<void>()
  let bytes = 0
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage((data) => {
        bytes += data.length
        return gate.promise
      }),
  })
  const client = await ear.client()
  const message = 'x'.repeat(60_000)
  for (let n = 0; n < 500; n++) client.send(message) // 30 MB
  let held = -1
  await vi.waitFor(
    () => {
      const isSteady = client.bufferedAmount === held && bytes > 0
      held = client.bufferedAmount
      expect(isSteady).toBe(true)
    },
    { interval: 100, timeout: 10_000 }, // time in which it would have drained
  )
  expect(held).toBeGreaterThan(1_000_000)
  expect(bytes).toBe(60_000)
  gate.resolve()
  await vi.waitFor(() => expect(bytes).toBe(30_000_000), 10_000)
})

test('a peer that does not read is closed with 1013 when a bound is passed (ws buffers without bound)', async () => {
  const results: Promise<boolean>[] = []
  await using ear = await listening({
    edge: { bufferedBytes: 100_000 },
    handler: (socket) =>
      socket.onMessage(() => {
        for (let n = 0; n < 1000; n++) results.push(socket.send('y'.repeat(50_000)))
      }),
  })
  const client = await ear.client()
  client.pause()
  client.send('go')
  await vi.waitFor(() => expect(results.length).toBe(1000), 10_000)
  expect(ear.sockets[0]?.buffered).toBeLessThan(300_000)
  client.resume()
  const [code, reason] = await once(client, 'close')
  expect([code, String(reason)]).toEqual([1013, 'you read too slowly'])
  const sent = await Promise.all(results)
  expect(sent.filter(Boolean).length).toBeLessThan(500) // what fits into the buffers of the system
})

test('one message is sent to a peer that reads slowly, however large, and others beside it up to the bound', async () => {
  await using ear = await listening({
    edge: { bufferedBytes: 100_000 },
    handler: (socket) =>
      socket.onMessage(() => {
        void socket.send('x')
        void socket.send('y'.repeat(24_000_000)) // more than the buffers of the system hold
        void socket.send('z'.repeat(50_000))
      }),
  })
  const client = await ear.client()
  client.pause()
  client.send('go')
  await vi.waitFor(() => expect(ear.sockets[0]?.buffered).toBeGreaterThan(1_000_000), 10_000)
  client.resume()
  const came: number[] = []
  client.on('message', (data: Buffer) => came.push(data.length))
  const ends: number[] = []
  client.on('close', (code) => ends.push(code))
  await vi.waitFor(() => expect(came.length + ends.length).toBeGreaterThan(2), 10_000)
  expect([came, ends]).toEqual([[1, 24_000_000, 50_000], []])
})

test.each([
  [1006, 1011],
  [1005, 1000],
  [1004, 1011],
  [5, 1011],
  [1015, 1011],
  [2999, 1011],
  [5000, 1011],
  [Number.NaN, 1011],
  ['1000' as unknown as number, 1011],
])(
  'RFC 6455 §7.4: a socket that is closed with %s closes with %i, which is said once',
  async (code, sent) => {
    await using ear = await listening({
      handler: (socket) => socket.onMessage(() => socket.close(code, 'upstream gone')),
    })
    for (const _time of ['first', 'again']) {
      const client = await ear.client()
      client.send('close')
      const [heard, reason] = await once(client, 'close')
      expect([heard, String(reason)]).toEqual([sent, 'upstream gone'])
    }
    expect(ear.lines.filter(({ level }) => level === 'warn')).toMatchObject([
      {
        message: expect.stringContaining('use 1000 to 1003, 1007 to 1014, or 3000 to 4999'),
        fields: { channel: 'web', path: '/ws', code, instead: sent },
      },
    ])
  },
)

test.each([1000, 1003, 1007, 1014, 3000, 4999])(
  'RFC 6455 §7.4: a socket that is closed with %i closes with it, however long or odd its reason',
  async (code) => {
    await using ear = await listening({
      handler: (socket) =>
        socket.onMessage((data) =>
          socket.close(code, data === 'long' ? '王'.repeat(100) : (null as unknown as string)),
        ),
    })
    for (const [said, told] of [
      ['long', /^王{40}/u],
      ['null', /^null$/u],
    ] as const) {
      const client = await ear.client()
      client.send(said)
      const [heard, reason] = await once(client, 'close')
      expect(heard).toBe(code)
      expect(String(reason)).toMatch(told)
    }
    expect(ear.lines.filter(({ level }) => level === 'warn')).toEqual([])
  },
)

test('a peer that never answers our close is cut off, and what was not sent resolves false', async () => {
  await using ear = await listening({ edge: { bufferedBytes: 100_000 } })
  const stalled = wire(ear.port, head())
  await stalled.until(/101 Switching Protocols/u)
  stalled.socket.pause()
  await vi.waitFor(() => expect(ear.sockets).toHaveLength(1), 10_000)
  const [socket] = ear.sockets
  const sends = Array.from({ length: 100 }, async () => socket?.send('z'.repeat(1_000_000)))
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0), 10_000)
  expect(await Promise.all(sends)).toContain(false)
  stalled.socket.destroy()
})

test('messageBytes is the longest message: 1009, also in fragments, and nothing reaches the handler', async () => {
  const heard: unknown[] = []
  await using ear = await listening({
    options: { messageBytes: 1000 },
    handler: (socket) => socket.onMessage((data) => void heard.push(data)),
  })
  const long = await ear.client()
  long.send('x'.repeat(1001))
  expect((await once(long, 'close'))[0]).toBe(1009)
  const split = await ear.client()
  split.send('x'.repeat(600), { fin: false })
  split.send('x'.repeat(600), { fin: true })
  expect((await once(split, 'close'))[0]).toBe(1009)
  const fits = await ear.client()
  fits.send('x'.repeat(1000))
  await vi.waitFor(() => expect(heard).toHaveLength(1), 10_000)
})

test('64 KiB is the default limit, and a declared length alone is enough to be refused', async () => {
  await using ear = await listening()
  const client = wire(ear.port, head())
  await client.until(/101/u)
  client.send(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x12, 0, 0, 0, 1, 2, 3, 4])) // 288 MB announced
  const answer = await client.closed()
  expect(Buffer.from(answer, 'latin1').includes(Buffer.from([0x88, 0x02, 0x03, 0xf1]))).toBe(true) // 1009
})

test('messages are not compressed, whatever the client offers', async () => {
  await using ear = await listening()
  const client = await ear.client('/ws', [], { perMessageDeflate: true })
  expect(client.extensions).toBe('')
})

test('a handler that throws closes with 1011 and the cause stays inside', async () => {
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage(async () => {
        throw new Error('secret')
      }),
  })
  const client = await ear.client()
  client.send('x')
  const [code, reason] = await once(client, 'close')
  expect([code, String(reason)]).toEqual([1011, 'the gateway made a mistake'])
  expect(ear.lines).toMatchObject([{ level: 'error', fields: { error: { message: 'secret' } } }])
})

test('what comes before a handler is set waits for it', async () => {
  await using ear = await listening({ handler: () => undefined })
  const client = await ear.client()
  client.send('early')
  await vi.waitFor(() => expect(ear.sockets).toHaveLength(1), 10_000)
  await new Promise((resolve) => setTimeout(resolve, 50))
  const heard: unknown[] = []
  ear.sockets[0]?.onMessage((data) => void heard.push(data))
  await vi.waitFor(() => expect(heard).toEqual(['early']), 10_000)
})

test('broken frames and resets end the socket, never the process', async () => {
  await using ear = await listening()
  for (const bytes of [
    [0xff, 0xff],
    [0x81, 0x05, 1, 2, 3],
    [0x83, 0x80, 0, 0, 0, 0],
    [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28],
  ]) {
    const client = wire(ear.port, head())
    await client.until(/101/u)
    client.send(Buffer.from(bytes))
    if (bytes.length === 5) client.socket.resetAndDestroy()
    else await client.closed()
  }
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0), 10_000)
  const client = await ear.client()
  client.send('still here')
  expect(await next(client)).toBe('still here')
})

test('onClose is called once with code and reason, and at once where it is closed already', async () => {
  await using ear = await listening()
  const client = await ear.client()
  const ends: unknown[] = []
  ear.sockets[0]?.onClose((code, reason) => void ends.push([code, reason]))
  client.close(4001, 'bye')
  await vi.waitFor(() => expect(ends).toEqual([[4001, 'bye']]), 10_000)
  ear.sockets[0]?.onClose((code) => void ends.push(code))
  expect(ends).toEqual([[4001, 'bye'], 4001])
  expect(await ear.sockets[0]?.send('late')).toBe(false)
})

test('a reason longer than a control frame holds is cut at a character (RFC 6455 §5.5)', async () => {
  await using ear = await listening()
  const client = await ear.client()
  ear.sockets[0]?.close(1000, '王'.repeat(60))
  const [, reason] = await once(client, 'close')
  expect(String(reason)).toMatch(/^王{39,40}\uFFFD?$/u)
})

test('a peer that does not answer pings is cut off; one that does stays (black holes)', async () => {
  await using ear = await listening({ edge: { heartbeatMs: 500 } })
  const deaf = await ear.client('/ws', [], { autoPong: false })
  const well = await ear.client()
  expect((await once(deaf, 'close'))[0]).toBe(1006)
  well.send('here')
  expect(await next(well)).toBe('here')
})

test('a peer is not cut off while a handler keeps its socket from being read', async () => {
  const gate = Promise.withResolvers<void>()
  await using ear = await listening({
    edge: { heartbeatMs: 50 },
    handler: (socket) =>
      socket.onMessage(async (data) => {
        await gate.promise
        await socket.send(data)
      }),
  })
  const client = await ear.client()
  let pings = 0
  client.on('ping', () => pings++)
  client.send('slow')
  await vi.waitFor(() => expect(pings).toBeGreaterThan(3), 10_000)
  gate.resolve()
  expect(await next(client)).toBe('slow')
})
