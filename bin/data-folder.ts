// Whether a data folder can be used by who asks, told before anything in it fails with the system's words.
import { accessSync, constants, statSync } from 'node:fs'
import { GatewayError } from '../core/api.ts'

/** Throws `FORBIDDEN` where it is another user's, `STORE_UNAVAILABLE` where it is no folder. One that is not there yet is none of both. */
export function checkFolder(directory: string): void {
  try {
    if (!statSync(directory).isDirectory()) throw noFolder(directory)
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof GatewayError) throw error
    if (isForeign(error)) throw foreign(directory, error)
    if (codeOf(error) === 'ENOTDIR') throw noFolder(directory, error)
    // Not there, or on a disk that can only be read: what is asked of it tells.
  }
}

export function isForeign(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes(codeOf(error))
}

export function foreign(directory: string, cause: unknown): GatewayError {
  return new GatewayError(
    'FORBIDDEN',
    `the data in ${directory} belong to another user: ask as the gateway's user`,
    { cause },
  )
}

function noFolder(directory: string, cause?: unknown): GatewayError {
  return new GatewayError('STORE_UNAVAILABLE', `${directory} is a file: wanted is the folder of the data`, {
    cause,
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
