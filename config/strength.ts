// Secrets that can be guessed: a problem where other machines can try, a notice where only this one can.
import type { Config } from './config.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'

/** Of what callers show as it is. */
const LEAST_CHARACTERS = 16
/** Of what signs: whoever has one token can try keys on it as fast as he likes (RFC 7518 §3.2, HS256). */
const LEAST_BYTES = 32

export interface Secrets {
  readonly admin: Config['admin'] | undefined
  readonly identity: Config['identity'] | undefined
}

export function checkStrength({ admin, identity }: Secrets, isReachable: boolean, report: Report): void {
  const tell = (path: Path, message: string): void =>
    isReachable ? report.add(path, message) : report.notice(path, message)
  const shown = (path: Path, secret: string | undefined): void => {
    if (secret !== undefined && secret.length < LEAST_CHARACTERS)
      tell(
        path,
        `it can be guessed: ${LEAST_CHARACTERS} characters are the least, openssl rand -base64 24 makes 32`,
      )
  }
  shown(['admin', 'token'], admin?.token)
  for (const [program, { key }] of Object.entries(identity?.keys ?? {}))
    shown(['identity', 'keys', program, 'key'], key)
  for (const who of ['customers', 'agents'] as const) {
    const secret = identity?.[who]?.secret
    if (secret === undefined || Buffer.byteLength(secret) >= LEAST_BYTES) continue
    const how = `${LEAST_BYTES} bytes are the least (RFC 7518 §3.2), openssl rand -base64 48 makes 64`
    tell(['identity', who, 'secret'], `it can be found out of one token: ${how}`)
  }
}
