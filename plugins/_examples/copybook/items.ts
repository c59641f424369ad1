// A copybook as a tree of data items: level, name, and the clauses that say how its bytes lie.
import type { Sign, Usage } from './fields.ts'
import { sentencesOf } from './source.ts'
import type { Sentence } from './source.ts'

export interface Occurs {
  readonly min: number
  readonly max: number
  /** The item that says how many there are. */
  readonly dependingOn?: string
}

export interface Item {
  readonly level: number
  /** In capitals; absent: FILLER. */
  readonly name?: string
  readonly line: number
  readonly picture?: string
  readonly usage?: Usage
  readonly sign?: Sign
  readonly occurs?: Occurs
  readonly redefines?: string
  readonly isRight: boolean
  readonly items: readonly Item[]
}

const MAX_OCCURS = 10_000

const USAGES: Readonly<Record<string, Usage>> = {
  DISPLAY: 'display',
  'COMP-3': 'packed',
  'COMPUTATIONAL-3': 'packed',
  'PACKED-DECIMAL': 'packed',
  COMP: 'binary',
  COMPUTATIONAL: 'binary',
  'COMP-4': 'binary',
  'COMPUTATIONAL-4': 'binary',
  BINARY: 'binary',
  'COMP-5': 'native',
  'COMPUTATIONAL-5': 'native',
}
const NO_USAGES =
  /^(?:(?:COMP|COMPUTATIONAL)-\w+|INDEX|POINTER(?:-32)?|NATIONAL|FLOAT-\w+|BINARY-\w+|SYNC(?:HRONIZED)?)$/

/** Every word that may stand where a clause begins: what is none of them is a mistake, not something to pass over. */
const PASSED_OVER = new Set(['GLOBAL', 'EXTERNAL', 'IS', 'COMMON'])

/**
 * Reads the items of one record. Levels 66, 78 and 88 (other names, constants, names of values) take no bytes and are
 * passed over. Throws `RangeError` that names the line.
 */
export function itemsOf(text: string, form?: 'fixed' | 'free'): Item {
  const flat: Item[] = []
  for (const sentence of sentencesOf(text, form)) {
    const level = Number(sentence.words[0])
    if (level === 66 || level === 78 || level === 88) continue
    if (!/^\d{1,2}$/.test(sentence.words[0] ?? '') || (level > 49 && level !== 77) || level === 0)
      throw problem(sentence, `"${sentence.words.slice(0, 3).join(' ')}" does not begin with a level`)
    flat.push(clausesOf(sentence, level))
  }
  if (flat.length === 0) throw new RangeError('it has no items')
  const roots = nest(flat)
  const [root] = roots
  // Without a level above them all the items are one record.
  if (root === undefined || roots.length > 1 || root.items.length === 0) {
    if (roots.some(({ level }) => level === 1) && roots.length > 1)
      throw new RangeError(`line ${roots[1]?.line ?? 1}: a second record begins: one copybook, one record`)
    return { level: 0, line: 1, isRight: false, items: roots }
  }
  if (root.occurs !== undefined || root.redefines !== undefined)
    throw new RangeError(`line ${root.line}: a record has neither OCCURS nor REDEFINES`)
  return root
}

/** An item belongs to the nearest one above it with a smaller level. */
function nest(flat: readonly Item[]): readonly Item[] {
  const roots: Item[] = []
  const open: { readonly item: Item; readonly items: Item[] }[] = []
  for (const item of flat) {
    const items: Item[] = []
    const own = { ...item, items }
    while ((open.at(-1)?.item.level ?? -1) >= item.level) open.pop()
    const parent = open.at(-1)
    if (parent?.item.picture !== undefined)
      throw new RangeError(
        `line ${item.line}: ${parent.item.name ?? 'FILLER'} has a PIC and cannot have items below it`,
      )
    ;(parent?.items ?? roots).push(own)
    open.push({ item: own, items })
  }
  return roots
}

// ─── Clauses ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The words of a sentence, one after the other. */
class Words {
  readonly #sentence: Sentence
  #at = 1
  constructor(sentence: Sentence) {
    this.#sentence = sentence
  }
  peek(): string | undefined {
    return this.#sentence.words[this.#at]?.toUpperCase()
  }
  take(): string | undefined {
    const word = this.peek()
    this.#at += 1
    return word
  }
  /** Takes the next word if it is one of these. */
  skip(...words: readonly string[]): boolean {
    if (!words.includes(this.peek() ?? '')) return false
    this.#at += 1
    return true
  }
  name(what: string): string {
    const word = this.take() ?? ''
    if (!/^(?=.*[A-Z])[A-Z0-9](?:[A-Z0-9_-]{0,60}[A-Z0-9])?$/.test(word))
      throw this.problem(`${what}: "${word}" is no name`)
    return word
  }
  count(what: string): number {
    const word = this.take() ?? ''
    if (!/^\d{1,6}$/.test(word)) throw this.problem(`${what}: "${word}" is no count`)
    return Number(word)
  }
  problem(why: string): RangeError {
    return problem(this.#sentence, why)
  }
}

type Clauses = { -readonly [key in keyof Item]: Item[key] }

function clausesOf(sentence: Sentence, level: number): Item {
  const words = new Words(sentence)
  const item: Clauses = { level, line: sentence.line, isRight: false, items: [] }
  const next = words.peek()
  if (next !== undefined && !isClause(next)) {
    if (!words.skip('FILLER')) item.name = words.name('the item')
  }
  while (words.peek() !== undefined) clause(words, item)
  if (item.picture === undefined && item.isRight) throw words.problem('JUSTIFIED needs a PIC')
  return item
}

function isClause(word: string): boolean {
  return (
    /^(?:PIC|PICTURE|USAGE|OCCURS|REDEFINES|SIGN|LEADING|TRAILING|VALUES?|JUST|JUSTIFIED|BLANK)$/.test(
      word,
    ) ||
    Object.hasOwn(USAGES, word) ||
    NO_USAGES.test(word) ||
    PASSED_OVER.has(word)
  )
}

function clause(words: Words, item: Clauses): void {
  const word = words.take() ?? ''
  switch (word) {
    case 'PIC':
    case 'PICTURE':
      words.skip('IS')
      item.picture = words.take() ?? ''
      return
    case 'USAGE':
      words.skip('IS')
      item.usage = usageOf(words, words.take() ?? '')
      return
    case 'REDEFINES':
      item.redefines = words.name('REDEFINES')
      return
    case 'OCCURS':
      item.occurs = occursOf(words)
      return
    case 'SIGN':
      words.skip('IS')
      item.sign = signOf(words, words.take() ?? '')
      return
    case 'LEADING':
    case 'TRAILING':
      item.sign = signOf(words, word)
      return
    case 'JUST':
    case 'JUSTIFIED':
      words.skip('RIGHT')
      item.isRight = true
      return
    case 'BLANK':
      words.skip('WHEN')
      if (!words.skip('ZERO', 'ZEROS', 'ZEROES')) throw words.problem('BLANK WHEN ZERO was expected')
      return
    case 'VALUE':
    case 'VALUES':
      // It says how a program begins, not how the bytes lie.
      words.skip('IS', 'ARE')
      words.skip('ALL')
      words.take()
      return
    default:
      if (!PASSED_OVER.has(word)) item.usage = usageOf(words, word)
  }
}

function usageOf(words: Words, word: string): Usage {
  const usage = Object.hasOwn(USAGES, word) ? USAGES[word] : undefined
  if (usage !== undefined) return usage
  throw words.problem(
    NO_USAGES.test(word)
      ? `${word} is not read here: its bytes depend on the machine`
      : `"${word}" is no clause`,
  )
}

function signOf(words: Words, where: string): Sign {
  if (where !== 'LEADING' && where !== 'TRAILING')
    throw words.problem(`SIGN: "${where}" is neither LEADING nor TRAILING`)
  const isSeparate = words.skip('SEPARATE')
  if (isSeparate) words.skip('CHARACTER')
  return { isLeading: where === 'LEADING', isSeparate }
}

function occursOf(words: Words): Occurs {
  const first = words.count('OCCURS')
  const isRange = words.skip('TO')
  const max = isRange ? words.count('OCCURS … TO') : first
  words.skip('TIMES')
  let dependingOn: string | undefined
  for (;;) {
    if (words.skip('DEPENDING')) {
      words.skip('ON')
      dependingOn = words.name('DEPENDING ON')
    } else if (words.skip('INDEXED')) {
      words.skip('BY')
      while (words.peek() !== undefined && !isClause(words.peek() ?? '') && !isTableWord(words.peek() ?? ''))
        words.take()
    } else if (words.skip('ASCENDING', 'DESCENDING')) {
      words.skip('KEY')
      words.skip('IS')
      while (words.peek() !== undefined && !isClause(words.peek() ?? '') && !isTableWord(words.peek() ?? ''))
        words.take()
    } else break
  }
  if (max < 1 || max > MAX_OCCURS || first > max)
    throw words.problem(`OCCURS ${first} TO ${max}: 1 to ${MAX_OCCURS} are read`)
  if (isRange && dependingOn === undefined) throw words.problem('OCCURS … TO needs DEPENDING ON')
  return dependingOn === undefined ? { min: max, max } : { min: isRange ? first : 0, max, dependingOn }
}

function isTableWord(word: string): boolean {
  return /^(?:DEPENDING|INDEXED|ASCENDING|DESCENDING)$/.test(word)
}

function problem({ line }: Sentence, why: string): RangeError {
  return new RangeError(`line ${line}: ${why}`)
}
