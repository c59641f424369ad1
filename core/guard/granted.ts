// Which priority the door has granted a request. The request's signal carries it: adapters hand that on, whatever protocol they speak.
import type { Priority } from '../api.ts'

const granted = new WeakMap<AbortSignal, Priority>()

export function grant(signal: AbortSignal | undefined, priority: Priority): void {
  if (signal !== undefined) granted.set(signal, priority)
}

/** Undefined: the caller asked for none, or the request did not come through the door. */
export function grantedTo(signal: AbortSignal | undefined): Priority | undefined {
  return signal === undefined ? undefined : granted.get(signal)
}
