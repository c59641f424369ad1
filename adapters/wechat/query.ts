// The query of a push: each key once, nothing guessed.

/**
 * Undefined for a query with a repeated key (two readers would see two different ones) or a broken escape. A `+` stays a
 * plus: base64 is full of them, and the platform writes no spaces.
 */
export function parseQuery(query: string): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>()
  for (const pair of query.split('&')) {
    if (pair === '') continue
    const at = pair.indexOf('=')
    const name = decoded(at === -1 ? pair : pair.slice(0, at))
    const value = at === -1 ? '' : decoded(pair.slice(at + 1))
    if (name === undefined || value === undefined || found.has(name)) return undefined
    found.set(name, value)
  }
  return found
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // RFC 3986 §2.1: a % without two hex digits, or bytes that are no UTF-8
  }
}
