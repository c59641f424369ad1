// Schema first: the root fields of the operator's own schema are the channel's operations.
import { readFile } from 'node:fs/promises'

import {
  GraphQLError,
  Kind,
  OperationTypeNode,
  buildASTSchema,
  getNamedType,
  getNullableType,
  isLeafType,
  isNonNullType,
  isScalarType,
  parse,
  validateSchema,
} from 'graphql'
import type {
  GraphQLInputType,
  GraphQLOutputType,
  GraphQLResolveInfo,
  GraphQLSchema,
  SelectionSetNode,
} from 'graphql'

import { GatewayError } from 'dragoman'
import type { Accepted, ChannelHost } from 'dragoman'

import { isAlone, keyOf, shaped } from './bind.ts'
import type { Resolver, Roots } from './bind.ts'
import { acceptedShown, followed } from './built-in.ts'
import { accept, callerOf, carriedBy, externalIdOf, queuedAs } from './call.ts'
import type { Queued } from './call.ts'
import { faultError, queuedError, refusal } from './errors.ts'
import { textOf } from './follow.ts'
import { decodeUtf8 } from '../data/json.ts'
import { plain } from './scalars.ts'

/** Reads the file. Rejects with an `Error` that names every problem with its line, and operations that no root field stands for. */
export async function readSchema(
  file: string,
  operations: ChannelHost['operations'],
): Promise<GraphQLSchema> {
  const schema = build(file, decodeUtf8(await readFile(file)))
  const problems = [...validateSchema(schema)].map((error) => where(error))
  const fields = new Set(
    [schema.getQueryType(), schema.getMutationType()].flatMap((type) => Object.keys(type?.getFields() ?? {})),
  )
  for (const name of Object.keys(operations))
    if (!fields.has(name))
      problems.push(
        `operation "${name}" is no field of Query or Mutation: there are ${[...fields].join(', ')}`,
      )
  for (const { name, args } of Object.values(schema.getSubscriptionType()?.getFields() ?? {})) {
    if (!args.some((argument) => argument.name === 'conversation'))
      problems.push(`the subscription "${name}" needs the argument conversation: it is the log of one`)
    for (const argument of args)
      if (FOLLOWED.has(argument.name) && !isPlace(argument.type))
        problems.push(
          `the argument ${argument.name} of the subscription "${name}" is ${String(argument.type)}: a number or a text is needed`,
        )
  }
  if (problems.length > 0) throw new Error(`${file}: ${problems.join('; ')}`)
  return schema
}

export const schemaFirstRoots: Roots = {
  query: (field) => operation(field),
  mutation: (field) => operation(field),
  subscription:
    (name) =>
    (_source, args, context, { fieldNodes }) => {
      for (const { name: argument } of fieldNodes.flatMap((node) => node.arguments ?? []))
        if (!FOLLOWED.has(argument.value))
          throw refusal(`${name}: nothing reads the argument ${argument.value}, so it is not taken`)
      const { conversation, after } = args
      if (conversation === undefined || conversation === null)
        throw refusal('conversation is missing: say whose log is followed')
      return followed(String(conversation), sequenceOf(after), context)
    },
}

/** The arguments of a subscription that mean something. */
const FOLLOWED = new Set(['conversation', 'after'])

function isPlace(type: GraphQLInputType): boolean {
  const nullable = getNullableType(type)
  return isScalarType(nullable) && nullable.name !== 'Boolean'
}

/** A cursor as the schema declares it: a number, or its digits as a text. Throws `DECODE_FAILED`. */
function sequenceOf(after: unknown): number {
  if (after === undefined || after === null) return 0
  const sequence = typeof after === 'string' && /^\d+$/.test(after) ? Number(after) : after
  if (typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence >= 0) return sequence
  throw refusal(`after is ${JSON.stringify(after)}: a sequence number of 0 or more is needed`)
}

function operation(name: string): Resolver {
  return async (_source, args, context, info) => {
    const { call } = context
    const { host, channel, transport, maxWaitMs } = call
    const key = keyOf(info)
    const isMutation = info.operation.operation === OperationTypeNode.MUTATION
    const alone = isAlone(info)
    const own = isMutation ? externalIdOf(call, undefined, { key, alone }) : undefined
    const draft = await host.draft(name, plain(args), {
      ...carriedBy(context, alone),
      kind: 'request',
      sender: callerOf(call),
      ...(own !== undefined && { externalId: own }),
    })
    if (draft === undefined)
      throw new GatewayError(
        'NO_ROUTE',
        `channel "${channel}" has no operation "${name}": it has ${Object.keys(host.operations).join(', ')}`,
      )
    if (draft.kind !== 'request' && transport === 'get')
      throw new GatewayError('METHOD_NOT_ALLOWED', `"${name}" stores something: send it by POST`)
    const waits = draft.kind === 'message' && asksForReply(info) ? maxWaitMs : 0
    const accepted = await accept(draft, context, { key, ...(waits > 0 && { waitMs: waits }) })
    if (draft.kind !== 'request') return receipt(accepted, info)
    const { reply } = accepted
    if (reply === undefined) return unanswered(queuedAs(accepted), info.returnType)
    if (reply.fault !== undefined) throw faultError(reply.fault)
    return shaped(reply.data ?? textOf(reply.parts), info.returnType)
  }
}

// What became of a message or an event, as the field's type can say it: true, its id, or an object with our members.
function receipt(accepted: Accepted, { returnType }: GraphQLResolveInfo): unknown {
  const type = getNamedType(returnType)
  if (!isLeafType(type)) return acceptedShown(accepted)
  if (type.name === 'Boolean') return true
  if (type.name === 'Int' || type.name === 'Float') return accepted.sequence
  return type.name === 'ID' || type.name === 'String' ? accepted.id : acceptedShown(accepted)
}

// DESIGN §7: a write that waits for its business system has a status and no data; what a type has no place for is null, never made up.
function unanswered(queued: Queued, type: GraphQLOutputType): null {
  if (isNonNullType(type)) throw queuedError(queued)
  return null
}

/** Whether the caller selects `reply`: only then is it waited for. */
function asksForReply({ fieldNodes, fragments }: GraphQLResolveInfo): boolean {
  const asks = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some((selection) => {
      if (selection.kind === Kind.FIELD) return selection.name.value === 'reply'
      if (selection.kind === Kind.INLINE_FRAGMENT) return asks(selection.selectionSet)
      return asks(fragments[selection.name.value]?.selectionSet)
    }) === true
  return fieldNodes.some((node) => asks(node.selectionSet))
}

function build(file: string, text: string): GraphQLSchema {
  try {
    return buildASTSchema(parse(text))
  } catch (error) {
    const why =
      error instanceof GraphQLError ? where(error) : error instanceof Error ? error.message : String(error)
    throw new Error(`${file}: ${why}`, { cause: error })
  }
}

function where({ message, locations }: GraphQLError): string {
  const [at] = locations ?? []
  return at === undefined ? message : `line ${at.line}, column ${at.column}: ${message}`
}
