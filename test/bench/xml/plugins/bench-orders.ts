// The business system of the benchmark, in the gateway's process: it answers the same to everybody, at once.
import { defineAdapter } from 'dragoman'
import type { Json } from 'dragoman'
import { z } from 'zod'

const answers: Readonly<Record<string, Json>> = {
  CreateOrder: {
    orderId: '9007199254740995',
    total: '22.10',
    itemCount: 3,
    status: 'NEW',
    seen: 'channel=WEB|priority=9|customerRef=000123|externalId=9007199254740993',
  },
  AddComment: { seen: 'value:…' },
}

export default defineAdapter({
  name: 'bench-orders',
  apiVersion: 1,
  backend: {
    config: z.strictObject({}),
    create: () => ({
      operations: { '*': { safe: false } },
      call: async ({ operation }) => ({ data: answers[operation] ?? {} }),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
