// Which signals `dragoman start` keeps from its first moment, and what becomes of them.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { signalsOf } from '../../../../bin/start/signals.ts'
import type { Asking } from '../../../../bin/start/signals.ts'
import { until } from '../../../support/gateway.ts'

async function begun() {
  const child = fork(join(import.meta.dirname, 'signals-child.ts'), { execArgv: [], stdio: 'ignore' })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return {
    child,
    /** From now on it hears these. What it has heard so far. */
    listening: async (...signals: readonly Asking[]): Promise<unknown> => {
      const answer = once(child, 'message')
      child.send(signals)
      return ((await answer) as unknown[])[0]
    },
  }
}

test('all that an operator may send to a gateway is kept, of another command nothing', () => {
  const all = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM', 'SIGINT']
  expect(signalsOf(['start', '--port', '0'])).toEqual(all)
  expect(signalsOf(['start', '--workers', '4'])).toEqual(all)
  expect(signalsOf(['check', 'start'])).toEqual([])
})

// By a status of its own: to the first process of a container the kernel does not do what it does to others.
test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('%s while it starts is the end, with %i', async (signal, status) => {
  const { child } = await begun()
  const ended = once(child, 'exit')
  child.kill(signal)
  expect(await ended).toEqual([status, null])
})

test('once it listens, each SIGTERM and SIGINT is heard, and none of them ends it', async () => {
  const { child, listening } = await begun()
  await listening('SIGTERM', 'SIGINT')
  for (const [at, signal] of (['SIGTERM', 'SIGTERM', 'SIGINT', 'SIGINT'] as const).entries()) {
    child.kill(signal)
    await until(async () => {
      const { heard } = (await listening()) as { heard: readonly Asking[] } // as the child says it
      return heard.length > at ? true : undefined
    })
  }
})

test('the others wait for their listener, SIGUSR1 without opening the debugger', async () => {
  const { child, listening } = await begun()
  const signals = ['SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const
  for (const signal of signals) child.kill(signal)
  expect(await listening()).toEqual({ heard: [], debugger: null })
  await until(async () => {
    const { heard } = (await listening(...signals)) as { heard: readonly Asking[] } // as the child says it
    return signals.every((signal) => heard.includes(signal)) ? true : undefined
  })
  expect(await listening()).toMatchObject({ debugger: null })
})
