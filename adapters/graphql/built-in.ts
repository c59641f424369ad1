// The built-in schema: messages, events, requests and conversations, as /v1 has them.
import { OperationTypeNode, buildSchema } from 'graphql'
import type { GraphQLSchema } from 'graphql'

import { GatewayError } from 'dragoman'
import type { Accepted, Draft, DraftBase, Json, Part, Party, Priority, Reply } from 'dragoman'

import { isAlone, keyOf } from './bind.ts'
import type { Resolver, Roots } from './bind.ts'
import { accept, callerOf, carriedBy, externalIdOf } from './call.ts'
import type { Call, Context } from './call.ts'
import { faultError } from './errors.ts'
import { follow, shown, textOf } from './follow.ts'
import { isObject } from '../data/json.ts'
import { builtInTypes } from './built-in-types.ts'

/** A fresh copy: it will be bound. */
export function builtInSchema(): GraphQLSchema {
  return buildSchema(builtInTypes)
}

export const builtInRoots: Roots = {
  query: (field) => (field === 'conversation' ? conversation : request),
  mutation: (field) => ({ sendMessage, publishEvent, request })[field] ?? request,
  subscription: () => messages,
}

const sendMessage: Resolver = async (_source, args: MessageArguments, context, info) => {
  const { text, parts, sender, externalId, waitMs, metadata, type, ...rest } = args
  if ((text ?? undefined) === undefined && (parts ?? undefined) === undefined)
    throw new GatewayError('DECODE_FAILED', 'the message says nothing: send text or parts')
  if ((text ?? undefined) !== undefined && (parts ?? undefined) !== undefined)
    throw new GatewayError('DECODE_FAILED', 'the message has both text and parts: send one of them')
  const said: readonly Part[] = parts?.map(partOf) ?? [{ kind: 'text', text: text ?? '' }]
  const key = keyOf(info)
  const alone = isAlone(info)
  const own = externalIdOf(context.call, externalId, { key, alone })
  const carried = carriedBy(context, alone)
  const draft: Draft = {
    ...present(rest),
    ...carried,
    kind: 'message',
    type: type ?? said[0]?.kind ?? 'text',
    sender: senderOf(sender ?? undefined, context.call),
    parts: said,
    ...(own !== undefined && { externalId: own }),
    ...((metadata ?? undefined) !== undefined && {
      metadata: { ...textsOf(metadata ?? null), ...carried.metadata },
    }),
  }
  const waits = Math.min(waitMs ?? 0, context.call.maxWaitMs)
  return acceptedShown(await accept(draft, context, { key, ...(waits > 0 && { waitMs: waits }) }))
}

// The arguments as the schema has them; null is GraphQL's way to leave something out.
interface MessageArguments {
  readonly externalId?: string | null
  readonly occurredAt?: string | null
  readonly data?: Json
  readonly text?: string | null
  readonly parts?: readonly GivenPart[] | null
  readonly sender?: NamedSender | null
  readonly conversation?: string | null
  readonly type?: string | null
  readonly inReplyTo?: string | null
  readonly clientSequence?: number | null
  readonly expiresAt?: string | null
  readonly priority?: Priority | null
  readonly metadata?: Json
  readonly waitMs?: number | null
}

interface EventArguments {
  readonly type: string
  readonly data?: Json
  readonly subject?: string | null
  readonly externalId?: string | null
  readonly occurredAt?: string | null
}

const publishEvent: Resolver = async (_source, args: EventArguments, context, info) => {
  const { type, data, subject, externalId, occurredAt } = args
  const { host } = context.call
  const key = keyOf(info)
  const alone = isAlone(info)
  const own = externalIdOf(context.call, externalId, { key, alone })
  const base: DraftBase & Pick<Draft, 'sender'> = {
    ...carriedBy(context, alone),
    kind: 'event',
    // CloudEvents 1.0.2 §3.1.1 subject: here the customer the event is about.
    sender: typeof subject === 'string' ? { id: subject, role: 'customer' } : callerOf(context.call),
    ...(own !== undefined && { externalId: own }),
    ...(typeof occurredAt === 'string' && { occurredAt }),
  }
  const shaped =
    Object.hasOwn(host.operations, type) && host.operations[type]?.kind === 'event'
      ? await host.draft(type, data ?? null, base)
      : undefined
  const draft = shaped ?? { ...base, type, ...(data !== undefined && { data }) }
  return acceptedShown(await accept(draft, context, { key }))
}

interface RequestArguments {
  readonly operation: string
  readonly params?: Json
  readonly externalId?: string | null
}

const request: Resolver = async (_source, args: RequestArguments, context, info) => {
  const { operation, params, externalId } = args
  const { host, channel, transport } = context.call
  if (transport === 'get')
    throw new GatewayError('METHOD_NOT_ALLOWED', 'a request may change something: send it by POST')
  const key = keyOf(info)
  const isMutation = info.operation.operation === OperationTypeNode.MUTATION
  const alone = isAlone(info)
  const own = isMutation ? externalIdOf(context.call, externalId, { key, alone }) : undefined
  const draft = await host.draft(operation, params ?? {}, {
    ...carriedBy(context, alone),
    kind: 'request',
    sender: callerOf(context.call),
    ...(own !== undefined && { externalId: own }),
  })
  if (draft === undefined)
    throw new GatewayError(
      'NO_ROUTE',
      `channel "${channel}" has no operation "${operation}": it has ${Object.keys(host.operations).join(', ')}`,
    )
  const { id, duplicate, reply, status } = await accept(draft, context, { key })
  if (reply?.fault !== undefined) throw faultError(reply.fault)
  return { id, duplicate, ...(reply === undefined ? { stale: false, status } : replyShown(reply)) }
}

interface LogArguments {
  readonly id: string
  readonly after?: number | null
  readonly limit?: number | null
}

const conversation: Resolver = async (_source, { id, after, limit }: LogArguments, { call }) => {
  const { host, identity, signal } = call
  const page = await host.log(id, after ?? 0, { limit: limit ?? DEFAULT_LIMIT, identity, signal })
  return { ...page, messages: page.messages.map(shown) }
}

const DEFAULT_LIMIT = 100

interface FollowArguments {
  readonly conversation: string
  readonly after?: number | null
}

const messages: Resolver = async (_source, args: FollowArguments, context) =>
  followed(args.conversation, args.after ?? 0, context)

/** The events of a subscription, each a message as callers see it. Rejects with what `host.log` throws. */
export async function followed(
  name: string,
  after: number,
  { call, marks }: Context,
): Promise<AsyncIterable<unknown>> {
  const { host, identity, signal, closing } = call
  marks.follows = true
  return follow({
    host,
    conversation: name,
    after,
    identity,
    signal,
    closing,
    onTruncated: (oldest) => {
      marks.oldest = oldest
    },
  })
}

/** What became of a message or an event. */
export function acceptedShown({ reply, ...accepted }: Accepted): Readonly<Record<string, unknown>> {
  return { ...accepted, ...(reply !== undefined && { reply: replyShown(reply) }) }
}

function replyShown(reply: Reply): Readonly<Record<string, unknown>> {
  return { ...reply, stale: reply.stale === true, text: textOf(reply.parts) }
}

interface NamedSender {
  readonly id: string
  readonly role?: Party['role'] | null
  readonly name?: string | null
  readonly tier?: string | null
  readonly attributes?: Json
}

// A customer or an agent is who his credential says (the core sees to the id); what decides about routing is not his to say.
function senderOf(named: NamedSender | undefined, { identity }: Call): Party {
  if (identity.role === 'program') {
    if (named === undefined)
      throw new GatewayError('DECODE_FAILED', 'sender is missing: say who speaks, sender: {id: "…"}')
    const { attributes, ...rest } = present(named)
    return {
      ...rest,
      role: named.role ?? 'customer',
      ...(isObject(attributes) && { attributes }),
    }
  }
  const { role, tier, attributes, name } = present(named ?? { id: identity.id })
  if ((role !== undefined && role !== identity.role) || tier !== undefined || attributes !== undefined)
    throw new GatewayError(
      'FORBIDDEN',
      `the sender's role, tier and attributes are not for a${identity.role === 'agent' ? 'n agent' : ' customer'} to say: leave them out`,
    )
  return { id: named?.id ?? identity.id, role: identity.role, ...(typeof name === 'string' && { name }) }
}

function partOf({ media, ...part }: GivenPart): Part {
  return { ...present(part), ...(media !== null && media !== undefined && { media: present(media) }) }
}

type GivenPart = Omit<Part, 'media'> & { readonly media?: NonNullable<Part['media']> | null }
type Present<T> = { readonly [K in keyof T]: Exclude<T[K], null> }

/** Without the members that are null: GraphQL's way to leave something out. */
function present<T extends object>(value: T): Present<T> {
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined)
  return Object.fromEntries(members) as Present<T> // only members that are null were left out, and those are optional
}

function textsOf(metadata: Json): Readonly<Record<string, string>> {
  if (isObject(metadata) && Object.values(metadata).every((value) => typeof value === 'string'))
    return metadata as Readonly<Record<string, string>> // just looked at every value
  throw new GatewayError('DECODE_FAILED', 'metadata is not an object of texts')
}
