// Open work of every kind, and what is known of it where it may have been done elsewhere (SEMANTICS 2, 12).
import type { Work } from '../../../../core/store/store.ts'
import { answering, expectStatus, pushTo, settle, working } from '../../../conformance/store/world.ts'
import type { World } from '../../../conformance/store/world.ts'

export const timer = { id: 'promise', delayMs: 60_000, target: 'bot' }
export const lane = (name: string) => ({ conversation: `web:${name}` })
export const lost = { target: '', failure: { code: 'OUTCOME_UNKNOWN' } }
const released = { kind: 'claim', outcome: 'retry', delayMs: 72 * 3_600_000, attempt: 1 } as const

/** A message that waits, one in flight, a push, a promise, a released call and a halted write. */
export async function openWork(w: World): Promise<void> {
  await w.accept(working('waits', lane('1')))
  await w.begin('flies', lane('2'))
  await w.begin('answered', lane('3'))
  await w.settle(answering('answered', { ...lane('3'), ...pushTo('answered') }))
  await w.begin('promised', lane('4'))
  await w.settle(settle('promised', { ...lane('4'), outcome: 'taken', timer }))
  expectStatus(await w.store.claim(w.claim('call')), 'run')
  await w.store.settle(settle('call', released))
  await w.begin('halted', lane('5'))
  const dead = { code: 'OUTCOME_UNKNOWN', message: 'nobody knows' } as const
  await w.store.settle(
    settle('halted', { ...lane('5'), fence: w.fence, outcome: 'retry', delayMs: 1e12, dead }),
  )
}

/** Whatever is due, by id, with the attempts nobody saw end. */
export async function due(w: World): Promise<Record<string, Pick<Work, 'attempt' | 'attempts' | 'poison'>>> {
  const work = await w.takeWork()
  return Object.fromEntries(
    work.map(({ id, attempt, attempts, poison }) => [id, { attempt, attempts, poison }]),
  )
}

export const once = { attempt: 2, attempts: [{ attempt: 1, ...lost }], poison: false }
export const fresh = { attempt: 1, attempts: [], poison: false }
