// POST /v1/events and /v1/events/{type}: CloudEvents 1.0 over HTTP, or a bare object as the data.
import { GatewayError } from 'dragoman'
import type { Draft, DraftBase, HttpRequest, HttpResponse, Json } from 'dragoman'

import { checked, jsonBody, parsed, rawOf, requireJson, traceOf } from './body.ts'
import { withKey } from './fields.ts'
import { isObject } from '../data/json.ts'
import { isJson, mediaType } from '../data/media-type.ts'
import { acceptedResponse } from './messages.ts'
import type { PostOptions } from './messages.ts'
import { cloudEventBody, eventData } from './schemas.ts'
import { callerOf } from './sender.ts'

export interface EventOptions extends PostOptions {
  /** From the path: it wins over the event's own. */
  readonly type?: string
  readonly channel: string
}

/** An event as any of the three forms gives it; attributes by their CloudEvents names. */
interface Arrived {
  readonly attributes: ReadonlyMap<string, string>
  readonly data?: Json
}

/** Takes one event. 202 when it is stored. Throws `DECODE_FAILED`, `UNSUPPORTED_MEDIA`. */
export async function postEvent(request: HttpRequest, options: EventOptions): Promise<HttpResponse> {
  const { host, signal } = options
  const draft = await eventDraft(request, options)
  return acceptedResponse(withoutReply(await host.accept(draft, { signal, identity: request.identity })))
}

async function eventDraft(
  request: HttpRequest,
  { host, type: named, channel }: EventOptions,
): Promise<Draft> {
  const { attributes, data } = arrived(request)
  const type = named ?? attributes.get('type')
  if (type === undefined)
    throw new GatewayError(
      'DECODE_FAILED',
      'the event has no type: send it to /events/{type}, or as a CloudEvent (content-type: application/cloudevents+json)',
    )
  const subject = attributes.get('subject')
  const time = attributes.get('time')
  const id = attributes.get('id')
  const metadata = metadataOf(attributes, traceOf(request))
  const base: DraftBase & Pick<Draft, 'sender'> = {
    kind: 'event',
    // CloudEvents 1.0.2 §3.1.1 subject: here the customer the event is about.
    sender: subject === undefined ? callerOf(request.identity, channel) : { id: subject, role: 'customer' },
    ...(id !== undefined && { externalId: id }),
    ...(time !== undefined && { occurredAt: time }),
    ...(metadata !== undefined && { metadata }),
    raw: rawOf(request),
  }
  const shaped =
    Object.hasOwn(host.operations, type) && host.operations[type]?.kind === 'event'
      ? await host.draft(type, data ?? null, base)
      : undefined
  return withKey(shaped ?? { ...base, type, ...(data !== undefined && { data }) }, request, id)
}

function arrived(request: HttpRequest): Arrived {
  const field = request.headers['content-type']
  const essence = mediaType(field)?.essence ?? ''
  if (essence.startsWith('application/cloudevents-batch'))
    throw new GatewayError('UNSUPPORTED_MEDIA', 'a batch of events is not taken: send one event a request')
  if (essence.startsWith('application/cloudevents')) return structured(request)
  if (BINARY.some((name) => request.headers[name] !== undefined)) return binary(request)
  return { attributes: new Map(), data: checked(eventData, jsonBody(request)) }
}

// CloudEvents HTTP binding 1.0.2 §3.2
function structured(request: HttpRequest): Arrived {
  const body = jsonBody(request)
  if (isObject(body)) refuseNames(Object.keys(body))
  const { data, data_base64: base64, ...attributes } = checked(cloudEventBody, withoutNulls(body))
  if (data !== undefined && base64 !== undefined)
    throw new GatewayError('DECODE_FAILED', 'the event has both data and data_base64: send one')
  const texts = new Map<string, string>()
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean')
      throw new GatewayError('DECODE_FAILED', `the event's attribute "${name}" is not a single value`)
    texts.set(name, String(value))
  }
  const content = base64 === undefined ? data : decodedData(base64, texts.get('datacontenttype'))
  return { attributes: texts, ...(content !== undefined && { data: content }) }
}

// CloudEvents JSON format 1.0.2 §2.2: an attribute that is null is as good as absent; as data null is a value.
function withoutNulls(body: Json): Json {
  if (!isObject(body)) return body
  return Object.fromEntries(Object.entries(body).filter(([name, value]) => value !== null || name === 'data'))
}

// JSON format §3.1.1: only JSON has a place in a message.
function decodedData(base64: string, type: string | undefined): Json {
  const media = mediaType(type ?? 'application/json')
  if (media === undefined || !isJson(media))
    throw new GatewayError(
      'UNSUPPORTED_MEDIA',
      `data of type ${JSON.stringify(type)} is not taken: send JSON`,
    )
  return parsed(Buffer.from(base64, 'base64'))
}

const BINARY = ['ce-specversion', 'ce-id', 'ce-type', 'ce-source'] as const

// CloudEvents HTTP binding 1.0.2 §3.1
function binary(request: HttpRequest): Arrived {
  const attributes = new Map<string, string>()
  for (const [name, value] of Object.entries(request.headers))
    if (name.startsWith('ce-')) attributes.set(name.slice(3), decoded(name, value))
  refuseNames(attributes.keys())
  // The envelope's own rules are those of the structured form.
  checked(cloudEventBody, Object.fromEntries(attributes), 'the event (ce- headers)')
  if (request.body.byteLength === 0) return { attributes }
  requireJson(request.headers['content-type'])
  return { attributes, data: parsed(request.body) }
}

// RFC 9110 §5.6.4
const QUOTED = /^"((?:[^"\\]|\\.)*)"$/

// §3.1.3.2: a quoted string is unquoted first, as older senders wrote it; then percent-encoded UTF-8, decoded once.
function decoded(name: string, value: string): string {
  const quoted = QUOTED.exec(value)?.[1]
  try {
    return decodeURIComponent(quoted === undefined ? value : quoted.replaceAll(/\\(.)/g, '$1'))
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', `header ${name} is not percent-encoded UTF-8`, { cause: error })
  }
}

// CloudEvents 1.0.2 §3.1 naming
function refuseNames(names: Iterable<string>): void {
  for (const name of names)
    if (!/^[a-z0-9]{1,64}$/.test(name) && name !== 'data_base64')
      throw new GatewayError(
        'DECODE_FAILED',
        `${JSON.stringify(name.slice(0, 80))} is not an event attribute's name: lower case letters and digits only`,
      )
}

const CARRIED = new Set(['specversion', 'id', 'type', 'subject', 'time', 'datacontenttype', 'traceparent'])

// What a draft has no member for travels as `ce-NAME`, the name of its header in binary mode.
function metadataOf(
  attributes: ReadonlyMap<string, string>,
  trace: Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  // CloudEvents distributed tracing extension: the event's own trace wins over the transport's.
  const traceparent = attributes.get('traceparent') ?? trace?.['traceparent']
  const rest = [...attributes]
    .filter(([name]) => !CARRIED.has(name))
    .map(([name, value]) => [`ce-${name}`, value])
  if (rest.length === 0 && traceparent === undefined) return undefined
  return { ...Object.fromEntries(rest), ...(traceparent !== undefined && { traceparent }) }
}

function withoutReply<T extends { readonly reply?: unknown }>({
  reply: _reply,
  ...accepted
}: T): Omit<T, 'reply'> {
  return accepted
}
