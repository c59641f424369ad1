// What the instances tell each other beside the store: by a channel's name, at once, at most once. No guarantee hangs on it.
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'

export interface Broadcast {
  /** To all other instances. What cannot go out now is lost. Throws `TOO_LARGE` beyond 1 MB of JSON. */
  tell(name: string, said: Json): void
  /** Called with what the others tell, and under which name. Disposed with the store. */
  hear(ear: Ear): void
}

export type Ear = (name: string, said: Json) => void

const MAX_BYTES = 1024 * 1024

/** As it goes over the line. Throws `TOO_LARGE`. */
export function encodeTold(name: string, said: Json): string {
  const text = JSON.stringify([name, said])
  const bytes = Buffer.byteLength(text)
  if (bytes > MAX_BYTES)
    throw new GatewayError(
      'TOO_LARGE',
      `${bytes} bytes for another instance are more than ${MAX_BYTES}; only a receiver that is connected here can get it`,
    )
  return text
}
