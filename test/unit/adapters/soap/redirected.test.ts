// A call that is redirected goes no further; and what the guard's refusal of an address proves.
import { expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import type { Json } from 'dragoman'
import { testMessage, testScope } from 'dragoman/testing'
import adapter from '../../../../adapters/soap/index.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { createFetch } from '../../../../core/guard/fetch.ts'
import { serve } from '../../core/guard/servers.ts'
import { wsdl } from './service.ts'

const signal = new AbortController().signal

interface Asking {
  readonly operation?: string
  readonly params?: Record<string, Json>
  readonly endpoint?: string
}

function open() {
  const { log } = testScope()
  const options = { allow: ['127.0.0.1'], connections: 5, responseLimitBytes: 10_000, log }
  const guarded = createFetch(options)
  return { fetch: guarded.fetch, [Symbol.asyncDispose]: () => guarded.dispose() }
}

/** The failure of a call that this fetch answers, or what it answers. */
async function failureWith(
  fetch: typeof globalThis.fetch,
  { operation = 'WhoAmI', params = {}, endpoint = 'http://orders.example/ws' }: Asking = {},
): Promise<unknown> {
  const component = adapter.backend
  if (component === undefined) throw new Error('the adapter has no backend')
  const config = { wsdl: wsdl('orders'), endpoint }
  const checked = await component.config['~standard'].validate(config)
  if (checked.issues !== undefined) throw new Error(checked.issues.map(({ message }) => message).join('; '))
  await using backend = component.create(checked.value, testScope({ fetch }))
  await backend.start?.(signal)
  const message = testMessage({ kind: 'request', type: operation, data: params })
  const call = { operation, params, message, key: message.id, attempt: 1 }
  return await backend.call(call, signal).catch((error: unknown) => error)
}

const shipment = { operation: 'NotifyShipment', params: { orderId: '7', carrier: 'DHL' } }

test.each([301, 302, 303, 307, 308])(
  'SEMANTICS 3: %i is a failure that leaves open what was done: the call is made once, and where it leads nobody is asked',
  async (status) => {
    await using server = await serve((response, { path }) =>
      path === '/ws'
        ? response.writeHead(status, { location: '/moved;v=2?session=1' }).end()
        : response.writeHead(200).end(),
    )
    await using guarded = open()
    for (const asked of [{}, shipment])
      expect(await failureWith(guarded.fetch, { ...asked, endpoint: `${server.origin}/ws` })).toMatchObject({
        code: 'BACKEND_FAILED',
        message: expect.stringMatching(new RegExp(` answered ${status}, a redirect$`, 'u')),
        cause: {
          message: `it leads to ${server.origin}/moved;v=2: write the address that is meant as endpoint`,
        },
        detail: { status },
        notExecuted: false,
      })
    expect(server.seen.map(({ method, path }) => `${method} ${path}`)).toEqual(['POST /ws', 'POST /ws'])
  },
)

test('a redirect to the very same address is asked once, as is one that says no address', async () => {
  let location: string | undefined = '/ws'
  await using server = await serve((response) =>
    response.writeHead(307, location === undefined ? {} : { location }).end(),
  )
  await using guarded = open()
  const asked = { ...shipment, endpoint: `${server.origin}/ws` }
  expect(await failureWith(guarded.fetch, asked)).toMatchObject({ code: 'BACKEND_FAILED' })
  expect(server.seen).toHaveLength(1)
  location = undefined
  expect(await failureWith(guarded.fetch, asked)).toMatchObject({
    cause: { message: 'it leads nowhere: write the address that is meant as endpoint' },
  })
})

test.each([true, false])(
  'SEMANTICS 3: an address that is refused proves what the guard says of it, no more (%o)',
  async (notExecuted) => {
    const failure = await failureWith(async () => {
      throw new GatewayError('FORBIDDEN', 'the address is not public', { notExecuted })
    })
    expect(failure).toMatchObject({
      code: 'BACKEND_FAILED',
      message: 'the address in the WSDL is not a public one',
      cause: { message: expect.stringMatching(/^https?:.* write it as endpoint$/u) },
      notExecuted,
    })
  },
)

test.each([
  [true, 'ACTIVE'],
  [false, 'OPEN'],
])(
  'an address that we refuse moves no breaker, one behind a redirect does (DESIGN §7; not executed: %o)',
  async (notExecuted, state) => {
    const breaker = createBreaker('orders.WhoAmI', {
      errorRate: 50,
      minimumCalls: 10,
      windowMs: 10_000,
      openForMs: 5_000,
    })
    const failure = await failureWith(async () => {
      throw new GatewayError('FORBIDDEN', 'the address is not public', { notExecuted })
    })
    for (let i = 0; i < 20; i += 1)
      await breaker
        .run(async () => {
          throw failure
        })
        .catch(() => undefined)
    expect(breaker.state).toBe(state)
    breaker.dispose()
  },
)

test.each([false, true])(
  'SEMANTICS 3: 429 proves that nothing was done, but not behind a redirect (%o)',
  async (redirected) => {
    const answer = new Response('', { status: 429, headers: { 'content-type': 'text/xml' } })
    Object.defineProperty(answer, 'redirected', { value: redirected })
    expect(await failureWith(async () => answer)).toMatchObject({ notExecuted: !redirected })
  },
)
