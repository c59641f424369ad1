// How many partitions a page of open work is asked of at once.
import { expect, test } from 'vitest'
import { findOver } from '../../../../../core/store/redis/finding.ts'
import type { Cell } from '../../../../../core/store/redis/reply.ts'

const PARTITIONS = 256

/** What is found where these many rows lie in each partition, and how many were asked in each round. */
async function openIn(rowsIn: (partition: number) => number, limit: number) {
  const rounds: number[] = []
  let asking = 0
  const run = async (partition: number): Promise<Cell> => {
    if (asking++ === 0) rounds.push(0)
    rounds[rounds.length - 1] = (rounds.at(-1) ?? 0) + 1
    await new Promise((turn) => setImmediate(turn))
    asking--
    const rows = Array.from({ length: Math.min(limit, rowsIn(partition)) }, (_, n) =>
      work(`${partition}-${n}`),
    )
    return rows
  }
  const found = await findOver(
    { by: 'open', limit },
    { run, partitions: PARTITIONS, placed: () => undefined },
  )
  return { rounds, ids: found.map((row) => ('id' in row ? row.id : '')) }
}

function work(id: string): Cell {
  const cells = ['work', 'message', id, 'lane', '0', 0, 0, null, 'web/ann']
  return cells.map((cell) => (typeof cell === 'string' ? Buffer.from(cell) : cell))
}

test('where much waits everywhere, a page asks few partitions for one each', async () => {
  const { rounds, ids } = await openIn(() => 1000, 100)
  expect(rounds).toEqual([4])
  expect(ids).toEqual(Array.from({ length: 100 }, (_, n) => `0-${n}`))
})

test('where nothing waits the rounds double up to 64, and are small again where something does', async () => {
  expect((await openIn(() => 0, 100)).rounds).toEqual([4, 8, 16, 32, 64, 64, 64, 4])
  const { rounds, ids } = await openIn((partition) => (partition === 20 || partition === 255 ? 3 : 0), 100)
  expect(rounds).toEqual([4, 8, 16, 4, 8, 16, 32, 64, 64, 40])
  expect(ids).toEqual(['20-0', '20-1', '20-2', '255-0', '255-1', '255-2'])
})
