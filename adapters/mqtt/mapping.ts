// Mapped topics: what a device that speaks no frames publishes becomes a draft, and its reply a publish.
import { GatewayError } from 'dragoman'
import type { Draft, Identity, Json, Part, Party, Priority } from 'dragoman'

import type { ChannelConfig, MappedTopic } from './config.ts'
import { compileExpression } from '../data/expression.ts'
import type { Expression } from '../data/expression.ts'
import { isObject } from '../data/json.ts'
import { decodePayload } from './payload.ts'
import type { Payload } from './payload.ts'
import { matches, topicProblem } from './topics.ts'

export interface Mapping {
  /** Whether a topic is mapped: the first filter that matches, in the order of the config. */
  has(topic: string): boolean
  /** The filters, with the QoS that is asked for them. */
  readonly filters: readonly { readonly filter: string; readonly qos: 0 | 1 }[]
  /** Some topic has a reply. */
  readonly replies: boolean
  /**
   * The draft. Throws `DECODE_FAILED` where the payload is not text, an expression cannot be evaluated or gives nothing usable.
   * `id` in the error's detail is not known then.
   */
  draft(topic: string, payload: Uint8Array, from: From): Promise<Mapped>
}

export interface From {
  readonly channel: string
  /** Absent: another broker's devices, for whom the channel answers. */
  readonly identity?: Identity
}

export interface Mapped {
  readonly draft: Draft
  readonly reply?: ReplyTopic
}

export interface ReplyTopic {
  readonly topic: string
  readonly qos: 0 | 1
  /** Whom the answers are for. Absent: a program asked, and whoever may subscribe to the topic hears them. */
  readonly owner?: Owner
}

/** Who spoke by a credential of his own. */
export type Owner = Pick<Identity, 'role' | 'id'>

const EXPRESSIONS = [
  'type',
  'sender',
  'text',
  'data',
  'externalId',
  'conversation',
  'priority',
  'reply',
] as const
type Name = (typeof EXPRESSIONS)[number]

interface Compiled {
  readonly filter: string
  readonly config: MappedTopic
  readonly expressions: Readonly<Partial<Record<Name, Expression>>>
}

/** Compiles `topics` of the config. */
export function compileMapping(topics: ChannelConfig['topics']): Mapping {
  const compiled = Object.entries(topics).map(([filter, config]): Compiled => {
    const expressions: Partial<Record<Name, Expression>> = {}
    for (const name of EXPRESSIONS) {
      const source = config[name]
      if (source !== undefined) expressions[name] = compileExpression(source)
    }
    return { filter, config, expressions }
  })
  const find = (topic: string): Compiled | undefined => compiled.find(({ filter }) => matches(filter, topic))

  return {
    has: (topic) => topicProblem(topic) === undefined && find(topic) !== undefined,
    filters: compiled.map(({ filter, config: { qos } }) => ({ filter, qos })),
    replies: compiled.some(({ expressions }) => expressions.reply !== undefined),
    async draft(topic, payload, from) {
      const found = find(topic)
      if (found === undefined) throw new GatewayError('NOT_FOUND', `no topic of the config matches ${topic}`)
      return draftOf(found, { topic, payload: decodePayload(payload), bytes: payload, from })
    },
  }
}

interface Arrived {
  readonly topic: string
  readonly payload: Payload
  readonly bytes: Uint8Array
  readonly from: From
}

async function draftOf({ config, expressions }: Compiled, arrived: Arrived): Promise<Mapped> {
  const { topic, payload, bytes, from } = arrived
  const { value, event } = payload
  const levels = topic.split('/')
  // A member `topic` of the payload stays within reach as $payload.topic.
  const input = { ...(isObject(value) && value), topic: levels }
  const evaluate = async (name: Name): Promise<Json | undefined> => {
    try {
      return await expressions[name]?.(input, { payload: value, topic: levels })
    } catch (error) {
      throw new GatewayError('DECODE_FAILED', `topic ${topic}: ${name} cannot be evaluated`, { cause: error })
    }
  }
  const single = async (name: Name): Promise<string | undefined> => {
    if (expressions[name] === undefined) return undefined
    const result = await evaluate(name)
    if (typeof result === 'string' && result !== '') return result
    if (typeof result === 'number' || typeof result === 'boolean') return String(result)
    if (result === undefined || result === null || result === '') return undefined
    throw new GatewayError('DECODE_FAILED', `topic ${topic}: ${name} is not a text`)
  }
  const sender = await single('sender')
  if (sender === undefined && expressions.sender !== undefined)
    throw new GatewayError('DECODE_FAILED', `topic ${topic}: the sender is missing`)
  const externalId = expressions.externalId === undefined ? idOf(payload) : await single('externalId')
  const conversation = await single('conversation')
  const priority = await single('priority')
  const reply = await single('reply')
  // It may be the payload's word: nobody writes into another's frames by it.
  if (reply !== undefined && (topicProblem(reply) !== undefined || reply.startsWith('dragoman/')))
    throw new GatewayError('DECODE_FAILED', `topic ${topic}: the reply's topic cannot be published to`)
  const owner = ownerOf(from.identity)
  const replyTopic =
    reply === undefined ? undefined : { topic: reply, qos: config.qos, ...(owner !== undefined && { owner }) }
  const said = await single('text')
  const parts = config.kind === 'message' ? partsOf(said, payload) : undefined
  const data = expressions.data === undefined ? defaultData(config, payload, parts) : await evaluate('data')
  const draft: Draft = {
    kind: config.kind,
    type: (await single('type')) ?? event?.type ?? (config.kind === 'message' ? 'text' : topic),
    sender: senderOf(sender, from),
    ...(parts !== undefined && { parts }),
    ...(data !== undefined && { data }),
    ...(externalId !== undefined && { externalId }),
    ...(conversation !== undefined && { conversation }),
    ...(priority !== undefined && { priority: priority as Priority }), // checked by the core
    ...(event?.time !== undefined && { occurredAt: event.time }),
    ...(replyTopic !== undefined && { replyContext: { v: 1, ...replyTopic } }),
    metadata: {
      'mqtt:topic': topic,
      ...(event?.traceparent !== undefined && { traceparent: event.traceparent }),
    },
    raw: { mediaType: 'application/octet-stream', bytes },
  }
  return { draft, ...(replyTopic !== undefined && { reply: replyTopic }) }
}

/** The payload's `id`, for what is stored once. */
function idOf({ value, event }: Payload): string | undefined {
  if (event !== undefined) return event.id
  const id = isObject(value) ? value['id'] : undefined
  if (typeof id === 'string' && id !== '') return id
  return typeof id === 'number' ? String(id) : undefined
}

function senderOf(sender: string | undefined, { channel, identity }: From): Party {
  if (sender !== undefined) return { id: sender, role: 'customer' }
  if (identity === undefined || identity.role === 'program') return { id: channel, role: 'system' }
  return { id: identity.id, role: identity.role }
}

function ownerOf(identity: Identity | undefined): Owner | undefined {
  if (identity === undefined || identity.role === 'program') return undefined
  const { role, id } = identity
  return { role, id }
}

function partsOf(said: string | undefined, { value, text }: Payload): readonly Part[] | undefined {
  const own = isObject(value) ? value['text'] : text
  const shown = said ?? (typeof own === 'string' ? own : undefined)
  return shown === undefined || shown === '' ? undefined : [{ kind: 'text', text: shown }]
}

/** A message of plain text has said everything with it. */
function defaultData(
  { kind }: MappedTopic,
  { value, text }: Payload,
  parts: readonly Part[] | undefined,
): Json | undefined {
  return kind === 'message' && parts !== undefined && value === text ? undefined : value
}
