// When a business system says it may be asked again.

/** Retry-After in milliseconds from now (RFC 9110 §10.2.3): seconds or a date. Undefined where it is neither. */
export function retryAfterMs(field: string | null, now: number): number | undefined {
  const value = (field ?? '').trim()
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  if (!/^[A-Z][a-z]{2}, /.test(value)) return undefined
  const moment = Date.parse(value)
  return Number.isNaN(moment) ? undefined : Math.max(0, moment - now)
}
