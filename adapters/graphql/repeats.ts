// How often a document writes one field in one place: what the validator compares each with each.
import { Kind } from 'graphql'
import type { FieldNode, FragmentDefinitionNode, SelectionSetNode } from 'graphql'

/**
 * The most often that one response key stands in one place, fields of one key merged and fragments written out, each once in
 * a place (GraphQL §6.3.2 CollectFields). The document's fields were counted before: this looks at no more of them.
 */
export function mostRepeated(
  root: SelectionSetNode,
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): number {
  let most = 0
  const places: (readonly SelectionSetNode[])[] = [[root]]
  for (let place = places.pop(); place !== undefined; place = places.pop())
    for (const fields of merged(place, fragments).values()) {
      most = Math.max(most, fields.length)
      const below = fields.flatMap(({ selectionSet }) => (selectionSet === undefined ? [] : [selectionSet]))
      if (below.length > 0) places.push(below)
    }
  return most
}

/** The fields of a place by their response keys. */
function merged(
  place: readonly SelectionSetNode[],
  fragments: ReadonlyMap<string, FragmentDefinitionNode>,
): ReadonlyMap<string, readonly FieldNode[]> {
  const found = new Map<string, FieldNode[]>()
  const seen = new Set<string>()
  const sets = [...place]
  for (let set = sets.pop(); set !== undefined; set = sets.pop())
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) {
        const key = (selection.alias ?? selection.name).value
        const fields = found.get(key)
        if (fields === undefined) found.set(key, [selection])
        else fields.push(selection)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) sets.push(selection.selectionSet)
      else if (!seen.has(selection.name.value)) {
        seen.add(selection.name.value)
        const fragment = fragments.get(selection.name.value)
        if (fragment !== undefined) sets.push(fragment.selectionSet)
      }
    }
  return found
}
