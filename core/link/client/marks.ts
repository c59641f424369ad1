// How far own messages have come: what an answer says about the questions before it.
import type { MsgFrame } from '../../api.ts'
import type { Mark, Said } from './types.ts'

const ORDER: readonly (Mark | undefined)[] = [undefined, 'queued', 'sent', 'stored', 'delivered', 'read']

/** Marks only go up; what was refused was never stored. */
export function rises(from: Mark | undefined, to: Mark): boolean {
  if (from === 'refused') return false
  if (to === 'refused') return ORDER.indexOf(from) < ORDER.indexOf('stored')
  return ORDER.indexOf(to) > ORDER.indexOf(from)
}

/**
 * An answer was caused by one own message: that one is read, and those before it in its conversation have been delivered or given up, as
 * one is taken after the other. An agent that only wants to say so answers without parts, with `mark` in its metadata.
 */
export function marksOf(
  { direction, causationId, conversation, metadata }: MsgFrame['message'],
  rows: readonly { readonly said: Said; readonly messageId?: string }[],
): readonly { readonly id: string; readonly mark: Mark }[] {
  if (direction !== 'outbound' || causationId === undefined) return []
  const asked = rows.findLast(({ messageId, said }) => (messageId ?? said.id) === causationId)
  if (asked === undefined) return []
  const isThere = asked.said.conversation === conversation
  const mark: Mark = metadata?.['mark'] === 'delivered' ? 'delivered' : 'read'
  const before = rows.filter(
    ({ said }) =>
      isThere &&
      said.from === 'me' &&
      said.conversation === conversation &&
      said.sequence !== undefined &&
      said.sequence < (asked.said.sequence ?? 0) &&
      rises(said.mark, 'delivered'),
  )
  return [
    ...before.map(({ said }) => ({ id: said.id, mark: 'delivered' as const })),
    { id: asked.said.id, mark },
  ]
}
