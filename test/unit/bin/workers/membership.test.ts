// A worker whose supervisor is gone: it ends, in order where it has begun.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { WORKER } from '../../../../bin/workers/messages.ts'

test.each([
  ['one that is still starting ends at once', 'starting', 1],
  ['one that has begun leaves as it is told to', 'begun', 0],
])('without a supervisor %s', async (_, child, status) => {
  cluster.setupPrimary({
    exec: join(import.meta.dirname, 'membership-child.ts'),
    args: [],
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const worker = cluster.fork({ [WORKER]: '1', MEMBER_CHILD: child })
  try {
    await once(worker, 'message')
    const ended = once(worker, 'exit')
    worker.process.disconnect()
    expect((await ended)[0]).toBe(status)
  } finally {
    worker.process.kill('SIGKILL')
  }
})
