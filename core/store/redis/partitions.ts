// Which partition a home, a conversation's name, a lease or a value belongs to, and the hash tag its keys carry (SEMANTICS 11).

/** Fixed when the data is made: a power of two that is more than instances ever will be. */
export const PARTITIONS = 256

/** FNV-1a over the text's UTF-8, and its high bits folded in: stable for ever, because the data lies where it says. */
export function partitionOf(text: string, partitions: number): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  return ((hash ^ (hash >>> 16)) >>> 0) % partitions
}

/** The one key every script names; all others of the partition begin like it, so that Redis Cluster keeps them in one slot. */
export function metaKey(prefix: string, partition: number): string {
  return `${prefix}{p${String(partition).padStart(3, '0')}}:meta`
}

/** Where a conversation's name is kept: with the home whose usual conversation it is, so that most need no second look. */
export function registryOf(conversation: string, partitions: number): number {
  return partitionOf(conversation.replace(':', '/'), partitions)
}

const LEASE = /^partition\/(?<number>0|[1-9]\d{0,3})(?:\/|$)/

/** A partition's lease lies in it, and what is named below it; any other by its name. */
export function partitionOfLease(name: string, partitions: number): number {
  const number = LEASE.exec(name)?.groups?.['number']
  return number === undefined ? partitionOf(name, partitions) : Number(number) % partitions
}
