// The breaker beside a small reference model, over any history of calls, time and operators.
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { bad, down, good, options as base, ours, outcome, untold } from './breaker-calls.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

type Call = 'good' | 'bad' | 'slow' | 'ours' | 'short' | 'shortGood' | 'shortSlow'

const OFF_MS = 3_000
const options = { ...base, slowMs: 2_000, slowRate: 60 }
type Step = number | Call | 'begin' | 'endGood' | 'endBad' | 'off' | 'on'

const HOWS = {
  good: 'good',
  bad: 'bad',
  slow: 'good',
  ours: 'ours',
  short: 'untold',
  shortGood: 'good',
  shortSlow: 'untold',
} as const

test('it agrees with a small reference model over any history of calls, time and operators', async () => {
  const steps = fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom<Step[]>('good', 'bad', 'bad', 'slow', 'slow', 'ours') },
    { weight: 4, arbitrary: fc.constantFrom<Step[]>('short', 'short', 'shortGood', 'shortSlow') },
    { weight: 4, arbitrary: fc.constantFrom<Step[]>('begin', 'endGood', 'endBad') },
    { weight: 5, arbitrary: fc.constantFrom<Step[]>(100, 999, 1_000, 1_250, 2_500, 5_000, 12_000) },
    { weight: 1, arbitrary: fc.constantFrom<Step[]>('off', 'on') },
  )
  // Long enough for ten in a row after a time when all was well.
  const runs = fc.constantFrom<Step[][]>(Array<Step>(12).fill('good'), Array<Step>(11).fill('bad'))
  const histories = fc
    .array(fc.oneof({ weight: 30, arbitrary: steps.map((step) => [step]) }, { weight: 1, arbitrary: runs }), {
      maxLength: 120,
      size: 'max',
    })
    .map((parts) => parts.flat())
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(histories, async (history) => {
      let before = 'ACTIVE'
      const breaker = createBreaker('model', options, {
        onState: (state, reason) => {
          seen.add(`${before} → ${state}`)
          if (reason.includes('slow')) seen.add('slow')
          if (reason.includes('in a row')) seen.add('in a row')
          before = state
        },
      })
      const model = reference()
      const waiting: { readonly call: PromiseWithResolvers<string>; readonly end: Promise<unknown> }[] = []
      const step = async (what: Step): Promise<boolean> => {
        if (typeof what === 'number') {
          await vi.advanceTimersByTimeAsync(what)
          model.pass(what)
          return true
        }
        if (what === 'off' || what === 'on') {
          if (what === 'on') breaker.on()
          else breaker.off('by hand', OFF_MS)
          model[what]()
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
        const isShort = what.startsWith('short')
        const admitted = model.begin(isShort)
        if (what === 'begin' && admitted) {
          const call = Promise.withResolvers<string>()
          waiting.push({ call, end: outcome(breaker, () => call.promise) })
          return true
        }
        const slow = async (): Promise<void> => {
          await vi.advanceTimersByTimeAsync(options.slowMs)
          model.pass(options.slowMs)
        }
        const shortSlow = (): Promise<string> => slow().then(untold)
        const calls = { begin: good, good, bad, slow, ours, short: untold, shortGood: good, shortSlow }
        const end = await outcome(breaker, calls[what], isShort)
        const isProbed = waiting.length > 0 || !breaker.reason.startsWith('it was open for')
        if (breaker.state === 'HALF-OPEN' && end === 'BREAKER_OPEN' && !isProbed) seen.add('kept for others')
        if (admitted && what !== 'begin') model.end(HOWS[what], 'newest')
        return (end === 'BREAKER_OPEN') === !admitted
      }
      for (const [at, what] of history.entries()) {
        const where = `${what} at ${at} of ${JSON.stringify(history)}`
        expect(await step(what), where).toBe(true)
        expect(breaker.state, where).toBe(model.state())
        if (breaker.state === 'OPEN') expect(breaker.retryAfterMs(), where).toBe(model.retryAfterMs())
      }
      breaker.dispose()
    }),
    { numRuns: 300 },
  )
  // A model that never gets anywhere proves nothing.
  expect([...seen].toSorted()).toEqual(
    [
      'ACTIVE → OFF',
      'ACTIVE → OPEN',
      'HALF-OPEN → ACTIVE',
      'HALF-OPEN → HALF-OPEN',
      'HALF-OPEN → OFF',
      'HALF-OPEN → OPEN',
      'OFF → ACTIVE',
      'OFF → OFF',
      'OPEN → ACTIVE',
      'OPEN → HALF-OPEN',
      'OPEN → OFF',
      'slow',
      'in a row',
      'kept for others',
    ].toSorted(),
  )
})

interface Counted {
  readonly bucket: number
  readonly bad: boolean
  readonly slow: boolean
}

/** The rules of the breaker in the plainest words: a list of counted calls, each with the tenth of the window it fell in. */
function reference() {
  const { openForMs, minimumCalls, errorRate, slowMs, slowRate } = options
  const shares = [0.01, 0.05, 0.25]
  let now = 0
  let state = 'ACTIVE'
  let openFor = openForMs
  let healthySince = 0
  let until = 0
  let era = 0
  let probing = false
  let untoldAt = -Infinity
  let ramp: { step: number; until: number; credit: number } | undefined
  let counted: Counted[] = []
  let inARow = 0
  const begun: { readonly era: number; readonly at: number }[] = []
  const turn = (to: string): void => {
    state = to
    era += 1
    probing = false
    untoldAt = -Infinity
  }
  const forget = (): void => {
    counted = []
    inARow = 0
  }
  const openNow = (ms: number): void => {
    openFor = ms
    until = now + ms
    ramp = undefined
    turn('OPEN')
  }
  const activeAt = (moment: number): void => {
    ramp = undefined
    healthySince = moment
    forget()
    turn('ACTIVE')
  }
  const isOver = (which: 'bad' | 'slow', rate: number): boolean =>
    counted.some((call) => call[which]) &&
    (counted.filter((call) => call[which]).length / counted.length) * 100 >= rate
  const doubled = (): number => Math.min(2 * openFor, 4 * openForMs)
  return {
    state: () => state,
    retryAfterMs: () => until - now,
    off() {
      until = now + OFF_MS
      ramp = undefined
      forget()
      turn('OFF')
    },
    on() {
      if (state === 'ACTIVE') return
      openFor = openForMs
      activeAt(now)
    },
    pass(ms: number) {
      now += ms
      if (state === 'OPEN' && now >= until) turn('HALF-OPEN')
      if (state === 'OFF' && now >= until) {
        openFor = openForMs
        activeAt(until)
      }
      while (ramp !== undefined && now >= ramp.until) {
        if (ramp.step === 2) activeAt(ramp.until)
        else ramp = { step: ramp.step + 1, until: ramp.until + openForMs / 4, credit: 1 }
      }
    },
    begin(isShort: boolean): boolean {
      if (state === 'OPEN' || state === 'OFF' || probing) return false
      if (ramp !== undefined && ramp.credit < 1) {
        ramp.credit += shares[ramp.step] ?? 1
        return false
      }
      if (ramp !== undefined) ramp.credit -= 1
      const isProbe = state === 'HALF-OPEN' && ramp === undefined
      if (isProbe && isShort && now < untoldAt + openFor) return false
      probing = isProbe
      begun.push({ era, at: now })
      return true
    },
    end(how: 'good' | 'bad' | 'ours' | 'untold', which: 'oldest' | 'newest') {
      const call = which === 'oldest' ? begun.shift() : begun.pop()
      if (call === undefined || call.era !== era) return
      const slow = now - call.at >= slowMs
      if (how === 'ours' || (how === 'untold' && !slow)) {
        if (how === 'untold') untoldAt = now
        probing = false
        return
      }
      inARow = how === 'bad' ? inARow + 1 : 0
      const bucket = Math.floor(now / 1_000)
      counted = [...counted.filter((each) => bucket - each.bucket < 10), { bucket, bad: how === 'bad', slow }]
      if (state === 'HALF-OPEN' && ramp === undefined) {
        if (how === 'bad' || slow) return openNow(doubled())
        forget()
        ramp = { step: 0, until: now + openForMs / 4, credit: 1 }
        return turn('HALF-OPEN')
      }
      if (state === 'HALF-OPEN') {
        if (isOver('bad', errorRate) || isOver('slow', slowRate)) openNow(doubled())
        return
      }
      while (now - healthySince >= openForMs) {
        healthySince += openForMs
        openFor = Math.max(openForMs, openFor / 2)
      }
      if (counted.length < minimumCalls) return
      const isDead = inARow >= 10
      if ((how === 'bad' && isOver('bad', errorRate)) || isDead || isOver('slow', slowRate)) openNow(openFor)
    },
  }
}
