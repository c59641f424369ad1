// What adapters are tested with: a host that answers as a gateway would.
import { GatewayError, defineAdapter } from 'dragoman'
import type { Draft, Json } from 'dragoman'
import { testChannel, testHost, testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'
import { z } from 'zod'

/** Its handler throws, and leaves it to the edge to say so. */
const signed = defineAdapter({
  name: 'signed',
  apiVersion: 1,
  channel: {
    config: z.strictObject({}),
    create: () => ({
      async start(host) {
        host.serve(
          '/signed',
          async ({ headers, body }) => {
            if (headers['x-signature'] !== 'right') throw new GatewayError('AUTH_FAILED', 'bad signature')
            const text = new TextDecoder().decode(body)
            if (!text.startsWith('say '))
              throw new GatewayError('DECODE_FAILED', 'it does not begin with "say "')
            const sender = { id: 'ann', role: 'customer' as const }
            await host.accept({ kind: 'message', type: 'text', sender, parts: [{ kind: 'text', text }] })
            return { status: 200, body: 'ok' }
          },
          { signed: true },
        )
      },
      async [Symbol.asyncDispose]() {
        // nothing is held
      },
    }),
  },
})

testChannel('a channel whose handler throws', {
  adapter: signed,
  config: {},
  request: {
    path: '/signed',
    headers: { 'x-signature': 'right' },
    body: new TextEncoder().encode('say hello'),
  },
  draft: { kind: 'message', parts: [{ kind: 'text', text: 'say hello' }] },
  reply: { origin: 'agent', parts: [{ kind: 'text', text: 'hi' }] },
})

test('what a handler throws is answered as at the edge: as a problem, or in the words of the channel', async () => {
  const host = testHost()
  const thrown = new GatewayError('AUTH_FAILED', 'bad signature')
  host.serve('/plain', () => Promise.reject(thrown))
  host.serve('/own', () => Promise.reject(thrown), {
    refused: ({ code }) => ({ contentType: 'text/plain', body: `no: ${code}` }),
  })
  const plain = await host.handle({ path: '/plain' })
  expect(plain).toMatchObject({ status: 401, body: expect.stringContaining('"code":"AUTH_FAILED"') })
  expect(await host.handle({ path: '/own' })).toMatchObject({
    status: 401,
    headers: { 'content-type': 'text/plain' },
    body: 'no: AUTH_FAILED',
  })
})

test('the messages of a socket wait for each other, unless it is `concurrent`', async () => {
  const host = testHost()
  const taken: string[] = []
  for (const concurrent of [false, true])
    host.socket(
      `/${concurrent}`,
      (socket) =>
        socket.onMessage((data) => {
          taken.push(`${concurrent} ${String(data)}`)
          return new Promise(() => undefined) // it is at work for ever
        }),
      { concurrent },
    )
  const patient = host.connect({ path: '/false' })
  void patient.say('1')
  void patient.say('2')
  const hasty = host.connect({ path: '/true' })
  await hasty.say('1')
  await hasty.say('2')
  await new Promise((later) => setImmediate(later))
  expect(taken.toSorted()).toEqual(['false 1', 'true 1', 'true 2'])
})

test("a handler's own mistake is the test's failure, with the handler's line", async () => {
  const host = testHost()
  host.serve('/broken', async () => {
    throw new RangeError('mine')
  })
  await expect(host.handle({ path: '/broken' })).rejects.toThrow('mine')
  expect(() => host.handle({ path: '/nowhere' })).toThrow('nothing serves /nowhere')
})

test('what a worker would refuse to hand over the test host and scope refuse too', async () => {
  const at = new URL('http://a') as unknown as Json
  const draft: Draft = { kind: 'event', type: 'x', sender: { id: 'ann', role: 'customer' }, data: { at } }
  const host = testHost()
  await expect(host.accept(draft)).rejects.toThrow('data.at is a URL: write String(…)')
  expect(host.drafts).toEqual([])
  const { state } = testScope()
  await expect(state.put('k', { at })).rejects.toThrow('at is a URL')
  await expect(state.compareAndSet('k', undefined, { at })).rejects.toThrow('at is a URL')
  expect(await state.get('k')).toBeUndefined()
})
