// An agent with nothing to say: what is measured is the gateway, not a bot.
import { defineAdapter } from 'dragoman'
import { z } from 'zod'

export default defineAdapter({
  name: 'sink',
  apiVersion: 1,
  agent: {
    config: z.strictObject({}),
    create: () => ({
      answer: async () => ({}),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
