// What `create` must have returned before anything is started: a plugin's author may not have asked the compiler.
import { isSlip, misspelt, namesOf } from './misspelt.ts'

type Role = 'channel' | 'backend' | 'agent'

const METHODS = { channel: 'start', backend: 'call', agent: 'answer' } as const
const CURES = {
  start: 'write `async start(host, signal) { … }`',
  call: 'write `async call({ operation, params, key }, signal) { … }`',
  answer: 'write `async answer(message, conversation, signal) { … }`',
} as const
const OPTIONAL = {
  channel: { send: 'function', hint: 'function', pushesWhole: 'boolean', refusable: 'boolean' },
  backend: { start: 'function', probe: 'function' },
  agent: { start: 'function' },
} as const
const FLAGS = ['safe', 'idempotent', 'readsMessage'] as const
const ONLY_FLAGS =
  'write `safe`, `idempotent` and `readsMessage` alone; what limits its calls is set in gateway.yaml'
const MOST_NAMES = 5
const MOST_CHARACTERS = 80

/** A component whose shape is wrong: no other try would mend that. */
export class Misfit extends Error {}

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
  const wrong = Object.entries(OPTIONAL[role]).find(
    ([name, kind]) => has[name] !== undefined && typeof has[name] !== kind,
  )
  return (
    wrong &&
    `the \`${wrong[0]}\` of what \`create\` returns is ${wrong[1] === 'function' ? 'no function' : 'neither true nor false'}`
  )
}

/** What may be a slip in what `create` returned, for the log: as well it may be a helper of its own (`sent`, where there is no `send`). */
export function shapeDoubt(role: Role, made: object): string | undefined {
  const slip = misspelt(made, OPTIONAL[role])
  return slip && `what \`create\` returns has ${renamed(slip.given, slip.meant)}`
}

/**
 * What is wrong with a backend's operations: a text is true to JavaScript, so `safe: 'false'` would repeat a write. A member that is
 * absent is false, so `saef: true` would make a write of a read: what no operation has (api.ts) is refused, but for the plugin's own functions.
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
    const stray = namesOf(has).find(
      (each) => !isFlag(each) && has[each] !== undefined && typeof has[each] !== 'function',
    )
    if (stray !== undefined) {
      const meant = FLAGS.find((flag) => isSlip(stray, flag))
      return `${called} has ${renamed(stray, meant)}: ${ONLY_FLAGS}`
    }
  }
  return undefined
}

function isFlag(name: string): boolean {
  return (FLAGS as readonly string[]).includes(name)
}

function renamed(given: string, meant: string | undefined): string {
  return `\`${given}\`${meant === undefined ? '' : ` (did you mean \`${meant}\`?)`}`
}

function wordsOf(value: unknown): string {
  if (typeof value === 'string') return `the text ${JSON.stringify(value.slice(0, MOST_CHARACTERS))}`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}

/** What it has beside: one of these is likely what is missing, misspelt. */
function others(role: Role, made: object): string {
  const known = new Set<string>([METHODS[role], ...Object.keys(OPTIONAL[role])])
  const names = namesOf(made).filter((name) => !known.has(name))
  if (names.length === 0) return ''
  const shown = names.slice(0, MOST_NAMES).map((name) => `\`${name}\``)
  return `; it has ${shown.join(', ')}${names.length > MOST_NAMES ? ' …' : ''}`
}

function isTable(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
