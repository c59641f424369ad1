// What a GraphQL server may answer, by nothing but the document that asks it.
import { Kind, parse } from 'graphql'
import type { DocumentNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode } from 'graphql'
import { isObject } from '../../adapters/data/json.ts'
import type { Json } from '../../core/api.ts'

interface JsonObject {
  [name: string]: Json
}

/**
 * The result of a request, `{ data }`: what the document of its body selects, a scalar as `text`, or as it stands at the same place of
 * `like`. A field is a list where `like` has one. Throws where the body has no GraphQL document.
 */
export function graphqlSample(request: Uint8Array, like?: Json): Json {
  const body: unknown = JSON.parse(new TextDecoder().decode(request))
  const query = memberOf(body, 'query')
  const document = parse(typeof query === 'string' ? query : '')
  const operation = document.definitions.find(({ kind }) => kind === Kind.OPERATION_DEFINITION)
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new SyntaxError('the document has no operation')
  return { data: selected(operation.selectionSet, document, like) }
}

function selected({ selections }: SelectionSetNode, document: DocumentNode, like: unknown): JsonObject {
  const made: JsonObject = Object.create(null) // null prototype: names come from the config
  for (const selection of selections) {
    if (selection.kind === Kind.FIELD) {
      const { name, alias, selectionSet } = selection
      const key = (alias ?? name).value
      const there = memberOf(like, key)
      merge(made, {
        [key]: selectionSet === undefined ? scalar(there) : below(selectionSet, document, there),
      })
      continue
    }
    const part = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragmentOf(document, selection)
    if (part !== undefined) merge(made, selected(part.selectionSet, document, like))
  }
  return made
}

function fragmentOf(
  document: DocumentNode,
  { name }: FragmentSpreadNode,
): FragmentDefinitionNode | undefined {
  return document.definitions.find(
    (each) => each.kind === Kind.FRAGMENT_DEFINITION && each.name.value === name.value,
  ) as FragmentDefinitionNode | undefined // of that kind
}

function below(selection: SelectionSetNode, document: DocumentNode, like: unknown): Json {
  return Array.isArray(like) ? [selected(selection, document, like[0])] : selected(selection, document, like)
}

function scalar(like: unknown): Json {
  return like === undefined || (typeof like === 'object' && like !== null) ? 'text' : (like as Json) // a scalar of JSON
}

/** GraphQL §5.3.2: what selects the same field twice selects all of it. */
function merge(into: JsonObject, from: JsonObject): void {
  for (const [key, value] of Object.entries(from)) {
    const known = into[key]
    if (isObject(known) && isObject(value)) merge(known, value)
    else into[key] = value
  }
}

function memberOf(value: unknown, name: string): unknown {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}
