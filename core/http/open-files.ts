// How many more files this process may open.
import { readdirSync, readFileSync } from 'node:fs'

/** The soft limit less what is open now; undefined where the system does not say (anything but Linux) or sets no limit. */
export function openFilesLeft(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const [, limit] = /^Max open files\s+(\d+)/mu.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return limit === undefined ? undefined : Number(limit) - readdirSync('/proc/self/fd').length
}
