// DESIGN §9: the shape is checked before anything is started; what is wrong is told with its cure.
import { expect, test } from 'vitest'
import { shapeDoubt, shapeProblem } from '../../../../core/components/component-shape.ts'

const end = { async [Symbol.asyncDispose]() {} }
const nothing = async (): Promise<void> => undefined

class Bot {
  anwser = nothing
  sorry(): void {}
  async [Symbol.asyncDispose](): Promise<void> {}
}

class Flags {
  readonly #safe: unknown
  constructor(safe: unknown) {
    this.#safe = safe
  }
  get safe(): unknown {
    return this.#safe
  }
}

class Misspelt {
  get Safe(): boolean {
    return true
  }
  run(): void {}
}

test.each([
  ['agent', { answer: nothing, ...end }],
  ['agent', { answer: nothing, start: nothing, extra: 1, ...end }],
  ['backend', { operations: {}, call: nothing, probe: undefined, ...end }],
  [
    'backend',
    {
      operations: {
        Get: { safe: true, readsMessage: false },
        Pay: { safe: false, idempotent: undefined },
        Log: {},
      },
      call: nothing,
      ...end,
    },
  ],
  ['channel', { start: nothing, ...end }],
  ['backend', { operations: { Pay: { safe: true, timeout: undefined } }, call: nothing, ...end }],
  [
    'agent',
    new (class extends Bot {
      answer = nothing
    })(),
  ],
  [
    'backend',
    { operations: { Get: new Flags(true), Run: { safe: true, run: nothing } }, call: nothing, ...end },
  ],
] as const)('a whole %s has no problem', (role, made) => {
  expect(shapeProblem(role, made)).toBeUndefined()
})

test.each([
  [
    'agent',
    { anwser: nothing, ...end },
    /^what `create` returns has no function `answer`: write .*; it has `anwser`$/,
  ],
  ['agent', new Bot(), /no function `answer`: .*; it has `anwser`, `sorry`$/],
  ['agent', { answer: 'hello', ...end }, /no function `answer`/],
  ['agent', end, /no function `answer`: write `async answer\(message, conversation, signal\) \{ … \}`$/],
  ['backend', { operations: {}, cal: nothing, ...end }, /no function `call`.*it has `operations`, `cal`$/],
  ['backend', { operatons: {}, call: nothing, ...end }, /no object `operations`.*it has `operatons`$/],
  ['backend', { operations: ['GetOrder'], call: nothing, ...end }, /no object `operations`/],
  ['channel', { strat: nothing, ...end }, /no function `start`.*it has `strat`$/],
  ['channel', { start: nothing, send: true, ...end }, /^the `send` of what `create` returns is no function$/],
  ['backend', { operations: {}, call: nothing, start: {}, ...end }, /the `start` of what/],
  ['agent', { answer: nothing }, /no `\[Symbol\.asyncDispose\]`: write `async \[Symbol\.asyncDispose\]\(\)/],
  ['agent', Promise.resolve({ answer: nothing, ...end }), /^`create` returns a promise: .*`start`$/],
  ['agent', undefined, /^`create` returns undefined, not an object/],
  ['backend', () => nothing, /^`create` returns function, not an object/],
  [
    'backend',
    { operations: { Get: { safe: true }, Pay: { safe: 'false' } }, call: nothing, ...end },
    /^operation "Pay": `safe` is the text "false": write true or false$/,
  ],
  [
    'backend',
    { operations: { Pay: new Flags('false') }, call: nothing, ...end },
    /^operation "Pay": `safe` is the text "false": write true or false$/,
  ],
  ['backend', { operations: { Pay: { safe: null } }, call: nothing, ...end }, /"Pay": `safe` is null: write/],
  [
    'backend',
    { operations: { Pay: { safe: false, idempotent: 1 } }, call: nothing, ...end },
    /^operation "Pay": `idempotent` is 1: write true or false$/,
  ],
  [
    'backend',
    { operations: { Pay: { safe: false, readsMessage: [] } }, call: nothing, ...end },
    /"Pay": `readsMessage` is a list: write/,
  ],
  [
    'backend',
    { operations: { Nul: null }, call: nothing, ...end },
    /^operation "Nul" is null: write `\{ safe: true \}` or `\{ safe: false \}`$/,
  ],
  [
    'backend',
    { operations: { Txt: 'safe' }, call: nothing, ...end },
    /^operation "Txt" is the text "safe": write/,
  ],
  [
    'backend',
    { operations: { Get: { saef: true } }, call: nothing, ...end },
    /^operation "Get" has `saef` \(did you mean `safe`\?\): write `safe`, `idempotent` and `readsMessage` alone;/,
  ],
  [
    'backend',
    { operations: { Pay: { safe: false, idempotnet: true } }, call: nothing, ...end },
    /^operation "Pay" has `idempotnet` \(did you mean `idempotent`\?\)/,
  ],
  [
    'backend',
    { operations: { Get: { safe: true, timeout: '2s' } }, call: nothing, ...end },
    /^operation "Get" has `timeout`: write .* is set in gateway\.yaml$/,
  ],
  [
    'backend',
    { operations: { Get: new Misspelt() }, call: nothing, ...end },
    /^operation "Get" has `Safe` \(did you mean `safe`\?\)/,
  ],
  [
    'channel',
    { start: nothing, refusable: 'no', ...end },
    /^the `refusable` of what `create` returns is neither true nor false$/,
  ],
] as const)('of an unfit %s it says what is missing and what is there: %o', (role, made, told) => {
  expect(shapeProblem(role, made)).toMatch(told)
})

class Outbox {
  private sent(): boolean {
    return false
  }
  async start(): Promise<boolean> {
    return this.sent()
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

class Asking {
  operations = {}
  call = nothing
  get stat(): never {
    throw new Error('not connected')
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

test.each([
  ['backend', { operations: {}, call: nothing, prob: nothing, ...end }, '`prob` (did you mean `probe`?)'],
  ['backend', { operations: {}, call: nothing, stat: nothing, ...end }, '`stat` (did you mean `start`?)'],
  ['channel', { start: nothing, sned: nothing, ...end }, '`sned` (did you mean `send`?)'],
  ['channel', { start: nothing, pushesWohle: true, ...end }, '`pushesWohle` (did you mean `pushesWhole`?)'],
  ['channel', new Outbox(), '`sent` (did you mean `send`?)'],
] as const)(
  'what may be a slip or a helper of its own does not keep a %s from its start: %o',
  (role, made, told) => {
    expect(shapeProblem(role, made)).toBeUndefined()
    expect(shapeDoubt(role, made)).toBe(`what \`create\` returns has ${told}`)
  },
)

test.each([
  ['channel', { start: nothing, end: nothing, _send: nothing, sent: 3, pushesWhole: false, ...end }],
  ['channel', { start: nothing, send: nothing, sent: nothing, ...end }],
  ['backend', new Asking()],
] as const)(
  'there is no doubt about what is something else, or beside what it is like: a %s, %o',
  (role, made) => {
    expect(shapeProblem(role, made)).toBeUndefined()
    expect(shapeDoubt(role, made)).toBeUndefined()
  },
)
