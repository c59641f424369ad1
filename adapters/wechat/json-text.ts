// JSON as it comes, looked at in one pass before it is parsed: how deep and how large it is, and control characters that nobody has escaped.

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPENS: ReadonlySet<number> = new Set([0x5b, 0x7b])
const CLOSES: ReadonlySet<number> = new Set([0x5d, 0x7d])
const COMMA = 0x2c
const FIRST_LEGAL = 0x20

export interface Extent {
  /** How many lists and objects stand inside each other at most. */
  readonly depth: number
  /** At least as many as there are members and items. */
  readonly values: number
}

/** Brackets and commas inside a text are none. */
export function extentOf(text: string): Extent {
  let depth = 0
  let deepest = 0
  let values = 1
  scan(text, (code, _at, isInside) => {
    if (isInside) return
    if (code === COMMA) values += 1
    else if (CLOSES.has(code)) depth -= 1
    else if (OPENS.has(code)) {
      values += 1
      depth += 1
      deepest = Math.max(deepest, depth)
    }
  })
  return { depth: deepest, values }
}

/** The same with every control character inside a string escaped, as RFC 8259 §7 wants it. */
export function withControlsEscaped(text: string): string {
  const pieces: string[] = []
  let from = 0
  scan(text, (code, at, isInside) => {
    if (!isInside || code >= FIRST_LEGAL) return
    pieces.push(text.slice(from, at), `\\u${code.toString(16).padStart(4, '0')}`)
    from = at + 1
  })
  return pieces.join('') + text.slice(from)
}

/** Each character but what is escaped. A pattern would try again from each quote of a string that never ends. */
function scan(text: string, look: (code: number, at: number, isInside: boolean) => void): void {
  let isInside = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) isInside = !isInside
    else if (isInside && code === BACKSLASH) at += 1
    else look(code, at, isInside)
  }
}
