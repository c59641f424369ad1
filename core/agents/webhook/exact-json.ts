// JSON as it was written: no digit of it is lost on the way through a double (DESIGN §3).

/**
 * Parses JSON. A number whose text a double does not give back (`1.10`, `1e5`, 20 digits) stays the text it was, as does
 * every integer beyond 2^53. Throws `SyntaxError`, or `RangeError` for nesting beyond all measure.
 */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== 'number' || context?.source === undefined) return value
    const exact =
      String(value) === context.source && (!Number.isInteger(value) || Number.isSafeInteger(value))
    return exact ? value : context.source
  })
}
