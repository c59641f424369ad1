// How long a frame is on its way.
import type { UpFrame } from '../../api.ts'

/** Bytes of its JSON text in UTF-8, as limits count them (DESIGN §16). */
export function frameBytes(frame: UpFrame): number {
  return new TextEncoder().encode(JSON.stringify(frame)).length
}
