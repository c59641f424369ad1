// How many partitions each living instance should hold, and how many one with too many lets go (DESIGN §13).
import type { Member } from './roster.ts'

/** All parts, shared out so that nobody has more than one more than another; who comes first in the order has it. */
export function shareOf(instance: string, members: readonly Member[], partitions: number): number {
  const rank = members.findIndex((member) => member.instance === instance)
  if (rank < 0) return partitions
  return Math.floor(partitions / members.length) + (rank < partitions % members.length ? 1 : 0)
}

/** Only what somebody waits for, who lives; those with too many let go in proportion. */
export function surplusOf(
  { instance, held }: { readonly instance: string; readonly held: number },
  members: readonly Member[],
  partitions: number,
): number {
  const own = held - shareOf(instance, members, partitions)
  if (own <= 0) return 0
  let wanted = 0
  let surplus = own
  for (const member of members) {
    if (member.instance === instance) continue
    const over = member.held - shareOf(member.instance, members, partitions)
    if (over > 0) surplus += over
    else if (member.isFresh) wanted -= over
  }
  return Math.min(own, Math.ceil((wanted * own) / surplus))
}
