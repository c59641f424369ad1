// What agents and backends hand back, checked before it goes any further: they may be plugins or strangers' programs.
import { GatewayError } from '../api.ts'
import type { Answer, Fault, Handoff, Message, Part, Reply } from '../api.ts'
import { moment, newId } from '../ids.ts'
import { freezePlain, isPlainObject } from '../json.ts'
import type { Unnumbered } from '../store/store.ts'
import { traceOn } from '../tracing.ts'

type Origin = Reply['origin']
/** Of an answer; whatever else it has is ignored (DESIGN §16). */
const MEMBERS = Object.keys({
  text: true,
  parts: true,
  data: true,
  fault: true,
  metadata: true,
  partial: true,
} satisfies Record<keyof Answer, true>)
const MOST_SHOWN = 5
const PARTS = new Set(['text', 'image', 'audio', 'video', 'file', 'location', 'link', 'card'])

export function isHandoff(answer: Answer | Handoff): answer is Handoff {
  return 'handoff' in answer && typeof answer.handoff === 'string'
}

/** What an agent answers: a Reply, a hand-off, or undefined where it has taken the message. Throws as `replyOf` does. */
export function agentAnswerOf(answer: unknown, who: string): Reply | Handoff | undefined {
  if (answer === undefined) return undefined
  if (typeof answer === 'object' && answer !== null && isHandoff(answer)) return { handoff: answer.handoff }
  return replyOf(answer, 'agent', who)
}

/**
 * An answer as a Reply: `text` becomes a part, unknown members are dropped, the core sets the origin. Throws `AGENT_FAILED` or
 * `BACKEND_FAILED` where it has not the shape of an answer, or has members and none that is known; `who` names the culprit. `{}` says nothing.
 */
export function replyOf(answer: unknown, origin: 'agent' | 'backend', who: string): Reply {
  try {
    if (!isPlainObject(answer)) throw new TypeError('is no object')
    checkMembers(answer, origin)
    const { text, parts, data, fault, metadata, partial } = answer as Answer // an object; each member is checked below
    if (text !== undefined && typeof text !== 'string') throw new TypeError('has a text that is no text')
    const said = [...(text === undefined ? [] : [{ kind: 'text', text } as const]), ...checkedParts(parts)]
    return freezePlain(
      {
        ...(said.length > 0 && { parts: said }),
        ...(data !== undefined && { data }),
        ...(fault !== undefined && { fault: checkedFault(fault) }),
        ...(metadata !== undefined && { metadata: checkedMetadata(metadata) }),
        ...(partial === true && { partial }),
        origin: origin satisfies Origin,
      },
      'it',
    )
  } catch (error) {
    const code = origin === 'agent' ? 'AGENT_FAILED' : 'BACKEND_FAILED'
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError(code, `the answer of ${who}: ${why}`, { cause: error })
  }
}

/**
 * The reply as the conversation's log has it: an outbound message caused by `question`. A fault has its message as text (DESIGN §3). One without
 * parts and data that only says how far the question has come (`metadata.mark`) is of the type `mark`. Undefined: nothing was said.
 */
export function outbound(
  question: Message,
  reply: Reply,
  by: { id: string; now: number },
): Unnumbered | undefined {
  const { fault, metadata, stale, asOf, partial } = reply
  const parts = reply.parts ?? (fault && [{ kind: 'text' as const, text: fault.message || fault.code }])
  const data = reply.data ?? (fault && { fault: { ...fault } })
  if (parts === undefined && data === undefined && !isMark(metadata)) return undefined
  return {
    id: newId(),
    kind: 'message',
    type: parts?.[0]?.kind ?? (data === undefined ? 'mark' : 'data'),
    sender: { id: by.id, role: reply.origin === 'agent' ? 'bot' : 'system' },
    channel: question.channel,
    conversation: question.conversation,
    direction: 'outbound',
    ...(parts !== undefined && { parts }),
    ...(data !== undefined && { data }),
    inReplyTo: question.id,
    ...(question.replyContext !== undefined && { replyContext: question.replyContext }),
    ...(metadata !== undefined && { metadata }),
    ...(stale === true && { stale, ...(asOf !== undefined && { asOf }) }),
    ...(partial === true && { partial }),
    receivedAt: moment(by.now),
    correlationId: question.correlationId,
    causationId: question.id,
    traceparent: traceOn(question.traceparent),
  }
}

/** The marks an agent may give (core/link/client/README.md). */
function isMark(metadata: Reply['metadata']): boolean {
  const mark = metadata?.['mark']
  return mark === 'delivered' || mark === 'read'
}

function checkMembers(answer: object, origin: 'agent' | 'backend'): void {
  const members = Object.keys(answer)
  const isAgent = origin === 'agent'
  if (isAgent && 'handoff' in answer && answer.handoff !== undefined)
    throw new TypeError('has a handoff that is no text')
  if (members.length === 0 || members.some((name) => MEMBERS.includes(name))) return
  const known = [...(isAgent ? ['handoff'] : []), ...MEMBERS].join(', ')
  const has = members.slice(0, MOST_SHOWN).map((name) => `\`${name}\``)
  throw new TypeError(`has none of ${known}; it has ${has.join(', ')}`)
}

function checkedParts(parts: unknown): readonly Part[] {
  if (parts === undefined) return []
  if (!Array.isArray(parts)) throw new TypeError('has parts that are no list')
  return parts.map((part: unknown) => {
    if (typeof part !== 'object' || part === null) throw new TypeError('has a part that is no object')
    const { kind, text, media, data } = part as Part // an object; kind and text are checked in the next lines
    if (!PARTS.has(kind)) throw new TypeError(`has a part of the unknown kind ${JSON.stringify(kind)}`)
    if (typeof text !== 'string') throw new TypeError(`has a part of kind ${kind} without text`)
    return { kind, text, ...(media !== undefined && { media }), ...(data !== undefined && { data }) }
  })
}

function checkedFault(fault: unknown): Fault {
  if (typeof fault !== 'object' || fault === null) throw new TypeError('has a fault that is no object')
  const { code, message, detail } = fault as Fault // an object; code and message are checked in the next line
  if (typeof code !== 'string' || typeof message !== 'string')
    throw new TypeError('has a fault without code and message')
  return { code, message, ...(detail !== undefined && { detail }) }
}

function checkedMetadata(metadata: unknown): Readonly<Record<string, string>> {
  if (typeof metadata !== 'object' || metadata === null) throw new TypeError('has metadata that is no object')
  for (const [name, value] of Object.entries(metadata))
    if (typeof value !== 'string') throw new TypeError(`has metadata ${JSON.stringify(name)} that is no text`)
  return metadata as Readonly<Record<string, string>> // every value was looked at
}
