// JSONata's functions: a call of one that nothing defines, which compiles and fails at every message.
import { didYouMean } from './problems.ts'

/** Of jsonata 2.2, with the two that it binds for each evaluation. */
export const BUILT_IN: ReadonlySet<string> = new Set(
  `sum count max min average string substring substringBefore substringAfter lowercase uppercase length trim pad match
  contains replace split join formatNumber formatBase formatInteger parseInteger number floor ceil round abs sqrt power
  random boolean not map zip filter single reduce sift keys lookup append exists spread merge reverse each error assert
  type sort shuffle distinct base64encode base64decode encodeUrlComponent encodeUrl decodeUrlComponent decodeUrl eval
  toMillis fromMillis clone now millis`.split(/\s+/u),
)

export interface UnknownFunction {
  readonly message: string
  /** Characters up to the end of its name. */
  readonly end: number
  /** Without `$`. */
  readonly name: string
}

type Node = Readonly<Record<string, unknown>>

/**
 * The first call, of a parsed expression, of a function that is neither JSONata's, nor bound anywhere in the expression, nor one of
 * `own`. A name that is only passed on may be anything, and where there is an `$eval` it may bind what it likes: undefined then.
 */
export function unknownFunction(tree: unknown, own: readonly string[]): UnknownFunction | undefined {
  const called: Node[] = []
  const bound = new Set(own)
  for (const node of nodesOf(tree)) {
    const { type, focus, index, value } = node
    if (type === 'function' || type === 'partial') called.push(...variables(node['procedure']))
    else if (type === 'apply') called.push(...variables(node['rhs']))
    else if (type === 'bind') addName(bound, node['lhs'])
    else if (type === 'lambda') for (const argument of listOf(node['arguments'])) addName(bound, argument)
    for (const name of [focus, index, type === 'index' ? value : undefined])
      if (typeof name === 'string') bound.add(name)
  }
  if (called.some(({ value }) => value === 'eval')) return undefined
  const [first] = called
    .flatMap(({ value: name, position }) =>
      typeof name !== 'string' || BUILT_IN.has(name) || bound.has(name)
        ? []
        : [{ name, end: typeof position === 'number' ? position : 0 }],
    )
    .toSorted((a, b) => a.end - b.end)
  if (first === undefined) return undefined
  const known = [...BUILT_IN, ...bound].map((each) => `$${each}`)
  const shown = `$${first.name}`
  return { ...first, message: `unknown function ${JSON.stringify(shown)}${didYouMean(shown, known)}` }
}

/** A named variable; `$` and `$$` are the context, which may hold a function. */
function variables(node: unknown): readonly Node[] {
  const { type, value } = isNode(node) ? node : {}
  return isNode(node) && type === 'variable' && value !== '' && value !== '$' ? [node] : []
}

function addName(bound: Set<string>, variable: unknown): void {
  if (isNode(variable) && typeof variable['value'] === 'string') bound.add(variable['value'])
}

/** Every object of the tree. */
function* nodesOf(tree: unknown): Generator<Node> {
  const seen = new Set<unknown>()
  const left = [tree]
  while (left.length > 0) {
    const node = left.pop()
    if (!isNode(node) || seen.has(node)) continue
    seen.add(node)
    yield node
    left.push(...Object.values(node))
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}
