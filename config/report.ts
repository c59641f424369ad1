// Collects what is wrong, finds where it stands, and keeps secrets out of it.
import { ConfigError, didYouMean, formatPath, formatProblem, prefixOf } from './problems.ts'
import type { Path, Position, Problem } from './problems.ts'
import { redact } from './secrets.ts'
import type { Place, Tree } from './tree.ts'

/** At the key, at the value, or at a character of a text value. */
export type Where = 'key' | 'value' | number

/** One run's problems. */
export class Report {
  readonly tree: Tree
  readonly #problems: Problem[] = []
  readonly #notices: string[] = []

  constructor(tree: Tree) {
    this.tree = tree
    this.#problems.push(...tree.problems)
  }

  /** `message` follows the name of the place; a place that is not in the file is reported at what should hold it. */
  add(path: Path, message: string, where: Where = 'value'): void {
    this.#put(path, prefixOf(path) + this.#withoutValue(message, path), where)
  }

  /** The message is about the owner, a route for instance, and stands at something in it. */
  about(owner: Path, path: Path, message: string): void {
    this.#put(path, prefixOf(owner) + message, 'value')
  }

  /** Reports a key that nothing knows, with the known one that was probably meant; `elsewhere` says what does the like at another place. */
  unknownKey(path: Path, known: Iterable<string>, elsewhere?: string): void {
    const key = String(path.at(-1))
    const prefix = prefixOf(path.slice(0, -1))
    const hint = elsewhere === undefined ? didYouMean(key, known) : ` (did you mean ${elsewhere}?)`
    this.#put(path, `${prefix}unknown key ${JSON.stringify(key)}${hint}`, 'key')
  }

  /** Nothing is wrong, but people should know it. */
  notice(path: Path, message: string): void {
    const position = positionOf(this.#nearest(path).place, 'key')
    const { file } = this.tree
    this.#notices.push(
      formatProblem({ file, ...position, message: prefixOf(path) + message, path: formatPath(path) }),
    )
  }

  get notices(): readonly string[] {
    return this.#notices
  }

  /** The text of a value for a message; undefined for what must not be shown. */
  show(path: Path, value: unknown): string | undefined {
    const place = this.tree.place(path)
    if (place?.shown !== undefined) return JSON.stringify(place.shown)
    if (place === undefined || place.secret || typeof value === 'object') return undefined
    const text = redact(JSON.stringify(value) ?? '', this.tree.secrets)
    return text.length > LONGEST_SHOWN ? `${text.slice(0, LONGEST_SHOWN)}…` : text
  }

  /** Throws `ConfigError` if anything was reported; `files` are those that the config names. */
  end(files: readonly string[] = []): void {
    if (this.#problems.length === 0) return
    const inOrder = this.#problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
    throw new ConfigError(inOrder, files)
  }

  #put(path: Path, message: string, where: Where): void {
    const { file, secrets } = this.tree
    const { place, whole } = this.#nearest(path)
    const position = positionOf(place, whole ? where : 'key')
    // A variable that is not set has been reported; what its empty value does wrong helps nobody.
    const told = this.tree.problems.some(
      (each) => each.path === formatPath(path) && samePlace(each, position),
    )
    if (told && where === 'value') return
    const safe = redact(message, secrets)
    if (this.#problems.some((each) => samePlace(each, position) && each.message === safe)) return
    this.#problems.push({ file, ...position, message: safe, path: formatPath(path) })
  }

  #nearest(path: Path): { place: Place | undefined; whole: boolean } {
    for (let length = path.length; length >= 0; length--) {
      const place = this.tree.place(path.slice(0, length))
      if (place !== undefined) return { place, whole: length === path.length }
    }
    return { place: undefined, whole: false }
  }

  /** A message of an adapter's schema may quote the value. */
  #withoutValue(message: string, path: Path): string {
    const place = this.tree.place(path)
    if (place?.secret !== true && place?.shown === undefined) return message
    const value = valueAt(this.tree.root, path)
    if (typeof value !== 'string' || value === '') return message
    if (place.secret) return withoutParts(message, value)
    if (!message.includes(value)) return message
    return place.shown === undefined || value.length < 4 ? message : message.replaceAll(value, place.shown)
  }
}

const LONGEST_SHOWN = 60
/** Texts shorter than this stand in any message: one that holds such a secret is not shown at all. */
const SHORTEST_FOUND = 4

/** A message about a secret without it, and without what it quotes of it: a parser tells the word at which it stopped. */
function withoutParts(message: string, secret: string): string {
  if (secret.length < SHORTEST_FOUND) return message.includes(secret) ? 'it is not valid' : message
  const words = secret.split(/[^\p{L}\p{N}]+/u).filter((word) => word.length >= SHORTEST_FOUND)
  return redact(message, [secret, ...words.toSorted((a, b) => b.length - a.length)]).replaceAll(
    /(["'`])((?:(?!\1)[^\\]|\\.)+)\1/gu,
    (quoted, quote: string, inner: string) =>
      secret.includes(inner.replaceAll(/\\(.)/gu, '$1')) ? `${quote}***${quote}` : quoted,
  )
}

/** What stands at a path below a value; undefined if nothing does. */
export function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root
  for (const step of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<PropertyKey, unknown>)[step] // an object that has this own member
  }
  return value
}

function positionOf(place: Place | undefined, where: Where): Position {
  if (place === undefined) return { line: 1, column: 1 }
  if (where === 'key') return place.key ?? place.value
  return typeof where === 'number' ? (place.at?.(where) ?? place.value) : place.value
}

function samePlace(a: Position, b: Position): boolean {
  return a.line === b.line && a.column === b.column
}
