// The frames of DESIGN §12, once: these schemas read what apps send, and the AsyncAPI document is made of them.
import { z } from 'zod'
import type { Json, UpFrame } from '../api.ts'

/** What the AsyncAPI document names. */
export const published = z.registry<{ id: string; title?: string; description?: string }>()

const MAX_NAME = 128
const MAX_ID = 256
const MAX_PARTS = 64
// C0, DEL and C1 would let two names look alike in logs and keys.
const CONTROL = new RegExp(String.raw`[\u0000-\u001F\u007F-\u009F]`, 'u')

const name = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'no control characters, whole Unicode')

// zod's records drop a member named __proto__ without a word; these let it through as data.
const json = z.custom<Json>((value) => value !== undefined).meta({ description: 'Any JSON value' })
const texts = z
  .custom<Readonly<Record<string, string>>>(
    (value) =>
      typeof value === 'object' &&
      value !== null &&
      !Array.isArray(value) &&
      Object.values(value).every((member) => typeof member === 'string'),
    'expected an object of texts',
  )
  .meta({ type: 'object', additionalProperties: { type: 'string' } })
const count = z.int().min(0)
const n = z.int().min(1).meta({ description: 'Of this boot: 1, 2, 3 … without holes' })
const id = name(MAX_ID).meta({ description: 'The client message id (UUIDv7), never used again' })
const epoch = z.string().max(MAX_ID)

/** A `Part` as it comes from outside. */
export const framePart = z.strictObject({
  kind: z.enum(['text', 'image', 'audio', 'video', 'file', 'location', 'link', 'card']),
  text: z.string(),
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

const said = z
  .strictObject({
    kind: z.enum(['message', 'event']).exactOptional().meta({ default: 'message' }),
    type: name(MAX_ID).exactOptional().meta({ description: 'Default: the kind of the first part' }),
    text: z.string().exactOptional().meta({ description: 'Short for one text part' }),
    parts: z.array(framePart).min(1).max(MAX_PARTS).exactOptional(),
    data: json.exactOptional(),
    conversation: name(MAX_ID)
      .exactOptional()
      .meta({ description: 'Default: the one of this customer. Neither . nor ..: no address can hold them' }),
    inReplyTo: name(512).exactOptional(),
    clientSequence: z.int().exactOptional(),
    occurredAt: z.string().exactOptional(),
    expiresAt: z.string().exactOptional(),
    metadata: texts.exactOptional(),
  })
  .refine(({ text, parts }) => text === undefined || parts === undefined, 'send either text or parts')
  .refine(({ kind, type }) => kind !== 'event' || type !== undefined, 'an event needs a type')

const hello = z
  .object({
    t: z.literal('hello'),
    v: z.literal(1, 'version 1 is spoken here'),
    device: name(MAX_NAME),
    boot: name(MAX_NAME).meta({ description: 'Made together with the outbox' }),
    first: n.meta({ description: 'The lowest n still in the outbox, or the next one' }),
    epoch,
    offset: count,
  })
  .register(published, { id: 'hello', title: 'First on any link: opens or resumes' })

const send = z
  .object({ t: z.literal('send'), n, id, message: said })
  .register(published, { id: 'send', title: 'Says something' })

const ack = z
  .object({
    t: z.literal('ack'),
    epoch,
    offset: count,
    first: n.exactOptional(),
  })
  .register(published, { id: 'ack', title: 'Everything up to offset is stored by the app' })

const signal = z
  .object({ t: z.literal('signal'), conversation: name(MAX_ID).exactOptional(), name: name(64) })
  .register(published, { id: 'signal', title: 'May be lost, is never queued: typing' })

const ping = z
  .object({ t: z.literal('ping') })
  .register(published, { id: 'ping', title: 'Is anybody there?' })

/** What an app may send. Members of a frame that are not known are left alone; those of a message are refused. */
export const upFrame: z.ZodType<UpFrame> = z.discriminatedUnion('t', [hello, send, ack, signal, ping])

// ─── Down: described only ────────────────────────────────────────────────────────────────────────────────────────────

const oldest = z
  .int()
  .min(1)
  .meta({ description: 'The first offset that the inbox still has; top + 1: it has none' })
const refused = z.array(z.object({ n, id: z.string(), code: z.string() }))

z.object({
  t: z.literal('welcome'),
  epoch,
  top: count,
  oldest,
  recovered: z.boolean().meta({
    description:
      'false: the inbox no longer reaches back to the cursor. Fetch the log, and say hello again with oldest - 1 for what the inbox still has; else pushes go on after top',
  }),
  next: n,
  refused,
  window: z.object({ up: count, down: count }),
  heartbeat: count.meta({ description: 'Seconds' }),
  inbox: z.string().meta({
    description:
      'Whose inbox it is: the same for all devices of a customer, another one for anybody else. An outbox that knows another one is not his',
  }),
}).register(published, { id: 'welcome', title: 'Answers hello' })
z.object({
  t: z.literal('ok'),
  n,
  id: z.string(),
  messageId: z.string(),
  sequence: count,
  duplicate: z.boolean(),
  refused: refused.exactOptional(),
}).register(published, { id: 'ok', title: 'Everything up to n is durable, or refused' })
z.object({
  t: z.literal('nak'),
  n: n.exactOptional(),
  id: z.string().exactOptional(),
  code: z.string(),
  message: z.string(),
  retry: z.boolean().meta({ description: 'false: for good, n is used up' }),
  after: count.exactOptional().meta({ description: 'Milliseconds' }),
}).register(published, { id: 'nak', title: 'A frame was refused' })
z.object({ t: z.literal('gap'), next: n }).register(published, {
  id: 'gap',
  title: 'A send is missing: go back to next',
})
z.object({
  t: z.literal('msg'),
  epoch,
  offset: n,
  message: z.looseObject({
    id: z.string(),
    conversation: z.string(),
    sequence: count,
    direction: z.enum(['inbound', 'outbound', 'internal']),
    kind: z.enum(['message', 'event', 'request']),
    type: z.string(),
    parts: z.array(framePart).exactOptional(),
    stale: z.boolean().exactOptional().meta({
      description: 'Of an answer: the business system is down, this is its last good one, of asOf',
    }),
    asOf: z.string().exactOptional(),
    partial: z.boolean().exactOptional().meta({
      description: 'Of an answer: the business system gave a part of it, and errors in place of the rest',
    }),
  }),
}).register(published, { id: 'msg', title: 'The next message of the inbox' })
z.object({ t: z.literal('reset'), epoch, top: count, oldest, why: z.string() }).register(published, {
  id: 'reset',
  title:
    'The cursor cannot be used; pushes go on after top, or after oldest - 1 for who says hello again with it',
})
z.object({
  t: z.literal('kick'),
  code: z.enum(['replaced', 'auth', 'moved']),
  after: count.meta({ description: 'Milliseconds' }),
}).register(published, { id: 'kick', title: 'The link is closed' })
z.object({ t: z.literal('pong') }).register(published, { id: 'pong', title: 'Answers ping' })

/** The names, up and down. */
export const UP = ['hello', 'send', 'ack', 'signal', 'ping'] as const
export const DOWN = ['welcome', 'ok', 'nak', 'gap', 'msg', 'reset', 'kick', 'pong'] as const
