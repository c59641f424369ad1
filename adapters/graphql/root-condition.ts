// A subscription's field without a condition: whether it is there must be known before anybody listens.
import { GraphQLError, Kind, OperationTypeNode } from 'graphql'
import type { DocumentNode, FragmentDefinitionNode, SelectionSetNode } from 'graphql'

/**
 * Throws a `GraphQLError` where a subscription has `@skip` or `@include` at its root, fragments too (GraphQL, September 2025, Single Root
 * Field). It comes before the validator: the rule of graphql 16 evaluates the conditions without variables, and ends the validation with
 * a false word about them, or leaves the executor no field.
 */
export function checkRootConditions({ definitions }: DocumentNode): void {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  for (const definition of definitions)
    if (
      definition.kind === Kind.OPERATION_DEFINITION &&
      definition.operation === OperationTypeNode.SUBSCRIPTION
    )
      check(definition.selectionSet, { fragments, spread: new Set() })
}

interface Checking {
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>
  /** Names of the fragments that were looked at. */
  readonly spread: Set<string>
}

function check({ selections }: SelectionSetNode, checking: Checking): void {
  for (const selection of selections) {
    const condition = selection.directives?.find(({ name }) => CONDITIONS.has(name.value))
    if (condition !== undefined) throw new GraphQLError(REFUSAL, { nodes: condition })
    if (selection.kind === Kind.FIELD) continue
    const inner =
      selection.kind === Kind.INLINE_FRAGMENT ? selection : fragmentOf(selection.name.value, checking)
    if (inner !== undefined) check(inner.selectionSet, checking)
  }
}
const CONDITIONS = new Set(['skip', 'include'])
const REFUSAL = "a subscription's field takes no @skip or @include: leave the subscription out"

/** The fragment where it is met first; undefined also where there is none, which the validator says. */
function fragmentOf(name: string, { fragments, spread }: Checking): FragmentDefinitionNode | undefined {
  if (spread.has(name)) return undefined
  spread.add(name)
  return fragments.get(name)
}
