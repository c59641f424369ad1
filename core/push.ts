// A reply on its way to a platform: at least once with a stable key, in doubt where nobody can know (SEMANTICS 6).
import { GatewayError } from './api.ts'
import type { Delivery, Message } from './api.ts'
import type { ChannelInUse, Components } from './calls.ts'
import { isExpired, retryDelay } from './deliver.ts'
import type { Verdict } from './deliver.ts'
import { withDeadline } from './guard/deadline.ts'
import type { Settle, Unnumbered, Work } from './store/store.ts'
import type { Telemetry } from './telemetry.ts'

export interface PushContext {
  readonly now: number
  readonly telemetry: Telemetry
}

const SEND_MS = 15_000
const PARKED_MS = 5000
const ATTEMPTS = 6

/** What a settle owes for a reply: one push a part, with keys that stay; nothing to a channel that is pulled from. */
export function pushesOf(channel: ChannelInUse | undefined, said: Unnumbered | undefined): Settle['pushes'] {
  if (said === undefined || channel?.channel.send === undefined) return []
  const parts = said.parts?.length ?? 0
  const indexes = parts === 0 ? [-1] : Array.from({ length: parts }, (_, part) => part)
  return indexes.map((part) => ({ key: `${said.id}/${part}`, reply: 0, part, channel: channel.id }))
}

/** Sends one part of a reply (or an outbound message as a whole). Never rejects. */
export async function sendPush(work: Work, components: Components, context: PushContext): Promise<Verdict> {
  const id = work.target ?? work.message.channel
  const channel = components.channel(id)
  const target = `channel ${id}`
  if (isExpired(work.message.expiresAt, context.now)) return { outcome: 'expired', target }
  // SEMANTICS 21: parked until a channel of that name is back; that is no attempt of anybody.
  if (channel?.channel.send === undefined) return { outcome: 'retry', target, delayMs: PARKED_MS }
  if (work.orphan) {
    context.telemetry.inDoubt(id)
    if (channel.inDoubt === 'park') return parked(target, 'nobody knows whether an earlier push arrived')
  }
  const delivery = await send(work, channel)
  switch (delivery.status) {
    case 'sent':
      return { outcome: 'answered', target }
    case 'refused':
      return delivery.retry ? again(work, target, delivery) : parked(target, delivery.reason ?? 'refused')
    case 'unknown':
      context.telemetry.inDoubt(id)
      if (channel.inDoubt === 'park') return parked(target, delivery.reason ?? 'its outcome is not known')
      return again(work, target, delivery)
  }
}

async function send(work: Work, { id, channel }: ChannelInUse): Promise<Delivery> {
  try {
    const pushed = withDeadline({ ms: SEND_MS, what: `push by channel "${id}"` }, async (signal) =>
      channel.send?.(onePart(work.message, work.part), work.id, signal),
    )
    return (await pushed) ?? { status: 'unknown' }
  } catch (error) {
    return { status: 'unknown', reason: GatewayError.from(error).message }
  }
}

function onePart(message: Message, part: number | undefined): Message {
  const chosen = part === undefined ? undefined : message.parts?.[part]
  return chosen === undefined ? message : { ...message, parts: [chosen] }
}

function again(
  work: Work,
  target: string,
  why: { readonly reason?: string; readonly afterMs?: number },
): Verdict {
  const reason = why.reason ?? 'the channel could not send'
  if (work.attempts.length + 1 >= ATTEMPTS) return parked(target, `${reason} (${ATTEMPTS} attempts)`)
  const failure = new GatewayError('CHANNEL_GONE', reason)
  return { outcome: 'retry', target, failure, delayMs: retryDelay(work.attempts.length + 1, why.afterMs) }
}

function parked(target: string, reason: string): Verdict {
  return {
    outcome: 'failed',
    target,
    failure: new GatewayError('CHANNEL_GONE', `${target}: ${reason}`),
    dead: true,
  }
}
