// How much a document asks for, counted on its syntax alone, before it is validated or executed.
import { GraphQLError, Kind, Lexer, Source, TokenKind, parse } from 'graphql'
import type {
  DefinitionNode,
  DirectiveNode,
  DocumentNode,
  FragmentDefinitionNode,
  OperationDefinitionNode,
  SelectionSetNode,
  ValueNode,
} from 'graphql'

import type { Limits } from './channel-config.ts'
import { refusal } from './errors.ts'
import { ExactNumber } from './json.ts'
import { mostRepeated } from './repeats.ts'

/** Arguments that say how many items are wanted. */
const PAGING = new Set(['first', 'last', 'limit'])
/** The introspection query that tools send is this deep by itself. */
const INTROSPECTION_DEPTH = 20
const LITERAL_DEPTH = 32
/** Far above what the limits of depth allow, whose refusals say more; the parser overflows a fresh stack at some 1,300. */
const BRACKET_DEPTH = 512
const OPENING: ReadonlySet<TokenKind> = new Set([TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L])
const CLOSING: ReadonlySet<TokenKind> = new Set([TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R])

interface Size {
  readonly depth: number
  readonly fields: number
  readonly aliases: number
}
const NOTHING: Size = { depth: 0, fields: 0, aliases: 0 }

/** Parses a document within its limits. Throws a `GraphQLError`. */
export function parseWithin(text: string, limits: Limits): DocumentNode {
  checkTokens(text, limits.tokens)
  const document = parse(text)
  checkSize(document, limits)
  return document
}

/** The parser calls itself for each open bracket: what would exhaust the stack is refused before it is parsed. */
function checkTokens(text: string, most: number): void {
  const lexer = new Lexer(new Source(text))
  let open = 0
  for (let count = 0; count <= most; count += 1) {
    const kind = nextKind(lexer)
    if (kind === undefined || kind === TokenKind.EOF) return
    if (OPENING.has(kind)) within('depth of brackets', (open += 1), BRACKET_DEPTH)
    else if (CLOSING.has(kind)) open -= 1
  }
  throw refusal(`the document is too large: it has more than ${most} tokens`)
}

/** Undefined where the text is no token: the parser says so, with its place. */
function nextKind(lexer: Lexer): TokenKind | undefined {
  try {
    return lexer.advance().kind
  } catch (error) {
    if (error instanceof GraphQLError) return undefined
    throw error
  }
}

/** Refuses variables whose lists are too long, or which ask for too many items. Throws a `GraphQLError`. */
export function checkVariables(
  document: DocumentNode,
  variables: Readonly<Record<string, unknown>> | null | undefined,
  { listSize }: Limits,
): void {
  if (variables === null || variables === undefined) return
  checkLists(variables, listSize)
  for (const name of pagingVariables.get(document) ?? []) {
    const value: unknown = Object.hasOwn(variables, name) ? variables[name] : undefined
    if (typeof value === 'number') checkPage(`$${name}`, value, listSize)
    else if (value instanceof ExactNumber) checkPage(`$${name}`, Number(String(value)), listSize)
  }
}

// Which variables stand in paging arguments: known from the first look at the document.
const pagingVariables = new WeakMap<DocumentNode, ReadonlySet<string>>()

function checkSize(document: DocumentNode, limits: Limits): void {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition)
  const counted = new Counter(fragments, limits)
  const total = { fields: 0, aliases: 0 }
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION && definition.kind !== Kind.FRAGMENT_DEFINITION)
      throw refusal('a document holds operations and fragments only')
    counted.directives(definition.directives)
    for (const variable of definition.variableDefinitions ?? []) {
      counted.directives(variable.directives)
      if (variable.defaultValue !== undefined) counted.value(variable.defaultValue)
    }
    const size =
      definition.kind === Kind.FRAGMENT_DEFINITION
        ? counted.fragment(definition.name.value)
        : counted.selections(definition.selectionSet)
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      within('fields', size.fields, limits.fields) // counted where it is used; the validator also looks at one that is not
      continue
    }
    within('depth', size.depth, limits.depth)
    total.fields += size.fields
    total.aliases += size.aliases
  }
  within('fields', total.fields, limits.fields)
  within('aliases', total.aliases, limits.aliases)
  within('directives', counted.directivesSeen, limits.directives)
  // The validator compares each with each: a hundred of one cost it five thousand comparisons.
  for (const { selectionSet } of document.definitions.filter(hasSelections))
    within('repeats of one field', mostRepeated(selectionSet, fragments), limits.repeats)
  for (const definition of document.definitions) {
    if (definition.kind !== Kind.OPERATION_DEFINITION) continue
    for (const { variable, defaultValue } of definition.variableDefinitions ?? [])
      if (defaultValue?.kind === Kind.INT && counted.paging.has(variable.name.value))
        checkPage(`$${variable.name.value}`, Number(defaultValue.value), limits.listSize)
  }
  pagingVariables.set(document, counted.paging)
}

function hasSelections(
  definition: DefinitionNode,
): definition is OperationDefinitionNode | FragmentDefinitionNode {
  return 'selectionSet' in definition
}

/** Sizes with every fragment written out where it is used; each fragment is looked at once. */
class Counter {
  readonly paging = new Set<string>()
  directivesSeen = 0
  readonly #fragments: ReadonlyMap<string, FragmentDefinitionNode>
  readonly #limits: Limits
  readonly #sizes = new Map<string, Size | 'open'>()

  constructor(fragments: ReadonlyMap<string, FragmentDefinitionNode>, limits: Limits) {
    this.#fragments = fragments
    this.#limits = limits
  }

  fragment(name: string): Size {
    const known = this.#sizes.get(name)
    if (known === 'open') throw refusal(`fragment "${name}" contains itself`)
    if (known !== undefined) return known
    const definition = this.#fragments.get(name)
    if (definition === undefined) return NOTHING // the validator names it
    this.#sizes.set(name, 'open')
    const size = this.selections(definition.selectionSet)
    this.#sizes.set(name, size)
    return size
  }

  selections({ selections }: SelectionSetNode): Size {
    let [depth, fields, aliases] = [0, 0, 0]
    for (const selection of selections) {
      this.directives(selection.directives)
      const size = this.#selection(selection)
      depth = Math.max(depth, size.depth)
      fields += size.fields
      aliases += size.aliases
    }
    return { depth, fields, aliases }
  }

  directives(directives: readonly DirectiveNode[] | undefined): void {
    for (const directive of directives ?? []) {
      this.directivesSeen += 1
      for (const argument of directive.arguments ?? []) this.value(argument.value)
    }
  }

  value(value: ValueNode, depth = 0): void {
    within('depth of a value', depth, LITERAL_DEPTH)
    if (value.kind === Kind.LIST) {
      within('items of a list', value.values.length, this.#limits.listSize)
      for (const item of value.values) this.value(item, depth + 1)
    } else if (value.kind === Kind.OBJECT)
      for (const field of value.fields) this.value(field.value, depth + 1)
  }

  #selection(selection: SelectionSetNode['selections'][number]): Size {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return this.fragment(selection.name.value)
    if (selection.kind === Kind.INLINE_FRAGMENT) return this.selections(selection.selectionSet)
    const name = selection.name.value
    for (const argument of selection.arguments ?? []) {
      this.value(argument.value)
      if (PAGING.has(argument.name.value)) this.#page(argument.name.value, argument.value)
    }
    const below = selection.selectionSet === undefined ? NOTHING : this.selections(selection.selectionSet)
    const introspects = name === '__schema' || name === '__type'
    if (introspects) within('depth of introspection', below.depth, INTROSPECTION_DEPTH)
    return {
      depth: introspects ? 1 : below.depth + 1,
      fields: below.fields + 1,
      aliases: below.aliases + (selection.alias === undefined ? 0 : 1),
    }
  }

  #page(name: string, value: ValueNode): void {
    if (value.kind === Kind.VARIABLE) this.paging.add(value.name.value)
    else if (value.kind === Kind.INT) checkPage(name, Number(value.value), this.#limits.listSize)
  }
}

function checkLists(value: unknown, most: number): void {
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) within('items of a list', value.length, most)
  for (const member of Object.values(value)) checkLists(member, most)
}

function checkPage(name: string, wanted: number, most: number): void {
  if (wanted > most) throw refusal(`${name} asks for ${wanted} items: at most ${most} are given at once`)
}

function within(what: string, found: number, most: number): void {
  if (found > most)
    throw refusal(`the document is too large: ${what} ${found > MANY ? 'far ' : `${found} is `}above ${most}`)
}
const MANY = 1_000_000
