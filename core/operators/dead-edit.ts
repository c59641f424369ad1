// What an operator sends again: the message of a dead letter as it was, or with other members.
import { GatewayError } from '../api.ts'
import type { Json, Message, Part, Priority } from '../api.ts'
import { moment, newId, timeOf, traceparent } from '../ids.ts'
import { canonical, freezePlain } from '../json.ts'
import { checkContent } from '../normalise.ts'
import type { DeadRow, Unnumbered } from '../store/store.ts'

/** What an operator writes anew. `null` takes a member away, `data` too. */
export interface DeadEdit {
  readonly type?: string | undefined
  /** Short for one text part. */
  readonly text?: string | undefined
  readonly parts?: readonly Part[] | null | undefined
  readonly data?: Json | undefined
  readonly metadata?: Readonly<Record<string, string>> | null | undefined
  readonly priority?: Priority | null | undefined
  readonly expiresAt?: string | null | undefined
}

/** What a dead letter is about: of a push that part of the reply alone, else the message. */
export function saidIn({ kind, part, message }: DeadRow): Message {
  const one = kind === 'push' && part !== undefined && part >= 0 ? message.parts?.[part] : undefined
  return one === undefined ? message : { ...message, parts: [one] }
}

/**
 * A new message at the end that names the old one; of a push that part of the reply alone. An event whose content is written anew is
 * another event, for its effects too (SEMANTICS 29). Throws `DECODE_FAILED`, `EXPIRED`.
 */
export function anew(row: DeadRow, edit: DeadEdit | undefined, now: number): Unnumbered {
  const { sequence: _, raw: _raw, ...old } = saidIn(row)
  const again = edited(old, edit)
  const newly = newId()
  const made: Unnumbered = {
    ...again,
    id: newly,
    ...(old.kind === 'event' && contentOf(again) !== contentOf(old) && { correlationId: newly }),
    receivedAt: moment(now),
    causationId: old.id,
    traceparent: traceparent(old.traceparent),
  }
  if (edit !== undefined) checkContent(made)
  freezePlain(made, 'the message')
  if (made.expiresAt !== undefined && timeOf(made.expiresAt) <= now)
    throw new GatewayError(
      'EXPIRED',
      `${row.id} expired at ${made.expiresAt}: edit it and set expiresAt to null, or drop it`,
    )
  return made
}

function edited(message: Unnumbered, edit: DeadEdit = {}): Unnumbered {
  const { type: _, parts: _parts, data: _data, metadata: _metadata, ...others } = message
  const { priority: _priority, expiresAt: _expiresAt, ...rest } = others
  const said = edit.text === undefined ? edit.parts : [{ kind: 'text' as const, text: edit.text }]
  const parts = chosen(message.parts, said)
  const data = chosen(message.data, edit.data)
  const metadata = chosen(message.metadata, edit.metadata)
  const priority = chosen(message.priority, edit.priority)
  const expiresAt = chosen(message.expiresAt, edit.expiresAt)
  return {
    ...rest,
    type: edit.type ?? message.type,
    ...(parts !== undefined && { parts }),
    ...(data !== undefined && { data }),
    ...(metadata !== undefined && { metadata }),
    ...(priority !== undefined && { priority }),
    ...(expiresAt !== undefined && { expiresAt }),
  }
}

function contentOf({ type, parts, data, metadata }: Unnumbered): string {
  return canonical([type, parts, data, metadata])
}

function chosen<T>(old: T, given: T | null | undefined): T | undefined {
  return given === undefined ? old : (given ?? undefined)
}
