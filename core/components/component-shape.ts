// What `create` must have returned before anything is started: a plugin's author may not have asked the compiler.

type Role = 'channel' | 'backend' | 'agent'

const METHODS = { channel: 'start', backend: 'call', agent: 'answer' } as const
const CURES = {
  start: 'write `async start(host, signal) { … }`',
  call: 'write `async call({ operation, params, key }, signal) { … }`',
  answer: 'write `async answer(message, conversation, signal) { … }`',
} as const
const OPTIONAL = ['start', 'send', 'hint', 'probe'] as const
const FLAGS = ['safe', 'idempotent', 'readsMessage'] as const
const MOST_NAMES = 5
const MOST_CHARACTERS = 80

/** What is wrong with what a component's `create` returned, and what to do; undefined: nothing. */
export function shapeProblem(role: Role, made: unknown): string | undefined {
  if (typeof made !== 'object' || made === null)
    return `\`create\` returns ${made === null ? 'null' : typeof made}, not an object: write \`create: (config, scope) => ({ … })\``
  const has = made as Readonly<Record<PropertyKey, unknown>> // any object may be asked for any member
  if (typeof has['then'] === 'function')
    return '`create` returns a promise: write it without `async`, and wait for what it needs in `start`'
  const missing = (what: string, cure: string): string =>
    `what \`create\` returns has no ${what}: ${cure}${others(role, made)}`
  const method = METHODS[role]
  if (typeof has[method] !== 'function') return missing(`function \`${method}\``, CURES[method])
  if (role === 'backend' && !isTable(has['operations']))
    return missing('object `operations`', 'write `operations: { GetOrder: { safe: true } }`')
  const misfit = role === 'backend' ? operationsProblem(has['operations']) : undefined
  if (misfit !== undefined) return misfit
  if (typeof has[Symbol.asyncDispose] !== 'function')
    return missing('`[Symbol.asyncDispose]`', 'write `async [Symbol.asyncDispose]() { … }`, its end')
  const wrong = OPTIONAL.find((name) => has[name] !== undefined && typeof has[name] !== 'function')
  return wrong === undefined ? undefined : `the \`${wrong}\` of what \`create\` returns is no function`
}

/**
 * What is wrong with a backend's operations: a text is true to JavaScript, so `safe: 'false'` would repeat a write. A member that is
 * absent is false.
 */
function operationsProblem(operations: unknown): string | undefined {
  for (const [name, operation] of Object.entries(Object(operations))) {
    const called = `operation ${JSON.stringify(name)}`
    if (!isTable(operation))
      return `${called} is ${wordsOf(operation)}: write \`{ safe: true }\` or \`{ safe: false }\``
    const has = operation as Readonly<Record<string, unknown>> // any object may be asked for any member
    for (const flag of FLAGS) {
      const value = has[flag]
      if (value !== undefined && typeof value !== 'boolean')
        return `${called}: \`${flag}\` is ${wordsOf(value)}: write true or false`
    }
  }
  return undefined
}

function wordsOf(value: unknown): string {
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, MOST_CHARACTERS))}`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

/** What it has beside: one of these is likely what is missing, misspelt. */
function others(role: Role, made: object): string {
  const prototype: unknown = Object.getPrototypeOf(made)
  const inherited =
    typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype
      ? Object.getOwnPropertyNames(prototype)
      : []
  const known = new Set<string>(['constructor', METHODS[role], ...OPTIONAL])
  const names = [...Object.getOwnPropertyNames(made), ...inherited].filter((name) => !known.has(name))
  if (names.length === 0) return ''
  const shown = names.slice(0, MOST_NAMES).map((name) => `\`${name}\``)
  return `; it has ${shown.join(', ')}${names.length > MOST_NAMES ? ' …' : ''}`
}

function isTable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
