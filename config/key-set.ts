// Whether a key set can let anybody in: of a file by what it holds, of a URL by its form.
import { createPublicKey } from 'node:crypto'
import { isFields } from './adapter-part.ts'

/** Follows the name of the file; undefined: it is a key set (RFC 7517 §5) with keys that can be used. */
export function keySetFault(content: Uint8Array): string | undefined {
  const set = parsed(content)
  const keys = isFields(set) ? set['keys'] : undefined
  if (!Array.isArray(keys)) return 'is no key set: { "keys": [ … ] } is needed (RFC 7517 §5)'
  const index = keys.findIndex((key) => !isUsable(key))
  if (index !== -1) return `is a key set whose key ${index + 1} is no public key (RFC 7517 §4)`
  return keys.length === 0 ? 'is a key set without keys: it lets nobody in' : undefined
}

/** Why a start could not ask there for keys; undefined: it could. */
export function keySetAddressFault(address: string): string | undefined {
  const url = URL.parse(address)
  if (url === null || url.hostname === '') return 'it is no address'
  if (url.username !== '' || url.password !== '') return 'it must be without user and password'
  return undefined
}

function parsed(content: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString('utf8'))
  } catch {
    return undefined // said as what is no key set
  }
}

/** A kind that is not known is left alone (RFC 7517 §5), a secret one as well: no token is checked by it. */
function isUsable(key: unknown): boolean {
  if (!isFields(key) || typeof key['kty'] !== 'string') return false
  if (!['RSA', 'EC', 'OKP'].includes(key['kty'])) return true
  try {
    return createPublicKey({ key: { ...key }, format: 'jwk' }).type === 'public'
  } catch {
    return false
  }
}
