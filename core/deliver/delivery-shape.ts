// What a channel's `send` hands back, checked before anybody acts on it: the channel may be a plugin.
import { inspect } from 'node:util'
import { GatewayError } from '../api.ts'
import type { Delivery } from '../api.ts'
import { masked } from '../log/masked.ts'

const MAX_SHOWN = 80

/**
 * A delivery with its known members alone. Throws `CHANNEL_GONE` with what to write where it is none: what became of the push is then as
 * unknown as after any throw (SEMANTICS 6).
 */
export function deliveryOf(value: unknown, channel: string): Delivery {
  const given: Given = typeof value === 'object' && value !== null ? value : {}
  const { status, retry, reason, afterMs, keepMs } = given
  const why =
    reason === undefined ? {} : { reason: masked(typeof reason === 'string' ? reason : shown(reason)) }
  switch (status) {
    case 'sent':
      return { status }
    case 'refused':
      if (typeof retry === 'boolean' && (afterMs === undefined || isTime(afterMs)))
        return { status, retry, ...why, ...(afterMs !== undefined && { afterMs }) }
      throw wrong(value, channel, '{ status: "refused", retry: true }, or false; afterMs is a number')
    case 'unknown':
      if (keepMs === undefined || isTime(keepMs))
        return { status, ...why, ...(keepMs !== undefined && { keepMs }) }
      throw wrong(value, channel, '{ status: "unknown" }; keepMs is a number')
    case 'absent':
      if (isTime(keepMs)) return { status, keepMs, ...why }
      throw wrong(value, channel, '{ status: "absent", keepMs: 60000 }')
    default:
      throw wrong(value, channel, '{ status: "sent" }, or "refused", "unknown", "absent"')
  }
}

type Given = Readonly<Partial<Record<'status' | 'retry' | 'reason' | 'afterMs' | 'keepMs', unknown>>>

/** In milliseconds. */
function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function wrong(value: unknown, channel: string, cure: string): GatewayError {
  const what = `channel "${channel}" returned ${shown(value)} from send`
  return new GatewayError('CHANNEL_GONE', `${what}: write ${cure}`)
}

function shown(value: unknown): string {
  return inspect(value, { depth: 0, breakLength: Infinity }).slice(0, MAX_SHOWN)
}
