// The namespaces and declared names met so far, each kept once: those of a request and of a schema are equal at a glance.

const SLOTS = 1024
/** Longer ones are not kept: 128 kB is the most this holds. */
const LONGEST = 128
const known: string[] = Array.from({ length: SLOTS }, () => '')

/**
 * The same text, and if it is ASCII mostly the same string as the last time. One that falls into the place of another
 * takes it, so neither their number nor those somebody chose to fall together cost more than a copy each.
 */
export function interned(name: string): string {
  if (name.length > LONGEST) return name
  let hash = name.length
  let bits = 0
  for (let at = 0; at < name.length; at++) {
    const code = name.charCodeAt(at)
    bits |= code
    hash = (Math.imul(hash, 31) + code) | 0
  }
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
  const before = known[slot]
  if (before === name) return before
  if (bits > 0x7f) return name
  const own = Buffer.from(name, 'latin1').toString('latin1') // a slice would keep its whole document
  known[slot] = own
  return own
}
