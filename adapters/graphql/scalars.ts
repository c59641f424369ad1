// The schema's scalars as this gateway reads and writes them: no digit is lost, no type is guessed (DESIGN §3).
import { GraphQLError, GraphQLFloat, GraphQLID, GraphQLInt, GraphQLScalarType, Kind, print } from 'graphql'
import type { ValueNode } from 'graphql'

import type { Json } from 'dragoman'

import { ExactNumber, numberOf, numeralOf, rawNumber } from './json.ts'

/** Int: 32 bits (GraphQL §3.5.1); `1e2` and `5.0` are integers too, in variables and in a business system's text. */
export const exactInt = new GraphQLScalarType<number, number>({
  ...GraphQLInt.toConfig(),
  serialize: (value) => GraphQLInt.serialize(typeof value === 'string' ? wholeOf(value) : value),
  parseValue: (value) => GraphQLInt.parseValue(value instanceof ExactNumber ? Number(String(value)) : value),
})

/** Float: a number where a double holds it exactly, else its text, inwards and outwards. */
export const exactFloat = new GraphQLScalarType<number | string, unknown>({
  ...GraphQLFloat.toConfig(),
  serialize(value) {
    if (typeof value !== 'string') return GraphQLFloat.serialize(value)
    const numeral = numeralIn(value, 'Float')
    return numberOf(numeral) ?? rawNumber(numeral)
  },
  parseValue: (value) =>
    value instanceof ExactNumber ? finite(String(value)) : GraphQLFloat.parseValue(value),
  parseLiteral: (node) =>
    node.kind === Kind.INT || node.kind === Kind.FLOAT
      ? (numberOf(node.value) ?? finite(node.value))
      : GraphQLFloat.parseLiteral(node, undefined),
})

/** ID: an integer of any length is its text (§3.5.5). */
export const exactId = new GraphQLScalarType<string, string>({
  ...GraphQLID.toConfig(),
  parseValue: (value) =>
    value instanceof ExactNumber && /^-?\d+$/.test(String(value))
      ? String(value)
      : GraphQLID.parseValue(value),
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
  if (value instanceof ExactNumber) return String(value)
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'object' && value !== null)
    // fromEntries defines its members, so that __proto__ stays a name.
    return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member)]))
  return value as Json // what JSON.parse makes is null, a text, a number or a boolean here
}

/** Throws a `GraphQLError` for a text that is no decimal number. */
function numeralIn(text: string, type: string): string {
  const numeral = numeralOf(text)
  if (numeral !== undefined) return numeral
  throw new GraphQLError(
    `${type} cannot represent what is no decimal number: ${JSON.stringify(text.slice(0, 40))}`,
  )
}

// A double would round a fraction away that is long enough.
function wholeOf(text: string): number {
  const numeral = numeralIn(text, 'Int')
  if (/[1-9]/.test(/\.(\d*)$/.exec(numeral)?.[1] ?? ''))
    throw new GraphQLError(`Int cannot represent non-integer value: ${numeral.slice(0, 40)}`)
  return Number(numeral)
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
