import { testAgent, testBackend, testConversation, testMessage, testScope } from 'dragoman/testing'
import type { Backend, BackendCall, Json, Scope } from 'dragoman'
import { expect, test } from 'vitest'

import adapter from '../../../plugins/sample-orders.ts'

const signal = new AbortController().signal
const greeting =
  'Hello! Tell me an order number, such as 000777, and I will look it up. Write "human" to talk to a person.'

testBackend('sample-orders', {
  adapter,
  config: {},
  calls: [
    {
      operation: 'GetOrder',
      params: { orderNo: '000777' },
      answer: {
        data: {
          orderNo: '000777',
          id: '9007199254740993',
          customer: '王小明 <&>',
          status: 'shipped',
          total: '1.10',
          lines: [{ sku: '0012', quantity: 1 }],
        },
      },
    },
    {
      operation: 'GetOrder',
      params: { orderNo: '000999' },
      answer: {
        fault: {
          code: 'OrderNotFound',
          message: 'there is no order 000999',
          detail: { OrderNotFound: { orderNo: '000999' } },
        },
      },
    },
  ],
})

testAgent('sample-orders', {
  adapter,
  config: {},
  says: [
    { text: 'hello', answer: { text: greeting } },
    {
      text: 'Where is my order 000777?',
      answer: { text: 'Thank you for asking. Order 000777 has been shipped; its total is 1.10.' },
    },
    { text: '我的订单000778到哪里了？', answer: { text: '您好，您的订单 000778 正在备货，金额 1280.00。' } },
    { text: '你好', answer: { text: expect.stringContaining('请告诉我订单号') as string } },
    { text: 'and 123456?', answer: { text: expect.stringContaining('cannot find order 123456') as string } },
    { text: '123456 呢', answer: { text: expect.stringContaining('没有找到订单 123456') as string } },
    { text: 'I want a HUMAN', answer: { handoff: 'the customer asks for a person' } },
    { text: '转人工', answer: { handoff: 'the customer asks for a person' } },
  ],
})

function open(scope: Scope = testScope()): Backend {
  const backend = adapter.backend?.create({}, scope)
  if (backend === undefined) throw new TypeError('sample-orders has no backend')
  return backend
}

function call(operation: string, params: Json, key = 'key-1'): BackendCall {
  return {
    operation,
    params,
    message: testMessage({ kind: 'request', type: operation, data: params }),
    key,
    attempt: 1,
  }
}

const wanted = { customer: '李雷', total: '20.00', lines: [{ sku: '0012', quantity: 2 }] }

test('the config says which operations may be repeated', () => {
  expect(open().operations).toStrictEqual({
    GetOrder: { safe: true },
    CreateOrder: { safe: false, idempotent: true },
  })
})

test('an order that was made can be looked up, also after a restart, by backend and bot', async () => {
  const scope = testScope()
  const { data } = await open(scope).call(call('CreateOrder', wanted), signal)
  expect(data).toMatchObject({ ...wanted, status: 'open' })
  const { orderNo } = data as { orderNo: string } // what the line before has looked at
  expect(orderNo).toMatch(/^\d{20}$/)
  expect(await open(scope).call(call('GetOrder', { orderNo }), signal)).toStrictEqual({ data })
  const agent = adapter.agent?.create({}, scope)
  const question = testMessage({ parts: [{ kind: 'text', text: `order ${orderNo}` }] })
  expect(await agent?.answer(question, testConversation, signal)).toMatchObject({
    text: `Thank you for asking. Order ${orderNo} is being prepared; its total is 20.00.`,
  })
})

test('the same call again is the same order, another key another one (SEMANTICS 2)', async () => {
  const scope = testScope()
  const first = await open(scope).call(call('CreateOrder', wanted), signal)
  const again = await open(scope).call(call('CreateOrder', { ...wanted, total: '99.00' }), signal)
  const other = await open(scope).call(call('CreateOrder', wanted, 'key-2'), signal)
  expect(again).toStrictEqual(first)
  expect(other).not.toStrictEqual(first)
})

test.each<[string, string, Json]>([
  ['a number as the order number', 'GetOrder', { orderNo: 777 }],
  ['no order number', 'GetOrder', {}],
  ['something else beside it', 'GetOrder', { orderNo: '1', '*': 1 }],
  ['no parameters', 'GetOrder', null],
  ['an order without lines', 'CreateOrder', { ...wanted, lines: [] }],
  ['a total that is a number', 'CreateOrder', { ...wanted, total: 20 }],
])('%s is a business fault that says what is wrong', async (_, operation, params) => {
  const { fault, data } = await open().call(call(operation, params), signal)
  expect([fault?.code, data]).toStrictEqual(['InvalidParameters', undefined])
  expect(fault?.message).not.toBe('')
})

test('an event and a picture without words are taken without an answer', async () => {
  const agent = adapter.agent?.create({}, testScope())
  const event = testMessage({ kind: 'event', type: 'order.shipped' })
  expect(await agent?.answer(event, testConversation, signal)).toBeUndefined()
  const picture = testMessage({ parts: [{ kind: 'image', text: '' }] })
  expect(await agent?.answer(picture, testConversation, signal)).toBeUndefined()
})
