// Whether a call has written anything: what ends before it had a connection has done nothing for certain (SEMANTICS 3).

/** By the signal a call is given and hands to `fetch`: whether a connection was there for any of its requests. */
const calls = new WeakMap<AbortSignal, boolean>()

/** A request of the call waits for a connection. */
export function waitsForLine(call: AbortSignal): void {
  if (!calls.has(call)) calls.set(call, false)
}

/** The connection is there, and the next thing is to write. */
export function hasLine(call: AbortSignal): void {
  calls.set(call, true)
}

/** It has asked for a connection and never had one. False for a call that says nothing of its requests. */
export function hasNeverWritten(call: AbortSignal): boolean {
  return calls.get(call) === false
}
