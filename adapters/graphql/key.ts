// The Idempotency-Key field: the caller's own id of what he asks for.
import { GatewayError } from 'dragoman'

const MAX_KEY = 256
// RFC 9651 §3.3.3: a structured string, its escapes and nothing after it.
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/
// A comma would be two fields joined by the edge (RFC 9110 §5.3).
const BARE = /^[!#-+\--~]+$/

/** The key, bare or quoted; undefined where there is none. Throws `DECODE_FAILED`. */
export function idempotencyKey(field: string | undefined): string | undefined {
  if (field === undefined) return undefined
  const trimmed = field.trim()
  const key = QUOTED.exec(trimmed)?.[1]?.replaceAll(/\\(["\\])/g, '$1') ?? BARE.exec(trimmed)?.[0]
  if (key !== undefined && key !== '' && key.length <= MAX_KEY) return key
  throw new GatewayError(
    'DECODE_FAILED',
    `Idempotency-Key ${JSON.stringify(trimmed.slice(0, 80))} is not one key of at most ${MAX_KEY} characters: send one word or one quoted text, once`,
  )
}
