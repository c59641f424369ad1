// A copybook's text as sentences of words: fixed and free form, comments, literals.

export interface Sentence {
  readonly words: readonly string[]
  readonly line: number
}

/** A copybook is read at most so far. */
const MAX_CHARACTERS = 1_048_576

/**
 * Splits a copybook at its full stops. Fixed form (anything in columns 1-6, the indicator in 7, nothing beyond 72) is told
 * from free form by the beginnings of its lines, where `form` does not say it. Throws `RangeError` with the line.
 */
export function sentencesOf(text: string, form?: 'fixed' | 'free'): readonly Sentence[] {
  if (text.length > MAX_CHARACTERS) throw new RangeError(`it is longer than ${MAX_CHARACTERS} characters`)
  // An end-of-file mark of other days is no code.
  const lines = text.replaceAll('\u001A', '').split(/\r?\n/)
  const isFixed = form === undefined ? lines.every(fitsFixed) : form === 'fixed'
  const sentences: Sentence[] = []
  let words: string[] = []
  let first = 0
  for (const [index, whole] of lines.entries()) {
    const line = index + 1
    for (const word of wordsOf(codeOf(whole, isFixed, line), line)) {
      if (words.length === 0) first = line
      if (word === '.') {
        if (words.length > 0) sentences.push({ words, line: first })
        words = []
      } else words.push(word)
    }
  }
  if (words.length > 0)
    throw new RangeError(`line ${first}: "${words.join(' ')}" does not end with a full stop`)
  return sentences
}

/** Sequence numbers or marks of changes in columns 1-6, but no level: `01 REC` is code. */
function fitsFixed(line: string): boolean {
  const area = line.slice(0, 6)
  if (line.trim() === area.trim()) return /^[ \d]*$/.test(area)
  return /[ */dD-]/.test(line.charAt(6)) && (/^[ \d]{6}$/.test(area) || !/^\s*(?:\d{1,2}\s|\*)/.test(area))
}

function codeOf(line: string, isFixed: boolean, number: number): string {
  if (!isFixed) return /^\s*\*/.test(line) ? '' : line
  const indicator = line.charAt(6)
  if (indicator === '-') throw new RangeError(`line ${number}: continued lines are not read: put it into one`)
  const code = line.slice(7, 72)
  return indicator === '*' || indicator === '/' || /^\s*\*/.test(code) ? '' : code
}

/** A full stop ends a sentence only before a space or the line's end: `PIC Z9.99` has one inside. */
function wordsOf(code: string, line: number): readonly string[] {
  const words: string[] = []
  let rest = code
  for (;;) {
    rest = rest.replace(/^(?:\s|[,;](?=\s|$))+/, '')
    if (rest === '' || rest.startsWith('*>')) return words
    const match =
      /^(?:[XxZzNn]?(?:"(?:[^"]|"")*"|'(?:[^']|'')*')|\.(?=\s|$)|(?:[^\s"'.,;]|[.,;](?!\s|$))+)/.exec(rest)
    if (match === null) throw new RangeError(`line ${line}: "${rest.slice(0, 20)}" cannot be read`)
    words.push(match[0])
    rest = rest.slice(match[0].length)
  }
}
