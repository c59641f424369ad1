// One operation's document: what it is, which variables it has, and their values as its types want them.
import { Kind, OperationTypeNode, isEnumType, isInputObjectType, isScalarType, typeFromAST } from 'graphql'
import type {
  DocumentNode,
  GraphQLInputType,
  GraphQLSchema,
  OperationDefinitionNode,
  TypeNode,
} from 'graphql'

import type { Json } from 'dragoman'

import { isObject } from '../data/json.ts'
import { isNumeral, numberOf, rawNumber } from './json.ts'

/** Why a document cannot be an operation; undefined if it can. */
export function documentProblem(document: DocumentNode): string | undefined {
  const operations = document.definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION)
  if (operations.length !== 1) return `the document has ${operations.length} operations: one is needed`
  if (operationOf(document)?.operation === OperationTypeNode.SUBSCRIPTION)
    return 'a subscription has no answer: use a query or a mutation'
  return undefined
}

/** The document's operation; of several, the first. */
export function operationOf(document: DocumentNode): OperationDefinitionNode | undefined {
  return document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION)
}

/**
 * The values of an operation's variables, ready for `JSON.stringify`. What is no variable of it is left out. Where the type is
 * Int or Float, a numeral's text is written as the number it is, digit by digit; where it is Boolean, `true` and `false` become
 * truth; where it is String or ID, a number becomes its text. The fields of input objects need the schema, all else stays as it is.
 */
export function variablesOf(
  { variableDefinitions }: OperationDefinitionNode,
  given: Json,
  schema: GraphQLSchema | undefined,
): Readonly<Record<string, unknown>> {
  const members = isObject(given) ? given : {}
  const values: [string, unknown][] = []
  for (const { variable, type } of variableDefinitions ?? []) {
    const name = variable.name.value
    const value = Object.hasOwn(members, name) ? members[name] : undefined
    if (value !== undefined) values.push([name, typed(value, type, schema)])
  }
  return Object.fromEntries(values)
}

function typed(value: Json, node: TypeNode, schema: GraphQLSchema | undefined): unknown {
  if (value === null) return null
  if (node.kind === Kind.NON_NULL_TYPE) return typed(value, node.type, schema)
  if (node.kind === Kind.LIST_TYPE)
    return isList(value)
      ? value.map((item) => typed(item, node.type, schema))
      : typed(value, node.type, schema)
  const type = schema === undefined ? undefined : typeFromAST(schema, node)
  if (type !== undefined && isInputObjectType(type)) return fieldsTyped(value, type, schema)
  return leaf(value, node.name.value)
}

function ofType(value: Json, type: GraphQLInputType, schema: GraphQLSchema | undefined): unknown {
  if (value === null) return null
  if ('ofType' in type) {
    // A list or a non-null type: both hold the type that counts.
    return isList(value)
      ? value.map((item) => ofType(item, type.ofType, schema))
      : ofType(value, type.ofType, schema)
  }
  if (isInputObjectType(type)) return fieldsTyped(value, type, schema)
  return isScalarType(type) || isEnumType(type) ? leaf(value, type.name) : value
}

function fieldsTyped(
  value: Json,
  type: Extract<GraphQLInputType, { getFields(): unknown }>,
  schema: GraphQLSchema | undefined,
): unknown {
  if (!isObject(value)) return value
  const fields = type.getFields()
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => {
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined
      return [name, field === undefined ? member : ofType(member, field.type, schema)]
    }),
  )
}

function leaf(value: Json, type: string): unknown {
  if (type === 'Int' || type === 'Float')
    return typeof value === 'string' && isNumeral(value) ? (numberOf(value) ?? rawNumber(value)) : value
  if (type === 'Boolean') return value === 'true' ? true : value === 'false' ? false : value
  if (type === 'ID' || type === 'String') return typeof value === 'number' ? String(value) : value
  return value
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
