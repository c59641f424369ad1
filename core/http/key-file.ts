// A key set in a file (JWKS, RFC 7517 §5), read again when the file is another.
import { readFile, stat } from 'node:fs/promises'
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose'
import type { Log } from '../api.ts'

export interface KeyFileOptions {
  /** Absolute. */
  readonly file: string
  /** For the log: whose keys they are. */
  readonly where: string
  /** How often the file is looked at, at most. */
  readonly lookEveryMs: number
  readonly log: Log
  readonly now: () => number
}

/**
 * The keys that the file holds; while it holds none, which is logged once, those that it held last. Rejects with the reason where it
 * never held any; the file is looked at again for every such call.
 */
export function keysOfFile({ file, where, lookEveryMs, log, now }: KeyFileOptions): JWTVerifyGetKey {
  let keys: JWTVerifyGetKey | undefined
  let known = ''
  let lookedAt = -Infinity
  let isBad = false
  let looking: Promise<JWTVerifyGetKey> | undefined

  async function read(): Promise<JWTVerifyGetKey> {
    lookedAt = now()
    try {
      // Asked before it is read: what changes in between is read at the next look.
      const { ino, size, mtimeMs, ctimeMs } = await stat(file)
      const version = `${ino} ${size} ${mtimeMs} ${ctimeMs}`
      if (keys !== undefined && version === known) return keys
      keys = createLocalJWKSet(JSON.parse(await readFile(file, 'utf8')) as JSONWebKeySet) // jose checks the shape
      known = version
      if (isBad) log.info(`${where}: the key set in the file can be used again`)
      isBad = false
    } catch (error) {
      if (keys === undefined) throw error
      if (!isBad)
        log.error(`${where}: the key set in the file cannot be used; the one before it stays`, { error })
      isBad = true
      known = ''
    }
    return keys
  }

  async function current(): Promise<JWTVerifyGetKey> {
    if (keys !== undefined && now() - lookedAt < lookEveryMs) return keys
    looking ??= read().finally(() => (looking = undefined))
    return looking
  }

  return async (header, token) => (await current())(header, token)
}
