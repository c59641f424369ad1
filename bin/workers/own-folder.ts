// What a worker keeps on the disk for itself, beside the token that all share.
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

/** The data folder itself where there is one process alone. */
export function ownFolder(dataDirectory: string, worker: number | undefined): string {
  return worker === undefined ? dataDirectory : join(dataDirectory, `worker-${worker}`)
}

/** The fallback cache. Made with its folder, where that is not there. */
export async function cacheFile(dataDirectory: string, worker: number | undefined): Promise<string> {
  const folder = ownFolder(dataDirectory, worker)
  await mkdir(folder, { recursive: true })
  return join(folder, 'cache.db')
}

/** Answers that were dropped or written over while nobody was in this place must not come back. */
export async function forgetCache(dataDirectory: string, worker: number): Promise<void> {
  const file = join(ownFolder(dataDirectory, worker), 'cache.db')
  await Promise.all(['', '-wal', '-shm'].map((part) => rm(`${file}${part}`, { force: true })))
}
