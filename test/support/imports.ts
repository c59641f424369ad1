// Reads which modules a TypeScript source names: static, dynamic and type imports, re-exports, require, module addresses.

export interface Import {
  /** What is named; undefined where it is computed. */
  readonly specifier: string | undefined
  readonly line: number
}

interface Token {
  readonly kind: 'word' | 'text' | 'mark'
  readonly value: string
  readonly line: number
}

/** Every module that a source names, in order. Comments and texts that only look like imports are none. */
export function readImports(source: string): readonly Import[] {
  const tokens = tokenize(source)
  return tokens.flatMap((token, index) => {
    const found = importAt(tokens, index)
    return found === undefined ? [] : [{ specifier: found.specifier, line: token.line }]
  })
}

function importAt(
  tokens: readonly Token[],
  index: number,
): { readonly specifier: string | undefined } | undefined {
  const at = (offset: number): Token | undefined => tokens[index + offset]
  const textAt = (offset: number): string | undefined =>
    at(offset)?.kind === 'text' ? at(offset)?.value : undefined
  const word = at(0)?.kind === 'word' && !/^[.#]$/.test(at(-1)?.value ?? '') ? at(0)?.value : undefined
  if (word === 'from' && textAt(1) !== undefined) return { specifier: textAt(1) }
  if (word === 'import' && textAt(1) !== undefined) return { specifier: textAt(1) }
  if ((word === 'import' || word === 'require') && at(1)?.value === '(') return { specifier: textAt(2) }
  // import.meta.resolve('…')
  if (word === 'import' && at(3)?.value === 'meta') return undefined
  if (at(0)?.value === 'resolve' && at(-2)?.value === 'meta' && at(1)?.value === '(')
    return { specifier: textAt(2) }
  // new URL('./worker.ts', import.meta.url)
  const address = word === 'URL' && at(1)?.value === '(' && at(4)?.value === 'import' ? textAt(2) : undefined
  if (address === undefined || !/\.[cm]?[jt]s$/.test(address)) return undefined
  return { specifier: /^(?:\.{0,2}\/|[a-z]+:)/.test(address) ? address : `./${address}` } // beside it, as URLs have it
}

const PIECES = new RegExp(
  [
    String.raw`(?<comment>\/\/[^\n]*|\/\*[\s\S]*?\*\/)`,
    String.raw`(?<text>'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*")`,
    String.raw`(?<word>[\p{L}_$][\p{L}\p{N}_$]*)`,
    String.raw`(?<number>\d[\w.]*)`,
    String.raw`(?<mark>[^\s])`,
  ].join('|'),
  'uy',
)
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y
// After these a slash begins a regular expression; after a value it divides.
const BEFORE_REGEX = /^(?:[(,=:[!&|?{};+\-*%<>~^]|return|typeof|case|in|of|do|else|void|throw|await|yield)$/

function tokenize(source: string): readonly Token[] {
  const tokens: Token[] = []
  // For each open `${` how many braces stand open inside it.
  const templates: number[] = []
  let line = 1
  let position = 0
  const advance = (to: number): void => {
    line += source.slice(position, to).split('\n').length - 1
    position = to
  }
  const push = (kind: Token['kind'], value: string): void => void tokens.push({ kind, value, line })

  while (position < source.length) {
    const char = source[position] ?? ''
    if (/\s/.test(char)) {
      advance(position + 1)
      continue
    }
    const closes = char === '}' && templates.at(-1) === 0
    if (char === '`' || closes) {
      if (closes) templates.pop()
      const { end, opens, text } = template(source, position + 1)
      if (opens) templates.push(0)
      push(opens || closes ? 'mark' : 'text', opens || closes ? '`' : text)
      advance(end)
      continue
    }
    if (
      char === '/' &&
      !/^\/[/*]/.test(source.slice(position, position + 2)) &&
      BEFORE_REGEX.test(tokens.at(-1)?.value ?? '=')
    ) {
      REGEX.lastIndex = position
      const match = REGEX.exec(source)
      if (match !== null) {
        push('mark', '/')
        advance(position + match[0].length)
        continue
      }
    }
    if (char === '{' && templates.length > 0) templates.push((templates.pop() ?? 0) + 1)
    if (char === '}' && templates.length > 0) templates.push((templates.pop() ?? 1) - 1)
    PIECES.lastIndex = position
    const match = PIECES.exec(source)
    const { text, word, mark } = match?.groups ?? {}
    if (text !== undefined) push('text', text.slice(1, -1))
    if (word !== undefined) push('word', word)
    if (mark !== undefined) push('mark', mark)
    advance(position + (match?.[0].length ?? 1))
  }
  return tokens
}

/** From inside a template to its end, or to the next `${`. */
function template(
  source: string,
  from: number,
): { readonly end: number; readonly opens: boolean; readonly text: string } {
  for (let index = from; index < source.length; index += 1) {
    if (source[index] === '\\') index += 1
    else if (source[index] === '`') return { end: index + 1, opens: false, text: source.slice(from, index) }
    else if (source.startsWith('${', index)) return { end: index + 2, opens: true, text: '' }
  }
  return { end: source.length, opens: false, text: source.slice(from) }
}
