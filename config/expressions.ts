// JSONata in the file: does it compile, and what can be said of a predicate without a message.
import jsonata from 'jsonata'
import { unmatchable } from '../core/regular-expressions.ts'
import { unknownFunction } from './functions.ts'
import { lowered } from './problems.ts'

export interface ExpressionFault {
  readonly message: string
  /** Characters from the beginning of the text. */
  readonly offset: number
}

/**
 * Why a text is no JSONata expression, or one that cannot work: it calls a function that nothing defines, or has a regular
 * expression that cannot be matched in linear time. Undefined: it is one.
 */
export function expressionFault(source: string): ExpressionFault | undefined {
  return faultOf(source, [])
}

/** The same of a route's `when`, which has a function of its own (`core/router.ts`). */
export function predicateFault(source: string): ExpressionFault | undefined {
  return faultOf(source, ['present'])
}

/** Of an adapter's expression, which its own schema has compiled: a function that nothing defines. */
export function functionFault(source: string): ExpressionFault | undefined {
  const parsed = parse(source)
  return 'fault' in parsed ? undefined : unknownIn(source, parsed.tree, [])
}

function faultOf(source: string, own: readonly string[]): ExpressionFault | undefined {
  const parsed = parse(source)
  if ('fault' in parsed) return parsed.fault
  return unknownIn(source, parsed.tree, own) ?? unmatchableIn(source, parsed.tree)
}

function unmatchableIn(source: string, tree: Node): ExpressionFault | undefined {
  const found = unmatchable(tree)
  if (found === undefined) return undefined
  return { message: found.message, offset: Math.max(0, source.lastIndexOf(`/${found.source}/`, found.end)) }
}

function unknownIn(source: string, tree: Node, own: readonly string[]): ExpressionFault | undefined {
  const unknown = unknownFunction(tree, own)
  if (unknown === undefined) return undefined
  const offset = source.lastIndexOf(`$${unknown.name}`, unknown.end)
  return { message: unknown.message, offset: Math.max(0, offset) }
}

/** Why a text with `{{ expression }}` in it cannot be filled in; undefined if it can. */
export function templateFault(source: string): ExpressionFault | undefined {
  for (const match of source.matchAll(/\{\{(.*?)(\}\}|$)/gsu)) {
    const [, expression = '', end] = match
    if (end !== '}}') return { message: '{{ without }}', offset: match.index }
    const fault = expressionFault(expression)
    if (fault !== undefined) return { ...fault, offset: match.index + 2 + fault.offset }
  }
  return undefined
}

/** What a route's predicate says by itself. */
export interface Predicate {
  /** True for every message. */
  readonly always: boolean
  /** It takes messages of this kind only. */
  readonly kind?: string
  /** Kinds it compares with, and where each stands. */
  readonly kinds: readonly { readonly name: string; readonly offset: number }[]
}

/** Reads a predicate's `kind = '…'`. A text that does not compile says nothing. */
export function readPredicate(source: string): Predicate {
  const parsed = parse(source)
  if ('fault' in parsed) return { always: false, kinds: [] }
  const { tree } = parsed
  const kinds = comparisons(tree).map(({ name, end }) => {
    const start = source.lastIndexOf(name, end)
    return { name, offset: start === -1 ? 0 : start }
  })
  const kind = requiredKind(tree)
  return {
    always: tree.type === 'value' && tree.value === true,
    kinds,
    ...(kind !== undefined && { kind }),
  }
}

interface Node {
  readonly type?: string
  readonly value?: unknown
  /** Characters up to the end of its token. */
  readonly position?: number
  readonly lhs?: Node
  readonly rhs?: Node
  readonly steps?: readonly Node[]
}

function parse(source: string): { readonly tree: Node } | { readonly fault: ExpressionFault } {
  try {
    return { tree: jsonata(source).ast() as unknown as Node } // the declared type leaves out lhs, rhs and others
  } catch (error) {
    if (error instanceof RangeError) return { fault: { message: 'nested too deeply', offset: 0 } }
    const { message, position, token } = error as { message?: unknown; position?: unknown; token?: unknown } // jsonata throws plain objects
    const end = typeof position === 'number' ? Math.min(position, source.length) : 0
    const length = typeof token === 'string' && source.slice(0, end).endsWith(token) ? token.length : 0
    return {
      fault: { message: `not a JSONata expression: ${lowered(String(message))}`, offset: end - length },
    }
  }
}

function requiredKind(node: Node | undefined): string | undefined {
  if (node?.type !== 'binary') return undefined
  if (node.value === 'and') return requiredKind(node.lhs) ?? requiredKind(node.rhs)
  return node.value === '=' ? comparedKind(node)?.name : undefined
}

function comparisons(node: Node | undefined): { name: string; end: number }[] {
  if (node?.type !== 'binary') return []
  if (node.value === 'and' || node.value === 'or') return [...comparisons(node.lhs), ...comparisons(node.rhs)]
  const compared = node.value === '=' || node.value === '!=' ? comparedKind(node) : undefined
  return compared === undefined ? [] : [compared]
}

/** `kind = 'event'`, either way round. */
function comparedKind({ lhs, rhs }: Node): { name: string; end: number } | undefined {
  const text = [lhs, rhs].find((side) => side?.type === 'string')
  const path = [lhs, rhs].find((side) => side?.type === 'path')
  const [step, ...more] = path?.steps ?? []
  if (more.length > 0 || step?.type !== 'name' || step.value !== 'kind') return undefined
  return typeof text?.value === 'string' ? { name: text.value, end: text.position ?? 0 } : undefined
}
