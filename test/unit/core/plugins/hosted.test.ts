// DESIGN §9: a component in a worker, as the gateway holds it, without a worker.
import { expect, test } from 'vitest'
import { Hosted } from '../../../../core/plugins/hosted.ts'
import type { Home } from '../../../../core/plugins/hosted.ts'
import type { Thread } from '../../../../core/plugins/thread.ts'
import { recordingLog } from '../http/recording-log.ts'

function worker(): { readonly thread: Thread; readonly heard: string[] } {
  const heard: string[] = []
  const thread: Thread = {
    adapter: { name: 'poller', roles: {} },
    rpc: {
      async call(method) {
        heard.push(method)
        return { operations: {}, sends: false, probes: false }
      },
      tell: (method) => void heard.push(method),
      flush: () => undefined,
      close: () => undefined,
    },
    died: new Promise(() => undefined),
    memory: { heap: 0, external: 0 },
    suspect: () => undefined,
    end: async () => undefined,
  }
  return { thread, heard }
}

test('a channel that finishes what is under way is told of its end at once, and again in the worker that follows one that died', async () => {
  const [first, second] = [worker(), worker()]
  let { thread } = first
  const home: Home = {
    name: 'poller',
    log: recordingLog().log,
    get thread() {
      return thread
    },
    why: '',
    isTried: false,
    enter: () => 1,
    leave: () => undefined,
    called: () => undefined,
    errored: () => undefined,
    failed: () => undefined,
  }
  const beginning = {
    role: 'channel',
    id: 'poll',
    config: '{}',
    responseLimitBytes: 1,
    operations: {},
  } as const
  const hosted = new Hosted(home, { beginning, services: {} })
  await hosted.start()
  hosted.close()
  expect(first.heard).toEqual(['begin', 'ending'])
  hosted.lost()
  thread = second.thread
  await hosted.beginOn(thread)
  expect(second.heard).toEqual(['begin', 'ending'])
})
