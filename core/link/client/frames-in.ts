// From what a transport brought to frames. The gateway is believed as far as its frames have names; what is unknown is left alone.
import type { DownFrame } from '../../api.ts'

const KNOWN = new Set(['welcome', 'ok', 'nak', 'gap', 'msg', 'reset', 'kick', 'pong'])

/** One frame, an array, or `{ frames: […] }`. Undefined: no JSON, or none of these. */
export function framesIn(text: string): readonly DownFrame[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (typeof value !== 'object' || value === null) return undefined
  const given: unknown = 'frames' in value ? value.frames : value
  const list: readonly unknown[] = Array.isArray(given) ? given : [given]
  return list.every(hasName) ? list.filter(isKnown) : undefined
}

function hasName(value: unknown): value is { readonly t: string } {
  return typeof value === 'object' && value !== null && 't' in value && typeof value.t === 'string'
}

function isKnown(value: unknown): value is DownFrame {
  return hasName(value) && KNOWN.has(value.t)
}
