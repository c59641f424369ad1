// The schema's scalars as this gateway reads and writes them: no digit is lost, no type is guessed (DESIGN §3).
import { GraphQLError, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLScalarType, Kind, print } from 'graphql'
import type { ValueNode } from 'graphql'

import type { Json } from 'dragoman'

import { ExactNumber, isNumeral, numberOf, rawNumber } from './json.ts'

/** Int: 32 bits (GraphQL §3.5.1); `1e2` and `5.0` in variables are integers too. */
export const exactInt = new GraphQLScalarType<number, number>({
  ...GraphQLInt.toConfig(),
  parseValue: (value) => GraphQLInt.parseValue(value instanceof ExactNumber ? Number(value.text) : value),
})

/** Float: a number where a double holds it exactly, else its text, inwards and outwards. */
export const exactFloat = new GraphQLScalarType<number | string, unknown>({
  ...GraphQLFloat.toConfig(),
  serialize: (value) =>
    typeof value === 'string' && isNumeral(value) && numberOf(value) === undefined
      ? rawNumber(value)
      : GraphQLFloat.serialize(value),
  parseValue: (value) => (value instanceof ExactNumber ? finite(value.text) : GraphQLFloat.parseValue(value)),
  parseLiteral: (node) =>
    node.kind === Kind.INT || node.kind === Kind.FLOAT
      ? (numberOf(node.value) ?? finite(node.value))
      : GraphQLFloat.parseLiteral(node, undefined),
})

/** ID: an integer of any length is its text (§3.5.5). */
export const exactId = new GraphQLScalarType<string, string>({
  ...GraphQLID.toConfig(),
  parseValue: (value) =>
    value instanceof ExactNumber && /^-?\d+$/.test(value.text) ? value.text : GraphQLID.parseValue(value),
})

/** The exact scalar in the place of a built-in one. */
export const exactScalars: ReadonlyMap<string, GraphQLScalarType> = new Map(
  [exactInt, exactFloat, exactId].map((scalar) => [scalar.name, scalar]),
)

/** Makes a scalar of the schema's own (JSON, Long, Decimal, DateTime) carry any JSON as it stands; a number a double would change is its text. */
export function carryJson(scalar: GraphQLScalarType): void {
  scalar.serialize = (value) => value
  scalar.parseValue = plain
  scalar.parseLiteral = literal
}

/** Plain data of what a caller sent. */
export function plain(value: unknown): Json {
  if (value instanceof ExactNumber) return value.text
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    // fromEntries defines its members, so that __proto__ stays a name.
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
  return value as Json // what JSON.parse makes is null, a text, a number or a boolean here
}

function literal(node: ValueNode, variables?: Readonly<Record<string, unknown>> | null): Json {
  switch (node.kind) {
    case Kind.NULL:
      return null
    case Kind.STRING:
    case Kind.BOOLEAN:
      return node.value
    case Kind.INT:
    case Kind.FLOAT:
      return numberOf(node.value) ?? node.value
    case Kind.LIST:
      return node.values.map((value) => literal(value, variables))
    case Kind.OBJECT:
      return Object.fromEntries(node.fields.map(({ name, value }) => [name.value, literal(value, variables)]))
    case Kind.VARIABLE:
      return plain(variables?.[node.name.value] ?? null)
    case Kind.ENUM:
      throw new GraphQLError(`a value of JSON cannot be the bare name ${print(node)}: put it in quotes`, {
        nodes: node,
      })
  }
}

// IEEE 754 has no number that large: what no double can come near is no Float (§3.5.2).
function finite(text: string): string {
  if (Number.isFinite(Number(text))) return text
  throw new GraphQLError(`Float cannot represent a number as large as ${text.slice(0, 40)}`)
}
