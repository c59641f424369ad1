// What is wrong with a config file, where, and what was probably meant.

/** Both count from 1; a column counts UTF-16 units, as editors do. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Keys and list indices (from 0) from the top of the file. */
export type Path = readonly (string | number)[]

export interface Problem extends Position {
  /** As the caller named it. */
  readonly file: string
  /** Lower case, names the thing and the value, never a secret. */
  readonly message: string
  /** `channels.crm.path`, `routes[2].agent`; empty for the file as a whole. */
  readonly path: string
}

/** The config cannot be used. It carries every problem, in the order of the file. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]
  /** The files that the config names, also those that are not there: with a change of one it may be right. */
  readonly files: readonly string[]

  constructor(problems: readonly Problem[], files: readonly string[] = []) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
    this.files = files
  }
}

/** `file:line:column: message`, which editors and terminals turn into a link. */
export function formatProblem(problem: Problem): string {
  return `${problem.file}:${problem.line}:${problem.column}: ${problem.message}`
}

/** `channels.crm.path`, `routes[2].agent`, `operations["a b"]`. */
export function formatPath(path: Path): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (!/^[\w-]+$/u.test(step)) text += `[${JSON.stringify(step)}]`
    else text += text === '' ? step : `.${step}`
  }
  return text
}

/** How a message begins: `channels.crm.path: `, and for routes, which people count from 1, `route 3: agent: `. */
export function prefixOf(path: Path): string {
  const [section, index, ...rest] = path
  if (section === 'routes' && typeof index === 'number')
    return rest.length === 0 ? `route ${index + 1}: ` : `route ${index + 1}: ${formatPath(rest)}: `
  return path.length === 0 ? '' : `${formatPath(path)}: `
}

/** A sentence of a library as part of a message: `Invalid input` becomes `invalid input`; a word in capitals stays (`GET and HEAD …`). */
export function lowered(text: string): string {
  return /^\p{Lu}{2}/u.test(text) ? text : text.slice(0, 1).toLowerCase() + text.slice(1)
}

/** ` (did you mean "crm-desk"?)`, or nothing where no candidate is near. */
export function didYouMean(word: string, candidates: Iterable<string>): string {
  const near = nearest(word, candidates)
  return near === undefined ? '' : ` (did you mean ${JSON.stringify(near)}?)`
}

/** The candidate that was most probably meant: few edits away, or begun with the same word. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const given = word.slice(0, LONGEST_WORD).toLowerCase()
  let best: string | undefined
  let bestDistance = Math.min(3, Math.max(1, Math.floor(given.length / 3))) + 1
  let begun: string | undefined
  for (const candidate of candidates) {
    if (candidate === word || candidate.length > LONGEST_WORD) continue
    const known = candidate.toLowerCase()
    const distance = editDistance(given, known)
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
    if (Math.min(given.length, known.length) < 3) continue
    if (known.startsWith(given) || given.startsWith(known)) begun ??= candidate
  }
  return best ?? begun
}

const LONGEST_WORD = 100

/** Edits (insert, delete, replace, swap of neighbours) between two words: the optimal string alignment distance. */
export function editDistance(from: string, to: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let row = 1; row <= from.length; row++) {
    const current = [row]
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1]
      // The rows are as long as `to`, so each cell asked for is there; ∞ would lose every comparison.
      const candidates = [
        (last[column] ?? Infinity) + 1,
        (current[column - 1] ?? Infinity) + 1,
        (last[column - 1] ?? Infinity) + (same ? 0 : 1),
      ]
      if (row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1])
        candidates.push((beforeLast[column - 2] ?? Infinity) + 1)
      current.push(Math.min(...candidates))
    }
    beforeLast = last
    last = current
  }
  return last[to.length] ?? 0
}
