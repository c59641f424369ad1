// What a failure proves of a call that was redirected: who sent us elsewhere may have done it.
import { expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { testMessage, testScope } from 'dragoman/testing'
import adapter from '../../../../adapters/soap/index.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { wsdl } from './service.ts'

const signal = new AbortController().signal

/** The failure of a call that this fetch answers. */
async function failureWith(fetch: () => Promise<Response>): Promise<unknown> {
  const component = adapter.backend
  if (component === undefined) throw new Error('the adapter has no backend')
  const config = { wsdl: wsdl('orders'), endpoint: 'http://orders.example/ws' }
  const checked = await component.config['~standard'].validate(config)
  if (checked.issues !== undefined) throw new Error(checked.issues.map(({ message }) => message).join('; '))
  await using backend = component.create(checked.value, testScope({ fetch }))
  await backend.start?.(signal)
  const message = testMessage({ kind: 'request', type: 'WhoAmI', data: {} })
  const call = { operation: 'WhoAmI', params: {}, message, key: message.id, attempt: 1 }
  return await backend.call(call, signal).catch((error: unknown) => error)
}

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
