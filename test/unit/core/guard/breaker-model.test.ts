// The breaker beside a small reference model, over any history of calls and time.
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { bad, down, good, options, ours, outcome } from './breaker-calls.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Step = number | 'good' | 'bad' | 'ours' | 'begin' | 'endGood' | 'endBad'

test('it agrees with a small reference model over any history of calls and time', async () => {
  const steps = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Step[]>('good', 'bad', 'ours') },
    { weight: 1, arbitrary: fc.constantFrom<Step[]>('begin', 'endGood', 'endBad') },
    { weight: 2, arbitrary: fc.constantFrom<Step[]>(100, 999, 1_000, 2_500, 5_000, 12_000) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 120 }), async (history) => {
      const breaker = createBreaker('model', options)
      const model = reference()
      const waiting: { readonly call: PromiseWithResolvers<string>; readonly end: Promise<unknown> }[] = []
      const step = async (what: Step): Promise<boolean> => {
        if (typeof what === 'number') {
          await vi.advanceTimersByTimeAsync(what)
          model.pass(what)
          return true
        }
        if (what === 'endGood' || what === 'endBad') {
          const oldest = waiting.shift()
          if (oldest === undefined) return true
          if (what === 'endGood') oldest.call.resolve('ok')
          else oldest.call.reject(down)
          await oldest.end
          model.end(what === 'endGood' ? 'good' : 'bad', 'oldest')
          return true
        }
        const admitted = model.begin()
        if (what === 'begin' && admitted) {
          const call = Promise.withResolvers<string>()
          waiting.push({ call, end: outcome(breaker, () => call.promise) })
          return true
        }
        const end = await outcome(breaker, { begin: good, good, bad, ours }[what])
        if (admitted && what !== 'begin') model.end(what, 'newest')
        return (end === 'BREAKER_OPEN') === !admitted
      }
      for (const what of history) {
        expect(await step(what), `admission of ${what} in ${JSON.stringify(history)}`).toBe(true)
        expect(breaker.state).toBe(model.state())
      }
      breaker.dispose()
    }),
    { numRuns: 300 },
  )
})

/** The rules of the breaker in the plainest words: a list of counted calls, each with the tenth of the window it fell in. */
function reference() {
  let now = 0
  let state = 'ACTIVE'
  let openForMs = options.openForMs
  let until = 0
  let era = 0
  let probing = false
  let counted: { readonly bucket: number; readonly bad: boolean }[] = []
  const begun: number[] = []
  const turn = (to: string): void => {
    state = to
    era += 1
    probing = false
  }
  const openNow = (): void => {
    until = now + openForMs
    turn('OPEN')
  }
  return {
    state: () => state,
    pass(ms: number) {
      now += ms
      if (state === 'OPEN' && now >= until) turn('HALF-OPEN')
    },
    begin(): boolean {
      if (state === 'OPEN' || (state === 'HALF-OPEN' && probing)) return false
      probing = state === 'HALF-OPEN'
      begun.push(era)
      return true
    },
    end(how: 'good' | 'bad' | 'ours', which: 'oldest' | 'newest') {
      const of = which === 'oldest' ? begun.shift() : begun.pop()
      if (of !== era) return
      if (how === 'ours') {
        probing = false
      } else if (state === 'HALF-OPEN') {
        if (how === 'good') {
          openForMs = options.openForMs
          counted = []
          turn('ACTIVE')
        } else {
          openForMs = Math.min(2 * openForMs, 4 * options.openForMs)
          openNow()
        }
      } else {
        const bucket = Math.floor(now / 1_000)
        counted = [...counted.filter((call) => bucket - call.bucket < 10), { bucket, bad: how === 'bad' }]
        const failures = counted.filter((call) => call.bad).length
        const rate = (failures / counted.length) * 100
        if (how === 'bad' && counted.length >= options.minimumCalls && rate >= options.errorRate) openNow()
      }
    },
  }
}
