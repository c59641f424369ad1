// What goes out to one conversation at the same time takes turns.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Verdict } from '../../../../core/deliver/deliver.ts'
import { PushTurns } from '../../../../core/deliver/push-turns.ts'
import type { Work } from '../../../../core/store/store.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

const sent: Verdict = { outcome: 'answered', target: 'channel chat' }
const again: Verdict = { outcome: 'retry', target: 'channel chat', delayMs: 100 }

/** Part `part` of a reply of three; without it a text of its own. */
function push(id: string, part?: number, conversation = 'chat:ann'): Work {
  const parts = Array.from({ length: part === undefined ? 1 : 3 }, () => ({ kind: 'text', text: 'p' }))
  // Of a work turns look at no more than this.
  return { message: { id, conversation, parts }, ...(part !== undefined && { part }) } as unknown as Work
}

function world() {
  const turns = new PushTurns()
  const begun: string[] = []
  const end = new Map<string, (verdict: Verdict) => Promise<unknown>>()
  async function send(work: Work): Promise<void> {
    const name = work.part === undefined ? work.message.id : `${work.message.id}/${work.part}`
    const { promise, resolve } = Promise.withResolvers<Verdict>()
    const taken = turns.take(work, () => {
      begun.push(name)
      return promise
    })
    end.set(name, (verdict) => {
      resolve(verdict)
      return taken
    })
    await vi.advanceTimersByTimeAsync(0)
  }
  return { turns, begun, send, end: async (name: string, verdict = sent) => end.get(name)?.(verdict) }
}

test('a text waits for all parts of the reply that was begun before it, and the next reply for the text', async () => {
  const { turns, begun, send, end } = world()
  await send(push('reply', 0))
  await send(push('text'))
  for (const part of [0, 1]) {
    await end(`reply/${part}`)
    await send(push('reply', part + 1))
  }
  expect(begun).toEqual(['reply/0', 'reply/1', 'reply/2'])
  await end('reply/2')
  await send(push('other', 0))
  expect(begun.slice(3)).toEqual(['text'])
  await end('text')
  expect(begun.slice(4)).toEqual(['other/0'])
  await end('other/0', { ...sent, outcome: 'failed' })
  expect(turns.size).toBe(0)
})

test('nobody waits for a part that has to be tried again, nor for one that does not come', async () => {
  const { turns, begun, send, end } = world()
  await send(push('reply', 0))
  await send(push('text'))
  await end('reply/0', again)
  expect(begun).toEqual(['reply/0', 'text'])
  await end('text')
  await send(push('reply', 0))
  await end('reply/0')
  await send(push('late'))
  expect(begun.slice(2)).toEqual(['reply/0'])
  await vi.advanceTimersByTimeAsync(2000)
  expect(begun.slice(3)).toEqual(['late'])
  await end('late')
  expect(turns.size).toBe(0)
})

test('behind an answer that is pushed whole nothing waits for its parts', async () => {
  const { begun, send, end } = world()
  await send(push('reply', -1))
  await send(push('text'))
  await end('reply/-1')
  expect(begun).toEqual(['reply/-1', 'text'])
})

test('other conversations go on beside it', async () => {
  const { begun, send } = world()
  await send(push('reply', 0))
  await send(push('text', undefined, 'chat:bob'))
  expect(begun).toEqual(['reply/0', 'text'])
})
