// A reply on its way to a platform: at least once with a stable key, in doubt where nobody can know (SEMANTICS 6).
import { GatewayError } from '../api.ts'
import type { Delivery, Log, Message, Part } from '../api.ts'
import type { ChannelInUse, Components } from '../calls/calls.ts'
import { isExpired, retryDelay, triedForMs } from './deliver.ts'
import type { Verdict } from './deliver.ts'
import { deliveryOf } from './delivery-shape.ts'
import { withDeadline } from '../guard/deadline.ts'
import { masked } from '../log/masked.ts'
import type { Settle, Store, Unnumbered, Work } from '../store/store.ts'
import type { Telemetry } from '../telemetry.ts'

export interface PushContext {
  readonly now: number
  readonly store: Store
  readonly log: Log
  readonly telemetry: Telemetry
  /** SEMANTICS 19: how long tries that fail may hold up what stands behind. */
  readonly holdMs: number
}

const SEND_MS = 15_000
const PARKED_FIRST_MS = 1000
const PARKED_LONGEST_MS = 30_000
const ATTEMPTS = 6

/**
 * What a settle owes for a reply: one push a part, or one where the channel pushes it whole, with keys that stay; nothing to a channel that is pulled from, nor for a mere mark. Of a
 * channel that the config does not have now nobody knows whether it pushes: it is owed, by the adapter that the reply context names
 * (SEMANTICS 21), and where there is none by whatever has the channel's name.
 */
export function pushesOf(channel: ChannelInUse | undefined, said: Unnumbered | undefined): Settle['pushes'] {
  if (said === undefined || said.type === 'mark' || !mayPush(channel)) return []
  const parts = channel?.channel.pushesWhole === true ? 0 : (said.parts?.length ?? 0)
  const indexes = parts === 0 ? [-1] : Array.from({ length: parts }, (_, part) => part)
  return indexes.map((part) => ({
    key: keyOf(said.id, part),
    reply: 0,
    part,
    channel: channel === undefined ? absentTarget(said) : `${channel.id}@${channel.adapter}`,
  }))
}

function absentTarget({ channel, replyContext }: Unnumbered): string {
  const isNamed = typeof replyContext === 'object' && replyContext !== null && 'adapter' in replyContext
  return isNamed && typeof replyContext['adapter'] === 'string'
    ? `${channel}@${replyContext['adapter']}`
    : channel
}

/** Whether what is said in a conversation of this channel is owed a push; undefined: the config has no such channel now. */
export function mayPush(channel: ChannelInUse | undefined): boolean {
  return channel === undefined || channel.channel.send !== undefined
}

/** Sends one part of a reply (or an outbound message as a whole). Never rejects. */
export async function sendPush(work: Work, components: Components, context: PushContext): Promise<Verdict> {
  // Names of channels and adapters hold no `@`.
  const [id = '', adapter] = (work.target ?? work.message.channel).split('@')
  const channel = components.channel(id)
  const target = `channel ${id}`
  if (isExpired(work.message.expiresAt, context.now)) return { outcome: 'expired', target }
  const isHere = channel !== undefined && (adapter === undefined || channel.adapter === adapter)
  if (!isHere) return waiting(work, target)
  // SEMANTICS 21: what has an address waits until the channel pushes again; whoever pulls finds anything else in the log.
  if (channel.channel.send === undefined)
    return work.message.replyContext === undefined ? { outcome: 'answered', target } : waiting(work, target)
  // SEMANTICS 16: what ends the gateway each time is not sent for ever.
  if (work.poison)
    return parked(target, `begun ${work.attempt - 1} times, and the gateway did not live to its end`)
  try {
    const before = await failedBefore(work, context.store)
    if (before !== undefined) return parked(target, `the part before it was not sent (${before})`)
  } catch (error) {
    return again(work, target, { ...context, reason: GatewayError.from(error).message, cause: error })
  }
  if (saysNothing(work)) return { outcome: 'answered', target }
  const doubt = (reason: string): boolean => {
    const { inDoubt } = channel
    context.telemetry.inDoubt(id)
    context.log.warn('a push is in doubt', { push: work.id, channel: id, reason, inDoubt })
    return inDoubt === 'park'
  }
  const nobodyKnows = 'nobody knows whether an earlier push arrived'
  if (isInDoubt(work) && doubt(nobodyKnows)) return parked(target, nobodyKnows)
  const delivery = await send(work, channel)
  if (delivery === 'gone') return waiting(work, target)
  switch (delivery.status) {
    case 'sent':
      return { outcome: 'answered', target }
    case 'absent':
      return absent(work, target, { ...context, ...delivery })
    case 'refused':
      return delivery.retry
        ? again(work, target, { ...context, ...delivery })
        : parked(target, delivery.reason ?? 'refused')
    case 'unknown': {
      const reason = delivery.reason ?? 'its outcome is not known'
      const { keepMs, cause } = delivery
      if (doubt(reason)) return parked(target, reason, cause)
      return keepMs === undefined
        ? again(work, target, { ...context, reason, cause })
        : absent(work, target, { ...context, reason, keepMs })
    }
  }
}

/** Also where the channel was gone when the gateway came back: the store keeps the attempt that nobody saw end. */
function isInDoubt({ orphan, attempts }: Work): boolean {
  return orphan || attempts.at(-1)?.failure?.code === 'OUTCOME_UNKNOWN'
}

function keyOf(replyId: string, part: number): string {
  return `${replyId}/${part}`
}

/** SEMANTICS 30: a part that failed stops the rest. The key of the one that did; undefined: none. */
async function failedBefore({ message, part }: Work, store: Store): Promise<string | undefined> {
  if (part === undefined || part <= 0) return undefined
  const before = keyOf(message.id, part - 1)
  for (const row of await store.find({ by: 'id', id: message.id }))
    if (row.row === 'settled' && row.id === before && row.outcome === 'failed') return before
  return undefined
}

/** An empty text beside parts that say something is not sent: a platform would refuse it, and the rest with it (SEMANTICS 30). */
function saysNothing({ message: { parts = [] }, part }: Work): boolean {
  const own = part === undefined ? undefined : parts[part]
  return own !== undefined && isLeftOut(own, parts)
}

function isLeftOut(part: Part, parts: readonly Part[]): boolean {
  return isEmpty(part) && !parts.every(isEmpty)
}

function isEmpty({ kind, text, data, media }: Part): boolean {
  return kind === 'text' && text === '' && data === undefined && media === undefined
}

/** `cause`: what it threw, for the log of the attempt. */
type Sent = Delivery & { readonly cause?: unknown }

/** `gone`: it says that it is not there now, and has begun nothing: its plugin is missing, or starts again. */
async function send(work: Work, { id, channel }: ChannelInUse): Promise<Sent | 'gone'> {
  try {
    const pushed = withDeadline({ ms: SEND_MS, what: `push by channel "${id}"` }, async (signal) =>
      channel.send?.(onePart(work.message, work.part), work.id, signal),
    )
    return deliveryOf(await pushed, id)
  } catch (error) {
    const { code, notExecuted } = GatewayError.from(error)
    if (code === 'CHANNEL_GONE' && notExecuted) return 'gone'
    const reason = error instanceof GatewayError ? masked(error.message) : 'the channel failed'
    return { status: 'unknown', reason, cause: error }
  }
}

/** What a channel is handed of an answer. Without a part, or where it has none of that number, the whole of it. */
export function onePart(message: Message, part: number | undefined): Message {
  const { parts = [] } = message
  const chosen = part === undefined ? undefined : parts[part]
  if (part === undefined || chosen === undefined) return message
  const shown = parts.filter((each) => !isLeftOut(each, parts))
  const marked = shown.findLast(({ kind }) => kind === 'text') ?? shown.at(-1)
  return { ...message, parts: [chosen], ...(chosen !== marked && { aside: true }) }
}

function again(
  work: Work,
  target: string,
  why: {
    readonly reason?: string
    readonly cause?: unknown
    readonly afterMs?: number
    readonly now: number
    readonly holdMs: number
  },
): Verdict {
  const { reason = 'the channel could not send', cause } = why
  if (work.attempts.length + 1 >= ATTEMPTS) return parked(target, `${reason} (${ATTEMPTS} attempts)`, cause)
  const delayMs = retryDelay(work.attempts.length + 1, why.afterMs)
  if (triedForMs(work, why.now) + delayMs >= why.holdMs)
    return parked(target, `${reason} (tried for as long as "hold" allows)`, cause)
  return { outcome: 'retry', target, failure: new GatewayError('CHANNEL_GONE', reason, { cause }), delayMs }
}

/** SEMANTICS 21: until a channel of that name and adapter is back. Looked for ever less often; that is no attempt of anybody. */
function waiting({ heldMs }: Work, target: string): Verdict {
  const delayMs = Math.min(Math.max(PARKED_FIRST_MS, heldMs / 4), PARKED_LONGEST_MS)
  return { outcome: 'retry', target, delayMs, idle: true }
}

/** Until it comes, or the message is too old: then it is not an attempt that failed, but one that could not be made. */
function absent(
  work: Work,
  target: string,
  why: { readonly reason?: string; readonly keepMs: number; readonly now: number },
): Verdict {
  const ageMs = Math.max(work.heldMs, why.now - Date.parse(work.message.receivedAt))
  if (!(ageMs < why.keepMs))
    return parked(target, `${why.reason ?? 'its receiver is not there'} (kept for ${why.keepMs / 1000} s)`)
  const { delayMs = 0, ...verdict } = waiting(work, target)
  return { ...verdict, delayMs: Math.min(delayMs, why.keepMs - ageMs), isAbsent: true }
}

function parked(target: string, reason: string, cause?: unknown): Verdict {
  return {
    outcome: 'failed',
    target,
    failure: new GatewayError('CHANNEL_GONE', `${target}: ${reason}`, { cause }),
    dead: true,
  }
}
