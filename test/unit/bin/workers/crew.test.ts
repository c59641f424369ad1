// The workers of one supervisor, with children that only play gateway.
import cluster from 'node:cluster'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Crew } from '../../../../bin/workers/crew.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import { until } from '../../../support/gateway.ts'

const LONG_MS = 60_000
/** Forked by this very process: no more than one crew at a time. */
let ending: (() => Promise<number>) | undefined

afterEach(async () => {
  await ending?.()
  ending = undefined
  delete process.env['CREW_FILE']
})

interface Playing {
  readonly workers?: number
  readonly successorMs?: number
  readonly onPrepare?: () => unknown
}

function crew(child: string, { workers = 2, successorMs, onPrepare }: Playing = {}) {
  cluster.setupPrimary({
    exec: join(import.meta.dirname, 'crew-child.ts'),
    args: [],
    execArgv: [],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  process.env['CREW_CHILD'] = child
  const ended = Promise.withResolvers<number>()
  const said: string[] = []
  const logged: string[] = []
  let isReady = false
  const one = new Crew({
    workers,
    ...(successorMs !== undefined && { successorMs }),
    log: { ...noLog, error: (message) => logged.push(message), info: (message) => logged.push(message) },
    write: (lines) => said.push(...lines.split('\n').filter((line) => line !== '')),
    prepare: async (number) => {
      logged.push(`place ${number} is prepared`)
      await onPrepare?.()
    },
    onReady: () => (isReady = true),
    onFixed: (fixed) => logged.push(`all that follow have ${JSON.stringify(fixed)}`),
    onEnd: ended.resolve,
  })
  ending = () => {
    one.end(0)
    return ended.promise
  }
  one.start()
  return {
    one,
    said,
    logged,
    ended: ended.promise,
    ready: () => until(() => (isReady ? true : undefined), LONG_MS),
    pids: () => Object.values(cluster.workers ?? {}).map((worker) => worker?.process.pid ?? 0),
    times: (message: string) => logged.filter((line) => line === message).length,
  }
}

test('a worker that dies five times without having been ready ends everything with 1', async () => {
  const { ended, times } = crew('dies')
  expect(await ended).toBe(1)
  expect(times('a worker has died')).toBe(5)
  expect(times('no worker gets ready: this is the end; the lines before say why')).toBe(1)
})

test('a first worker that says why it cannot start ends everything at once, with 1', async () => {
  const { ended, said, times } = crew('refuses')
  expect(await ended).toBe(1)
  await until(() => said[0], LONG_MS) // it comes by its own pipe
  expect(said).toEqual(['dragoman: it cannot be'])
  expect(times('a worker has died')).toBe(1)
})

test('while others run, one that does not get ready is tried again for ever', async () => {
  const { ready, pids, times, ended } = crew('lives')
  await ready()
  const [first] = pids()
  process.env['CREW_CHILD'] = 'refuses'
  process.kill(first ?? 0, 'SIGKILL')
  // The one that was ready, and five that were not.
  await until(() => (times('a worker has died') >= 6 && pids().length === 1 ? true : undefined), LONG_MS)
  await ending?.()
  expect(await ended).toBe(0)
})

test('who comes in the place of one that died runs as the others do, whatever the file says since; a replacement goes by the file', async () => {
  process.env['CREW_FILE'] = 'one store'
  const { one, ready, pids, said, logged } = crew('lives')
  const runs = (count: number) =>
    until(() => {
      const heard = said.filter((line) => line.startsWith('it runs'))
      return heard.length === count ? said.splice(0) && heard : undefined
    }, LONG_MS)
  await ready()
  expect(await runs(2)).toEqual(['it runs with one store', 'it runs with one store'])

  process.env['CREW_FILE'] = 'another'
  process.kill(pids()[0] ?? 0, 'SIGKILL')
  expect(await runs(1)).toEqual(['it runs with one store'])

  await until(() => (pids().length === 2 ? true : undefined), LONG_MS)
  const replaced = one.replaceAll()
  expect(await runs(1)).toEqual(['it runs with another beside one store'])
  process.env['CREW_FILE'] = 'a third'
  await replaced
  expect(logged.filter((line) => line.startsWith('all that'))).toEqual([
    'all that follow have {"file":"another"}',
  ])
  expect(await runs(1)).toEqual(['it runs with another'])

  process.kill(pids()[0] ?? 0, 'SIGKILL')
  expect(await runs(1)).toEqual(['it runs with another'])
})

test.each([
  ['dies, and is there again,', 'while the first successor is prepared', 1],
  ['has died', 'and is not there again yet', 0],
])(
  'a place whose worker %s %s is replaced as well: all have the sections of the first successor',
  async (_, _when, dying) => {
    process.env['CREW_FILE'] = 'one store'
    const runs = (): number => said.filter((line) => line.startsWith('it runs')).length
    const die = (): void => void process.kill(pids()[1] ?? 0, 'SIGKILL')
    let isFirst = true
    const { one, ready, pids, said, times } = crew('lives', {
      onPrepare: async () => {
        if (isFirst && dying === 1) {
          die()
          await until(() => (runs() === 3 ? true : undefined), LONG_MS)
        }
        isFirst = false
      },
    })
    await ready()
    await until(() => (runs() === 2 ? true : undefined), LONG_MS)
    process.env['CREW_FILE'] = 'another'
    if (dying === 0) {
      die()
      await until(() => (times('a worker has died') === 1 ? true : undefined), LONG_MS)
    }
    await one.replaceAll()
    expect(times('all workers were replaced')).toBe(1)
    await new Promise((passed) => setTimeout(passed, 500)) // one that is pending would be there after 100 ms
    said.length = 0
    one.reload()
    await until(() => (runs() === 2 ? true : undefined), LONG_MS)
    expect(said.filter((line) => line.startsWith('it runs'))).toEqual(Array(2).fill('it runs with another'))
    expect(pids()).toHaveLength(2)
  },
)

test('who asks for a replacement during one gets another after it; of several one is kept', async () => {
  const { one, ready, pids, times } = crew('lives')
  await ready()
  const first = one.replaceAll()
  await until(() => (times('a worker is ready') === 3 ? true : undefined), LONG_MS)
  const between = pids()
  await Promise.all([one.replaceAll(), one.replaceAll(), first])
  expect(times('all workers were replaced')).toBe(2)
  expect(pids().filter((pid) => between.includes(pid))).toEqual([])
})

test('all are replaced, each by one in a free place that was prepared; what they say comes line by line', async () => {
  const { one, ready, pids, said, logged } = crew('lives')
  await ready()
  const before = pids()
  await one.replaceAll()
  expect(pids().filter((pid) => before.includes(pid))).toEqual([])
  expect(logged.filter((line) => line.startsWith('place'))).toEqual([
    'place 3 is prepared',
    'place 1 is prepared',
  ])
  await until(() => (said.length === 4 ? true : undefined), LONG_MS)
  expect(said.toSorted()).toEqual([
    'worker 1 speaks',
    'worker 1 speaks',
    'worker 2 speaks',
    'worker 3 speaks',
  ])
})

test('one that dies while its successor starts is not started again beside it', async () => {
  let isFirst = true
  const { one, ready, pids, times } = crew('lives', {
    onPrepare: () => {
      if (isFirst) setImmediate(() => process.kill(pids()[0] ?? 0, 'SIGKILL'))
      isFirst = false
    },
  })
  await ready()
  await one.replaceAll()
  expect(times('all workers were replaced')).toBe(1)
  expect(times('a worker has died')).toBe(1)
  await new Promise((passed) => setTimeout(passed, 500)) // it would be there after 100 ms
  expect(pids()).toHaveLength(2)
})

test('an end while a successor’s place is prepared starts nobody in it', async () => {
  const { one, ready, ended, times } = crew('lives', { onPrepare: () => one.end(0) })
  await ready()
  await one.replaceAll()
  expect(await ended).toBe(0)
  expect(times('a worker is ready')).toBe(2)
})

test('where a successor does not get ready the others go on, and the next try may succeed', async () => {
  const { one, ready, pids, times } = crew('lives')
  await ready()
  const before = pids()
  process.env['CREW_CHILD'] = 'dies'
  await one.replaceAll()
  expect(times('the workers were not all replaced; those that run go on')).toBe(1)
  expect(pids()).toEqual(before)
  process.env['CREW_CHILD'] = 'lives'
  await one.replaceAll()
  expect(times('all workers were replaced')).toBe(1)
})

test('a successor that neither gets ready nor ends is killed, and the next replacement may begin', async () => {
  const { one, ready, pids, times } = crew('lives', { successorMs: 5000 })
  await ready()
  const before = pids()
  process.env['CREW_CHILD'] = 'hangs'
  await one.replaceAll()
  expect(times('the workers were not all replaced; those that run go on')).toBe(1)
  await until(() => (pids().length === before.length ? true : undefined), LONG_MS)
  expect(pids()).toEqual(before)
  process.env['CREW_CHILD'] = 'refuses'
  await one.replaceAll()
  expect(times('the workers were not all replaced; those that run go on')).toBe(2)
})

test('a reload is asked of each, of one that starts when it is ready: the signal would end it before', async () => {
  const { one, ready, said, times } = crew('lives', {
    onPrepare: () => setImmediate(() => one.reload()), // the next turn: the successor is a process, and no more than that
  })
  await ready()
  await one.replaceAll()
  expect(times('all workers were replaced')).toBe(1)
  expect(times('a worker has died')).toBe(0)
  await until(() => (said.includes('worker 3 loads again') ? true : undefined), LONG_MS)
})

test('a reload goes to each', async () => {
  const { one, ready, said } = crew('lives', { workers: 3 })
  await ready()
  one.reload()
  await until(
    () => (said.filter((line) => line.endsWith('loads again')).length === 3 ? true : undefined),
    LONG_MS,
  )
})
