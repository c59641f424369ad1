// Payloads: what a device sends (text, JSON, a CloudEvent) and what it gets (CloudEvents 1.0, error payloads). Pure.
import { isUtf8 } from 'node:buffer'
import { GatewayError } from 'dragoman'
import type { Json, Message, Reply } from 'dragoman'

import { decodeUtf8, isObject, parseJson, parseJsonText } from '../data/json.ts'
import { isJson, mediaType } from '../data/media-type.ts'

/** What arrived, decoded. */
export interface Payload {
  /** JSON as it is, or the text where it is none; `{ data_base64 }` for other bytes. Of a CloudEvent its `data`, or what `data_base64` holds. */
  readonly value: Json
  /** What a person reads: all of the payload; of a CloudEvent its data where that is a text, else ''. */
  readonly text: string
  /** A CloudEvent's attributes (CloudEvents 1.0.2 JSON format §3), else none. */
  readonly event?: {
    readonly id: string
    readonly type: string
    readonly time?: string
    readonly traceparent?: string
  }
}

/**
 * Decodes a payload. What is no UTF-8 becomes `{ data_base64 }`, as CloudEvents write it. Throws `DECODE_FAILED` for what begins
 * like JSON and is none, or is nested too deeply, and for a CloudEvent without id or type, with both `data` and `data_base64`, or whose
 * `data_base64` is no Base64, or not the JSON that its `datacontenttype` states.
 */
export function decodePayload(bytes: Uint8Array): Payload {
  const text = decoded(bytes)
  if (text === undefined) return { value: { data_base64: Buffer.from(bytes).toString('base64') }, text: '' }
  const value = valueOf(text)
  if (!isObject(value) || value['specversion'] !== '1.0') return { value, text }
  const { id, type, time, traceparent } = value
  if (typeof id !== 'string' || id === '' || typeof type !== 'string' || type === '')
    throw new GatewayError('DECODE_FAILED', 'the CloudEvent needs an id and a type')
  const data = dataOf(value)
  return {
    value: data,
    text: typeof data === 'string' ? data : '',
    event: {
      id,
      type,
      ...(typeof time === 'string' && { time }),
      ...(typeof traceparent === 'string' && { traceparent }),
    },
  }
}

/**
 * What a CloudEvent carries (CloudEvents 1.0.2 JSON format §3.1); a member that is null is as good as absent, but `data`. Throws `DECODE_FAILED`
 * as `decodePayload` does.
 */
export function dataOf({
  data,
  data_base64: base64 = null,
  datacontenttype: type,
}: Readonly<Record<string, Json>>): Json {
  if (base64 === null) return data ?? null
  if (data !== undefined)
    throw new GatewayError('DECODE_FAILED', 'the CloudEvent has both data and data_base64: send one')
  if (typeof base64 !== 'string' || !BASE64.test(base64))
    throw new GatewayError('DECODE_FAILED', 'data_base64 of the CloudEvent is not Base64')
  const bytes = Buffer.from(base64, 'base64')
  // §3.1.2: it says that these are bytes. No type means JSON for `data` alone.
  const media = typeof type === 'string' ? mediaType(type) : undefined
  if (media !== undefined && isJson(media)) {
    try {
      return parseJson(bytes)
    } catch (error) {
      const reason = `data_base64 of the CloudEvent is not JSON: ${reasonOf(error)}`
      throw new GatewayError('DECODE_FAILED', reason, { cause: error })
    }
  }
  const text = media?.essence.startsWith('text/') === true ? decoded(bytes) : undefined
  return text ?? { data_base64: base64 }
}

/** RFC 4648 §4. */
const BASE64 = /^(?:[A-Za-z\d+/]{4})*(?:[A-Za-z\d+/]{2}==|[A-Za-z\d+/]{3}=)?$/u

/** Undefined: bytes of another kind, which a device may well send. */
function decoded(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? decodeUtf8(bytes) : undefined
}

/** Text that does not begin like JSON, or is none, is text: a thermometer's `21.5 C` is no mistake. */
function valueOf(text: string): Json {
  const begin = text.trimStart().charAt(0)
  if (begin !== '{' && begin !== '[' && !/^\s*(?:-?\d+(?:\.\d+)?|true|false|null)\s*$/u.test(text))
    return text
  try {
    return parseJsonText(text)
  } catch (error) {
    if (begin === '{' || begin === '[')
      throw new GatewayError('DECODE_FAILED', `the payload is not JSON: ${reasonOf(error)}`, { cause: error })
    return text
  }
}

// The parser quotes what it stumbles over; a caller needs no more than that it did.
function reasonOf(error: unknown): string {
  const { message } = error instanceof Error ? error : new Error(String(error))
  return /^[\w ,]{1,80}$/u.test(message) ? message : 'it cannot be parsed'
}

/** A reply or another outbound message for a mapped topic: a CloudEvent 1.0 whose `data` is the message; `key` removes repeats. */
export function encodeMessage(message: Message, key: string): string {
  const { raw: _raw, replyContext: _context, aside: _aside, ...data } = message
  return JSON.stringify({
    specversion: '1.0',
    id: key,
    source: `/channels/${encodeURIComponent(message.channel)}`,
    type: message.kind === 'event' ? message.type : `${message.kind}.${message.type}`,
    subject: message.conversation,
    time: message.occurredAt ?? message.receivedAt,
    datacontenttype: 'application/json',
    sequence: String(message.sequence),
    correlationid: message.correlationId,
    ...(message.causationId !== undefined && { causationid: message.causationId }),
    traceparent: message.traceparent,
    data,
  })
}

/** The answer to a request, as a CloudEvent: `data` is the reply, with its mark of staleness; `correlationid` is the caller's own id. */
export function encodeReply(
  reply: Reply,
  about: {
    readonly channel: string
    readonly type: string
    readonly id: string
    readonly externalId?: string | undefined
  },
): string {
  return JSON.stringify({
    specversion: '1.0',
    id: about.id,
    source: `/channels/${encodeURIComponent(about.channel)}`,
    type: `reply.${about.type}`,
    datacontenttype: 'application/json',
    ...(about.externalId !== undefined && { correlationid: about.externalId }),
    data: reply,
  })
}

/** The error payload: every code of the table, in the words that are for the caller. Never a cause, never a stack. */
export function encodeError(
  thrown: unknown,
  about: { readonly topic: string; readonly id?: string },
): string {
  const { code, message, retry, retryAfterMs, detail } = GatewayError.from(thrown)
  return JSON.stringify({
    error: {
      code,
      message,
      retry,
      ...(retryAfterMs !== undefined && { after: retryAfterMs }),
      ...(detail !== undefined && { detail }),
    },
    topic: about.topic,
    ...(about.id !== undefined && { id: about.id }),
  })
}

/** Whether a payload begins as those that are made here do: any other is nobody's of ours. */
export function isLikeOurs(payload: Uint8Array): boolean {
  const begin = Buffer.from(payload.subarray(0, OUR_BEGINNINGS[0].length)).toString()
  return OUR_BEGINNINGS.some((ours) => begin.startsWith(ours))
}

/** The longest first. */
const OUR_BEGINNINGS = ['{"specversion":"1.0","id":', '{"error":{"code":'] as const
