// One operation of a caller's, in whichever dialect it came: draft, accept, and the value to answer.
import { GatewayError } from 'dragoman'
import type { Accepted, ChannelHost, Draft, Fault, HttpRequest, Json, Party, Scope } from 'dragoman'
import type { ElementDecl } from '../xml/schema.ts'
import { acknowledgement } from './acknowledge.ts'
import type { ChannelConfig } from './config.ts'
import type { Contract } from './contract.ts'
import { idempotencyKey } from './http.ts'

export interface Service {
  readonly config: ChannelConfig
  readonly scope: Scope
  readonly host: ChannelHost
  readonly contract: Contract
}

/** A request on its way through a dialect. */
export interface Call {
  readonly request: HttpRequest
  readonly signal: AbortSignal
  /** Canonical; what the caller is answered in. */
  readonly charset: string
}

export interface Asked {
  readonly operation: string
  readonly data: Json
  readonly metadata?: Readonly<Record<string, string>>
  /** One of several in a request: which. Its bytes are the others' too, and nobody waits for a message's answer. */
  readonly index?: number
}

export interface Outcome {
  readonly accepted: Accepted
  readonly fault?: Fault
  /** Undefined: there is nothing to say. */
  readonly value?: Json
  /** What was accepted instead of an answer: a message, an event, a request that is queued. */
  readonly isAcknowledgement: boolean
  /** A request that was queued: its answer comes no earlier than its execution. */
  readonly isPending: boolean
}

/** The operations a caller may name: the channel's, else the schema's; undefined: any. */
export function offered({ host, contract }: Service): ReadonlySet<string> | undefined {
  const names = Object.keys(host.operations)
  const known = names.length > 0 ? names : contract.operations
  return known.length > 0 ? new Set(known) : undefined
}

export function isOffered(service: Service, operation: string): boolean {
  return offered(service)?.has(operation) ?? true
}

/** Hands the operation in and says what came of it. Throws `GatewayError`, `NO_ROUTE` for an operation that is not offered. */
export async function perform(
  service: Service,
  call: Pick<Call, 'request' | 'signal'>,
  asked: Asked,
): Promise<Outcome> {
  const { host, scope, config } = service
  const { request, signal } = call
  const { operation, data, index } = asked
  const draft = isOffered(service, operation)
    ? await host.draft(operation, data, {
        kind: 'request',
        sender: callerOf(request, scope.id),
        ...keyOf(request, index),
        ...metadataOf(request, asked.metadata),
        ...(request.body.byteLength > 0 && index === undefined && { raw: rawOf(request) }),
      })
    : undefined
  if (draft === undefined) throw new GatewayError('NO_ROUTE', `operation "${operation}" is not offered here`)
  if (index === undefined) checkKey(idempotencyKey(request), draft)
  const accepted = await host.accept(draft, {
    signal,
    identity: request.identity,
    ...(draft.kind === 'message' && index === undefined && { waitMs: config.waitMs }),
  })
  return outcomeOf(service, accepted, { isRequest: draft.kind === 'request', operation })
}

function outcomeOf(
  { contract }: Service,
  accepted: Accepted,
  { isRequest, operation }: { readonly isRequest: boolean; readonly operation: string },
): Outcome {
  const { reply } = accepted
  const isPending = isRequest && reply === undefined
  const said = { accepted, isPending, isAcknowledgement: false }
  if (reply?.fault !== undefined) return { ...said, fault: reply.fault }
  if (reply?.data !== undefined) return { ...said, value: reply.data }
  if (isRequest && reply !== undefined) {
    const text = textOf(accepted)
    return text === undefined ? said : { ...said, value: text }
  }
  const response: ElementDecl | undefined = contract.describe(operation)?.response
  return { ...said, value: acknowledgement(accepted, textOf(accepted), response), isAcknowledgement: true }
}

function textOf({ reply }: Accepted): string | undefined {
  const parts = reply?.parts ?? []
  return parts.length === 0 ? undefined : parts.map(({ text }) => text).join('\n')
}

function callerOf({ identity }: HttpRequest, channel: string): Party {
  return identity.role === 'program'
    ? { id: channel, role: 'system' }
    : { id: identity.id, role: identity.role }
}

function keyOf(request: HttpRequest, index: number | undefined): { readonly externalId?: string } {
  const key = idempotencyKey(request)
  if (key === undefined) return {}
  return { externalId: index === undefined ? key : `${key}#${index}` }
}

/** The operation's expression may give an id of the body's own: one of two is never dropped. */
function checkKey(key: string | undefined, { externalId }: Pick<Draft, 'externalId'>): void {
  if (key === undefined || key === externalId) return
  throw new GatewayError(
    'DECODE_FAILED',
    `Idempotency-Key "${key}" and the body's id "${externalId}" differ: send one of them`,
  )
}

/** W3C Trace Context §3.2.1: the core continues the caller's trace from the metadata. */
function metadataOf(
  { headers: { traceparent } }: HttpRequest,
  metadata: Readonly<Record<string, string>> | undefined,
): { readonly metadata?: Readonly<Record<string, string>> } {
  const trace = traceparent !== undefined && traceparent.length <= 128 ? { traceparent } : {}
  const all = { ...metadata, ...trace }
  return Object.keys(all).length === 0 ? {} : { metadata: all }
}

function rawOf(request: HttpRequest): { mediaType: string; bytes: Uint8Array } {
  return { mediaType: request.headers['content-type'] ?? 'text/xml', bytes: request.body }
}
