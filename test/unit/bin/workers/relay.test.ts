// What one worker asks of its siblings.
import { expect, test, vi } from 'vitest'
import { Relay } from '../../../../bin/workers/relay.ts'

const question = { method: 'GET', path: '/admin/v1/top' }
const answer = (worker: number) => ({ worker, status: 200, body: worker })

function asking(relay: Relay, ...workers: readonly number[]) {
  const ids = new Map<number, number>()
  const answers = relay.ask(
    question,
    new Map(workers.map((worker) => [worker, (id: number) => void ids.set(worker, id)])),
  )
  return { answers, id: ids.get(workers[0] ?? 0) ?? 0 }
}

test('the answers are there when all have answered; who dies is not waited for', async () => {
  const relay = new Relay()
  const { answers, id } = asking(relay, 2, 3, 4)
  relay.answered(id, answer(4))
  relay.answered(id, answer(4))
  relay.answered(id, answer(2))
  relay.gone(3)
  expect((await answers).map(({ worker }) => worker)).toEqual([4, 2])
})

test('nobody to ask is no wait, and who stands still is waited for some seconds only', async () => {
  vi.useFakeTimers()
  try {
    const relay = new Relay()
    expect(await asking(relay).answers).toEqual([])
    const { answers, id } = asking(relay, 2, 3)
    relay.answered(id, answer(2))
    await vi.advanceTimersByTimeAsync(4000)
    expect((await answers).map(({ worker }) => worker)).toEqual([2])
    relay.answered(id, answer(3)) // too late: nobody hears it
  } finally {
    vi.useRealTimers()
  }
})
