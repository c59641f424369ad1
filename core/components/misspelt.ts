// A member that nobody asks for, one slip away from one that is asked for and is not there.

type Kind = 'boolean' | 'function' | 'object'

export interface Misspelt {
  readonly given: string
  readonly meant: string
}

/** The first of these members that is absent while one of its kind stands there under a name like it. */
export function misspelt(made: object, known: Readonly<Record<string, Kind>>): Misspelt | undefined {
  const has = made as Readonly<Record<string, unknown>> // any object may be asked for any member
  for (const [meant, kind] of Object.entries(known)) {
    if (has[meant] !== undefined) continue
    const given = namesOf(made).find((name) => isSlip(name, meant) && typeof valueOf(made, name) === kind)
    if (given !== undefined) return { given, meant }
  }
  return undefined
}

/** Its own members and those of its class. */
export function namesOf(made: object): readonly string[] {
  const prototype: unknown = Object.getPrototypeOf(made)
  const inherited =
    typeof prototype === 'object' && prototype !== null && prototype !== Object.prototype
      ? Object.getOwnPropertyNames(prototype)
      : []
  return [...Object.getOwnPropertyNames(made), ...inherited].filter((name) => name !== 'constructor')
}

/** Without asking a getter, which may throw until the component has started. */
function valueOf(made: object, name: string): unknown {
  const owner: unknown = Object.hasOwn(made, name) ? made : Object.getPrototypeOf(made)
  return Object.getOwnPropertyDescriptor(owner, name)?.value
}

/**
 * One letter too many, too few or another, two neighbours swapped, or another case. The first letter is right: `end` is no `send`, and
 * `_send` is somebody's own.
 */
export function isSlip(given: string, meant: string): boolean {
  const [one, other] = [given.toLowerCase(), meant.toLowerCase()]
  if (given === meant || one[0] !== other[0]) return false
  const shorter = Math.min(one.length, other.length)
  let before = 0
  while (before < shorter && one[before] === other[before]) before += 1
  let after = 0
  while (after < shorter - before && one.at(-1 - after) === other.at(-1 - after)) after += 1
  const left = one.slice(before, one.length - after)
  const right = other.slice(before, other.length - after)
  if (left.length <= 1 && right.length <= 1) return true
  return left.length === 2 && right.length === 2 && left[0] === right[1] && left[1] === right[0]
}
