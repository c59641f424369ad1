// How many files this process may open.
import { readFileSync } from 'node:fs'

/** The soft limit, or undefined where the system does not say (anything but Linux) or sets none. */
export function openFileLimit(): number | undefined {
  if (process.platform !== 'linux') return undefined
  const [, limit] = /^Max open files\s+(\d+)/mu.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
  return limit === undefined ? undefined : Number(limit)
}
