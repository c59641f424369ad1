// Whether a data folder can be used by who asks, told before anything in it fails with the system's words.
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Config } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import { refusedTo } from '../../core/own-file.ts'
import { plantedAmong } from '../../core/planted-file.ts'

const WRITTEN = ['gateway.lock', 'gateway.url']
const STORE_WRITTEN = ['dragoman.lock', 'dragoman.db', 'dragoman.db-wal', 'dragoman.db-shm']
const STORE_READ = ['dragoman.witness', 'dragoman.moved']
const TOKEN = 'admin.token'
const GENERATIONS = 'generations'
const OURS = /^(?:admin\.token|cache\.db|dragoman\.|gateway\.|generations$|worker-)/u

type Needs = Pick<Config, 'dataDirectory' | 'store' | 'admin'>

/** Throws `FORBIDDEN` where it is another user's, or this user may not use it, `STORE_UNAVAILABLE` where it is no folder. One that is not there yet is none of both. */
export function checkFolder(directory: string): void {
  try {
    if (!statSync(directory).isDirectory()) throw noFolder(directory)
    accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (error) {
    if (error instanceof GatewayError) throw error
    if (isForeign(error)) throw refused(directory, error)
    if (codeOf(error) === 'ENOTDIR') throw noFolder(directory, error)
    // Not there, or on a disk that can only be read: what is asked of it tells.
  }
}

/**
 * What a start needs in a folder that `checkFolder` has let pass: before any of it is opened, because a half that can be read says wrong
 * things of the other. Throws `FORBIDDEN` with whose file it is, also where another user may have put it there.
 */
export function checkFiles({ dataDirectory, store, admin }: Needs): void {
  const pathOf = (name: string): string => join(dataDirectory, name)
  const generations = pathOf(GENERATIONS)
  const isEmbedded = store.url === undefined
  const written = isEmbedded ? [...STORE_WRITTEN, ...WRITTEN] : WRITTEN
  const read = [...(isEmbedded ? STORE_READ : []), ...(admin.token === undefined ? [TOKEN] : [])]
  const why =
    refusedTo(written.map(pathOf)) ??
    refusedTo(read.map(pathOf), constants.R_OK) ??
    refusedTo([generations], constants.R_OK | constants.W_OK | constants.X_OK) ??
    refusedTo(entriesOf(generations), constants.R_OK) ??
    plantedIn(dataDirectory)
  if (why !== undefined) throw new GatewayError('FORBIDDEN', why)
}

/** Of what the gateway keeps there: `plantedAmong`. */
export function plantedIn(dataDirectory: string): string | undefined {
  return plantedAmong(entriesOf(dataDirectory).filter((path) => OURS.test(basename(path))))
}

/** What `checkFolder` throws, and `FORBIDDEN` where another user may have put there what the gateway keeps. */
export function refusePlanted(dataDirectory: string): void {
  checkFolder(dataDirectory)
  const planted = plantedIn(dataDirectory)
  if (planted !== undefined) throw new GatewayError('FORBIDDEN', planted)
}

function entriesOf(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => join(folder, name))
  } catch {
    return [] // not there yet, or no folder: who reads it says so
  }
}

/** Another user's, or our own with a mode that keeps us out. */
function refused(directory: string, cause: unknown): GatewayError {
  const { uid } = statSync(directory, { throwIfNoEntry: false }) ?? {}
  if (uid === undefined || uid !== process.getuid?.()) return foreign(directory, cause)
  const why = refusedTo([directory], constants.R_OK | constants.W_OK | constants.X_OK)
  return new GatewayError('FORBIDDEN', why ?? messageOf(cause), { cause })
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
