// What all instances count together, in the partition of the key: no message hangs on it, and it is asked for as everything else is.
import type { SharedCounter } from '../../guard/rate-limits.ts'
import type { Caller } from './caller.ts'
import { partitionOf } from './partitions.ts'
import { Cells } from './reply.ts'

export function counterOver(caller: Caller, partitions: () => number): SharedCounter {
  return {
    async add(key, by, ms) {
      const partition = partitionOf(key, partitions())
      const cells = new Cells(await caller.run('limit', partition, [key, by, Math.ceil(ms)]))
      return [cells.number(0), Math.max(0, cells.number(1))]
    },
  }
}
