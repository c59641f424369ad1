// Comparing secrets so that the time it takes says nothing, and the admin token.
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { GatewayError } from '../api.ts'
import { readOwn } from '../planted-file.ts'

/** A secret as it is kept: its hash, which has one length whatever the secret's. */
export type Digest = Uint8Array

export function digest(secret: string): Digest {
  return hash('sha256', secret, 'buffer')
}

/** Takes the same time for every pair. */
export function sameDigest(a: Digest, b: Digest): boolean {
  return timingSafeEqual(a, b)
}

const TOKEN_FILE = 'admin.token'
/** In every other file of the folder: one that somebody gave this name holds no secret. */
const OF_OTHERS = /[:"\s]/u

/**
 * The admin token: the configured one, else the one in the data directory, made at the first start in a file that only
 * its owner can read (mode 0600); one that everybody may read is closed. Two processes that start at once end with the same
 * one. Throws where the file is empty, or cannot be read or made, `FORBIDDEN` where another user may have written it.
 */
export async function loadAdminToken(directory: string, configured?: string): Promise<string> {
  if (configured !== undefined) return configured
  await mkdir(directory, { recursive: true })
  const file = path.join(directory, TOKEN_FILE)
  const made = existsSync(file) ? undefined : await createOnce(file)
  if (made !== undefined) return made
  const token = readOwn(file, { shut: true }).trim()
  if (token.length < 16 || OF_OTHERS.test(token)) throw new GatewayError('INTERNAL', noToken(file))
  return token
}

/** What is said of a file that should hold the admin token. */
export function noToken(file: string): string {
  return `${file} holds no usable admin token: delete it, and the next start makes one`
}

/** Undefined: it was there already. The file appears whole or not at all. */
async function createOnce(file: string): Promise<string | undefined> {
  const token = randomBytes(32).toString('base64url')
  const draft = `${file}.${randomBytes(6).toString('hex')}`
  try {
    await writeFile(draft, `${token}\n`, { mode: 0o600, flag: 'wx', flush: true })
    await link(draft, file)
    return token
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return undefined
    throw error
  } finally {
    await rm(draft, { force: true })
  }
}
