// One publish to a mapped topic: stored before it is acknowledged, refused for good in words, or not acknowledged at all.
import { GatewayError } from 'dragoman'
import type { ChannelHost, Identity, Scope } from 'dragoman'

import type { Asked } from './answers.ts'
import type { Mapped, Mapping, ReplyTopic } from './mapping.ts'
import { encodeError, encodeReply } from './payload.ts'
import type { ReplyTopics } from './reply-topics.ts'
import type { Published } from './session.ts'

export interface IntakeOptions {
  readonly host: Pick<ChannelHost, 'accept'>
  readonly mapping: Mapping
  readonly scope: Scope
  readonly replyTopics: Pick<ReplyTopics, 'note'>
  readonly identity?: Identity
  /** Absent: answers may go to any topic. */
  readonly mayBeAnswered?: (topic: string) => boolean
  /** The answer to a request, or why there is none, to the topic that the config says. Resolves when the request may be acknowledged. */
  readonly answer: (reply: ReplyTopic, payload: string, asked: Asked) => Promise<void>
  /** Why something was refused for good. */
  readonly tell: (payload: string) => void
}

/**
 * Resolves when the message may be acknowledged: it is stored (a request: its answer is on its way), or it is refused for good, which MQTT 3.1.1
 * cannot say and is told beside it. Rejects with a temporary refusal: then nothing may be acknowledged (SEMANTICS 43).
 */
export async function takeIn(packet: Published, options: IntakeOptions): Promise<void> {
  const { host, mapping, scope, replyTopics, identity } = options
  let mapped: Mapped | undefined
  let asked: Asked = { topic: packet.topic }
  try {
    const found = await mapping.draft(packet.topic, packet.payload, {
      channel: scope.id,
      ...(identity !== undefined && { identity }),
    })
    const { draft, reply: at } = found
    if (draft.externalId !== undefined) asked = { ...asked, id: draft.externalId }
    if (at !== undefined && options.mayBeAnswered?.(at.topic) === false)
      throw new GatewayError('FORBIDDEN', `${at.topic} is another's: no answer goes there`)
    mapped = found // from here on errors go to its reply topic as well
    const accepted = await host.accept(draft, { ...(identity !== undefined && { identity }) })
    // Behind `accept`: only who may speak in the conversation may say where it is heard.
    if (draft.kind !== 'request' && at !== undefined) await replyTopics.note(accepted.conversation, at)
    if (draft.kind === 'request' && at !== undefined && accepted.reply !== undefined)
      await options.answer(
        at,
        encodeReply(accepted.reply, {
          channel: scope.id,
          type: draft.type,
          id: accepted.id,
          externalId: draft.externalId,
        }),
        asked,
      )
  } catch (thrown) {
    const error = GatewayError.from(thrown)
    const isRequest = mapped?.draft.kind === 'request'
    if (isTemporary(error) && packet.qos > 0 && !packet.will) throw error
    scope.metrics.count('mqtt_refused', { reason: error.code })
    scope.log.warn('a message was refused', {
      topic: packet.topic,
      code: error.code,
      reason: error.message,
      lost: packet.qos === 0 || packet.will,
    })
    const payload = encodeError(error, asked)
    if (isRequest && mapped?.reply !== undefined) await options.answer(mapped.reply, payload, asked)
    else options.tell(payload)
  }
}

/** The next try may be stored. Of a mistake of our own nobody knows, so it is never acknowledged. A backend's failure is an answer. */
function isTemporary({ code, retry, side }: GatewayError): boolean {
  return code === 'INTERNAL' || (retry && side !== 'backend')
}
