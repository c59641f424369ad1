// Which values of the file are secrets, and how they are kept out of every message.
import type { Path } from './problems.ts'

/** Texts shorter than this are not looked for in messages: replacing every `a` would leave nothing to read. */
const SHORTEST = 4
const REDACTED = '***'

const SECRET_NAME = /secret|token|passw|passphrase|credential|authorization|cookie|apikey|aeskey|privatekey/iu
/** `tokenUrl` and `secretFile` say where something is, not what it is. */
const PLACE_NAME = /(?:url|uri|file|path|name|header|ttl)$/iu
/** Would be found in every log line. */
const COMMON = new Set(['true', 'false', 'null', 'none'])

/** Whether a key or an environment variable of this name holds a secret. */
export function isSecretName(name: string): boolean {
  const letters = name.replaceAll(/[-_]/gu, '')
  return SECRET_NAME.test(letters) && !PLACE_NAME.test(letters)
}

/** Whether the value at this place is a secret by its name. `key` is one too, but below `tls` it names a file. */
export function isSecretPlace(path: Path): boolean {
  const names = path.filter((step) => typeof step === 'string')
  const name = names.at(-1)
  if (name === undefined) return false
  if (name.toLowerCase() === 'key') return names.at(-2) !== 'tls'
  return isSecretName(name)
}

/** The password, and the user name with it, of a URL such as `mqtt://user:password@host`. */
export function urlSecrets(text: string): readonly string[] {
  const [, userinfo] = /^[a-z][a-z0-9+.-]*:\/\/([^/?#\s]*)@/iu.exec(text) ?? []
  if (userinfo === undefined) return []
  const colon = userinfo.indexOf(':')
  const password = colon === -1 ? userinfo : userinfo.slice(colon + 1)
  return [password, decoded(password)]
}

/** What a logger needs to look for: without the short and doubled ones, longest first, so that none hides in another. */
export function redactable(secrets: Iterable<string>): readonly string[] {
  const worth = [...new Set(secrets)].filter((secret) => secret.length >= SHORTEST && !COMMON.has(secret))
  return worth.sort((a, b) => b.length - a.length)
}

/** Replaces each of them by `***`, also where it stands as JSON text. */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text
  for (const secret of secrets) {
    clean = clean.replaceAll(secret, REDACTED)
    const quoted = JSON.stringify(secret).slice(1, -1)
    if (quoted !== secret) clean = clean.replaceAll(quoted, REDACTED)
  }
  return clean
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    if (error instanceof URIError) return text // a bare per cent sign: it is used as it stands
    throw error
  }
}
