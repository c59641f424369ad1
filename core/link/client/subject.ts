// Whom a token names, where an app can read it: `sub` of a JSON Web Token (RFC 7519 §4.1.2). Nothing is checked here, that is the gateway's.

/** Undefined: it is none, or does not say. */
export function subjectOf(token: string): string | undefined {
  const [, payload, signature] = token.split('.')
  if (payload === undefined || signature === undefined) return undefined
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (character) =>
      character.charCodeAt(0),
    )
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const isNamed = typeof claims === 'object' && claims !== null && 'sub' in claims
    return isNamed && typeof claims.sub === 'string' ? claims.sub : undefined
  } catch (error) {
    // atob: DOMException; JSON.parse: SyntaxError
    if (error instanceof SyntaxError || error instanceof DOMException) return undefined
    throw error
  }
}
