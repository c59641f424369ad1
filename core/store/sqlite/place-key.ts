// How names of homes and conversations are kept, so that those of one customer lie side by side in one tree.

/** Part of no name: control characters are refused before the store (core/normalise.ts). */
const SEPARATOR = '\u001F'
/** The first character after it: bounds a range of keys. */
const AFTER = ' '

/** A home `web/ann` and her conversation `web:ann` become `ann␟web/` and `ann␟web:`, neighbours that share a page. */
export function keyOf(name: string): string {
  const end = name.search(/[:/]/u) + 1
  return `${name.slice(end)}${SEPARATOR}${name.slice(0, end)}`
}

export function nameOf(key: string): string {
  const at = key.lastIndexOf(SEPARATOR)
  return `${key.slice(at + 1)}${key.slice(0, at)}`
}

/** The keys of all names that end in this customer, exclusive on both sides. */
export function keysOf(customer: string): readonly [above: string, below: string] {
  return [customer + SEPARATOR, customer + AFTER]
}
