// Stage 3: a draft becomes a stamped, frozen message, and gets the scope of its dedupe key (SEMANTICS 8, 9).
import { GatewayError } from './api.ts'
import type { Draft, Identity, Part, Party, Priority } from './api.ts'
import type { Calling } from './guard/rate-limits.ts'
import { MAX_ID, identifierProblem } from './identifier.ts'
import { digest, moment, newId, traceparent } from './ids.ts'
import { canonical, freezePlain } from './json.ts'
import { DEDUPE_SEPARATOR, OWN } from './store/homes.ts'
import type { Dedupe, Raw, Unnumbered } from './store/store.ts'

/** A message on its way to the store, with what the store needs to know beside it. */
export interface Normalised {
  readonly message: Unnumbered
  readonly raw?: Raw
  /** The customer this belongs to: namespace and sender. */
  readonly home: string
  /** The credential and the home: answers made for one caller are not given to another. */
  readonly caller: string
  readonly dedupe?: Dedupe
}

/** A channel: its name, and that of its adapter. */
export interface ChannelNames {
  readonly id: string
  readonly adapter: string
}

export interface NormaliseOptions {
  readonly channel: ChannelNames
  readonly identity: Identity | undefined
  readonly now: number
  readonly dedupeMs: number
  /** Of a draft that says none; absent: normal. */
  readonly priority?: Priority | undefined
  /** Whether a channel of this name runs. */
  readonly isChannel: (name: string) => boolean
  /** `AcceptOptions.fingerprint`. */
  readonly fingerprint?: string | undefined
  /** Of the span it is taken in under; absent: it is nobody's, a child of the caller's. */
  readonly traceparent?: string | undefined
}

const MAX_TEXT = 512
const MAX_PARTS = 64
const KINDS = new Set(['message', 'event', 'request'])
const ROLES = new Set(['customer', 'agent', 'bot', 'system'])
const PARTS = new Set(['text', 'image', 'audio', 'video', 'file', 'location', 'link', 'card'])
const PRIORITIES = new Set(['low', 'normal', 'high', 'urgent'])

/**
 * Stamps and freezes a draft. A customer's or an agent's credential replaces the sender: a name never comes from a body when a
 * credential gave one. Throws `DECODE_FAILED` for what breaks a limit, `FORBIDDEN` for another customer's usual conversation, for an event
 * about another customer, and for metadata that only programs may send.
 */
export function normalise(draft: Draft, options: NormaliseOptions): Normalised {
  check(draft)
  const { identity, channel, now } = options
  checkMayName(draft.metadata, options)
  const namespace = namespaceOf(identity) ?? channel.id
  const sender = senderOf(draft, identity)
  const usual = `${namespace}:${sender.id}`
  const conversation = draft.conversation ?? usual
  if (conversation !== usual) checkNobodysUsual(conversation, options)
  const id = newId()
  const priority = draft.priority ?? options.priority
  const message: Unnumbered = {
    id,
    kind: draft.kind,
    type: draft.type,
    ...(draft.externalId !== undefined && { externalId: draft.externalId }),
    sender,
    channel: channel.id,
    conversation,
    direction: 'inbound',
    ...(draft.parts !== undefined && { parts: draft.parts }),
    ...(draft.data !== undefined && { data: draft.data }),
    ...(draft.inReplyTo !== undefined && { inReplyTo: draft.inReplyTo }),
    ...(draft.clientSequence !== undefined && { clientSequence: draft.clientSequence }),
    ...(draft.occurredAt !== undefined && { occurredAt: draft.occurredAt }),
    ...(draft.expiresAt !== undefined && { expiresAt: draft.expiresAt }),
    ...(priority !== undefined && { priority }),
    ...(draft.replyContext !== undefined && { replyContext: draft.replyContext }),
    ...(draft.metadata !== undefined && { metadata: draft.metadata }),
    receivedAt: moment(now),
    correlationId: id,
    traceparent: options.traceparent ?? traceparent(draft.metadata?.['traceparent']),
  }
  freezePlain(message, 'the message')
  const home = `${namespace}/${sender.id}`
  return {
    message,
    ...(draft.raw !== undefined && { raw: draft.raw }),
    home,
    caller: [identity?.role ?? '', identity?.id ?? '', home].join(DEDUPE_SEPARATOR),
    ...(draft.externalId !== undefined && {
      dedupe: {
        key: [namespace, identity?.id ?? '', sender.id, draft.externalId].join(DEDUPE_SEPARATOR),
        fingerprint: digest(options.fingerprint ?? contentOf(message, draft.priority)),
        ttlMs: options.dedupeMs,
      },
    }),
  }
}

/** The same under the id that its key is known by. */
export function underId(normalised: Normalised, id: string): Normalised {
  return { ...normalised, message: Object.freeze({ ...normalised.message, id, correlationId: id }) }
}

/** What a rate limit is told. Who calls is the one a credential named, else the sender as the channel knows him. */
export function callingOf(
  { message, home }: Pick<Normalised, 'message' | 'home'>,
  channel: { readonly id: string; readonly pushes: boolean },
  identity: Identity | undefined,
): Calling {
  const isNamed = identity !== undefined && (identity.role !== 'program' || identity.id !== channel.id)
  const caller = isNamed ? `${identity.role}/${identity.id}` : `sender/${home}`
  return { channel: channel.id, pushes: channel.pushes, operation: message.type, caller }
}

/** A customer and a person at the desk of one name are two (SEMANTICS 9), and neither is whom a channel's program names. */
function namespaceOf(identity: Identity | undefined): string | undefined {
  return identity === undefined || identity.role === 'program' ? undefined : OWN[identity.role]
}

/** SEMANTICS 9: a customer's usual conversation is his alone, also before he has said a word in it. */
function checkNobodysUsual(conversation: string, { isChannel }: NormaliseOptions): void {
  const end = conversation.indexOf(':')
  if (end === -1) return
  const namespace = conversation.slice(0, end)
  if (namespace === OWN.customer || namespace === OWN.agent || isChannel(namespace))
    throw new GatewayError(
      'FORBIDDEN',
      `conversation "${conversation}" is another customer's: leave it out, or choose a name that does not begin with a channel's`,
    )
}

/** What makes two drafts of one id the same: everything but raw, replyContext, occurredAt, metadata and our own stamps. */
function contentOf(message: Unnumbered, priority: Priority | undefined): string {
  const { kind, type, conversation, parts, data, inReplyTo, clientSequence, expiresAt } = message
  return canonical([
    kind,
    type,
    message.sender.id,
    conversation,
    parts,
    data,
    inReplyTo,
    clientSequence,
    expiresAt,
    priority,
  ])
}

/**
 * What backends send on as words of their own protocol, only programs may say: a SOAP backend makes header blocks of it, and a header
 * block may name for whom the call is made; an XML-RPC backend the types of values, which a caller of XML-RPC declares himself.
 */
function checkMayName(metadata: Draft['metadata'], { identity, channel }: NormaliseOptions): void {
  if (metadata === undefined || identity === undefined || identity.role === 'program') return
  for (const name of Object.keys(metadata)) {
    if (!name.startsWith('soap:') && (!name.startsWith('xmlrpc:') || channel.adapter === 'webservice'))
      continue
    throw new GatewayError(
      'FORBIDDEN',
      `metadata ${JSON.stringify(name.slice(0, MAX_ID))} is for programs, because a business system may believe it: leave it out, or call with an API key`,
    )
  }
}

function senderOf({ kind, sender }: Draft, identity: Identity | undefined): Party {
  if (identity === undefined || identity.role === 'program') return sender
  if (identity.id === '') throw new GatewayError('AUTH_FAILED', 'who speaks has not been identified yet')
  // An event's customer is whom it is about: it does not become another's without a word.
  const isHimself = sender.id === identity.id && identity.role === 'customer'
  if (kind === 'event' && sender.role === 'customer' && !isHimself)
    throw new GatewayError(
      'FORBIDDEN',
      `an event about another customer (${JSON.stringify(sender.id)}) is for programs to send: name nobody, or call with an API key`,
    )
  // Nor do a tier and attributes: whoever says `vip` of himself is none.
  return { id: identity.id, role: identity.role, ...(sender.name !== undefined && { name: sender.name }) }
}

function check(draft: Draft): void {
  if (!KINDS.has(draft.kind)) refuse(`kind ${JSON.stringify(draft.kind)} is none of message, event, request`)
  checkIdentifier('sender.id', draft.sender?.id, MAX_ID)
  if (!ROLES.has(draft.sender.role))
    refuse(`sender.role ${JSON.stringify(draft.sender.role)} is none of ${[...ROLES].join(', ')}`)
  if (draft.externalId !== undefined) checkIdentifier('externalId', draft.externalId, MAX_TEXT)
  if (draft.conversation !== undefined) checkConversation(draft.conversation)
  if (draft.inReplyTo !== undefined) checkIdentifier('inReplyTo', draft.inReplyTo, MAX_TEXT)
  if (draft.clientSequence !== undefined && !Number.isSafeInteger(draft.clientSequence))
    refuse(`clientSequence ${draft.clientSequence} is not an integer`)
  if (draft.occurredAt !== undefined) checkTimestamp('occurredAt', draft.occurredAt)
  checkRaw(draft.raw)
  checkContent(draft)
}

function checkRaw(raw: Draft['raw']): void {
  if (raw === undefined) return
  if (typeof raw !== 'object' || raw === null) refuse('raw is not { mediaType, bytes }')
  if (typeof raw.mediaType !== 'string') refuse('raw.mediaType is not a text')
  if (!(raw.bytes instanceof Uint8Array)) refuse('raw.bytes is not bytes: give a Uint8Array')
}

/** What a message says, its sender and ids apart. Throws `DECODE_FAILED`. */
export function checkContent(
  draft: Pick<Draft, 'kind' | 'type' | 'expiresAt' | 'priority' | 'metadata' | 'parts' | 'data'>,
): void {
  checkIdentifier('type', draft.type, MAX_ID)
  if (draft.expiresAt !== undefined) checkTimestamp('expiresAt', draft.expiresAt)
  if (draft.priority !== undefined && !PRIORITIES.has(draft.priority))
    refuse(`priority ${JSON.stringify(draft.priority)} is none of ${[...PRIORITIES].join(', ')}`)
  if (draft.metadata !== undefined) checkMetadata(draft.metadata)
  if (draft.parts !== undefined) checkParts(draft.parts)
  if (
    draft.kind === 'message' &&
    (draft.parts === undefined || draft.parts.length === 0) &&
    draft.data === undefined
  )
    refuse('a message needs parts or data')
}

function checkParts(list: readonly Part[]): void {
  if (!Array.isArray(list)) refuse('parts is not a list')
  if (list.length > MAX_PARTS) refuse(`${list.length} parts are more than ${MAX_PARTS}`)
  for (const [index, part] of list.entries()) {
    if (typeof part !== 'object' || part === null || !PARTS.has(part.kind))
      refuse(`parts[${index}].kind is none of ${[...PARTS].join(', ')}`)
    if (typeof part.text !== 'string')
      refuse(`parts[${index}].text is missing: it is what a text-only link shows`)
  }
}

function checkMetadata(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values))
    if (typeof value !== 'string') refuse(`metadata ${JSON.stringify(name)} is not a text`)
}

/** RFC 3986 §5.2.4: in the address of its log these two are taken away, also percent-encoded. */
function checkConversation(name: unknown): void {
  checkIdentifier('conversation', name, MAX_ID)
  if (name === '.' || name === '..')
    refuse(`conversation "${name}" cannot stand in an address: choose another name`)
}

function checkIdentifier(name: string, value: unknown, max: number): void {
  if (value === undefined) return refuse(`${name} is missing`)
  if (typeof value !== 'string') return refuse(`${name} is ${shown(value)}, not a text`)
  const problem = identifierProblem(value, max)
  if (problem !== undefined) refuse(`${name} ${problem}`)
}

/** A number or the like as it is written; of what has members only what it is. */
function shown(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value).slice(0, MAX_ID)
  return Array.isArray(value) ? 'a list' : 'an object'
}

// RFC 3339 §5.6
const TIMESTAMP = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/
function checkTimestamp(name: string, value: unknown): void {
  if (typeof value !== 'string' || !TIMESTAMP.test(value) || !exists(value))
    refuse(`${name} ${JSON.stringify(value)} is not an RFC 3339 date-time such as 2026-01-31T09:00:00Z`)
}

/** RFC 3339 §5.7: 30 February and 24:00 do not exist; second 60 does, for leap seconds. */
function exists(timestamp: string): boolean {
  const two = (at: number): number => (timestamp.charCodeAt(at) - 48) * 10 + timestamp.charCodeAt(at + 1) - 48
  const month = two(5)
  const day = two(8)
  if (month < 1 || month > 12 || day < 1 || day > daysOf(month, two(0) * 100 + two(2))) return false
  if (two(11) > 23 || two(14) > 59 || two(17) > 60) return false
  const end = timestamp.length
  return timestamp.charCodeAt(end - 3) !== COLON || (two(end - 5) <= 23 && two(end - 2) <= 59)
}
const COLON = 0x3a

function daysOf(month: number, year: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

function refuse(problem: string): never {
  throw new GatewayError('DECODE_FAILED', problem)
}
