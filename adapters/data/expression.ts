// JSONata in configs: compiled once, evaluated per call or message, always to plain data.
import jsonata from 'jsonata'

import type { Json } from 'dragoman'

const MAX_DEPTH = 64

/** Evaluates to plain data; undefined where the expression has no value. Rejects with an `Error` that names the expression. */
export type Expression = (
  input: unknown,
  bindings?: Readonly<Record<string, unknown>>,
) => Promise<Json | undefined>

/** Why a text is not JSONata; undefined if it is. */
export function expressionProblem(source: string): string | undefined {
  try {
    jsonata(source)
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}

/** Compiles JSONata. Throws what the parser throws: the config was checked before. */
export function compileExpression(source: string): Expression {
  const compiled = jsonata(source)
  const { type, value: literal } = compiled.ast()
  if (type === 'string') return async () => literal as string // the node of a string literal
  return async (input, bindings = {}) => {
    try {
      // Without bindings of its own, an evaluation would share its root with those that run beside it.
      return plain(await compiled.evaluate(input, { ...bindings }))
    } catch (error) {
      throw new Error(`expression "${source}": ${messageOf(error)}`, { cause: error })
    }
  }
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

function messageOf(error: unknown): string {
  // JSONata throws plain objects.
  if (typeof error === 'object' && error !== null && 'message' in error) return String(error.message)
  return String(error)
}
