// JSONata expressions and {{ }} templates: compiled at load, evaluated per message.
import jsonata from 'jsonata'
import { linear } from './regular-expressions.ts'

/** Evaluates to plain data, or undefined where the expression has no value. Rejects when it cannot be evaluated. */
export type Expression = (input: unknown, bindings?: Readonly<Record<string, unknown>>) => unknown

/**
 * Compiles JSONata. Throws `SyntaxError` with the parser's message. Paths, literals, comparisons and their conjunctions,
 * which is what routes are made of, run synchronously (0.2 µs instead of 20); everything else returns a promise.
 */
export function compileExpression(source: string): Expression {
  let compiled: jsonata.Expression
  try {
    compiled = jsonata(source, linear)
  } catch (error) {
    throw new SyntaxError(`"${source}": ${messageOf(error)}`, { cause: error })
  }
  const full: Expression = async (input, bindings) => {
    try {
      return plain(await compiled.evaluate(input, bindings === undefined ? undefined : { ...bindings }))
    } catch (error) {
      throw failureIn(source, error)
    }
  }
  // The declared type of ast() is narrower than what the parser yields.
  const simple = compileSimple(compiled.ast() as unknown as Node)
  if (simple === undefined) return full
  return (input, bindings) => {
    const value = simple(input)
    return value === HARD ? full(input, bindings) : value
  }
}

/** Compiles a text with `{{ expression }}` in it. Throws `SyntaxError`. Missing values become empty text. */
export function compileTemplate(source: string): (input: unknown) => Promise<string> {
  const pieces = source.split(/\{\{(.*?)\}\}/su)
  const compiled = pieces.map((piece, index) => (index % 2 === 0 ? piece : compileExpression(piece.trim())))
  return async (input) => {
    const texts = await Promise.all(
      compiled.map(async (piece) => (typeof piece === 'string' ? piece : asText(await piece(input)))),
    )
    return texts.join('')
  }
}

function asText(value: unknown): string {
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

// JSONata returns its sequences as arrays with extra members, which structuredClone refuses.
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return Array.from(value, plain)
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = {}
  for (const [name, member] of Object.entries(value))
    Object.defineProperty(copy, name, {
      value: plain(member),
      enumerable: true,
      configurable: true,
      writable: true,
    })
  return copy
}

interface Node {
  readonly type: string
  readonly value?: unknown
  readonly lhs?: Node
  readonly rhs?: Node
  readonly steps?: readonly Node[]
  readonly [more: string]: unknown
}
/** The value at hand needs JSONata's own rules (a list on the way, a comparison of structures). */
const HARD = Symbol('hard')
type Simple = (input: unknown) => unknown

function compileSimple(node: Node): Simple | undefined {
  if (node.type === 'string' || node.type === 'number' || node.type === 'value') {
    const { value } = node
    return () => value
  }
  if (node.type === 'path') return compilePath(node)
  if (node.type !== 'binary' || node.lhs === undefined || node.rhs === undefined) return undefined
  const lhs = compileSimple(node.lhs)
  const rhs = compileSimple(node.rhs)
  if (lhs === undefined || rhs === undefined) return undefined
  switch (node.value) {
    case '=':
      return (input) => compare(lhs(input), rhs(input), true)
    case '!=':
      return (input) => compare(lhs(input), rhs(input), false)
    case 'and':
      return (input) => {
        const left = truth(lhs(input))
        return left === true ? truth(rhs(input)) : left
      }
    case 'or':
      return (input) => {
        const left = truth(lhs(input))
        return left === false ? truth(rhs(input)) : left
      }
    default:
      return undefined
  }
}

const STEP_MEMBERS = new Set(['type', 'value', 'position'])

function compilePath(node: Node): Simple | undefined {
  const names: string[] = []
  if (Object.keys(node).some((member) => member !== 'type' && member !== 'steps')) return undefined
  for (const step of node.steps ?? []) {
    if (step.type !== 'name' || typeof step.value !== 'string') return undefined
    if (Object.keys(step).some((member) => !STEP_MEMBERS.has(member))) return undefined
    names.push(step.value)
  }
  return (input) => {
    let value = input
    for (const name of names) {
      if (Array.isArray(value)) return HARD
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
      value = (value as Record<string, unknown>)[name] // an object that has this own member
    }
    return Array.isArray(value) ? HARD : value
  }
}

// JSONata: a comparison with a missing value is false either way.
function compare(left: unknown, right: unknown, equal: boolean): unknown {
  if (left === HARD || right === HARD || isObject(left) || isObject(right)) return HARD
  if (left === undefined || right === undefined) return false
  return (left === right) === equal
}

function truth(value: unknown): boolean | typeof HARD {
  if (value === HARD || isObject(value)) return HARD
  return Boolean(value)
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Callers may be told the reason; the expression is the operator's. */
function failureIn(source: string, error: unknown): Error {
  return new Error(messageOf(error), { cause: new Error(`in "${source}"`, { cause: error }) })
}

function messageOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
  return String(error)
}
