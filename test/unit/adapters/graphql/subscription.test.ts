// The subscription `messages`: over SSE and over WebSocket, from a cursor on and without a hole.
import { GatewayError } from 'dragoman'
import type { ChannelHost } from 'dragoman'
import { describe, expect, test } from 'vitest'

import { until } from '../../../support/gateway.ts'
import { JSON_TYPE, bytes, growingLog, readAnswer, trial } from './trial.ts'
import type { Trial } from './trial.ts'

const query =
  'subscription($after: Int) { messages(conversation: "app:ann", after: $after) { sequence text } }'
const said = (sequence: number): object => ({
  data: { messages: { sequence, text: `text ${sequence}` } },
})
const texts = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => `text ${from + index}`)

/** Subscribes over SSE; collects the events until it is left. */
async function stream(channel: Trial, after?: number) {
  const response = await channel.send({
    headers: { ...JSON_TYPE, accept: 'text/event-stream' },
    body: bytes({ query, variables: after === undefined ? {} : { after } }),
  })
  const { body } = response
  if (typeof body !== 'object' || body instanceof Uint8Array)
    throw new TypeError(`no stream: ${String(body)}`)
  const reader = body[Symbol.asyncIterator]()
  const events: unknown[] = []
  let ended = false
  const reading = (async () => {
    let text = ''
    for (;;) {
      const { done, value } = await reader.next()
      if (done === true) break
      text += typeof value === 'string' ? value : new TextDecoder().decode(value)
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const data = /^data: (.+)$/mu.exec(block)?.[1]
        if (data !== undefined) events.push(JSON.parse(data))
      }
    }
    ended = true
  })()
  return {
    response,
    events,
    seen: (count: number) => until(() => (events.length >= count ? true : undefined)),
    ended: () => until(() => (ended ? true : undefined)),
    async leave() {
      await reader.return?.()
      await reading
    },
  }
}

describe('over SSE', () => {
  test('what is there comes first, then what is said, in order', async () => {
    const { log, say } = growingLog('app:ann')
    await using channel = await trial({ log })
    say(...texts(1, 3))
    const subscriber = await stream(channel)
    expect(subscriber.response.headers?.['content-type']).toBe('text/event-stream')
    await subscriber.seen(3)
    say('text 4')
    await subscriber.seen(4)
    expect(subscriber.events).toEqual([1, 2, 3, 4].map(said))
    await subscriber.leave()
  })

  test('a subscriber who comes again with the last sequence he has misses nothing and gets nothing twice', async () => {
    const { log, say } = growingLog('app:ann')
    await using channel = await trial({ log })
    say(...texts(1, 2))
    const first = await stream(channel)
    await first.seen(2)
    await first.leave()
    say(...texts(3, 9)) // while nobody listens
    const second = await stream(channel, 2)
    await second.seen(7)
    say('text 10')
    await second.seen(8)
    await second.leave()
    expect([...first.events, ...second.events]).toEqual(
      Array.from({ length: 10 }, (_, index) => said(index + 1)),
    )
  })

  test('one who leaves while nothing is said ends the wait of the log', async () => {
    const { log, say, read } = growingLog('app:ann')
    await using channel = await trial({ log })
    say('text 1')
    const subscriber = await stream(channel)
    await subscriber.seen(1)
    await until(() => (read.length === 2 ? true : undefined)) // it waits behind the first
    await subscriber.leave()
    say('text 2')
    await new Promise((resolve) => setImmediate(resolve))
    expect(read).toEqual([0, 1])
  })

  test('for one who does not read no more than a buffer full is read of the log', async () => {
    const { log, say, read } = growingLog('app:ann')
    await using channel = await trial({ log })
    say(...Array.from({ length: 1000 }, () => 'x'.repeat(2000))) // two of them a page
    const response = await channel.send({
      headers: { ...JSON_TYPE, accept: 'text/event-stream' },
      body: bytes({ query }),
    })
    const { body } = response
    if (typeof body !== 'object' || body instanceof Uint8Array) throw new TypeError('no stream')
    const reader = body[Symbol.asyncIterator]()
    await reader.next()
    await new Promise((later) => setTimeout(later, 100))
    expect(read.length).toBeLessThan(50)
    while (read.length < 400) await reader.next()
    await reader.return?.()
  })

  test('the end of the channel ends the stream', async () => {
    const { log, say } = growingLog('app:ann')
    const channel = await trial({ log })
    say('text 1')
    const subscriber = await stream(channel)
    await subscriber.seen(1)
    await channel[Symbol.asyncDispose]()
    await subscriber.ended()
  })

  test.each([
    ['NOT_FOUND', 'there is no conversation "app:ann"'],
    ['FORBIDDEN', 'the conversation "app:ann" is not yours to read'],
    ['CURSOR_RESET', 'the log of "app:ann" ends at 3, before 9'],
  ] as const)('%s is the answer itself, before a stream begins', async (code, message) => {
    await using channel = await trial({
      log: () => Promise.reject(new GatewayError(code, message, { detail: { top: 3 } })),
    })
    const subscriber = await stream(channel, 9)
    await subscriber.ended()
    expect(subscriber.events).toEqual([
      {
        errors: [
          expect.objectContaining({ message, extensions: { code, retryable: false, detail: { top: 3 } } }),
        ],
      },
    ])
  })

  test('a log that fails later says why and ends: nothing is passed over', async () => {
    let calls = 0
    const { log: working, say } = growingLog('app:ann')
    const log: ChannelHost['log'] = async (...given) => {
      calls += 1
      if (calls > 1) throw new GatewayError('STORE_UNAVAILABLE', 'the store is away')
      return working(...given)
    }
    await using channel = await trial({ log })
    say('text 1')
    const subscriber = await stream(channel)
    await subscriber.ended()
    expect(subscriber.events).toMatchObject([
      said(1),
      {
        errors: [
          { message: 'the store is away', extensions: { code: 'STORE_UNAVAILABLE', retryable: true } },
        ],
      },
    ])
  })

  test('a log that no longer reaches back says so with the first message, once: never a silent hole (SEMANTICS 23)', async () => {
    const { log: working, say } = growingLog('app:ann')
    await using channel = await trial({
      log: async (...given) => ({ ...(await working(...given)), oldest: 5, truncated: given[1] < 4 }),
    })
    say(...texts(1, 2))
    const subscriber = await stream(channel)
    await subscriber.seen(2)
    expect(subscriber.events).toEqual([{ ...said(1), extensions: { truncated: true, oldest: 5 } }, said(2)])
    await subscriber.leave()
  })

  test('without a stream in Accept a subscription comes as one all the same', async () => {
    const { log, say } = growingLog('app:ann')
    await using channel = await trial({ log })
    say('text 1')
    const response = await channel.send({ body: bytes({ query }) })
    expect(response.headers?.['content-type']).toBe('text/event-stream')
    if (typeof response.body === 'object' && !(response.body instanceof Uint8Array))
      await response.body[Symbol.asyncIterator]().return?.()
  })

  test('a caller who takes JSON alone is told that this is none (406)', async () => {
    const { log } = growingLog('app:ann')
    await using channel = await trial({ log })
    const headers = { ...JSON_TYPE, accept: 'application/json' }
    expect((await channel.send({ headers, body: bytes({ query }) })).status).toBe(406)
  })
})

/** A WebSocket to the channel; `said` are the messages that came. */
async function open(channel: Trial, params?: object, taken?: Promise<void>) {
  const peer = channel.connect(taken)
  const received = (): readonly {
    readonly type: string
    readonly id?: string
    readonly payload?: unknown
  }[] => peer.sent.map((text) => JSON.parse(String(text)) as never)
  await peer.say(
    JSON.stringify({ type: 'connection_init', ...(params !== undefined && { payload: params }) }),
  )
  return {
    peer,
    received,
    say: (message: object) => peer.say(JSON.stringify(message)),
    next: (id: string) => received().filter((message) => message.id === id && message.type === 'next'),
    seen: (id: string, type: string) =>
      until(() => received().find((message) => message.id === id && message.type === type)),
  }
}

describe('over WebSocket (graphql-transport-ws)', () => {
  test('a subscription, a query and a mutation run side by side on one socket', async () => {
    const { log, say } = growingLog('app:ann')
    await using channel = await trial({ log })
    const socket = await open(channel)
    say('text 1')
    await socket.say({ id: 's', type: 'subscribe', payload: { query } })
    await socket.say({ id: 'q', type: 'subscribe', payload: { query: '{ __typename }' } })
    const mutation = 'mutation($p: JSON) { request(operation: "A", params: $p) { id } }'
    await socket.peer.say(
      `{"id":"m","type":"subscribe","payload":{"query":${JSON.stringify(mutation)},"variables":{"p":1.10}}}`,
    )
    await socket.seen('m', 'complete')
    await socket.seen('q', 'complete')
    say('text 2')
    await until(() => (socket.next('s').length === 2 ? true : undefined))
    expect(socket.received()[0]).toEqual({ type: 'connection_ack' })
    expect(socket.next('s').map(({ payload }) => payload)).toEqual([said(1), said(2)])
    expect(socket.next('q')).toMatchObject([{ payload: { data: { __typename: 'Query' } } }])
    expect(channel.drafts).toMatchObject([
      { type: 'A', data: '1.10', raw: { mediaType: 'application/json' } },
    ])
    socket.peer.close()
  })

  test('a subscription that is completed or whose socket closes reads no further', async () => {
    const { log, say, read } = growingLog('app:ann')
    await using channel = await trial({ log })
    say('text 1')
    const one = await open(channel)
    await one.say({ id: 's', type: 'subscribe', payload: { query } })
    await one.seen('s', 'next')
    await one.say({ id: 's', type: 'complete' })
    const two = await open(channel)
    await two.say({ id: 's', type: 'subscribe', payload: { query, variables: { after: 1 } } })
    await until(() => (read.length >= 3 ? true : undefined))
    two.peer.close()
    const before = read.length
    say('text 2')
    await new Promise((resolve) => setImmediate(resolve))
    expect(read.length).toBe(before)
    one.peer.close()
  })

  test('one who does not read is not read for: the next message waits until the system has taken this one', async () => {
    const { log, say, read } = growingLog('app:ann')
    await using channel = await trial({ log })
    say(...texts(1, 500))
    const { promise: taken, resolve: take } = Promise.withResolvers<void>()
    const { peer, say: tell } = await open(channel, undefined, taken)
    await tell({ id: '1', type: 'subscribe', payload: { query } })
    await new Promise((later) => setTimeout(later, 50))
    expect(read.length).toBeLessThan(3)
    take()
    await until(() => (read.length > 200 ? true : undefined))
    peer.close()
  })

  test('a refusal is an error message with its code, and the socket goes on', async () => {
    await using channel = await trial({
      log: () => Promise.reject(new GatewayError('NOT_FOUND', 'there is no such conversation')),
      accept: () => Promise.reject(new GatewayError('OVERLOADED', 'too much', { retryAfterMs: 2000 })),
    })
    const socket = await open(channel)
    const ask = (id: string, text: string): Promise<void> =>
      socket.say({ id, type: 'subscribe', payload: { query: text } })
    await ask('syntax', '{ nope')
    await ask('field', '{ nope }')
    await ask('deep', `${'{ a '.repeat(20)}${'}'.repeat(20)}`)
    await ask('log', 'subscription { messages(conversation: "x") { id } }')
    await ask('full', 'mutation { request(operation: "A") { id } }')
    await socket.seen('full', 'complete')
    const code = async (id: string, type: string): Promise<unknown> => {
      const { payload } = await socket.seen(id, type)
      const [error] = Array.isArray(payload) ? payload : (payload as { errors: unknown[] }).errors
      return (error as { extensions: unknown }).extensions
    }
    for (const id of ['syntax', 'field', 'deep'])
      expect(await code(id, 'error')).toEqual({ code: 'DECODE_FAILED', retryable: false })
    expect(await code('log', 'next')).toEqual({ code: 'NOT_FOUND', retryable: false })
    expect(await code('full', 'next')).toEqual({ code: 'OVERLOADED', retryable: true, retryAfterMs: 2000 })
    expect(socket.peer.closed).toBeUndefined()
    expect(channel.errors).toEqual([])
  })

  test('what is no message of the protocol closes with 4400, before anything recurses over it', async () => {
    await using channel = await trial()
    for (const garbage of ['{', '[]', `{"id":"1","type":"subscribe","payload":${'['.repeat(9000)}`, 'null']) {
      const { peer } = await open(channel)
      await peer.say(garbage)
      expect(peer.closed).toMatchObject({ code: 4400 })
    }
    const { peer } = await open(channel)
    await peer.say(new Uint8Array([1, 2]))
    expect(peer.closed).toMatchObject({ code: 4400 })
  })

  test('asking before the handshake of the protocol closes with 4401', async () => {
    await using channel = await trial()
    const peer = channel.connect()
    await peer.say(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
    expect(peer.closed).toMatchObject({ code: 4401 })
  })

  test('a token in connectionParams names the caller; one that is wrong closes with 4403', async () => {
    await using channel = await trial()
    const identify: ChannelHost['identify'] = async (credential) => {
      if (credential.scheme === 'bearer' && credential.token === 'good')
        return { role: 'customer', id: 'ann' }
      throw new GatewayError('AUTH_FAILED', 'the token is not known')
    }
    Object.assign(channel.host, { identify })
    const ann = await open(channel, { authorization: 'Bearer good' })
    await ann.say({
      id: 'm',
      type: 'subscribe',
      payload: { query: 'mutation { sendMessage(text: "a") { id } }' },
    })
    await ann.seen('m', 'complete')
    expect(channel.drafts[0]?.sender).toEqual({ id: 'ann', role: 'customer' })
    const wrong = await open(channel, { authorization: 'Bearer bad' })
    await until(() => wrong.peer.closed)
    expect(wrong.peer.closed).toMatchObject({ code: 4403 })
  })

  test('more operations at once than the limit are refused one by one (RATE_LIMITED)', async () => {
    const { log, say } = growingLog('app:ann')
    await using channel = await trial({ log, config: { limits: { concurrent: 2 } } })
    say('text 1')
    const socket = await open(channel)
    for (const id of ['a', 'b', 'c']) await socket.say({ id, type: 'subscribe', payload: { query } })
    expect((await socket.seen('c', 'error')).payload).toMatchObject([
      { extensions: { code: 'RATE_LIMITED' } },
    ])
    await socket.say({ id: 'a', type: 'complete' })
    await socket.say({ id: 'd', type: 'subscribe', payload: { query } })
    await socket.seen('d', 'next')
    socket.peer.close()
  })

  test('persisted documents are found there too', async () => {
    await using channel = await trial()
    const socket = await open(channel)
    await socket.say({
      id: 'p',
      type: 'subscribe',
      payload: { query: '', extensions: { persistedQuery: { version: 1, sha256Hash: '0'.repeat(64) } } },
    })
    expect((await socket.seen('p', 'error')).payload).toMatchObject([
      { message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } },
    ])
  })
})

test('the log is a query as well, a page at a time', async () => {
  const { log, say } = growingLog('app:ann')
  await using channel = await trial({ log })
  say(...texts(1, 3))
  const response = await channel.send({
    body: bytes({
      query:
        '{ conversation(id: "app:ann", after: 1, limit: 1) { messages { sequence text } next oldest truncated } }',
    }),
  })
  expect((await readAnswer(response)).data).toEqual({
    conversation: { messages: [{ sequence: 2, text: 'text 2' }], next: 2, oldest: 1, truncated: false },
  })
})
