// Whom a stored message wakes: the names that `watch` knows, after an accept and after a settle (SEMANTICS 33).
import type { Accept, Settle } from './store.ts'

export function acceptHints(
  { home, conversation, inbox, work }: Accept,
  partition: number,
): readonly string[] {
  const names = [`log:${conversation}`]
  if (inbox) names.push(`inbox:${home}`)
  if (work !== undefined) names.push(`partition:${partition}`)
  return names
}

export function settleHints(
  { home, id, kind, conversation, replies }: Settle,
  partition: number,
): readonly string[] {
  const names: string[] = []
  if (conversation !== undefined || replies[0] !== undefined)
    names.push(`log:${conversation ?? replies[0]?.conversation ?? ''}`)
  if (replies.length > 0) names.push(`inbox:${home}`)
  if (kind !== 'push') names.push(`reply:${id}`)
  // A callback settles its timer; who waits knows the message.
  for (const { causationId } of replies) if (causationId !== undefined) names.push(`reply:${causationId}`)
  names.push(`partition:${partition}`)
  return names
}
