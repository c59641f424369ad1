import { expect, test, vi } from 'vitest'
import type { HttpResponse } from '../../../../core/api.ts'
import { bodyOf, exchange, running, wire } from './raw-client.ts'

const events = { 'content-type': 'text/event-stream' }

function streaming(body: AsyncIterable<string | Uint8Array>): () => Promise<HttpResponse> {
  return () => Promise.resolve({ status: 200, headers: events, body })
}

/** Waits for ever, as a stream of events between two of them. */
function parked(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
}

test('the head goes out before the first piece, and each piece as it comes', async () => {
  let next: (() => void) | undefined
  async function* source() {
    await new Promise<void>((resolve) => (next = resolve))
    yield 'data: 1\n\n'
    await new Promise<void>((resolve) => (next = resolve))
    yield new TextEncoder().encode('data: 2\n\n')
  }
  await using edge = await running({ handler: streaming(source()) })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  await client.until(/text\/event-stream[^]*\r\n\r\n$/u)
  next?.()
  await client.until(/data: 1/u)
  await vi.waitFor(() => next?.(), 10_000)
  expect(await client.closed()).toMatch(
    /transfer-encoding: chunked[^]*data: 1[^]*data: 2[^]*\r\n0\r\n\r\n$/iu,
  )
})

test('the source is told when the caller goes: its return is called, the signal ends', async () => {
  const told: string[] = []
  await using edge = await running({
    handler: (_request, signal) => {
      async function* source() {
        try {
          yield 'data: 1\n\n'
          await parked(signal)
          told.push('woken')
          yield 'nobody reads this'
        } finally {
          told.push('returned')
        }
      }
      return Promise.resolve({ status: 200, headers: events, body: source() })
    },
  })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/data: 1/u)
  client.socket.destroy()
  await vi.waitFor(() => expect(told).toEqual(['woken', 'returned']), 10_000)
  expect(edge.lines).toEqual([])
})

test('a source is asked no faster than the caller reads', async () => {
  let asked = 0
  async function* source() {
    const piece = new Uint8Array(100_000)
    for (; asked < 1000; asked += 1) yield piece
  }
  await using edge = await running({ handler: streaming(source()) })
  const client = wire(edge.port)
  client.socket.pause()
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  let before = -1
  await vi.waitFor(
    () => {
      const stable = asked === before && asked > 0
      before = asked
      expect(stable).toBe(true)
    },
    { interval: 200, timeout: 20_000 },
  )
  expect(asked).toBeLessThan(500)
  client.socket.resume()
  await client.closed()
  expect(asked).toBe(1000)
})

test('a caller who reads nothing for too long is cut off, and the source told', async () => {
  let returned = false
  async function* source() {
    try {
      for (;;) yield new Uint8Array(100_000)
    } finally {
      returned = true
    }
  }
  await using edge = await running({ edge: { stallMs: 100 }, handler: streaming(source()) })
  const client = wire(edge.port)
  client.socket.pause()
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect(returned).toBe(true), 10_000)
  await vi.waitFor(() => expect(edge.edge.connections).toBe(0), 10_000)
})

test('a source that fails cuts the connection, so that half an answer does not look whole', async () => {
  async function* source() {
    yield 'data: 1\n\n'
    throw new Error('source failed')
  }
  await using edge = await running({ handler: streaming(source()) })
  const answer = await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(answer).toMatch(/data: 1/u)
  expect(answer).not.toMatch(/\r\n0\r\n\r\n$/u)
  expect(edge.lines).toMatchObject([{ level: 'error', fields: { error: { message: 'source failed' } } }])
})

test('HEAD of a stream has its head only, and the source is told at once', async () => {
  const iterator = {
    next: vi.fn<() => Promise<IteratorResult<string>>>(),
    return: vi
      .fn<() => Promise<IteratorReturnResult<undefined>>>()
      .mockResolvedValue({ done: true, value: undefined }),
  }
  const source: AsyncIterable<string> = { [Symbol.asyncIterator]: () => iterator }
  await using edge = await running({ handler: streaming(source) })
  const answer = await exchange(edge.port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(bodyOf(answer)).toBe('')
  expect([iterator.next.mock.calls.length, iterator.return.mock.calls.length]).toEqual([0, 1])
})

test('draining ends streams as whole answers, without waiting for the deadline', async () => {
  let returned = false
  await using edge = await running({
    handler: (_request, signal) => {
      async function* source() {
        try {
          yield 'data: 1\n\n'
          await parked(signal)
        } finally {
          returned = true
        }
      }
      return Promise.resolve({ status: 200, headers: events, body: source() })
    },
  })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/data: 1/u)
  await edge.edge.drain(60_000)
  expect(await client.closed()).toMatch(/data: 1[^]*\r\n0\r\n\r\n$/u)
  expect(returned).toBe(true)
})

test('a handler that answers a stream after its caller has gone has the source told', async () => {
  let answer: ((response: HttpResponse) => void) | undefined
  const iterator = {
    next: vi.fn<() => Promise<IteratorResult<string>>>(),
    return: vi
      .fn<() => Promise<IteratorReturnResult<undefined>>>()
      .mockResolvedValue({ done: true, value: undefined }),
  }
  await using edge = await running({ handler: () => new Promise((resolve) => (answer = resolve)) })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect(answer).toBeDefined(), 10_000)
  client.socket.destroy()
  await vi.waitFor(() => expect(edge.edge.connections).toBe(0), 10_000)
  answer?.({ status: 200, body: { [Symbol.asyncIterator]: () => iterator } })
  await vi.waitFor(() => expect(iterator.return).toHaveBeenCalledTimes(1), 10_000)
  expect(iterator.next).not.toHaveBeenCalled()
})

test.each([
  ['whose head cannot be written', { headers: { 'x-a': 'b\nc' } }],
  ['with a status that is none', { status: 99 }],
])('a stream %s is INTERNAL, and the source told', async (_what, changes) => {
  const iterator = {
    next: vi.fn<() => Promise<IteratorResult<string>>>(),
    return: vi
      .fn<() => Promise<IteratorReturnResult<undefined>>>()
      .mockResolvedValue({ done: true, value: undefined }),
  }
  const body: AsyncIterable<string> = { [Symbol.asyncIterator]: () => iterator }
  await using edge = await running({ handler: () => Promise.resolve({ status: 200, body, ...changes }) })
  expect((await fetch(edge.origin)).status).toBe(500)
  expect([iterator.next.mock.calls.length, iterator.return.mock.calls.length]).toEqual([0, 1])
})

test.each([
  ['a number', 7],
  ['null', null],
  ['an object', { a: 1 }],
])('a body that is %s, as a plugin without types may send it, is INTERNAL', async (_what, body) => {
  await using edge = await running({
    handler: () => Promise.resolve({ status: 200, body: body as unknown as string }), // what the types forbid
  })
  expect((await fetch(edge.origin)).status).toBe(500)
  expect(edge.lines).toHaveLength(1)
})

test("a stream ends as a whole answer, and its source is told, soon after its caller's credential", async () => {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] }) // the network goes on
  try {
    const told: string[] = []
    const until = Date.now() + 60_000
    const identity = {
      forHttp: () => ({ role: 'customer' as const, id: 'ann', until }),
      challenge: () => 'Bearer',
    }
    await using edge = await running({
      edge: { identity },
      handler: (_request, signal) => {
        async function* source() {
          try {
            yield 'data: 1\n\n'
            await parked(signal)
          } finally {
            told.push('returned')
          }
        }
        return Promise.resolve({ status: 200, headers: events, body: source() })
      },
    })
    const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    await client.until(/data: 1/u)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(told).toEqual([])
    await vi.advanceTimersByTimeAsync(3000)
    expect(await client.closed()).toMatch(/data: 1[^]*\r\n0\r\n\r\n$/u)
    await vi.waitFor(() => expect(told).toEqual(['returned']))
  } finally {
    vi.useRealTimers()
  }
})
