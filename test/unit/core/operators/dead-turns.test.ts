// SEMANTICS 4, 20: an operator's turn at a dead letter, against a store that is slow or loses an answer.
import { afterEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { createDeadLetters } from '../../../../core/operators/dead-letters.ts'
import { inTurn } from '../../../../core/operators/dead-turns.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import type { DeadRow, Lease, LeaseResult, Store } from '../../../../core/store/store.ts'

afterEach(() => void vi.restoreAllMocks())

const held: LeaseResult = { status: 'held', fence: { counter: 1, random: 'r' }, remainingMs: 30_000 }

test('nothing begins in a turn that may be another’s before it is done', async () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const live = await inTurn({ lease: async () => held }, 'm1', async (turn) => {
    const atFirst = turn.isLive
    now = 25_000
    return [atFirst, turn.isLive]
  })
  expect(live).toEqual([true, false])
})

test('a turn is counted from when it was asked for, however late the store answers', async () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const lease = async (): Promise<LeaseResult> => {
    now += 25_000
    return held
  }
  expect(await inTurn({ lease }, 'm1', async (turn) => turn.isLive)).toBe(false)
})

test('a turn whose answer was lost, or whose work failed, is given back', async () => {
  for (const isLost of [true, false]) {
    const asked: Lease[] = []
    const lease = async (one: Lease): Promise<LeaseResult> => {
      asked.push(one)
      if (isLost) throw new GatewayError('STORE_UNAVAILABLE', 'cut')
      return held
    }
    const turn = inTurn({ lease }, 'm1', async () => {
      throw new GatewayError('STORE_UNAVAILABLE', 'cut')
    })
    await expect(turn).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(asked).toMatchObject([{ name: 'dead/m1' }, { name: 'dead/m1', release: true }])
    expect(asked[1]?.owner).toBe(asked[0]?.owner)
  }
})

test('a replay that the store kept waiting until another may have its letter sends nothing', async () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const accept = vi.fn<Store['accept']>()
  const find = async (): Promise<readonly DeadRow[]> => {
    now += 25_000
    const message = { id: 'm1', kind: 'message', type: 'text', conversation: 'web:ann', traceparent: '' }
    const failure = { code: 'AGENT_FAILED', message: 'out of order' }
    // Of a message a replay looks at no more than this.
    return [
      { row: 'dead', id: 'm1', kind: 'message', home: 'web/ann', message, failure } as unknown as DeadRow,
    ]
  }
  const letters = createDeadLetters({
    store: { lease: async () => held, find, accept } as unknown as Store, // it needs no more to find out
    log: noLog,
    now: Date.now,
    dedupeMs: 1000,
    laneLimit: { platform: 10 },
    poke: () => undefined,
    laneOf: async () => 'web:ann',
    onEnded: () => undefined,
  })
  await expect(letters.replay('m1')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(accept).not.toHaveBeenCalled()
})
