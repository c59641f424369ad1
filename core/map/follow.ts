// Follows every value on its way: it is changed a little, the way is gone again, and what came out otherwise is where it went.
import { jsonLeaves, replaceLeaf } from './json-leaves.ts'
import type { JsonLeaf } from './json-leaves.ts'
import type { Place } from './places.ts'

/** What became of one value. */
export interface Followed {
  readonly path: string
  readonly text: string
  /**
   * `kept`: it stands where it went, unchanged or within a longer text. `changed`: something else stands there. `unused`:
   * nothing came out otherwise. `checked`: the other value was refused, and this one stands nowhere.
   */
  readonly became: 'kept' | 'changed' | 'unused' | 'checked'
  /** Where it went; empty for `unused`, and where it cannot be told. */
  readonly to: readonly Place[]
}

export interface Following {
  /** The JSON text the way begins with. */
  readonly source: string
  /** What comes out of it, twice: what differs has nothing to do with the values (a nonce, a signature). */
  readonly baseline: readonly [readonly Place[], readonly Place[]]
  /** Goes the way with another text; undefined: it was refused on the way. */
  readonly run: (source: string) => Promise<readonly Place[] | undefined>
  /** Whether an expression names a member: a value it chooses by may come out the same by chance. */
  readonly mentions: (member: string) => boolean
}

/** More values than this are not followed: each one is one more way. */
export const MAX_FOLLOWED = 300

/** Follows the values of a JSON text one by one, at most `MAX_FOLLOWED`. */
export async function follow(following: Following): Promise<readonly Followed[]> {
  const { source, baseline, run, mentions } = following
  const [first, second] = baseline
  const volatile = new Set(differences(first, second).map(({ path }) => path))
  const followed: Followed[] = []
  for (const leaf of jsonLeaves(source).slice(0, MAX_FOLLOWED)) {
    const { path, text } = leaf
    const said = { path, text }
    const out = await run(replaceLeaf(source, leaf, otherLiteral(leaf)))
    if (out === undefined) {
      const to = first.filter((place) => place.text === text)
      followed.push({ ...said, became: to.length > 0 ? 'kept' : 'checked', to })
      continue
    }
    const moved = differences(first, out).filter((place) => !volatile.has(place.path))
    const unused = moved.length === 0 && !mentions(leaf.member)
    const to = moved.filter((place) => holds(place.text, leaf))
    if (to.length > 0) followed.push({ ...said, became: 'kept', to })
    else if (unused) followed.push({ ...said, became: 'unused', to: [] })
    else followed.push({ ...said, became: moved.length > 0 ? 'changed' : 'checked', to: moved })
  }
  return followed
}

/** The places of `before` that another text stands at in `after`, or nothing; and those that are only in `after`, as empty. */
function differences(before: readonly Place[], after: readonly Place[]): readonly Place[] {
  const texts = new Map(after.map(({ path, text }) => [path, text]))
  const gone = before.filter(({ path, text }) => texts.get(path) !== text)
  const known = new Set(before.map(({ path }) => path))
  return [...gone, ...after.filter(({ path }) => !known.has(path)).map(({ path }) => ({ path, text: '' }))]
}

/** The value itself, or within a longer text (`ORD-007`): then nothing of it is lost. */
function holds(place: string, { text, kind }: JsonLeaf): boolean {
  if (place === text) return true
  // XML has no null: an empty element says it
  if (kind === 'null') return place === ''
  const at = text.length > 1 ? place.indexOf(text) : -1
  if (at === -1) return false
  // `1.1` is not in `1.10`, nor `007` in `1007`
  const before = place[at - 1] ?? ''
  const after = place[at + text.length] ?? ''
  return !(/^\d/.test(text) && /[\d.]/.test(before)) && !(/\d$/.test(text) && /[\d.]/.test(after))
}

/**
 * Another value of the same kind, as like the first as can be, so that what a schema or an expression asks of it mostly
 * still holds: one digit of a number, of a date or of an id, else one letter.
 */
function otherLiteral({ kind, text }: JsonLeaf): string {
  if (kind === 'boolean') return text === 'true' ? 'false' : 'true'
  if (kind === 'null') return '"1"'
  const other = otherText(text)
  return kind === 'number' ? other : JSON.stringify(other)
}

function otherText(text: string): string {
  const digit = /\d(?=\D*$)/.exec(text)
  if (digit !== null)
    return exchange(text, digit.index, digit[0] === '0' ? '1' : String(Number(digit[0]) - 1))
  const letter = /[a-z](?=[^a-z]*$)/i.exec(text)
  if (letter !== null) return exchange(text, letter.index, /[ab]/i.test(letter[0]) ? 'c' : 'a')
  return `${text}1`
}

function exchange(text: string, index: number, by: string): string {
  return `${text.slice(0, index)}${by}${text.slice(index + 1)}`
}
