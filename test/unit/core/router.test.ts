import { expect, test } from 'vitest'
import { createRouter, ranked } from '../../../core/router.ts'
import { testMessage } from '../../../core/testing.ts'

const request = testMessage({ kind: 'request', type: 'GetOrder', data: { no: '007' } })

test('the first route that matches wins, and a route without `when` takes every kind (DESIGN §16)', async () => {
  const router = createRouter([
    { when: "kind = 'request' and type = 'Other'", backend: 'a' },
    { when: "kind = 'request'", backend: 'b' },
    { agent: 'helper', fallback: 'desk' },
  ])
  expect((await router.route(request))?.target).toEqual({ kind: 'backend', backend: 'b' })
  const event = testMessage({ kind: 'event', type: 'order.shipped' })
  expect((await router.route(event))?.target).toEqual({ kind: 'agent', agent: 'helper', fallback: 'desk' })
  expect(await createRouter([]).route(request)).toBeUndefined()
})

test('an operation with dots is a name, unless it begins with a field of the message', async () => {
  const named = async (operation: string) =>
    (await createRouter([{ backend: 'a', operation }]).route(request))?.operation(request)
  expect(await named('sales.order.create')).toBe('sales.order.create')
  expect(await named('sender.id')).toBe(request.sender.id)
  expect(await named('databases.find')).toBe('databases.find')
  await expect(named('data.nothing')).rejects.toMatchObject({
    message: 'no operation can be chosen for this',
    cause: { message: 'route 1: operation yields no name' },
  })
})

test('operation and params reshape a call: `$` is the parameters, `$message` the message', async () => {
  const [plain, computed] = await Promise.all(
    [
      { backend: 'a', operation: 'fetch_order', params: '{"id": no, "by": $message.sender.id}' },
      { backend: 'a', operation: "'v2.' & type" },
    ].map((route) => createRouter([route]).route(request)),
  )
  expect(await plain?.operation(request)).toBe('fetch_order')
  expect(await plain?.params(request)).toEqual({ id: '007', by: 'ann' })
  expect(await computed?.operation(request)).toBe('v2.GetOrder')
  expect(await computed?.params(request)).toEqual({ no: '007' })
})

test('what was said is the parameters of a message without data', async () => {
  const route = await createRouter([{ backend: 'a' }]).route(testMessage())
  expect(await route?.params(testMessage())).toEqual({
    sender: 'ann',
    conversation: 'test:ann',
    text: 'hello',
  })
})

test('a predicate that looks into lists is evaluated by JSONata itself', async () => {
  const router = createRouter([{ when: "'b' in data.tags", agent: 'x' }])
  expect(await router.route(testMessage({ data: { tags: ['a', 'b'] } }))).toBeDefined()
  expect(await router.route(testMessage({ data: { tags: ['a'] } }))).toBeUndefined()
})

test('`$present()` asks whether the customer’s app has a link, and only where a route says it (DESIGN §5)', async () => {
  const asked: string[] = []
  const router = createRouter(
    [
      { when: "kind = 'request'", backend: 'orders' },
      { when: "kind = 'event' and $present()", agent: 'app' },
      { agent: 'letters' },
    ],
    async ({ sender }) => {
      asked.push(sender.id)
      return sender.id === 'ann'
    },
  )
  await router.route(request)
  expect(asked).toEqual([])
  const event = testMessage({ kind: 'event', type: 'order.shipped' })
  expect((await router.route(event))?.target).toMatchObject({ agent: 'app' })
  const other = { ...event, sender: { id: 'bob', role: 'customer' as const } }
  expect((await router.route(other))?.target).toMatchObject({ agent: 'letters' })
  expect(asked).toEqual(['ann', 'bob'])
})

test('SEMANTICS 27: the priority of a route goes before the message’s own; without one nothing is routed for it', async () => {
  const pinned = (routes: Parameters<typeof createRouter>[0]) => () => ({
    router: createRouter(routes),
    [Symbol.dispose]() {},
  })
  const said = [{ when: "type = 'GetOrder'", backend: 'a', priority: 'urgent' as const }, { backend: 'b' }]
  const low = { ...request, priority: 'low' as const }
  expect(await ranked({ message: low }, pinned(said))).toEqual({ message: { ...low, priority: 'urgent' } })
  const other = { message: { ...low, type: 'Other' } }
  expect(await ranked(other, pinned(said))).toBe(other)
  expect(await ranked(other, pinned([{ when: '$error("asked")', backend: 'a' }]))).toBe(other)
  // It is stored all the same: its step says why no route can be found.
  expect(await ranked(other, pinned([{ when: '$error("asked")', backend: 'a' }, ...said]))).toBe(other)
})
