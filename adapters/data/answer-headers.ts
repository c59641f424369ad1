// The header fields of a business system's answer, as expressions see them.

/**
 * `$headers`: names in lower case, a text for each, where the name came more than once joined by `, ` (RFC 9110 §5.3). Only
 * `set-cookie` is not joined (RFC 6265 §3): several of them are a list of texts.
 */
export function answerHeaders(headers: Headers): Readonly<Record<string, string | readonly string[]>> {
  const cookies = headers.getSetCookie()
  return { ...Object.fromEntries(headers), ...(cookies.length > 1 && { 'set-cookie': cookies }) }
}
