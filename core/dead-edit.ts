// What an operator sends again: the message of a dead letter as it was, or with other members.
import { GatewayError } from './api.ts'
import type { Json, Part, Priority } from './api.ts'
import { moment, newId, timeOf, traceparent } from './ids.ts'
import { canonical, freezePlain } from './json.ts'
import { checkContent } from './normalise.ts'
import type { DeadRow, Unnumbered } from './store/store.ts'

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

/**
 * A new message at the end that names the old one; of a push that part of the reply alone. An event whose content is written anew is
 * another event, for its effects too (SEMANTICS 29). Throws `DECODE_FAILED`, `EXPIRED`.
 */
export function anew(
  { kind, part, message, id }: DeadRow,
  edit: DeadEdit | undefined,
  now: number,
): Unnumbered {
  const { sequence: _, raw: _raw, ...old } = message
  const one = kind === 'push' && part !== undefined && part >= 0 ? message.parts?.[part] : undefined
  const again = edited({ ...old, ...(one !== undefined && { parts: [one] }) }, edit)
  const newly = newId()
  const made: Unnumbered = {
    ...again,
    id: newly,
    ...(old.kind === 'event' && contentOf(again) !== contentOf(old) && { correlationId: newly }),
    receivedAt: moment(now),
    causationId: message.id,
    traceparent: traceparent(message.traceparent),
  }
  if (edit !== undefined) checkContent(made)
  freezePlain(made, 'the message')
  if (made.expiresAt !== undefined && timeOf(made.expiresAt) <= now)
    throw new GatewayError(
      'EXPIRED',
      `${id} expired at ${made.expiresAt}: edit it and set expiresAt to null, or drop it`,
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
