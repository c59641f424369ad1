// Calls that end this way or that, for the tests of the breaker.
import { expect } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Breaker, BreakerOptions } from '../../../../core/guard/breaker.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'

export const options: BreakerOptions = { errorRate: 50, minimumCalls: 4, windowMs: 10_000, openForMs: 5_000 }
export const down = new GatewayError('BACKEND_FAILED', 'orders answers 500')

export const good = (): Promise<string> => Promise.resolve('ok')
export const ours = (): Promise<never> => Promise.reject(new GatewayError('ENCODE_FAILED', 'ours'))
/** It had too little time, and its end says nothing. */
export const untold = (): Promise<string> => withDeadline({ ms: 0, what: 'orders' }, good)
export const bad = (): Promise<never> => Promise.reject(down)

/** Runs a call and says how it ended: its value, or the code or name of its error. */
export async function outcome(
  breaker: Breaker,
  call: () => Promise<unknown>,
  isShort = false,
): Promise<unknown> {
  try {
    return await breaker.run(call, { isShort })
  } catch (error) {
    return error instanceof GatewayError ? error.code : error
  }
}

/** All steps of the ramp after a good probe (DESIGN §16, Breaker). */
export const rampMs = (3 * options.openForMs) / 4

export async function open(breaker: Breaker): Promise<void> {
  for (let i = 0; i < options.minimumCalls; i += 1) await outcome(breaker, bad)
  expect(breaker.state).toBe('OPEN')
}
