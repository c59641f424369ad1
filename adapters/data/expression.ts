// JSONata in configs: compiled once, evaluated per call or message, always to plain data.
import jsonata from 'jsonata'

import type { Json } from 'dragoman'
import { linear, unmatchable } from 'dragoman/regular-expressions'

const MAX_DEPTH = 64

/** Evaluates to plain data; undefined where the expression has no value. Rejects with an `Error` whose cause names the expression. */
export type Expression = (
  input: unknown,
  bindings?: Readonly<Record<string, unknown>>,
) => Promise<Json | undefined>

/** Why a text is not JSONata; undefined if it is. */
export function expressionProblem(source: string): string | undefined {
  try {
    return unmatchable(jsonata(source).ast())?.message
  } catch (error) {
    const { code, token } = error as { readonly code?: unknown; readonly token?: unknown } // jsonata throws plain objects
    const isWord = code === 'S0201' && /^\w/u.test(String(token))
    return messageOf(error) + (isWord ? `; ${CONSTANT}` : '')
  }
}

/** The text that an expression is whatever it is evaluated over, as `'text'`; undefined where it is no such constant. */
export function constantText(source: string): string | undefined {
  if (expressionProblem(source) !== undefined) return undefined
  const { type, value } = jsonata(source).ast()
  return type === 'string' ? String(value) : undefined
}

/** `authorization: Bearer abc` is what people write first. */
const CONSTANT = `a constant text stands in quotes of its own: "'text'"`

/** More of the message than whose it is and what came beside it; or who knows what, in a text that `$eval` makes an expression of. */
const READING = /\$message\b(?!\.(?:sender|conversation|channel|metadata)\b)|\$eval\b/u

/** Whether JSONata in these settings can see what the message says: `readsMessage` of an operation. */
export function readsMessage(...settings: readonly unknown[]): boolean {
  const text = JSON.stringify(settings)
  // `%` is the parent of what was found: from the sender back to the message.
  return READING.test(text) || (text.includes('$message') && text.includes('%'))
}

/** Compiles JSONata. Throws what the parser throws: the config was checked before. */
export function compileExpression(source: string): Expression {
  const compiled = jsonata(source, linear)
  // The declared type of ast() is narrower than what the parser yields.
  const node = compiled.ast() as unknown as Node
  const { type, value: literal } = node
  if (type === 'string') return async () => literal as string // the node of a string literal
  const steps = stepsOf(node)
  const terms = termsOf(node)
  return async (input, bindings = {}) => {
    const found = steps === undefined ? terms && join(terms, input) : follow(steps, input)
    if (found !== undefined) return found
    try {
      // Without bindings of its own, an evaluation would share its root with those that run beside it.
      return plain(await compiled.evaluate(input, { ...bindings }))
    } catch (error) {
      throw failureIn(source, error)
    }
  }
}

interface Node {
  readonly type: string
  readonly value?: unknown
  readonly steps?: readonly Node[]
  readonly stages?: readonly { readonly type: string; readonly expr?: Node }[]
  /** Of a binary operator. */
  readonly lhs?: Node
  readonly rhs?: Node
}

interface Step {
  readonly name: string
  /** From the end where it is negative. */
  readonly index?: number
}

/** A text as it stands, or where one is found. */
type Term = string | readonly Step[]

/** `'shop/' & topic[1] & '/display'` needs none either, as long as all of it is text. */
function termsOf(node: Node | undefined): readonly Term[] | undefined {
  if (node === undefined) return undefined
  const { type, value, lhs, rhs } = node
  if (type === 'string' && typeof value === 'string' && hasOnly(node, ['type', 'value', 'position']))
    return [value]
  if (type !== 'binary' || value !== '&' || !hasOnly(node, ['type', 'value', 'position', 'lhs', 'rhs'])) {
    const steps = stepsOf(node)
    return steps && [steps]
  }
  const [left, right] = [termsOf(lhs), termsOf(rhs)]
  return left && right && [...left, ...right]
}

/** `id`, `customer.id`, `topic[1]`, which is what most expressions are, need no interpreter; undefined: it is something else. */
function stepsOf(node: Node): readonly Step[] | undefined {
  if (node.type !== 'path' || !hasOnly(node, ['type', 'steps'])) return undefined
  const steps: Step[] = []
  for (const { type, value: name, stages = [], ...more } of node.steps ?? []) {
    if (type !== 'name' || typeof name !== 'string' || !hasOnly(more, ['position'])) return undefined
    if (stages.length === 0) steps.push({ name })
    else {
      const [{ type: filter, expr } = { type: '' }, ...others] = stages
      const index = expr?.type === 'number' ? expr.value : undefined
      if (filter !== 'filter' || typeof index !== 'number' || others.length > 0) return undefined
      steps.push({ name, index: Math.floor(index) })
    }
  }
  return steps
}

function hasOnly(value: object, names: readonly string[]): boolean {
  return Object.keys(value).every((name) => names.includes(name))
}

/** Undefined: JSONata's own rules are needed (a list on the way, a value that is none of these). */
function follow(steps: readonly Step[], input: unknown): string | number | boolean | undefined {
  let value = input
  for (const { name, index } of steps) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name))
      return undefined
    value = (value as Record<string, unknown>)[name] // an object that has this own member
    if (index === undefined) continue
    if (!Array.isArray(value)) return undefined
    value = value.at(index)
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  return typeof value === 'string' || typeof value === 'boolean' ? value : undefined
}

/** Undefined: what is no text has to become one by JSONata's rules. */
function join(terms: readonly Term[], input: unknown): string | undefined {
  const texts = terms.map((term) => (typeof term === 'string' ? term : follow(term, input)))
  return texts.every((text) => typeof text === 'string') ? texts.join('') : undefined
}

// JSONata's lists carry members of their own, its objects have no prototype, and functions are values in it.
function plain(value: unknown, depth = 0): Json | undefined {
  if (value === undefined || value === null || typeof value === 'string' || typeof value === 'boolean')
    return value
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return value
    throw new TypeError(`${value} is not a JSON number`)
  }
  if (depth > MAX_DEPTH) throw new RangeError(`the result is nested deeper than ${MAX_DEPTH} levels`)
  if (Array.isArray(value)) return Array.from(value, (item: unknown) => plain(item, depth + 1) ?? null)
  if (
    typeof value !== 'object' ||
    ArrayBuffer.isView(value) ||
    '_jsonata_lambda' in value ||
    '_jsonata_function' in value
  )
    throw new TypeError('the result is not data')
  // fromEntries defines its members, so that __proto__ stays a name.
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, member]) => {
      const data = plain(member, depth + 1)
      return data === undefined ? [] : [[name, data] as const]
    }),
  )
}

/** Callers may be told the reason; the expression is the operator's. */
function failureIn(source: string, error: unknown): Error {
  return new Error(messageOf(error), { cause: new Error(`in "${source}"`, { cause: error }) })
}

function messageOf(error: unknown): string {
  // JSONata throws plain objects.
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
  return String(error)
}
