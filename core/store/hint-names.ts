// Whom a stored message wakes: the names that `watch` knows, after an accept and after a settle (SEMANTICS 33).
import type { Accept, HandOver, Lease, Settle, ValueOp } from './store.ts'

export function acceptHints(
  { home, conversation, inbox, work, fence }: Accept,
  partition: number,
): readonly string[] {
  const names = [`log:${conversation}`]
  if (inbox) names.push(`inbox:${home}`)
  // The holder's own accept begins the work, or finds its lane busy: nobody else has to look.
  if (work !== undefined && fence === undefined) names.push(`partition:${partition}`)
  return names
}

export function settleHints(
  { home, id, kind, conversation, replies, fence }: Settle,
  partition: number,
): readonly string[] {
  const names: string[] = []
  if (conversation !== undefined || replies[0] !== undefined)
    names.push(`log:${conversation ?? replies[0]?.conversation ?? ''}`)
  if (replies.length > 0) names.push(`inbox:${home}`)
  if (kind !== 'push') names.push(`reply:${id}`)
  // A callback settles its timer; who waits knows the message.
  for (const { causationId } of replies) if (causationId !== undefined) names.push(`reply:${causationId}`)
  // What the holder settles he knows.
  if (fence === undefined && kind !== 'claim') names.push(`partition:${partition}`)
  return names
}

/** A right that goes back, or is used, lets the next push go. */
export function handOverHints({ to }: HandOver, partition: number): readonly string[] {
  return to === 'taken' ? [] : [`partition:${partition}`]
}

export function leaseHints({ name, release }: Lease): readonly string[] {
  return release === true ? [`lease:${name}`] : []
}

export function valueHints({ key, announce }: ValueOp, isDone: boolean): readonly string[] {
  return announce === true && isDone ? [`value:${key}`] : []
}
