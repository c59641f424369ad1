// Operations as they are sent to where the data is: messages become JSON text here, once.
import { GatewayError } from '../../api.ts'
import { VALUE_BYTES } from '../figures.ts'
import type { Accept, Claim, Settle, Unnumbered, ValueOp } from '../store.ts'
import type { AcceptWire, ClaimWire, SettleExtras, SettleWire, ValueWire } from './wire.ts'

export function acceptWire(accept: Accept): AcceptWire {
  const { message, dedupe, work, fence } = accept
  const hasExtras = accept.device !== undefined || accept.expect !== undefined || accept.patch !== undefined
  return [
    'accept',
    accept.home,
    accept.conversation,
    message.id,
    bodyOf(message),
    message.channel,
    message.causationId ?? null,
    accept.inbox,
    accept.raw ?? null,
    dedupe?.key ?? null,
    dedupe?.fingerprint ?? '',
    whole(dedupe?.ttlMs ?? 0),
    work?.lane ?? null,
    work?.priority ?? 0,
    whole(work?.delayMs ?? 0),
    work?.limit ?? 0,
    accept.waitMs === undefined ? null : whole(accept.waitMs),
    fence?.counter ?? 0,
    fence?.random ?? '',
    hasExtras
      ? {
          ...(accept.device !== undefined && {
            device: accept.device,
            // The app knows its frame by its own id.
            refusalId: message.externalId ?? message.id,
          }),
          ...(accept.expect !== undefined && { expect: accept.expect }),
          ...(accept.patch !== undefined && { patch: accept.patch }),
        }
      : null,
  ]
}

export function settleWire(settle: Settle): SettleWire {
  const { replies, pushes, attempt } = settle
  const stray = pushes.find((push) => push.reply < 0 || push.reply >= replies.length)
  if (stray !== undefined)
    throw new GatewayError(
      'INTERNAL',
      `push "${stray.key}" carries reply ${stray.reply} of ${replies.length}`,
    )
  return [
    'settle',
    settle.home,
    settle.kind,
    settle.id,
    attempt,
    settle.outcome,
    settle.fence?.counter ?? 0,
    settle.fence?.random ?? '',
    whole(settle.delayMs ?? 0),
    settle.tried === undefined ? null : JSON.stringify({ attempt, ...settle.tried }),
    settle.failure === undefined ? null : JSON.stringify(settle.failure),
    settle.reply === undefined ? null : JSON.stringify(settle.reply),
    replies.length === 0
      ? null
      : replies.map((reply) => ({ id: reply.id, body: bodyOf(reply), channel: reply.channel })),
    settle.inbox,
    settle.conversation ?? null,
    extrasOf(settle),
  ]
}

function extrasOf({ attempt, expect, patch, timer, pushes, triedBefore, dead }: Settle): SettleExtras | null {
  const isPlain =
    expect === undefined &&
    patch === undefined &&
    timer === undefined &&
    pushes.length === 0 &&
    triedBefore === undefined &&
    dead === undefined
  if (isPlain) return null
  return {
    ...(expect !== undefined && { expect }),
    ...(patch !== undefined && { patch }),
    ...(timer !== undefined && { timer: { ...timer, delayMs: whole(timer.delayMs) } }),
    ...(pushes.length > 0 && { pushes }),
    ...(triedBefore !== undefined && { triedBefore: JSON.stringify({ attempt, ...triedBefore }) }),
    ...(dead !== undefined && { dead: JSON.stringify(dead) }),
  }
}

export function claimWire({
  home,
  key,
  fingerprint,
  id,
  ttlMs,
  idempotent,
  fence,
  message,
  raw,
}: Claim): ClaimWire {
  return {
    home,
    key,
    fingerprint,
    id,
    ttlMs: whole(ttlMs),
    idempotent,
    fence,
    body: bodyOf(message),
    raw: raw ?? null,
  }
}

const LONGEST_MS = 8_640_000_000_000_000 - 4_102_444_800_000 // ECMA-262 §21.4.1.1, and room for now

/** Throws `TOO_LARGE` above 64 kB of JSON text. */
export function valueWire({ key, expect, put, delete: drop, ttlMs, fence }: ValueOp): ValueWire {
  const text = put === undefined ? null : JSON.stringify(put)
  if (text !== null && Buffer.byteLength(text) > VALUE_BYTES)
    throw new GatewayError(
      'TOO_LARGE',
      `value "${key}" has ${Buffer.byteLength(text)} bytes of JSON, more than ${VALUE_BYTES}`,
    )
  return {
    key,
    expect: expect ?? null,
    put: text,
    delete: drop === true,
    ttlMs: ttlMs === undefined ? null : whole(ttlMs),
    fence: fence ?? null,
  }
}

/** The tables hold whole milliseconds, up to what a date can say. */
function whole(ms: number): number {
  return Math.ceil(Math.min(ms, LONGEST_MS))
}

/** A caller may hand over a whole Message; its raw bytes travel beside the body and its number is the store's to give. */
function bodyOf(message: Unnumbered): string {
  if (!('raw' in message) && !('sequence' in message)) return JSON.stringify(message)
  return JSON.stringify({ ...message, raw: undefined, sequence: undefined })
}
