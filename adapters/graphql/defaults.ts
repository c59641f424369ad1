// Defaults of arguments and input fields: executed digit by digit, and told to tools as the schema has them.
import { __InputValue, getNamedType, isInputObjectType, print, valueFromAST } from 'graphql'
import type {
  GraphQLArgument,
  GraphQLFieldResolver,
  GraphQLInputField,
  GraphQLInputObjectType,
} from 'graphql'

type Input = GraphQLArgument | GraphQLInputField

/** Reads the defaults anew, once the scalars of all inputs are exact; introspection then gives each as it is written. */
export function bindDefaults(inputs: readonly Input[]): void {
  const bound = new Set<GraphQLInputObjectType>()
  const bindDefault = (input: Input): void => {
    const named = getNamedType(input.type)
    // `{}` takes the defaults of the fields within: they come first.
    if (isInputObjectType(named) && !bound.has(named)) {
      bound.add(named)
      for (const field of Object.values(named.getFields())) bindDefault(field)
    }
    const node = input.astNode?.defaultValue ?? undefined
    if (node === undefined) return
    const value = valueFromAST(node, input.type)
    if (value !== undefined) input.defaultValue = value // a bare name for a scalar stays the text that graphql made of it
    written.set(input, print(node))
  }
  const isPlain = (input: Input): boolean => !isInputObjectType(getNamedType(input.type))
  for (const input of inputs.filter(isPlain)) bindDefault(input)
  for (const input of inputs) bindDefault(input)
  const told = __InputValue.getFields()['defaultValue']
  if (told !== undefined) told.resolve = asWritten
}

// graphql 16 prints a default from its value, through `serialize`: an object of a scalar JSON or a number with all its digits is an error there.
// All schemas share `__InputValue`, and none may have one of its own, so that only inputs bound here are answered otherwise.
const written = new WeakMap<object, string>()
const fromValue = __InputValue.getFields()['defaultValue']?.resolve
const asWritten: GraphQLFieldResolver<Input, unknown> = (input, ...more) =>
  written.get(input) ?? fromValue?.(input, ...more)
