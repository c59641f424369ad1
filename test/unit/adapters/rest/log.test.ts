import { GatewayError } from 'dragoman'
import type { LogOptions, LogPage, Message } from 'dragoman'
import { expect, test } from 'vitest'

import { program, read, Trial } from './host.ts'

const message = (sequence: number): Message => ({
  id: `m-${sequence}`,
  kind: 'message',
  type: 'text',
  sender: { id: 'c-1', role: 'customer' },
  channel: 'web',
  conversation: 'web:c-1',
  direction: 'inbound',
  sequence,
  receivedAt: '2026-01-31T09:00:00Z',
  correlationId: `m-${sequence}`,
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  parts: [{ kind: 'text', text: `line\n${sequence}` }],
  raw: { mediaType: 'application/json', bytes: Buffer.from('secret') },
})
const page = (sequences: readonly number[], more: Partial<LogPage> = {}): LogPage => ({
  messages: sequences.map(message),
  next: sequences.at(-1) ?? 0,
  oldest: 1,
  top: 9,
  truncated: false,
  ...more,
})

interface Call {
  readonly conversation: string
  readonly after: number
  readonly options: LogOptions | undefined
}

test('the log is answered with its cursor and without raw bytes (DESIGN §16)', async () => {
  const calls: Call[] = []
  await using trial = await Trial.start({
    log: async (conversation, after, options) => {
      calls.push({ conversation, after, options })
      return page([5, 6], { oldest: 4, truncated: true })
    },
  })
  const answer = await trial.get('/v1/conversations/web:shop/7/messages?after=4&limit=2')
  expect(calls).toMatchObject([
    { conversation: 'web:shop/7', after: 4, options: { limit: 2, identity: program } },
  ])
  expect(answer.status).toBe(200)
  expect(answer.text).not.toMatch(/raw|secret/)
  expect(answer.body).toMatchObject({
    messages: [{ sequence: 5 }, { sequence: 6 }],
    next: 6,
    oldest: 4,
    top: 9,
    truncated: true,
  })
  expect(answer.headers['cache-control']).toBe('no-store')
})

test('without a query it begins at the beginning, a hundred at a time', async () => {
  const calls: Call[] = []
  await using trial = await Trial.start({
    log: async (conversation, after, options) => {
      calls.push({ conversation, after, options })
      return page([])
    },
  })
  await trial.get('/v1/conversations/c/messages')
  expect(calls[0]).toMatchObject({ conversation: 'c', after: 0, options: { limit: 100 } })
  expect(calls[0]?.options).not.toHaveProperty('waitMs')
})

test('Prefer: wait=N long-polls and says what it followed (RFC 7240 §4.3)', async () => {
  let waited: number | undefined
  await using trial = await Trial.start({
    log: async (_conversation, _after, options) => {
      waited = options?.waitMs
      return page([])
    },
  })
  const answer = await trial.get('/v1/conversations/c/messages', { prefer: 'wait=99' })
  expect([waited, answer.headers['preference-applied']]).toStrictEqual([30_000, 'wait=30'])
  expect(answer.headers['vary']).toContain('Prefer')
})

test.each([
  'after=1&after=2',
  'limit=5&limit=5',
  'after=-1',
  'after=1.5',
  'after=',
  'after=9999999999999999',
  'after=0x10',
  'limit=0',
  'limit=1001',
  'before=3',
  '__proto__=1',
])('the query %s is refused with 400', async (query) => {
  await using trial = await Trial.start()
  const answer = await trial.get(`/v1/conversations/c/messages?${query}`)
  expect([answer.status, answer.body['code']]).toStrictEqual([400, 'DECODE_FAILED'])
})

test('a cursor that cannot be used is answered 410 with oldest and top (SEMANTICS 12)', async () => {
  await using trial = await Trial.start({
    log: async () => {
      throw new GatewayError('CURSOR_RESET', 'cursor 99 is beyond the top', { detail: { oldest: 3, top: 8 } })
    },
  })
  for (const accept of ['application/json', 'text/event-stream']) {
    const answer = await trial.get('/v1/conversations/c/messages?after=99', { accept })
    expect([answer.status, answer.body['oldest'], answer.body['top']]).toStrictEqual([410, 3, 8])
  }
})

/** Pulls pieces until `count` have come. */
async function pull(stream: AsyncIterator<unknown>, count: number): Promise<string[]> {
  const pieces: string[] = []
  while (pieces.length < count) {
    const { done, value } = await stream.next()
    if (done === true) break
    pieces.push(String(value))
  }
  return pieces
}

async function open(trial: Trial, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal) {
  const response = await trial.send(
    {
      method: 'GET',
      path: '/v1/conversations/c/messages',
      query: 'after=2',
      headers: { accept: 'text/event-stream', ...headers },
    },
    signal,
  )
  if (typeof response.body !== 'object' || response.body instanceof Uint8Array)
    throw new TypeError('no stream')
  return { response, stream: response.body[Symbol.asyncIterator]() }
}

test('a stream sends each message with its sequence as id, then waits for more (WHATWG HTML §9.2)', async () => {
  const calls: Call[] = []
  const pages = [page([3, 4]), page([5])]
  await using trial = await Trial.start({
    log: async (conversation, after, options) => {
      calls.push({ conversation, after, options })
      return pages.shift() ?? new Promise(() => undefined)
    },
  })
  const { response, stream } = await open(trial)
  expect(response.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  })
  const [retry, ...events] = await pull(stream, 4)
  expect(retry).toBe('retry: 2000\n\n')
  expect(events.map((piece) => piece.split('\n')[0])).toStrictEqual(['id: 3', 'id: 4', 'id: 5'])
  for (const piece of events) expect(piece).toMatch(/^id: \d\ndata: \{.*\}\n\n$/)
  expect(events.join('')).not.toMatch(/secret/)
  expect(calls.map(({ after, options }) => [after, options?.waitMs])).toStrictEqual([
    [2, undefined],
    [4, 15_000],
  ])
})

test('Last-Event-ID resumes where the stream broke off; what is none is refused (WHATWG HTML §9.2.4)', async () => {
  const starts: number[] = []
  await using trial = await Trial.start({
    log: async (_conversation, after) => {
      starts.push(after)
      return page([])
    },
  })
  await open(trial, { 'last-event-id': '41' })
  expect(starts).toStrictEqual([41])
  const refused = await trial.get('/v1/conversations/c/messages', {
    accept: 'text/event-stream',
    'last-event-id': 'm-1',
  })
  expect(refused.status).toBe(400)
})

test('a silent stream gives signs of life, and moves the cursor over what this reader may not see', async () => {
  const pages = [page([], { next: 2 }), page([], { next: 2 }), page([], { next: 9 }), page([], { next: 9 })]
  await using trial = await Trial.start({ log: async () => pages.shift() ?? new Promise(() => undefined) })
  const { stream } = await open(trial)
  expect((await pull(stream, 5)).slice(1)).toStrictEqual([
    'id: 2\n\n',
    ': still here\n\n',
    'id: 9\n\n',
    ': still here\n\n',
  ])
})

test('a stream whose beginning is no longer kept says so first: never a silent hole (SEMANTICS 23)', async () => {
  const pages = [page([8], { oldest: 8, truncated: true })]
  await using trial = await Trial.start({ log: async () => pages.shift() ?? new Promise(() => undefined) })
  const { stream } = await open(trial)
  expect((await pull(stream, 2))[1]).toBe('event: truncated\ndata: {"oldest":8}\n\n')
})

test('a stream that breaks says why before it ends, without telling secrets', async () => {
  let reads = 0
  await using trial = await Trial.start({
    log: async () => {
      reads += 1
      if (reads === 1) return page([3])
      throw new Error('/srv/secret')
    },
  })
  const { stream } = await open(trial)
  const pieces = await pull(stream, 10)
  expect(pieces).toHaveLength(3)
  expect(pieces[2]).toMatch(/^event: problem\ndata: \{.*"code":"INTERNAL".*\}\n\n$/)
  expect(pieces.join('')).not.toContain('secret')
  expect(trial.logged).toStrictEqual(['a stream failed'])
})

test('a stream ends when the caller is gone, the reader returns, or the channel closes', async () => {
  for (const end of ['gone', 'return', 'channel'] as const) {
    const gone = new AbortController()
    let waiting: AbortSignal | undefined
    await using trial = await Trial.start({
      log: async (_conversation, _after, options) => {
        if (options?.waitMs === undefined) return page([3])
        const { signal } = options
        waiting = signal
        return new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => reject(new Error('gone')), { once: true })
        })
      },
    })
    const { stream } = await open(trial, {}, gone.signal)
    await pull(stream, 2)
    const last = stream.next()
    await expect.poll(() => waiting).toBeDefined()
    if (end === 'gone') gone.abort()
    else if (end === 'channel') trial.close()
    else void stream.return?.()
    expect((await last).done).toBe(true)
    expect(waiting?.aborted).toBe(true)
    expect(trial.logged).toStrictEqual([])
  }
})

test('HEAD answers the headers of the page and does not wait (RFC 9110 §9.3.2)', async () => {
  let waited: number | undefined = -1
  await using trial = await Trial.start({
    log: async (_conversation, _after, options) => {
      waited = options?.waitMs
      return page([1])
    },
  })
  const response = await trial.send({
    method: 'HEAD',
    path: '/v1/conversations/c/messages',
    headers: { prefer: 'wait=9', accept: 'text/event-stream' },
  })
  expect([read(response).headers['content-type'], waited]).toStrictEqual(['application/json', undefined])
})
