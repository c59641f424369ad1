// A drop-in as an integrator writes one: a small order system as a backend, and a bot that knows its orders.
import { createHash } from 'node:crypto'

import { defineAdapter, GatewayError } from 'dragoman'
import type { Agent, Answer, Backend, Json, Message, Scope } from 'dragoman'
import { z } from 'zod'

const line = z.strictObject({
  sku: z.string().min(1).max(64),
  quantity: z.int().min(1).max(1000),
})
const newOrder = z.strictObject({
  customer: z.string().min(1).max(200),
  total: z.string().regex(/^\d{1,12}\.\d{2}$/, 'expected a text such as "1.10"'),
  lines: z.array(line).min(1).max(100),
})
const wantedOrder = z.strictObject({ orderNo: z.string().regex(/^\d{1,20}$/, 'expected digits as a text') })

const statuses = {
  open: { en: 'is being prepared', zh: '正在备货' },
  shipped: { en: 'has been shipped', zh: '已发货' },
  delivered: { en: 'has been delivered', zh: '已送达' },
} as const

const order = newOrder.extend({
  orderNo: z.string(),
  id: z.string(),
  status: z.enum(['open', 'shipped', 'delivered']),
})
type Order = z.output<typeof order>

// Numbers that most gateways damage on the way: leading zeros, a trailing zero, more than 2^53, markup in a name.
const samples: readonly Order[] = [
  {
    orderNo: '000777',
    id: '9007199254740993',
    customer: '王小明 <&>',
    status: 'shipped',
    total: '1.10',
    lines: [{ sku: '0012', quantity: 1 }],
  },
  {
    orderNo: '000778',
    id: '9007199254740995',
    customer: 'Ada Byron',
    status: 'open',
    total: '1280.00',
    lines: [
      { sku: '0012', quantity: 2 },
      { sku: '1e5', quantity: 10 },
    ],
  },
  {
    orderNo: '000779',
    id: '18446744073709551615',
    customer: '李雷',
    status: 'delivered',
    total: '0.05',
    lines: [{ sku: '+8613', quantity: 1 }],
  },
]

const KEEP_MS = 30 * 24 * 3_600_000

/** The sample orders, then those that CreateOrder put into the shared small store. */
async function findOrder(orderNo: string, { state }: Scope): Promise<Order | undefined> {
  const sample = samples.find((each) => each.orderNo === orderNo)
  if (sample !== undefined) return sample
  const kept = await state.get(`order/${orderNo}`)
  return kept === undefined ? undefined : order.parse(kept.value)
}

function createBackend(scope: Scope): Backend {
  return {
    operations: { GetOrder: { safe: true }, CreateOrder: { safe: false, idempotent: true } },

    async call({ operation, params, key }) {
      switch (operation) {
        case 'GetOrder':
          return getOrder(params)
        case 'CreateOrder':
          return createOrder(params, key)
        default:
          throw new GatewayError('NO_ROUTE', `sample-orders has GetOrder and CreateOrder, not ${operation}`)
      }
    },

    async [Symbol.asyncDispose]() {
      // nothing is held
    },
  }

  async function getOrder(params: Json): Promise<Answer> {
    const wanted = wantedOrder.safeParse(params)
    if (!wanted.success) return invalid(wanted.error)
    const { orderNo } = wanted.data
    const found = await findOrder(orderNo, scope)
    if (found !== undefined) return { data: found }
    // One member that a WSDL declares as a fault is encoded by that fault's schema.
    const detail = { OrderNotFound: { orderNo } }
    return { fault: { code: 'OrderNotFound', message: `there is no order ${orderNo}`, detail } }
  }

  // The number comes from the key, so the same call again finds the order it made: after a restart and on any instance.
  async function createOrder(params: Json, key: string): Promise<Answer> {
    const wanted = newOrder.safeParse(params)
    if (!wanted.success) return invalid(wanted.error)
    const id = createHash('sha256').update(key).digest().readBigUInt64BE()
    const orderNo = String(id).padStart(20, '0')
    const made: Order = { ...wanted.data, orderNo, id: String(id), status: 'open' }
    await scope.state.compareAndSet(`order/${orderNo}`, undefined, made, { ttlMs: KEEP_MS })
    return { data: (await findOrder(orderNo, scope)) ?? made }
  }
}

function invalid({ issues }: z.ZodError): Answer {
  const problems = issues.map(({ path, message }) => `${path.join('.')}: ${message}`.replace(/^: /, ''))
  return { fault: { code: 'InvalidParameters', message: problems.join('; '), detail: { problems } } }
}

function createAgent(scope: Scope): Agent {
  return {
    async answer(message) {
      const text = textOf(message)
      if (text === '') return undefined // an event or a picture: nothing to say
      if (/\bhuman\b|人工/i.test(text)) return { handoff: 'the customer asks for a person' }
      const language = /\p{Script=Han}/u.test(text) ? 'zh' : 'en'
      const orderNo = /\d{6,20}/.exec(text)?.[0]
      if (orderNo === undefined) return { text: greetings[language] }
      const found = await findOrder(orderNo, scope)
      return { text: found === undefined ? unknown(orderNo)[language] : known(found)[language] }
    },

    async [Symbol.asyncDispose]() {
      // nothing is held
    },
  }
}

const greetings = {
  en: 'Hello! Tell me an order number, such as 000777, and I will look it up. Write "human" to talk to a person.',
  zh: '您好！请告诉我订单号（例如 000777），我来为您查询。需要人工服务，请回复“人工”。',
} as const

function known({ orderNo, status, total }: Order): { readonly en: string; readonly zh: string } {
  const { en, zh } = statuses[status]
  return {
    en: `Thank you for asking. Order ${orderNo} ${en}; its total is ${total}.`,
    zh: `您好，您的订单 ${orderNo} ${zh}，金额 ${total}。`,
  }
}

function unknown(orderNo: string): { readonly en: string; readonly zh: string } {
  return {
    en: `I am sorry, I cannot find order ${orderNo}. Please check the number, or write "human" to talk to a person.`,
    zh: `抱歉，没有找到订单 ${orderNo}。请核对订单号，或回复“人工”转接客服。`,
  }
}

function textOf({ kind, parts = [] }: Message): string {
  return kind === 'message'
    ? parts
        .map(({ text }) => text)
        .join(' ')
        .trim()
    : ''
}

export default defineAdapter({
  name: 'sample-orders',
  apiVersion: 1,
  backend: { config: z.strictObject({}), create: (_config, scope) => createBackend(scope) },
  agent: { config: z.strictObject({}), create: (_config, scope) => createAgent(scope) },
})
