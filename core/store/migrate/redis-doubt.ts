// A store on Redis that was moved away and is used again: what waits in it may have been done where it went (SEMANTICS 2, 12).
import type { RedisClient } from './redis-client.ts'

const PAGE = 500
/** Attempts whose last one ended so were noted before. */
const MAY_BE_DONE = {
  code: 'OUTCOME_UNKNOWN',
  message: 'the store was moved away and is used again, and it may have been done where the store went',
}

/**
 * Notes at each message and push that waits, in all partitions, an attempt that nobody saw end, as `nameCopy` does in a file: what may be
 * repeated is made again, the rest is for an operator. Done again after it was cut off it notes nothing twice. Resolves how many wait, or
 * undefined where `mark`, as it was written, does not stand in a partition: nothing is noted there.
 */
export async function noteDoubt(
  client: RedisClient,
  partitions: readonly number[],
  mark: string,
): Promise<number | undefined> {
  const attempt = { target: '', startedAt: new Date().toISOString(), durationMs: 0, failure: MAY_BE_DONE }
  const told = JSON.stringify(attempt).slice(1)
  const known = `"failure":${JSON.stringify(MAY_BE_DONE)}}`
  let waiting = 0
  let left = partitions
  for (let from = 0; left.length > 0; from += PAGE) {
    const words = [from, PAGE, told, known, mark]
    const pages = await client.runAll(
      'doubt',
      left.map((partition) => ({ partition, words })),
    )
    const counts = pages.map((page) => (Array.isArray(page) ? page.map(Number) : []))
    if (counts.some(({ length }) => length === 0)) return undefined
    for (const [, waits = 0] of counts) waiting += waits
    left = left.filter((_, index) => counts[index]?.[0] === PAGE)
  }
  return waiting
}
