// Operations as the scripts' arguments, in their order there.
import { isUtf8 } from 'node:buffer'
import { READ_BYTES, partitionLease } from '../figures.ts'
import { acceptWire, claimWire, settleWire, valueWire } from '../codec/encode.ts'
import { customerOf } from '../homes.ts'
import { TEXT_BYTES } from './replies.ts'
import type {
  Accept,
  Claim,
  ConversationPatch,
  Fence,
  Find,
  Hello,
  Raw,
  Read,
  Settle,
  Take,
  ValueOp,
} from '../store.ts'

export type Argument = string | number | Uint8Array

/** What may be missing: '' is none, else one character and the text. */
function opt(text: string | null | undefined): string {
  return text === null || text === undefined ? '' : `+${text}`
}

function flag(is: boolean | undefined): string {
  return is === true ? '1' : '0'
}

function fenceArguments(fence: Fence | null | undefined): readonly Argument[] {
  return [fence?.counter ?? 0, fence?.random ?? '']
}

/** Bytes that are text go as text: a command all of whose words are text is put together in a third of the time. */
function rawArguments(raw: Raw | null | undefined): readonly Argument[] {
  if (raw === null || raw === undefined) return ['', '']
  const { buffer, byteOffset, length } = raw.bytes
  const bytes = Buffer.from(buffer, byteOffset, length)
  return [opt(raw.mediaType), isUtf8(bytes) ? bytes.toString() : bytes]
}

function patchArguments(patch: ConversationPatch | undefined): readonly Argument[] {
  const agent = patch?.agent
  return [
    agent === null ? '0' : opt(agent),
    patch?.ticket === undefined ? '' : opt(JSON.stringify(patch.ticket)),
    flag(patch?.raiseEpoch),
  ]
}

/** One name for what is a customer's device in one of its boots: names may hold any character, so their lengths are in it. */
export function deviceName({ home, device, boot }: Pick<Hello, 'home' | 'device' | 'boot'>): string {
  return `${home.length}:${home}${device.length}:${device}${boot}`
}

/** Where the conversation's name is kept, and what else only the asker knows. */
export interface Asking {
  readonly partition: number
  readonly isRegistered: boolean
  readonly isPressed: boolean
}

export function acceptArguments(accept: Accept, asking: Asking): readonly Argument[] {
  const wire = acceptWire(accept)
  const [, home, conversation, id, body, channel, cause, inbox, raw, key, fingerprint, ttlMs] = wire
  const [, , , , , , , , , , , , lane, priority, delayMs, limit, waitMs, fence, random, extras] = wire
  const device = extras?.device
  return [
    home,
    conversation,
    id,
    body,
    channel,
    opt(cause),
    flag(inbox),
    accept.message.receivedAt,
    customerOf(home),
    ...rawArguments(raw),
    opt(key),
    fingerprint,
    ttlMs,
    opt(lane),
    priority,
    delayMs,
    limit,
    waitMs ?? '',
    fence,
    random,
    partitionLease(asking.partition),
    flag(asking.isPressed),
    flag(asking.isRegistered),
    device === undefined ? '' : opt(deviceName({ home, ...device })),
    device?.n ?? 0,
    opt(device?.refuse?.code),
    extras?.refusalId ?? '',
    extras?.expect?.ownerEpoch ?? '',
    ...patchArguments(extras?.patch),
    device?.refuse?.limit ?? 0,
  ]
}

export function claimArguments(claim: Claim, isPressed: boolean): readonly Argument[] {
  const { home, key, fingerprint, id, ttlMs, idempotent, fence, body, raw } = claimWire(claim)
  return [
    home,
    key,
    fingerprint,
    id,
    ttlMs,
    flag(idempotent),
    ...fenceArguments(fence),
    body,
    ...rawArguments(raw),
    flag(isPressed),
  ]
}

export function takeArguments({ partition, fence, max, kinds }: Take): readonly Argument[] {
  return [partitionLease(partition), ...fenceArguments(fence), max, READ_BYTES, ...kinds]
}

/** `tombstone`: what is left of an expired message. */
export function settleArguments(
  settle: Settle,
  asking: Omit<Asking, 'isPressed'> & { readonly tombstone: string | undefined },
): readonly Argument[] {
  const [
    ,
    home,
    kind,
    id,
    attempt,
    outcome,
    fence,
    random,
    delayMs,
    tried,
    failure,
    reply,
    replies,
    inbox,
    conversation,
    extras,
  ] = settleWire(settle)
  const timer = extras?.timer
  const pushes = extras?.pushes ?? []
  const received = settle.replies.map((one) => one.receivedAt)
  return [
    home,
    kind,
    id,
    attempt,
    outcome,
    fence,
    random,
    partitionLease(asking.partition),
    delayMs,
    opt(extras?.triedBefore === undefined ? tried : `${extras.triedBefore}\n${tried}`),
    opt(failure),
    opt(reply),
    flag(inbox),
    extras?.expect?.ownerEpoch ?? '',
    ...patchArguments(extras?.patch),
    opt(timer?.id),
    timer?.delayMs ?? 0,
    timer?.target ?? '',
    opt(conversation),
    opt(extras?.dead),
    opt(asking.tombstone),
    flag(asking.isRegistered),
    customerOf(home),
    replies?.length ?? 0,
    ...(replies ?? []).flatMap((one, index) => [one.id, one.body, one.channel, received[index] ?? '']),
    pushes.length,
    ...pushes.flatMap((push) => [push.key, push.reply, push.part, push.channel]),
  ]
}

export interface ReadAsking {
  readonly incarnation: string
  readonly isRegistered: boolean
  readonly limit: number
  readonly bytes: number
}

export function readArguments(
  { home, log, after, incarnation }: Read,
  asking: ReadAsking,
): readonly Argument[] {
  return [
    home,
    'inbox' in log ? '' : opt(log.conversation),
    after,
    asking.limit,
    opt(incarnation),
    asking.incarnation,
    asking.bytes,
    flag(asking.isRegistered),
  ]
}

/** Throws `TOO_LARGE`. */
export function valueArguments(value: ValueOp): readonly Argument[] {
  const { key, expect, put, delete: drop, ttlMs, fence } = valueWire(value)
  return [
    key,
    expect === null ? '' : opt(String(expect)),
    opt(put),
    flag(drop),
    ttlMs ?? '',
    ...fenceArguments(fence),
  ]
}

const MOST = 1000

export function findArguments(find: Find): readonly Argument[] {
  const what = {
    id: () => ('id' in find ? find.id : ''),
    key: () => ('key' in find ? find.key : ''),
    conversation: () => ('conversation' in find ? find.conversation : ''),
    customer: () => ('customer' in find ? find.customer : ''),
    lane: () => ('lane' in find ? find.lane : ''),
    dead: () => '',
    open: () => '',
    ledger: () => '',
  }[find.by]()
  return [
    find.by,
    what,
    opt('after' in find ? find.after : undefined),
    limitOf(find),
    flag('brief' in find ? find.brief : undefined),
  ]
}

export function limitOf(find: Find): number {
  return 'limit' in find ? Math.max(0, Math.min(Math.floor(find.limit), MOST)) : MOST
}

/** Of a text its length in UTF-8, to be counted only where it could be too much. */
export function sizeOf(word: Argument): number {
  if (typeof word !== 'string') return typeof word === 'number' ? 8 : word.length
  return word.length * 3 > TEXT_BYTES ? Buffer.byteLength(word) : word.length
}
