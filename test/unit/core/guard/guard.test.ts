// The parts of the guard together: breaker(deadline(call)), and what is put around it later.
import { Agent } from 'undici'
import { expect, test, vi } from 'vitest'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { exchange } from '../../../../core/guard/exchange.ts'
import { createFetch } from '../../../../core/guard/fetch.ts'
import { readOutbound } from '../../../../core/guard/outbound.ts'
import { recorded, serve, serveRaw } from './servers.ts'

const options = { errorRate: 50, minimumCalls: 3, windowMs: 10_000, openForMs: 60_000 }

test('a dead backend opens the breaker, and from then on costs nothing (DESIGN §7)', async () => {
  await using server = await serve((response) => response.destroy())
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 5,
    responseLimitBytes: 100,
    log: recorded().log,
  })
  const breaker = createBreaker('orders.GetOrder', options)
  const call = (): Promise<Response> =>
    breaker.run(() =>
      withDeadline({ ms: 5_000, what: 'orders' }, (signal) => guarded.fetch(server.origin, { signal })),
    )
  for (let i = 0; i < 3; i += 1) await expect(call()).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  for (let i = 0; i < 50; i += 1)
    await expect(call()).rejects.toMatchObject({ code: 'BREAKER_OPEN', notExecuted: true })
  expect(server.seen).toHaveLength(3)
  breaker.dispose()
  await guarded.dispose()
})

test('a system that never gives a connection: the deadline proves that nothing was done (SEMANTICS 3), and the breaker counts it', async () => {
  await using mute = await serveRaw('', 'wait') // it takes the connection and never says a word of TLS
  await using silent = await serve(() => undefined)
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 5,
    responseLimitBytes: 100,
    log: recorded().log,
  })
  const breaker = createBreaker('orders.GetOrder', { ...options, minimumCalls: 2 })
  const call = (address: string, ms: number): Promise<Response> =>
    breaker.run(() =>
      withDeadline({ ms, what: 'orders' }, (signal) => guarded.fetch(address, { method: 'POST', signal })),
    )
  const unwritten = {
    code: 'DEADLINE_EXCEEDED',
    notExecuted: true,
    message: 'orders: no connection within 100 ms',
  }
  await expect(call(mute.origin.replace('http', 'https'), 100)).rejects.toMatchObject(unwritten)
  expect(breaker.state).toBe('ACTIVE')
  const written = {
    code: 'DEADLINE_EXCEEDED',
    notExecuted: false,
    message: 'orders: no answer within 3000 ms',
  }
  await expect(call(silent.origin, 2999.9)).rejects.toMatchObject(written)
  expect(silent.seen).toHaveLength(1)
  expect(breaker.state).toBe('OPEN')
  breaker.dispose()
  await guarded.dispose()
})

test('SEMANTICS 3: whose redirect, earlier or other request had a connection proves nothing, though the last one waits for its own', async () => {
  await using mute = await serveRaw('', 'wait')
  const elsewhere = mute.origin.replace('http', 'https')
  await using server = await serve((response, { path }) =>
    path === '/moved' ? response.writeHead(307, { location: elsewhere }).end() : response.end('ok'),
  )
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 5,
    responseLimitBytes: 100,
    log: recorded().log,
  })
  const post = (address: string, signal: AbortSignal): Promise<Response> =>
    guarded.fetch(address, { method: 'POST', signal })
  const calls: readonly ((signal: AbortSignal) => Promise<unknown>)[] = [
    (signal) => post(`${server.origin}/moved`, signal),
    async (signal) => [await post(server.origin, signal), await post(elsewhere, signal)],
    (signal) => Promise.all([post(elsewhere, signal), post(server.origin, signal)]),
  ]
  const ended = await Promise.allSettled(
    calls.map((call) => withDeadline({ ms: 1500, what: 'orders' }, call)),
  )
  for (const one of ended)
    expect(one).toMatchObject({ reason: { code: 'DEADLINE_EXCEEDED', notExecuted: false } })
  expect(server.seen).toHaveLength(3)
  await guarded.dispose()
})

test('our own refusals, a forbidden address and a header that cannot be sent, never open it', async () => {
  const guarded = createFetch({ allow: [], connections: 5, responseLimitBytes: 100, log: recorded().log })
  const breaker = createBreaker('orders.GetOrder', options)
  for (let i = 0; i < 20; i += 1) {
    await expect(breaker.run(() => guarded.fetch('http://127.0.0.1:1/'))).rejects.toMatchObject({
      code: 'FORBIDDEN',
    })
    await expect(
      breaker.run(() => guarded.fetch('http://127.0.0.1:1/', { headers: { a: '\n' } })),
    ).rejects.toMatchObject({
      code: 'ENCODE_FAILED',
    })
  }
  expect(breaker.state).toBe('ACTIVE')
  breaker.dispose()
  await guarded.dispose()
})

test('a retry put outermost sees each failure of the call, and stops at the open breaker', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  let calls = 0
  const ends: unknown[] = []
  for (let attempt = 1; attempt <= 5; attempt += 1) {
    const call = breaker.run(() =>
      withDeadline({ ms: 1_000, what: 'orders' }, () => {
        calls += 1
        return Promise.reject(new Error('down'))
      }),
    )
    ends.push(await call.catch((error: Error & { code?: string }) => error.code ?? error.message))
  }
  expect(ends).toEqual(['down', 'down', 'down', 'BREAKER_OPEN', 'BREAKER_OPEN'])
  expect(calls).toBe(3)
  breaker.dispose()
})

test('a line that is silent too long is DEADLINE_EXCEEDED even where nobody set a deadline', async () => {
  await using server = await serve(() => undefined)
  await using agent = disposable(new Agent({ headersTimeout: 10 }))
  const answer = exchange(agent.agent, await readOutbound(server.origin), 100)
  await expect(answer).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: false })
})

test('no listener stays at a signal that outlives many requests', async () => {
  await using server = await serve((response) => response.end('ok'))
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 5,
    responseLimitBytes: 100,
    log: recorded().log,
  })
  const { signal } = new AbortController()
  const added = vi.spyOn(signal, 'addEventListener')
  const removed = vi.spyOn(signal, 'removeEventListener')
  for (let i = 0; i < 5; i += 1) await guarded.fetch(server.origin, { signal })
  expect([added.mock.calls.length, removed.mock.calls.length]).toEqual([5, 5])
  await guarded.dispose()
})

function disposable(agent: Agent): AsyncDisposable & { readonly agent: Agent } {
  return { agent, [Symbol.asyncDispose]: () => agent.destroy() }
}
