// What callers send and get, once: these schemas validate, and the OpenAPI document is made of them.
import { z } from 'zod'
import type { Json } from 'dragoman'

import { isObject } from '../data/json.ts'

/** What the OpenAPI document names: its components. */
export const published = z.registry<{ id: string }>()

const MAX_ID = 256
const MAX_EXTERNAL_ID = 512
const MAX_PARTS = 64

// zod's records drop a member named __proto__ without a word; these two let it through as data.
const jsonObject = z
  .custom<Readonly<Record<string, Json>>>(isObject, 'expected an object')
  .meta({ type: 'object' })
const texts = z
  .custom<Readonly<Record<string, string>>>(
    (value) => isObject(value) && Object.values(value).every((member) => typeof member === 'string'),
    'expected an object of texts',
  )
  .meta({ type: 'object', additionalProperties: { type: 'string' } })
// Whatever the JSON parser made is JSON.
const json = z
  .custom<Json>((value) => value !== undefined)
  .meta({ description: 'Any JSON value. Long integers and decimals stay texts.' })

const id = z.string().min(1).max(MAX_ID)
const externalId = z.string().min(1).max(MAX_EXTERNAL_ID).meta({
  description: 'Your own id of this message. Sent again, it is stored and answered once.',
})
// RFC 3339 §5.6
const timestamp = z
  .string()
  .regex(
    /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
    'expected a date-time as in RFC 3339',
  )
  .meta({ format: 'date-time', examples: ['2026-01-31T09:00:00Z'] })

/** `1.0` and `1e2` are integers (JSON Schema Core §4.2.3), which `parseJson` keeps as the text they were. */
function integerOf(value: unknown): unknown {
  if (typeof value !== 'string' || !DECIMAL.test(value)) return value
  const number = Number(value) + 0 // -0 is 0
  return Number.isSafeInteger(number) && String(number) !== value ? number : value
}
const DECIMAL = /^-?\d{1,16}(\.\d+)?([eE][+-]?\d{1,2})?$/
const count = z
  .unknown()
  .overwrite(integerOf)
  .pipe(z.int().min(0))
  .meta({ type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER })

const party = z
  .strictObject({
    id,
    role: z.enum(['customer', 'agent', 'bot', 'system']).exactOptional().meta({ default: 'customer' }),
    name: z.string().max(MAX_ID).exactOptional(),
    tier: z
      .string()
      .min(1)
      .max(MAX_ID)
      .exactOptional()
      .meta({ description: 'Standing, for routing: `vip`.' }),
    attributes: jsonObject.exactOptional(),
  })
  .meta({ description: 'Who speaks.' })
  .register(published, { id: 'Party' })

const sender = z
  .strictObject({
    ...party.shape,
    id: id
      .exactOptional()
      .meta({ description: 'Needed of a program; else it is whom the credential names.' }),
  })
  .meta({ description: 'Who speaks. Only a program may speak for others.' })
  .register(published, { id: 'Sender' })

const part = z
  .strictObject({
    kind: z.enum(['text', 'image', 'audio', 'video', 'file', 'location', 'link', 'card']),
    text: z.string().meta({ description: 'Always there: what a link that knows only text shows instead.' }),
    media: z
      .strictObject({
        url: z.string().min(1).exactOptional(),
        id: z.string().min(1).exactOptional(),
        mediaType: z.string().min(1).exactOptional(),
        name: z.string().exactOptional(),
        bytes: count.exactOptional(),
      })
      .exactOptional(),
    data: json.exactOptional(),
  })
  .register(published, { id: 'Part' })

/** POST /messages. */
export const messageBody = z
  .strictObject({
    kind: z.literal('message').exactOptional(),
    sender: sender.exactOptional(),
    conversation: id.exactOptional().meta({ description: 'Default: one conversation for each sender.' }),
    text: z.string().exactOptional().meta({ description: 'Short for one part of kind text.' }),
    parts: z.array(part).min(1).max(MAX_PARTS).exactOptional(),
    type: id.exactOptional().meta({ description: 'Default: the kind of the first part.' }),
    data: json.exactOptional(),
    externalId: externalId.exactOptional(),
    inReplyTo: z.string().min(1).max(MAX_EXTERNAL_ID).exactOptional(),
    clientSequence: count.exactOptional(),
    occurredAt: timestamp.exactOptional(),
    expiresAt: timestamp.exactOptional().meta({ description: 'After it the message is not delivered.' }),
    priority: z.enum(['low', 'normal', 'high', 'urgent']).exactOptional(),
    metadata: texts.exactOptional(),
  })
  .refine((body) => (body.text === undefined) !== (body.parts === undefined), 'send either text or parts')
  .meta({
    oneOf: [{ required: ['text'] }, { required: ['parts'] }],
    examples: [{ sender: { id: 'c-1' }, text: 'Where is my order 000777?' }],
  })
  .register(published, { id: 'MessageBody' })

/** POST /events in structured mode (CloudEvents 1.0.2). Any other member is an extension attribute (§3.1). */
export const cloudEventBody = z
  .looseObject({
    specversion: z.literal('1.0'),
    id: externalId,
    source: z.string().min(1),
    type: id,
    subject: id.exactOptional().meta({ description: 'The customer the event is about.' }),
    time: timestamp.exactOptional(),
    datacontenttype: z.string().min(1).exactOptional(),
    dataschema: z.string().min(1).exactOptional(),
    data: json.exactOptional(),
    data_base64: z.base64().exactOptional(),
  })
  .meta({
    propertyNames: { pattern: '^[a-z0-9]+$|^data_base64$' },
    examples: [
      {
        specversion: '1.0',
        id: 'ship-4711',
        source: '/erp',
        type: 'order.shipped',
        subject: 'c-1',
        data: { orderNo: '000777' },
      },
    ],
  })
  .register(published, { id: 'CloudEvent' })

/** POST /events/{type} without an envelope: the object is the event's data. */
export const eventData = jsonObject.meta({ type: 'object' }).register(published, { id: 'EventData' })

/** POST /requests/{operation}: the parameters. */
export const requestBody = json
  .meta({
    description: 'The parameters of the operation, usually an object.',
    examples: [{ orderNo: '000777' }],
  })
  .register(published, { id: 'Parameters' })

/** What the query of GET /conversations/{id}/messages may hold, as texts. */
export const logQuery = z
  .strictObject({
    after: z
      .string()
      .regex(/^\d{1,15}$/, 'expected a whole number')
      .exactOptional()
      .meta({ description: 'The sequence after which to begin; 0 for the beginning.', default: '0' }),
    limit: z
      .string()
      .regex(/^([1-9]\d{0,2}|1000)$/, 'expected a whole number from 1 to 1000')
      .exactOptional()
      .meta({ description: 'At most so many messages.', default: '100' }),
  })
  .register(published, { id: 'LogQuery' })

// ─── Answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const fault = z.looseObject({ code: z.string(), message: z.string(), detail: json.exactOptional() })

const reply = z
  .looseObject({
    parts: z.array(part).exactOptional(),
    data: json.exactOptional(),
    fault: fault.exactOptional(),
    metadata: texts.exactOptional(),
    origin: z.enum(['agent', 'backend', 'cache']),
    stale: z
      .boolean()
      .exactOptional()
      .meta({ description: 'The last good answer: the business system is down.' }),
    asOf: timestamp.exactOptional(),
    partial: z
      .boolean()
      .exactOptional()
      .meta({ description: 'A part of `data` is missing: the business system could not give it.' }),
  })
  .register(published, { id: 'Reply' })

const accepted = {
  id: z.string().meta({ description: 'The id of your message here (UUIDv7).' }),
  conversation: z.string(),
  sequence: z.int().min(0).meta({ description: 'Its place in the conversation; 0 where it has none.' }),
  duplicate: z.boolean().meta({ description: 'It was here before; nothing was delivered twice.' }),
}
/** 202: stored, the answer is in the conversation's log when it comes. */
export const acceptedAnswer = z
  .strictObject({
    ...accepted,
    status: z.url().exactOptional().meta({
      description: 'Of a write whose system is down: what became of it, for whoever has this address.',
    }),
  })
  .register(published, { id: 'Accepted' })
/** 200: stored, and here is the reply. */
export const answeredAnswer = z.strictObject({ ...accepted, reply }).register(published, { id: 'Answered' })

const message = z
  .looseObject({
    id: z.string(),
    kind: z.enum(['message', 'event', 'request']),
    type: z.string(),
    sender: party,
    channel: z.string(),
    conversation: z.string(),
    direction: z.enum(['inbound', 'outbound', 'internal']),
    sequence: z.int().min(0),
    receivedAt: timestamp,
    correlationId: z.string(),
    causationId: z.string().exactOptional(),
    traceparent: z.string(),
    parts: z.array(part).exactOptional(),
    data: json.exactOptional(),
    stale: z.boolean().exactOptional().meta({
      description: 'Of an answer: the business system is down, this is its last good one, of `asOf`.',
    }),
    asOf: timestamp.exactOptional(),
    partial: z.boolean().exactOptional().meta({
      description: 'Of an answer: the business system gave a part of it, and errors in place of the rest.',
    }),
  })
  .register(published, { id: 'Message' })

export const logAnswer = z
  .strictObject({
    messages: z.array(message),
    next: z.int().meta({ description: 'Send it as `after` to go on.' }),
    top: z.int().meta({ description: 'The newest sequence: `after` = `top` − N reads the last N.' }),
    oldest: z.int().meta({ description: 'The oldest sequence that is kept.' }),
    truncated: z
      .boolean()
      .meta({ description: 'There were messages before the oldest that you have not seen.' }),
  })
  .register(published, { id: 'Log' })

/** GET /v1/status/{id}: what became of a write that was stored to be carried out later. */
export const statusAnswer = z
  .looseObject({
    id: z.string(),
    operation: z.string(),
    receivedAt: timestamp,
    state: z.enum(['queued', 'running', 'done', 'failed', 'expired', 'unknown', 'halted']).meta({
      description: '`unknown`: it may have been done; `halted`: an operator decides.',
    }),
    attempts: z.int().exactOptional(),
    result: json.exactOptional(),
    fault: fault.exactOptional(),
    error: z.looseObject({ code: z.string(), message: z.string() }).exactOptional(),
  })
  .register(published, { id: 'WriteStatus' })

/** POST /link, both ways. The frames themselves are described in the AsyncAPI document. */
export const linkFrames = z
  .looseObject({
    frames: z.array(z.looseObject({ t: z.string().meta({ description: 'The name of the frame.' }) })),
  })
  .meta({
    examples: [
      { frames: [{ t: 'hello', v: 1, device: 'd-1', boot: 'b-1', first: 1, epoch: '', offset: 0 }] },
    ],
  })
  .register(published, { id: 'Frames' })

/** RFC 9457, with our code. `detail` is a text for every refusal of the gateway; a business fault's is what the system gave. */
export const problemAnswer = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string().meta({ description: 'Stable: decide by this one.' }),
    detail: json.exactOptional(),
    retryable: z.boolean().exactOptional().meta({ description: 'The same request may succeed later.' }),
    message: z.string().exactOptional().meta({ description: "A business fault's message." }),
    errors: z.array(z.looseObject({ pointer: z.string(), detail: z.string() })).exactOptional(),
    oldest: z.int().exactOptional(),
    top: z.int().exactOptional(),
  })
  .register(published, { id: 'Problem' })
