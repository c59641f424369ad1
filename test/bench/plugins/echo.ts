// An agent that answers at once: what is measured is the way there and back.
import { defineAdapter } from 'dragoman'
import { z } from 'zod'

export default defineAdapter({
  name: 'echo',
  apiVersion: 1,
  agent: {
    config: z.strictObject({}),
    create: () => ({
      answer: async (message) => ({ parts: message.parts ?? [] }),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
