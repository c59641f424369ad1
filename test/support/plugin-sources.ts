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
    create: () => {
      const madeBy = version
      return {
        operations: { Look: { safe: true }, Pay: { safe: false } },
        call: async ({ params }) => ({ data: { version, madeBy, params } }),
        async [Symbol.asyncDispose]() {},
      }
    },
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

/** A channel with a handler that takes 6 s, one that waits for the channel's end, a stream without end, and a figure whose label is the version's own. */
export const unhurried = (version: number): string => `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
let begun = false
export default defineAdapter({
  name: 'unhurried',
  apiVersion: 1,
  channel: {
    config: z.strictObject({}),
    create: (_config, scope) => ({
      async start(host, signal) {
        scope.metrics.gauge('shape', ${version}, { v${version}: 'x' })
        host.serve('/version', async () => ({ status: 200, body: '${version}' }))
        host.serve('/begun', async () => ({ status: 200, body: String(begun) }))
        host.serve('/slow', async () => {
          begun = true
          await wait(6000)
          return { status: 200, body: 'slow ${version}' }
        })
        host.serve('/news', async () => {
          if (!signal.aborted) await new Promise((end) => signal.addEventListener('abort', end))
          return { status: 200, body: 'no news ${version}' }
        })
        host.serve('/stream', async () => ({
          status: 200,
          body: (async function* () {
            for (;;) {
              yield 'tick '
              await wait(50)
            }
          })(),
        }))
      },
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`

/** A backend that fills its heap as it is told to: within calls of what is built in, which nothing can interrupt. */
export const glutton = `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'

const points = () => '[' + '[103.123456,23.654321],'.repeat(2_400_000) + '[1.5,2.5]]'
const records = () => JSON.stringify(Array.from({ length: 400_000 }, (_, i) => ({ a: i, b: 'a text of its own ' + i })))
const meals = {
  Map: () => new Array(3e7).fill(0).map((_, i) => ({ i })),
  Points: () => JSON.parse(points()),
  Parsed: () => { const text = records(); const all = []; for (;;) all.push(JSON.parse(text)) },
  Split: () => ('abcdefghi '.repeat(7) + ',').repeat(1_000_000).split(',').map((line) => line.split('')),
  Crumbs: async () => {
    const cache = new Map()
    for (let n = 0; n < 3_000_000; n++) {
      cache.set(n, { n, text: 'a text of its own ' + n })
      cache.delete(n - 700_000)
      if (n % 20_000 === 0) await new Promise((resolve) => setTimeout(resolve))
    }
    return cache.size
  },
  Nothing: () => 0,
}
let eaten
export default defineAdapter({
  name: 'glutton',
  apiVersion: 1,
  backend: {
    config: z.strictObject({}),
    create: () => ({
      operations: Object.fromEntries(Object.keys(meals).map((meal) => [meal, { safe: true }])),
      async call({ operation }) {
        eaten = await meals[operation]()
        return { data: { kept: eaten } }
      },
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`

/** Twenty ways for a plugin to be bad before it is used, with what a person is told; `good` is what it would be. */
export const badPlugins = (good: string): readonly (readonly [string, string, RegExp])[] => [
  ['an enum', `enum Size { small }\n${good}`, /^shop\.ts:1: .*enum.*union of texts/],
  [
    'a parameter property',
    `class A { constructor(private x: number) {} }\n${good}`,
    /^shop\.ts:1: .*in the constructor/,
  ],
  ['half of it', good.slice(0, good.length / 2), /^shop\.ts:\d+: .*mend the syntax/],
  ['JSON', '{"name": "shop", "apiVersion": 1}', /^shop\.ts:1: .*JSON.*defineAdapter/],
  ['YAML', 'name: shop\napiVersion: 1\nbackend:\n  url: http://x\n', /^shop\.ts:\d.*YAML.*gateway\.yaml/],
  ['nothing', '', /^shop\.ts: it has no default export: add/],
  [
    'a named export',
    good.replace('export default', 'export const adapter ='),
    /has no default export.*export default defineAdapter/,
  ],
  ['a class', 'export default class Shop {}', /^shop\.ts:1: .*not an object/],
  [
    'a wrong apiVersion',
    good.replace('apiVersion: 1', 'apiVersion: 2'),
    /^shop\.ts:\d+: .*apiVersion 2.*write `apiVersion: 1`/,
  ],
  ['a wrong name', good.replace("name: 'shop'", "name: 'My Shop'"), /"My Shop".*lower case/],
  [
    'the name of another plugin',
    good.replace("name: 'shop'", "name: 'other'"),
    /"other" belongs to the plugin other\.ts/,
  ],
  ['the name of a built-in', good.replace("name: 'shop'", "name: 'rest'"), /"rest" belongs to a built-in/],
  [
    'a package nobody has',
    `import x from 'no-such-package'\n${good}`,
    /^shop\.ts:1: .*npm install no-such-package/,
  ],
  ['a throw', `throw new Error('no database')\n${good}`, /^shop\.ts:1: it throws "no database".*`start`/],
  ['an end of the process', `${good}\nprocess.exit(0)\n`, /^shop\.ts:\d+: it calls process\.exit\(0\)/],
  ['a loop without end', `${good}\nfor (;;);\n`, /has not finished loading/],
  [
    'all the memory',
    `${good}\nconst all = []\nfor (;;) all.push(new Array(1e5).fill({}))\n`,
    /MB of memory|has not finished loading/,
  ],
  [
    'an unhandled rejection',
    `void Promise.reject(new Error('forgotten'))\nawait new Promise((resolve) => setTimeout(resolve, 50))\n${good}`,
    /^shop\.ts:1: nobody caught "forgotten"/,
  ],
  [
    'a config it does not take',
    good.replace("tag: z.string().default('none')", 'tag: z.string()'),
    /"tag" is missing/,
  ],
  [
    'a method misspelt',
    good.replace('call: async', 'cal: async'),
    /^shop\.ts: backend "shop" did not start: .*no function `call`: write .*it has `operations`, `cal`/,
  ],
  [
    'operations misspelt',
    good.replace('operations: {', 'operatons: {'),
    /no object `operations`: write .*it has `operatons`/,
  ],
  ['no end', good.replace('async [Symbol.asyncDispose]() {},', ''), /no `\[Symbol\.asyncDispose\]`: write/],
  [
    'a create that is async',
    good.replace('create: () => {', 'create: async () => {'),
    /`create` returns a promise: write it without `async`/,
  ],
  [
    'a start that fails',
    good.replace(
      'operations: {',
      "start: async () => { throw new Error('no such host') },\n      operations: {",
    ),
    /^shop\.ts:\d+: backend "shop" did not start: no such host/,
  ],
  [
    'a start that blocks',
    good.replace('operations: {', 'start: async () => { for (;;); },\n      operations: {'),
    /has not reacted/,
  ],
  [
    'a probe that fails',
    good.replace(
      'operations: {',
      "probe: async () => { throw new Error('nobody answers') },\n      operations: {",
    ),
    /probe of backend "shop" failed: nobody answers/,
  ],
]

/** One that does something to the process that loads it, the first time; `sent` is the file that says it was done. */
export const signalling = (deed: string, sent: string): string => `
import { existsSync, writeFileSync } from 'node:fs'
if (!existsSync(${JSON.stringify(sent)})) {
  writeFileSync(${JSON.stringify(sent)}, '')
  ${deed}
}
${versioned('early', 1)}`
