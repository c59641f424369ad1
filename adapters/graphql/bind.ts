// From a schema and the resolvers of its root fields to one that can be executed: exact scalars, data read by its own members only.
import {
  GraphQLBoolean,
  GraphQLError,
  GraphQLList,
  GraphQLNonNull,
  GraphQLScalarType,
  GraphQLSchema,
  Kind,
  getNullableType,
  isAbstractType,
  isInputObjectType,
  isInterfaceType,
  isListType,
  isNonNullType,
  isObjectType,
  isScalarType,
  isSpecifiedScalarType,
} from 'graphql'
import type {
  GraphQLArgument,
  GraphQLFieldResolver,
  GraphQLInputField,
  GraphQLInputType,
  GraphQLOutputType,
  GraphQLResolveInfo,
} from 'graphql'

import { GatewayError } from 'dragoman'

import type { Context } from './call.ts'
import { bindDefaults } from './defaults.ts'
import { refusal } from './errors.ts'
import { isObject } from '../data/json.ts'
import { carryJson, exactScalars } from './scalars.ts'

/** A root field's resolver; its arguments are what the schema says, which the executor has checked. */
export type Resolver = GraphQLFieldResolver<unknown, Context>

/** The resolvers of the root fields; a subscription's yields the events, each of which is the field's value. */
export interface Roots {
  readonly query: (field: string) => Resolver
  readonly mutation: (field: string) => Resolver
  readonly subscription: (field: string) => Resolver
}

/** Binds a schema that nobody else uses: its types are changed in place. */
export function bindSchema(schema: GraphQLSchema, roots: Roots): GraphQLSchema {
  const types = Object.values(schema.getTypeMap()).filter((type) => !type.name.startsWith('__'))
  const inputs: (GraphQLArgument | GraphQLInputField)[] = schema.getDirectives().flatMap(({ args }) => args)
  for (const type of types) {
    if (isScalarType(type) && !isSpecifiedScalarType(type)) carryJson(type)
    if (isAbstractType(type)) type.resolveType = typeNameOf
    if (isInputObjectType(type)) inputs.push(...Object.values(type.getFields()))
    if (!isObjectType(type) && !isInterfaceType(type)) continue
    for (const field of Object.values(type.getFields())) {
      field.type = exactOutputType(field.type)
      inputs.push(...field.args)
      field.resolve = readMember
      if (type === schema.getQueryType()) field.resolve = guarded(roots.query(field.name))
      else if (type === schema.getMutationType()) field.resolve = guarded(roots.mutation(field.name))
      else if (type === schema.getSubscriptionType()) {
        field.subscribe = guarded(roots.subscription(field.name))
        field.resolve = (event) => event
      }
    }
  }
  for (const input of inputs) input.type = exactInputType(input.type)
  bindDefaults(inputs)
  const kept = types.filter((type) => !exactScalars.has(type.name))
  return new GraphQLSchema({ ...schema.toConfig(), types: kept, assumeValid: true })
}

/** A value as the field's type wants it, where plain text or one item stands for it: List-ness and truth come from the schema. */
export function shaped(value: unknown, type: GraphQLOutputType): unknown {
  if (value === null || value === undefined) return value
  const nullable = getNullableType(type)
  if (isListType(nullable)) {
    const { ofType } = nullable
    return (Array.isArray(value) ? value : [value]).map((item: unknown) => shaped(item, ofType))
  }
  // XML knows no booleans, only their texts (XSD 1.1 Part 2 §3.3.2).
  if (nullable === GraphQLBoolean && typeof value === 'string') {
    if (value === 'true' || value === '1') return true
    if (value === 'false' || value === '0') return false
  }
  return value
}

/** The response keys of the root fields: whether this one is alone decides what a request's key stands for. */
export function isAlone(info: GraphQLResolveInfo): boolean {
  const { selections } = info.operation.selectionSet
  return selections.length === 1 && selections[0]?.kind === Kind.FIELD
}

/** The response key of a root field. */
export function keyOf(info: GraphQLResolveInfo): string {
  return String(info.path.key)
}

// What a resolver throws is a GatewayError or GraphQL's own; anything else is our mistake, and its words are not for callers.
function guarded(resolver: Resolver): Resolver {
  return async (...given) => {
    try {
      return await resolver(...given)
    } catch (error) {
      throw error instanceof GraphQLError ? error : GatewayError.from(error)
    }
  }
}

// What a business system sends is data: only its own members count, never what every object inherits.
function readMember(
  source: unknown,
  _args: unknown,
  _context: unknown,
  { fieldName, fieldNodes, parentType, returnType }: GraphQLResolveInfo,
): unknown {
  if (fieldNodes.some((node) => (node.arguments?.length ?? 0) > 0))
    throw refusal(
      `${parentType.name}.${fieldName} takes no arguments here: only the fields of Query and Mutation reach the business system`,
    )
  return shaped(
    isObject(source) && Object.hasOwn(source, fieldName) ? source[fieldName] : undefined,
    returnType,
  )
}

// GraphQL's own name of a type, or the one that XML brings (xsi:type).
function typeNameOf(value: unknown): string {
  if (isObject(value))
    for (const member of ['__typename', '@type']) {
      const name = Object.hasOwn(value, member) ? value[member] : undefined
      if (typeof name === 'string') return name
    }
  throw new GraphQLError('the answer does not say its type: a member __typename is needed')
}

function exactInputType(type: GraphQLInputType): GraphQLInputType {
  if (isNonNullType(type)) return new GraphQLNonNull(getNullableType(exactInputType(type.ofType)))
  if (isListType(type)) return new GraphQLList(exactInputType(type.ofType))
  return type instanceof GraphQLScalarType ? (exactScalars.get(type.name) ?? type) : type
}

function exactOutputType(type: GraphQLOutputType): GraphQLOutputType {
  if (isNonNullType(type)) return new GraphQLNonNull(getNullableType(exactOutputType(type.ofType)))
  if (isListType(type)) return new GraphQLList(exactOutputType(type.ofType))
  return type instanceof GraphQLScalarType ? (exactScalars.get(type.name) ?? type) : type
}
