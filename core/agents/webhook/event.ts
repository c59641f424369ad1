// A message as the CloudEvent a bot is asked with (CloudEvents 1.0, structured mode).
import type { Conversation, Message } from 'dragoman'

/** Attribute names are lower case letters and digits (CloudEvents 1.0 §3.1). */
export interface AskEvent {
  readonly specversion: '1.0'
  readonly id: string
  /** `/channels/NAME` */
  readonly source: string
  /** `message.text`, `request.GetOrder`; an event's own type as it is, `order.shipped`. */
  readonly type: string
  /** The conversation. */
  readonly subject: string
  readonly time: string
  readonly datacontenttype: 'application/json'
  readonly sequence: string
  readonly correlationid: string
  readonly causationid?: string
  readonly traceparent: string
  /** Where a later answer is posted, if one can be… */
  readonly callbackurl?: string
  /** …with this as bearer token. */
  readonly callbacktoken?: string
  /** The message, without what belongs to its channel alone. */
  readonly data: Omit<Message, 'raw' | 'replyContext'>
}

export function eventOf(message: Message, { callback }: Conversation): AskEvent {
  const { raw: _bytes, replyContext: _opaque, ...data } = message
  return {
    specversion: '1.0',
    id: message.id,
    source: `/channels/${encodeURIComponent(message.channel)}`,
    type: message.kind === 'event' ? message.type : `${message.kind}.${message.type}`,
    subject: message.conversation,
    time: message.occurredAt ?? message.receivedAt,
    datacontenttype: 'application/json',
    sequence: String(message.sequence),
    correlationid: message.correlationId,
    ...(message.causationId !== undefined && { causationid: message.causationId }),
    traceparent: message.traceparent,
    ...(callback !== undefined && { callbackurl: callback.url, callbacktoken: callback.token }),
    data,
  }
}
