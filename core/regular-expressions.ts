// Regular expressions in JSONata: the operator writes them and anybody's text meets them, so none may backtrack (RE2).
import { RE2JS } from 're2js'

/** Matching one text with one expression of the config, all its matches together: `/a[^c]*c|a/` costs the square of the text. */
const LONGEST_MS = 2000
/** Steps of a match (program size times characters) that take well under a second: a longer one looks at the clock. */
const SHORT_STEPS = 10_000_000
const READS_BETWEEN_LOOKS = 64
/** ECMAScript's WhiteSpace and LineTerminator: RE2's `\s` is ASCII. */
const SPACE = String.raw`\t-\r \x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}\x{feff}`
const NO_SPACE = String.raw`\x{0}-\x{8}\x{e}-\x{1f}!-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff}\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{fefe}\x{ff00}-\x{10ffff}`
/** `.` leaves out ECMAScript's LineTerminators: RE2's only `\n`. */
const DOT = String.raw`[^\n\r\x{2028}\x{2029}]`
const COUNTS = 'counts within one another may make 1,000 at most'
const EVERYTHING = String.raw`\x{0}-\x{10ffff}`

const compiled = new WeakMap<RegExp, RE2JS>()

/** As jsonata's `RegexEngine`: what it asks of a global RegExp. */
class LinearRegExp {
  lastIndex = 0
  readonly #pattern: RegExp
  readonly #compiled: RE2JS
  #spentMs = 0

  /** Throws `SyntaxError` for what `unmatchable` tells. */
  constructor(pattern: RegExp) {
    this.#pattern = pattern
    this.#compiled = compiled.get(pattern) ?? compile(pattern)
    compiled.set(pattern, this.#compiled)
  }

  /** The next match from `lastIndex` on, which moves to its end; null: there is none. Throws after `LONGEST_MS`. */
  exec(value: unknown): (readonly (string | undefined)[] & { readonly index: number }) | null {
    const text = String(value)
    if (this.lastIndex === 0) this.#spentMs = 0 // another text: an expression in a variable may meet many
    const begun = performance.now()
    const endsAt = begun + LONGEST_MS - this.#spentMs
    const check = (): void => {
      if (performance.now() > endsAt)
        throw new Error(`${String(this.#pattern)} takes too long for a text of ${text.length} characters`)
    }
    check()
    const isShort = this.#compiled.programSize() * text.length <= SHORT_STEPS
    // re2js takes String objects as it takes strings; its types do not say so.
    const matcher = this.#compiled.matcher(isShort ? text : (new Watched(text, check) as unknown as string))
    const isFound = this.lastIndex <= text.length && matcher.find(this.lastIndex)
    this.#spentMs += performance.now() - begun
    this.lastIndex = isFound ? matcher.end() : 0
    if (!isFound) return null
    const groups = Array.from({ length: matcher.groupCount() + 1 }, (_, n) => matcher.group(n) ?? undefined)
    return Object.assign(groups, { index: matcher.start() })
  }
}

/** A text of which re2js reads each character here, so that a match within it can be given up. */
class Watched extends String {
  readonly #check: () => void
  #reads = 0

  /** `check` throws to end the match. */
  constructor(text: string, check: () => void) {
    super(text)
    this.#check = check
  }

  override charCodeAt(index: number): number {
    if (++this.#reads % READS_BETWEEN_LOOKS === 0) this.#check()
    return super.charCodeAt(index)
  }
}

/** jsonata's options with which its regular expressions take time linear in the text. */
export const linear = {
  // jsonata makes them of a RegExp, sets and reads `lastIndex`, and reads `exec`'s items and `index`: no more of the type.
  RegexEngine: LinearRegExp as unknown as RegExpConstructor,
}

export interface Unmatchable {
  readonly message: string
  /** As the operator wrote it, without its slashes. */
  readonly source: string
  /** Characters up to its end. */
  readonly end: number
}

/** The first regular expression of a parsed JSONata expression that cannot be matched in linear time, and what to do. */
export function unmatchable(tree: unknown): Unmatchable | undefined {
  const seen = new Set<unknown>()
  const left = [tree]
  for (let node = left.pop(); left.length > 0 || node !== undefined; node = left.pop()) {
    if (typeof node !== 'object' || node === null || seen.has(node)) continue
    seen.add(node)
    if ('value' in node && node.value instanceof RegExp) {
      const message = problemOf(node.value)
      const end = 'position' in node && typeof node.position === 'number' ? node.position : 0
      if (message !== undefined) return { message, source: node.value.source, end }
    }
    left.push(...Object.values(node))
  }
  return undefined
}

function problemOf(pattern: RegExp): string | undefined {
  try {
    compiled.set(pattern, compile(pattern))
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

function compile(pattern: RegExp): RE2JS {
  const flags = (pattern.ignoreCase ? RE2JS.CASE_INSENSITIVE : 0) | (pattern.multiline ? RE2JS.MULTILINE : 0)
  try {
    return RE2JS.compile(translated(pattern.source), flags)
  } catch (error) {
    const why = error instanceof Error ? error.message.replace('error parsing regexp: ', '') : String(error)
    const more = why.startsWith('invalid repeat count') ? `; ${COUNTS}` : ''
    throw new SyntaxError(`the regular expression /${pattern.source}/ cannot be used: ${why}${more}`, {
      cause: error,
    })
  }
}

/** ECMAScript's syntax in RE2's. Throws `SyntaxError` for what RE2 has not, or would read as something else. */
function translated(source: string): string {
  let out = ''
  let inClass = false
  /** In a class: a set such as `\d` ended here, so that a hyphen is no range. */
  let wasSet = false
  for (let at = 0; at < source.length;) {
    const rest = source.slice(at)
    const [piece, text, isSet = false]: Piece = inClass ? inClassPiece(rest, wasSet) : outsidePiece(rest)
    if (!inClass && piece === '[') inClass = true
    else if (inClass && piece === ']') inClass = false
    wasSet = isSet
    out += text
    at += piece.length
  }
  return out
}

/** What was read and what it is in RE2; whether it is a set. */
type Piece = readonly [read: string, text: string, isSet?: boolean]

function outsidePiece(rest: string): Piece {
  if (rest.startsWith('\\')) return escaped(rest, false)
  if (rest.startsWith('[^]')) return ['[^]', `[${EVERYTHING}]`]
  if (rest.startsWith('[]')) return ['[]', `[^${EVERYTHING}]`]
  if (rest.startsWith('.')) return ['.', DOT]
  if (rest.startsWith('(?')) {
    const [around] = /^\(\?<?[=!]/.exec(rest) ?? []
    if (around !== undefined)
      throw new SyntaxError(
        `"${around}" looks around and may take for ever: write two of them, joined with "and"`,
      )
    const [group] = /^\(\?(?::|[im-]+:|<[A-Za-z_]\w*>)/.exec(rest) ?? []
    if (group === undefined) throw new SyntaxError(`"${rest.slice(0, 4)}" is not supported`)
    return [group, group]
  }
  return character(rest)
}

function inClassPiece(rest: string, wasSet: boolean): Piece {
  if (rest.startsWith('\\')) return escaped(rest, true)
  if (rest.startsWith('[')) return ['[', '\\[']
  if (rest.startsWith('-') && (wasSet || /^-\\[dDsSwWpP]/.test(rest))) return ['-', '\\-']
  return character(rest)
}

function character(rest: string): Piece {
  const one = String.fromCodePoint(rest.codePointAt(0) ?? 0)
  if (!one.isWellFormed()) throw new SyntaxError('half of a character (a surrogate) matches nothing')
  return [one, one]
}

function escaped(rest: string, inClass: boolean): Piece {
  const letter = rest[1] ?? ''
  if (letter === 's') return ['\\s', inClass ? SPACE : `[${SPACE}]`, true]
  if (letter === 'S') return ['\\S', inClass ? NO_SPACE : `[${NO_SPACE}]`, true]
  if (inClass && letter === 'b') return ['\\b', String.raw`\x{8}`]
  if ('dDwWpP'.includes(letter)) return [`\\${letter}`, `\\${letter}`, true]
  if ('bBtnvfr'.includes(letter)) return [`\\${letter}`, `\\${letter}`]
  if (letter === 'k' || /[1-9]/.test(letter))
    throw new SyntaxError(
      `"\\${letter}" refers back and may take for ever: compare the groups that $match finds`,
    )
  const [coded, pair, code, control] =
    /^\\(?:(u[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2})|(?:u([\da-fA-F]{4})|x[\da-fA-F]{2})|c([A-Za-z])|0(?!\d))/.exec(
      rest,
    ) ?? []
  if (coded === undefined && /[cux0]/.test(letter))
    throw new SyntaxError(`"\\${letter}" is not followed by what it needs: write the character itself`)
  if (coded === undefined) return /[A-Za-z]/.test(letter) ? [`\\${letter}`, letter] : punctuation(rest)
  if (pair !== undefined) {
    const [high = 0, low = 0] = pair.split('\\').map((unit) => Number.parseInt(unit.slice(1), 16))
    return [coded, hex(String.fromCharCode(high, low).codePointAt(0) ?? 0)]
  }
  if (control !== undefined) return [coded, hex(control.charCodeAt(0) % 32)]
  const unit = letter === '0' ? 0 : Number.parseInt(code ?? coded.slice(2), 16)
  character(String.fromCharCode(unit))
  return [coded, hex(unit)]
}

function punctuation(rest: string): Piece {
  const [one] = character(rest.slice(1))
  return [`\\${one}`, one.charCodeAt(0) < 0x80 ? `\\${one}` : one]
}

function hex(code: number): string {
  return `\\x{${code.toString(16)}}`
}
