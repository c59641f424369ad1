// What an app can tell of its token; whether it is good is the gateway's to say.

// RFC 9110 §5.6.2: what a subprotocol's name may hold, and so a token in a browser's WebSocket.
const TOKEN = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/u

/** No link can carry it. Any other failure of a token is that nobody could be asked for one. */
export class BadToken extends TypeError {}

/** What an app's token function gives, which may be nothing: somebody has logged out. Throws `BadToken`. */
export function checkToken(token: unknown): string {
  if (typeof token === 'string' && TOKEN.test(token)) return token
  throw new BadToken('a token holds letters, digits and -!#$%&’*+.^_`|~ (RFC 9110 §5.6.2)')
}

/** Whom it names, where that can be read: `sub` of a JSON Web Token (RFC 7519 §4.1.2). Undefined: it is none, or does not say. */
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
