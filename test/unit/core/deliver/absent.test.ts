// Pushes whose receivers are away: what is done in the store and the lanes when one comes, and when it is not.
import { expect, test, vi } from 'vitest'
import { Absent } from '../../../../core/deliver/absent.ts'
import type { AbsentOptions } from '../../../../core/deliver/absent.ts'
import type { Hold } from '../../../../core/lanes/lease.ts'
import type { Work } from '../../../../core/store/store.ts'
import { testMessage } from '../../../../core/testing.ts'
import { recordingLog } from '../http/recording-log.ts'

const message = testMessage()
const fence = { counter: 7, random: 'r' }

function push(id: string, attempt = 3): Work {
  return {
    kind: 'push',
    id,
    home: `chat/${id}`,
    lane: 'push',
    attempt,
    poison: false,
    orphan: false,
    bytes: 0,
    message,
    ownerEpoch: 1,
    heldMs: 0,
    attempts: [],
  }
}

/** A store and lanes by hand. */
function setUp() {
  const running = new Set<string>()
  const settled: unknown[] = []
  const poked: string[] = []
  const state = { isOwner: true, holds: 0, failure: undefined as Error | undefined }
  const { log, lines } = recordingLog()
  const options: AbsentOptions = {
    log,
    store: {
      async settle(settling) {
        settled.push(settling)
        if (state.failure !== undefined) throw state.failure
        return { status: 'settled', sequences: [], offsets: [], waiting: 1 }
      },
    },
    lanes: {
      isRunning: (kind, id) => running.has(`${kind}/${id}`),
      poke: (home) => void poked.push(home),
      ownHold(): Hold | undefined {
        if (!state.isOwner) return undefined
        state.holds++
        return { fence, isLive: true, [Symbol.dispose]: () => void state.holds-- }
      },
    },
  }
  return { absent: new Absent(options), running, settled, poked, state, lines }
}

/** Everything that was begun is over. */
const over = () => new Promise((resolve) => setImmediate(resolve))

test('he comes: his push is due at once, under the lease of its partition, and its lane is looked at', async () => {
  const { absent, settled, poked, state } = setUp()
  absent.settled(push('a'), true)
  absent.arrived('another')
  await over()
  expect(settled).toEqual([])
  absent.arrived('a')
  absent.arrived('a')
  await over()
  expect(settled).toEqual([
    {
      home: 'chat/a',
      kind: 'push',
      id: 'a',
      attempt: 3,
      fence,
      outcome: 'retry',
      delayMs: 0,
      replies: [],
      inbox: false,
      pushes: [],
    },
  ])
  expect([poked, state.holds]).toEqual([['chat/a'], 0])
})

test('he comes while the try that misses him is under way: it is due again as soon as it is settled', async () => {
  const { absent, running, settled, poked } = setUp()
  running.add('push/a')
  absent.arrived('a')
  absent.arrived('nobody knows this one')
  running.clear()
  absent.settled(push('nobody knows this one'), true)
  await over()
  expect(settled).toEqual([])
  absent.settled(push('a', 4), true)
  await over()
  expect(settled).toMatchObject([{ id: 'a', attempt: 4, outcome: 'retry', delayMs: 0 }])
  expect(poked).toEqual(['chat/a'])
})

test('what has gone out waits no longer, nor is his early coming kept', async () => {
  const { absent, running, settled } = setUp()
  absent.settled(push('a'), true)
  absent.settled(push('a'), false)
  absent.arrived('a')
  running.add('push/b')
  absent.arrived('b')
  absent.settled(push('b'), false)
  absent.settled(push('b'), true)
  await over()
  expect(settled).toEqual([])
})

test('a partition that another instance has by now is left to it', async () => {
  const { absent, settled, poked, state, lines } = setUp()
  absent.settled(push('a'), true)
  state.isOwner = false
  absent.arrived('a')
  await over()
  expect([settled, poked, lines]).toEqual([[], [], []])
})

test('a store that fails costs a look later, nothing else', async () => {
  const { absent, poked, state, lines } = setUp()
  state.failure = new Error('the disk is full')
  absent.settled(push('a'), true)
  absent.arrived('a')
  await vi.waitFor(() => expect(lines).toMatchObject([{ level: 'debug', fields: { id: 'a' } }]), 10_000)
  expect([poked, state.holds]).toEqual([[], 0])
})

test('beyond 100,000 the one that was tried longest ago is forgotten', async () => {
  const { absent, settled } = setUp()
  const one = push('one')
  for (let n = 0; n < 100_000; n++) absent.settled({ ...one, id: `p${n}` }, true)
  absent.settled({ ...one, id: 'p0' }, true) // tried again: p1 is the oldest now
  absent.settled({ ...one, id: 'last' }, true)
  for (const id of ['p1', 'p0', 'p2', 'last']) absent.arrived(id)
  await over()
  expect(settled).toMatchObject([{ id: 'p0' }, { id: 'p2' }, { id: 'last' }])
})
