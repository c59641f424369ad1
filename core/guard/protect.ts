// What stands around each call of a backend or an agent, from outside in: bulkhead( breaker( deadline( call ))) (DESIGN §7).
import { GatewayError } from '../api.ts'
import type { Protect } from '../calls/calls.ts'
import type { BreakerChange, Surroundings } from '../components/components.ts'
import { createBreaker } from './breaker.ts'
import type { Breaker, BreakerOptions } from './breaker.ts'
import { createBulkhead } from './bulkhead.ts'
import type { Bulkhead, Place } from './bulkhead.ts'
import { withDeadline } from './deadline.ts'
import type { CallSettings, ComponentSettings } from '../settings.ts'
import type { Called } from '../telemetry.ts'

export interface Watch extends Pick<BreakerChange, 'owner' | 'operation' | 'label'> {
  readonly around: Surroundings
  /** Another generation runs without its component: what the attempts of the old one still find is theirs alone. */
  readonly isReplaced: () => boolean
}

/** The breaker of one operation or agent: as it stood before, each change told until it is replaced. */
export function watched({ around, isReplaced, ...who }: Watch, options: BreakerOptions): Breaker {
  const { owner, operation } = who
  const saved = around.savedBreaker?.(owner, operation)
  const { lead } = around
  let made: Breaker | undefined
  made = createBreaker(`${owner}.${operation}`, options, {
    saved,
    onState: (state, reason, isAdopted) => {
      if (isReplaced()) return
      const snapshot = made === undefined ? saved : made.snapshot()
      around.onBreaker({ ...who, state, reason, snapshot, isAdopted })
    },
    ...(lead !== undefined && { lead: () => lead(`${owner}.${operation}`) }),
  })
  return made
}

/** Undefined: any number of calls at once. */
export function bulkheadOf(
  { id, bulkhead }: ComponentSettings & CallSettings,
  around: Surroundings,
): Bulkhead | undefined {
  return bulkhead && createBulkhead(bulkhead, around.limit('bulkhead', id))
}

/** Each call is reported once, refused ones too. */
export function protection(
  { breaker, bulkhead }: { readonly breaker: Breaker; readonly bulkhead: Bulkhead | undefined },
  what: string,
  { around, ...called }: Pick<Called, 'target' | 'name' | 'operation'> & { readonly around: Surroundings },
): Protect {
  const { log } = around
  return async ({ ms, priority, signal, waits = false, shortened }, call) => {
    const begun = performance.now()
    const guarded = (givenMs: number, made: typeof call): ReturnType<typeof call> =>
      breaker.run(() => withDeadline({ ms: givenMs, shortened, signal, what, log }, made), {
        isShort: shortened?.(givenMs) === true,
      })
    let result = 'ok'
    let place: Place | undefined
    try {
      if (bulkhead === undefined) return await guarded(ms, call)
      const entered = bulkhead.enter({ what, signal, waitMs: waits ? ms / 2 : 0 })
      const held = (place = entered instanceof Promise ? await entered : entered)
      const left = ms - (performance.now() - begun)
      return await guarded(left, (inner) => held.hold(() => call(inner)))
    } catch (error) {
      result = error instanceof GatewayError ? error.code : 'ABORTED'
      throw error
    } finally {
      place?.[Symbol.dispose]()
      around.onCalled({ ...called, result, durationMs: performance.now() - begun })
      const turn = around.goOn?.(priority)
      if (turn !== undefined) await turn
    }
  }
}
