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

/** Whether a URL's query holds a secret under this name: `?token=…`, `?key=…`. */
function isSecretParameter(name: string): boolean {
  return isSecretName(name) || /^(?:key|sig|signature)$/iu.test(name)
}

/**
 * The password of a URL such as `mqtt://user:password@host`, or the user name that stands alone, and the values of query
 * parameters with a secret's name: as they stand, and decoded.
 */
export function urlSecrets(text: string): readonly string[] {
  const [, rest] = /^[a-z][a-z0-9+.-]*:\/\/(.*)$/isu.exec(text) ?? []
  return rest === undefined
    ? []
    : [...passwordsOf(rest), ...parametersOf(text).map(({ value }) => value)].flatMap((secret) => [
        secret,
        decoded(secret),
      ])
}

/** The address with `***` for every secret in its query. */
export function withoutSecretQuery(address: string): string {
  return parametersOf(address).reduceRight(
    (text, { value, at }) => text.slice(0, at) + REDACTED + text.slice(at + value.length),
    address,
  )
}

/** A `/`, `#`, `?` or blank in a password must be encoded (RFC 3986 §3.2); where it is not, the last `@` of all ends it. */
function passwordsOf(rest: string): readonly string[] {
  const meant = [/^([^/?#\s]*)@/u.exec(rest)?.[1], /^([^@/?#\s]*:.*)@/su.exec(rest)?.[1]]
  const known = new Set(meant.filter((userinfo) => userinfo !== undefined))
  return [...known].map((userinfo) => userinfo.slice(userinfo.indexOf(':') + 1))
}

/** The secret ones of a query, with the place of their values. */
function parametersOf(address: string): readonly { readonly value: string; readonly at: number }[] {
  return [...address.matchAll(/(?<=[?&])([^=&#\s]+)=([^&#\s]+)/gu)].flatMap(
    ({ 1: name = '', 2: value = '', index }) =>
      isSecretParameter(decoded(name)) ? [{ value, at: index + name.length + 1 }] : [],
  )
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
