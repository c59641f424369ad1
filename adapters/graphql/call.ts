// What the resolvers know: who calls, over what, and the way into the gateway.
import type {
  AcceptOptions,
  Accepted,
  ChannelHost,
  Draft,
  HttpRequest,
  Identity,
  Log,
  Party,
  Reply,
} from 'dragoman'

import { idempotencyKey } from './key.ts'

/** One HTTP request, or one operation on a WebSocket. */
export interface Call {
  readonly host: ChannelHost
  /** The channel's name. */
  readonly channel: string
  readonly identity: Identity
  readonly transport: 'get' | 'post' | 'socket'
  readonly request: HttpRequest
  readonly raw?: Draft['raw']
  /** The longest a caller may wait for the reply to a message, in milliseconds. */
  readonly maxWaitMs: number
  /** The caller is gone. */
  readonly signal: AbortSignal
  /** The channel ends, or the socket of the call: what was begun is finished, nothing is followed any further. */
  readonly closing: AbortSignal
  readonly log: Log
}

/** What was learned while one operation was executed, for `extensions`. */
export interface Marks {
  readonly answers: Map<string, Mark | Queued>
  /** The log no longer reaches back to the subscriber's cursor: this is the oldest it has. */
  oldest?: number
  /** It is the events of a log, which have no end of their own. */
  follows?: true
}

/** How a root field was answered, where there is something to say beside its data. */
export interface Mark {
  readonly origin: Reply['origin']
  readonly stale?: true
  readonly partial?: true
  readonly asOf?: string
  readonly fault?: Reply['fault']
  readonly metadata?: Reply['metadata']
}

/** A request that is not answered but stored: it is done when its business system is back, and whoever has `status` may ask what became of it. */
export interface Queued {
  readonly queued: true
  readonly id: string
  readonly status?: string
}

/** The context of an operation: what resolvers get as their third argument. */
export interface Context {
  readonly call: Call
  /** What the HTTP request asks for; a list is a batch. */
  readonly asked?: unknown
  /** Where the HTTP side reads what was learned, one entry for each operation. */
  readonly told?: Marks[]
  readonly marks: Marks
}

export function newMarks(): Marks {
  return { answers: new Map() }
}

/** Hands a draft in and notes what is to be said of the answer of the root field with this response key. */
export async function accept(
  draft: Draft,
  { call, marks }: Context,
  { key, ...options }: AcceptOptions & { readonly key: string },
): Promise<Accepted> {
  const { host, identity, signal } = call
  const accepted = await host.accept(draft, { signal, identity, ...options })
  const { reply } = accepted
  if (reply === undefined) {
    if (draft.kind === 'request') marks.answers.set(key, queuedAs(accepted))
    return accepted
  }
  const { origin, stale, asOf, metadata, fault, partial } = reply
  if (
    origin === 'cache' ||
    stale === true ||
    metadata !== undefined ||
    fault !== undefined ||
    partial === true
  )
    marks.answers.set(key, {
      origin,
      ...(stale === true && { stale }),
      ...(partial === true && { partial }),
      ...(asOf !== undefined && { asOf }),
      ...(fault !== undefined && { fault }),
      ...(metadata !== undefined && { metadata }),
    })
  return accepted
}

/** What can be said of a request that has no reply yet. */
export function queuedAs({ id, status }: Accepted): Queued {
  return { queued: true, id, ...(status !== undefined && { status }) }
}

/** What is stale among several operations' answers, and the oldest moment; undefined where nothing is. */
export function stalenessOf(
  all: readonly Marks[],
): { readonly stale: true; readonly asOf?: string } | undefined {
  const marks = all.flatMap(({ answers }) => [...answers.values()])
  const stale = marks.filter((mark): mark is Mark => 'stale' in mark)
  if (stale.length === 0) return undefined
  const [asOf] = stale.flatMap((mark) => (mark.asOf === undefined ? [] : [mark.asOf])).toSorted()
  return { stale: true, ...(asOf !== undefined && { asOf }) }
}

/** The `extensions` of a result; undefined where there is nothing to say. Stale is said at the top too, with the oldest moment. */
export function extensionsOf(marks: Marks): Readonly<Record<string, unknown>> | undefined {
  const { answers, oldest } = marks
  if (answers.size === 0 && oldest === undefined) return undefined
  return {
    ...stalenessOf([marks]),
    ...(answers.size > 0 && { answers: Object.fromEntries(answers) }),
    ...(oldest !== undefined && { truncated: true, oldest }),
  }
}

/** The sender where the operation names none: the credential's, else the channel itself (DESIGN §16, Callers). */
export function callerOf({ identity, channel }: Call): Party {
  if (identity.role === 'program') return { id: channel, role: 'system' }
  return { id: identity.id, role: identity.role }
}

const SHARED_RAW_BYTES = 4096

/**
 * What every draft of a call carries: the bytes as they arrived, and the caller's trace (W3C Trace Context §3.2.1). Where one body
 * asks for many things it is kept with each of them only if it is short: a megabyte would become two hundred in the store.
 */
export function carriedBy({ call, asked }: Context, alone: boolean): Pick<Draft, 'raw' | 'metadata'> {
  const { raw, request } = call
  const { traceparent } = request.headers
  const isKept = (alone && !Array.isArray(asked)) || (raw?.bytes.byteLength ?? 0) <= SHARED_RAW_BYTES
  return {
    ...(raw !== undefined && isKept && { raw }),
    ...(traceparent !== undefined && traceparent.length <= 128 && { metadata: { traceparent } }),
  }
}

/**
 * The caller's own id of one field of a mutation: its `externalId`, else the Idempotency-Key of the request; with several
 * fields, the key and the field's response key, so that each is one thing done once. Throws `DECODE_FAILED`.
 */
export function externalIdOf(
  { request, transport }: Call,
  given: string | null | undefined,
  field: { readonly key: string; readonly alone: boolean },
): string | undefined {
  const header = transport === 'post' ? idempotencyKey(request.headers['idempotency-key']) : undefined
  if (given !== null && given !== undefined) return given
  return header === undefined || field.alone ? header : `${header}:${field.key}`
}
