// A step of work whose answer the store does not keep: too large, or of work that it lost (SEMANTICS 2, 4).
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Reply } from '../../../../core/api.ts'
import type { Verdict } from '../../../../core/deliver/deliver.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import type { Settle, Store, Work } from '../../../../core/store/store.ts'
import { testMessage } from '../../../../core/testing.ts'
import { endOfLost, settleStep } from '../../../../core/deliver/unkept.ts'

const message = { ...testMessage(), id: 'm1', sequence: 1, conversation: 'web:ann' }
const work = {
  kind: 'message',
  id: 'm1',
  home: 'web/ann',
  attempt: 1,
  message,
  ownerEpoch: 0,
} as unknown as Work // what a settle is made of
const answerOf = (origin: Reply['origin']): Verdict => ({
  outcome: 'answered',
  target: 'its target',
  reply: { parts: [{ kind: 'text', text: 'large' }], origin },
})
const step = {
  fence: { counter: 1, random: 'r' },
  channel: undefined,
  now: 0,
  startedAt: '2026-01-01T00:00:00Z',
  durationMs: 1,
}

/** Settles it in a store that keeps no reply. */
async function settled(verdict: Verdict) {
  const store = {
    async settle({ reply }: Settle) {
      if (reply !== undefined) throw new GatewayError('TOO_LARGE', 'this has 17 bytes')
      return { status: 'settled', sequences: [], offsets: [], waiting: 0 }
    },
  } as unknown as Store // nothing else of it is asked
  const stopped = new AbortController().signal
  return settleStep(store, work, { verdict, step, log: noLog, stopped })
}

test.each([
  ['an agent’s', answerOf('agent'), 'AGENT_FAILED', 'failed'],
  ['that of a call that may be made again', answerOf('backend'), 'BACKEND_FAILED', 'failed'],
  [
    'that of a call that may not',
    { ...answerOf('backend'), once: { queue: undefined } },
    'OUTCOME_UNKNOWN',
    'unknown',
  ],
] as const)(
  'an answer that is too large for the store, %s: a dead letter that says how large it is, and nothing is said',
  async (_whose, verdict, code, outcome) => {
    const { settle, result } = await settled(verdict)
    const failure = { code, message: expect.stringContaining('this has 17 bytes') }
    expect(settle).toMatchObject({ outcome, failure, dead: failure, replies: [] })
    expect(result).toMatchObject({ status: 'settled' })
  },
)

test('a queued write whose answer is too large stops its key until an operator decides, and who waits is told (SEMANTICS 19)', async () => {
  const { settle, told } = await settled({ ...answerOf('backend'), once: { queue: { onPoison: 'halt' } } })
  expect(settle).toMatchObject({ outcome: 'retry', dead: { code: 'OUTCOME_UNKNOWN' } })
  expect(told).toMatchObject({ outcome: 'unknown', failure: { code: 'OUTCOME_UNKNOWN' } })
})

test('what is refused for another reason is thrown', async () => {
  const verdict: Verdict = { outcome: 'failed', target: 'its target', dead: true }
  const store = {
    settle: () => Promise.reject(new GatewayError('TOO_LARGE', 'too large')),
  } as unknown as Store // as above
  const stopped = new AbortController().signal
  await expect(settleStep(store, work, { verdict, step, log: noLog, stopped })).rejects.toMatchObject({
    code: 'TOO_LARGE',
  })
})

test('work that the store lost: one error in the log, and who waits is told how it ended, also where it would be tried again', async () => {
  const said: unknown[] = []
  const log = { ...noLog, error: (text: string) => void said.push(text) }
  const { settle } = await settled({ outcome: 'taken', target: 'its target' })
  expect(endOfLost(settle, { log, id: 'm1' })).toMatchObject({ outcome: 'taken' })
  expect(said).toEqual([expect.stringContaining('lost')])
  expect(endOfLost({ ...settle, outcome: 'retry' }, { log: noLog, id: 'm1' })).toMatchObject({
    outcome: 'failed',
  })
})

test('a write that the store lost is not told as taken, for nothing is left to be made; an outcome nobody knows is told', async () => {
  const store = { settle: async () => ({ status: 'gone' }) } as unknown as Store // nothing else of it is asked
  const options = { step, log: noLog, stopped: new AbortController().signal }
  for (const outcome of ['taken', 'unknown'] as const) {
    const told = { outcome }
    const settle = await settleStep(store, work, { ...options, verdict: { ...answerOf('backend'), told } })
    expect(settle.told).toEqual(outcome === 'taken' ? undefined : told)
  }
})
