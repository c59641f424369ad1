import { expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { Json } from '../../../core/api.ts'
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

test.each([
  ['[]', [], false],
  ['{}', {}, false],
  ['[false]', [false], false],
  ['[0, ""]', [0, ''], false],
  ['[[]]', [[]], false],
  ['[0, 1]', [0, 1], true],
  ['{"b": 0}', { b: 0 }, true],
  ['null', null, false],
  ['""', '', false],
  ['"false"', 'false', true],
] as const)('a predicate that yields %s matches as JSONata’s $boolean says', async (_name, a, expected) => {
  const router = createRouter([{ when: 'data.a', agent: 'x' }])
  expect((await router.route(testMessage({ data: { a: structuredClone(a) } }))) !== undefined).toBe(expected)
})

test('a message that a predicate cannot be evaluated for has no route: it is not given to the routes below (DESIGN §5)', async () => {
  const router = createRouter([
    { when: "kind = 'event'", agent: 'x' },
    { when: 'data.amount > 1000', agent: 'supervisor' },
    { agent: 'helper' },
  ])
  const order = (amount: Json) => testMessage({ kind: 'request', data: { amount } })
  expect((await router.route(order(12)))?.target).toMatchObject({ agent: 'helper' })
  await expect(router.route(order('12'))).rejects.toMatchObject({
    code: 'NO_ROUTE',
    message: expect.stringMatching(/^route 2: when cannot be evaluated: The values "12" and 1000 /u),
  })
  const asking = createRouter([{ when: '$number(data.amount) > 1', agent: 'x' }])
  const { message } = GatewayError.from(
    await asking.route(order('x'.repeat(5000))).catch((error: unknown) => error),
  )
  expect(message).toContain('route 1: when cannot be evaluated: Unable to cast value to a number: "xxx')
  expect(message.length).toBeLessThan(300)
})

test.each([
  ['operation', { backend: 'a', operation: '$number(data.no)' }],
  ['params', { backend: 'a', params: '$number(no)' }],
  ['ordered', { backend: 'a', ordered: '$number(data.no)' }],
  ['reply', { reply: 'You pay {{$number(data.no) * 2}}.' }],
] as const)('a route whose `%s` cannot be evaluated says so, with its number', async (key, config) => {
  const message = testMessage({ kind: 'request', data: { no: 'x' } })
  const route = await createRouter([{ when: "type = 'other'", agent: 'x' }, config]).route(message)
  const evaluated = async (): Promise<unknown> =>
    key === 'reply' ? route?.reply?.(message) : route?.[key === 'ordered' ? 'order' : key](message)
  await expect(evaluated()).rejects.toMatchObject({
    code: 'NO_ROUTE',
    message: `route 2: ${key} cannot be evaluated: Unable to cast value to a number: "x"`,
  })
})

test('where it cannot be known whether the app has a link, that is why, not the predicate', async () => {
  const unavailable = new GatewayError('STORE_UNAVAILABLE', 'no Redis')
  const router = createRouter([{ when: '$present()', agent: 'x' }], () => Promise.reject(unavailable))
  await expect(router.route(testMessage())).rejects.toBe(unavailable)
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
