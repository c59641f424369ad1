// Plugins as their authors would write them, as texts: good ones, and ones that go wrong when they are asked to.

/** A backend and an agent that say which version they are. */
export const versioned = (name: string, version: number | string): string => `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
const version = ${JSON.stringify(version)}
export default defineAdapter({
  name: '${name}',
  apiVersion: 1,
  backend: {
    config: z.strictObject({ tag: z.string().default('none') }),
    create: () => ({
      operations: { Look: { safe: true }, Pay: { safe: false } },
      call: async ({ params }) => ({ data: { version, params } }),
      async [Symbol.asyncDispose]() {},
    }),
  },
  agent: {
    config: z.strictObject({}),
    create: () => ({ answer: async () => ({ text: String(version) }), async [Symbol.asyncDispose]() {} }),
  },
})
`

/** A backend whose operations are the ways to go wrong. */
export const wrongdoer = (name: string): string => `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'

const deeds = {
  Fine: async () => ({ data: 'fine' }),
  Loop: async () => { for (;;); },
  Exit: async () => process.exit(3),
  Memory: async () => { const all = []; for (;;) all.push(new Array(1e5).fill({})) },
  Buffers: async () => { held = Buffer.alloc(200e6, 1); await new Promise((resolve) => setTimeout(resolve, 60_000)) },
  Rejection: async () => { void Promise.reject(new Error('forgotten')); await new Promise(() => {}) },
  Uncaught: async () => { setTimeout(() => { throw new Error('later') }); await new Promise(() => {}) },
  Null: async () => { throw null },
  Text: async () => { throw 'boom' },
  Trap: async () => { throw Object.defineProperty(new Error('x'), 'stack', { get() { throw new Error('again') } }) },
  Bug: async () => { undefined.x },
  Huge: async () => ({ data: 'x'.repeat(64 * 1024 * 1024) }),
  Cycle: async () => { const a = {}; a.a = a; return { data: a } },
  Function: async () => ({ data: () => 1 }),
  Nothing: async () => undefined,
  Never: async () => new Promise(() => {}),
  Late: async () => new Promise((resolve) => setTimeout(() => resolve({ data: 'late' }), 1500)),
  Pollute: async () => { Object.prototype.code = 'polluted'; Array.prototype.then = 1; return { data: JSON.parse('{"__proto__":{"a":1}}') } },
}
let held
export default defineAdapter({
  name: '${name}',
  apiVersion: 1,
  backend: {
    config: z.strictObject({}),
    create: () => ({
      operations: Object.fromEntries(Object.keys(deeds).map((deed) => [deed, { safe: true }])),
      call: async ({ operation }) => deeds[operation](),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`
