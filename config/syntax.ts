// What the YAML parser finds wrong, and what it would read differently from how it is written.
import { LineCounter } from 'yaml'
import type { Document, YAMLError } from 'yaml'
import { unmask } from './interpolate.ts'
import type { Masked } from './interpolate.ts'
import type { Position, Problem } from './problems.ts'

/** Deeper maps and lists are refused. */
export const MAX_DEPTH = 64
const MAX_SYNTAX_ERRORS = 20

/** The parser says what it did not expect; what people have done then. */
const CURES: readonly (readonly [RegExp, string])[] = [
  [/must be sufficiently indented and end with/u, 'is it closed in the lines above?'],
  [
    /same column|compact mappings/u,
    'indent it like the line above, or put a value that holds ": " into quotes',
  ],
  [/tabs are not allowed/iu, 'indent with spaces'],
  [/implicit keys? need/iu, 'is a ":" missing?'],
  [/plain value cannot start/iu, 'put it into quotes'],
]

/** The parser's errors and warnings as problems. */
export function syntaxProblems(
  file: string,
  document: Document.Parsed,
  lines: LineCounter,
  { variables, text }: Masked,
): Problem[] {
  const faults = [...document.errors, ...document.warnings]
  const exhausted = faults.find((fault) => fault.code === 'RESOURCE_EXHAUSTION')
  if (exhausted !== undefined) {
    const message = `nested more than ${MAX_DEPTH} levels deep`
    return [{ file, ...positionAt(lines, exhausted.pos[0]), message, path: '' }]
  }
  return faults.slice(0, MAX_SYNTAX_ERRORS).map((fault) => {
    const position = positionAt(lines, fault.pos[0])
    if (fault.code !== 'MULTIPLE_DOCS')
      return { file, ...position, message: wordsOf(fault, variables), path: '' }
    const what = text.startsWith('---', fault.pos[0]) ? 'stands behind "---"' : 'begins'
    const message = `one document only: remove what ${what} at line ${position.line}`
    return { file, ...position, message, path: '' }
  })
}

function wordsOf({ code, message }: YAMLError, variables: Masked['variables']): string {
  // The parser quotes what it did not expect, and that may be a secret.
  const words = code === 'UNEXPECTED_TOKEN' ? message.replace(/: ".*$/su, '') : message
  const said = unmask(words.slice(0, 1).toLowerCase() + words.slice(1), variables)
  const cure = CURES.find(([pattern]) => pattern.test(message))?.[1]
  return `not valid YAML: ${said}${cure === undefined ? '' : ` (${cure})`}`
}

/** Where lines begin. Not left to the parser: after some errors it forgets to count one. */
export function countLines(text: string): LineCounter {
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (const { index } of text.matchAll(/\n/gu)) lines.addNewLine(index + 1)
  return lines
}

/** Line and column of a character of the file. */
export function positionAt(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line, column: col }
}

/** What a text that came from the environment may mean where no text is wanted (YAML 1.2.2 §10.3.2). */
export function readingOf(text: string): number | boolean | undefined {
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?(?:0|[1-9]\d{0,14})(?:\.\d{1,9})?$/u.test(text) ? Number(text) : undefined
}

/** A number that would not come back as it is written: `007`, a 20-digit id. */
export function lostDigits(value: number, source: string): string | undefined {
  if (/^[-+]?0\d/u.test(source)) return `${source} would become ${value}: write it in quotes if it is a text`
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return `${source} is too large for an exact number: write it in quotes`
  return undefined
}
