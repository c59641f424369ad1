// The names documents were made of so far, each kept once: the same few come with every request, and are equal at a glance.

const SLOTS = 1024
/** Longer ones are not kept: 128 kB is the most this holds. */
const LONGEST = 128
const known: string[] = Array.from({ length: SLOTS }, () => '')

/**
 * The name that stands there, in ASCII. One that falls into the place of another takes it, so neither the number of names
 * nor those somebody chose to fall together cost more than a copy each.
 */
export function nameAt(text: string, from: number, to: number): string {
  const length = to - from
  let hash = length
  for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) | 0
  const slot = (hash ^ (hash >>> 10)) & (SLOTS - 1)
  const before = known[slot] ?? ''
  if (before.length === length && isAt(text, from, before)) return before
  const name = text.slice(from, to)
  // oxlint-disable-next-line no-control-regex -- all of ASCII
  if (length > LONGEST || !/^[\0-\x7F]*$/.test(name)) return name
  const own = Buffer.from(name, 'latin1').toString('latin1') // a slice would keep its whole document
  known[slot] = own
  return own
}

/** The same for a whole text, of any characters: a namespace, a name of a schema. */
export function interned(name: string): string {
  return nameAt(name, 0, name.length)
}

function isAt(text: string, from: number, name: string): boolean {
  for (let at = 0; at < name.length; at++)
    if (text.charCodeAt(from + at) !== name.charCodeAt(at)) return false
  return true
}
