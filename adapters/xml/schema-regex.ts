// The grammar of XSD patterns (Part 2, appendix F), read into a small tree.
import { classOf } from './schema-charclass.ts'
import type { CharClass } from './schema-charclass.ts'

export type PatternNode =
  | { readonly kind: 'char'; readonly is: CharClass }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly item: PatternNode; readonly min: number; readonly max: number }

/** Thrown within the pattern files only. */
export class NotAPattern extends Error {}

/** Throws `NotAPattern` outside the grammar. */
export function parsePattern(source: string): PatternNode {
  return new PatternParser(source).whole()
}

export function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0
}

class PatternParser {
  readonly #characters: readonly string[]
  #at = 0

  constructor(source: string) {
    this.#characters = Array.from(source)
  }

  whole(): PatternNode {
    const node = this.#choice()
    if (this.#at < this.#characters.length) throw new NotAPattern()
    return node
  }

  #choice(): PatternNode {
    const items = [this.#branch()]
    while (this.#take('|')) items.push(this.#branch())
    const [only] = items
    return items.length === 1 && only !== undefined ? only : { kind: 'choice', items }
  }

  #branch(): PatternNode {
    const items: PatternNode[] = []
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek())
      items.push(this.#quantified(this.#atom()))
    return { kind: 'sequence', items }
  }

  #quantified(item: PatternNode): PatternNode {
    if (this.#take('?')) return { kind: 'repeat', item, min: 0, max: 1 }
    if (this.#take('*')) return { kind: 'repeat', item, min: 0, max: Infinity }
    if (this.#take('+')) return { kind: 'repeat', item, min: 1, max: Infinity }
    if (!this.#take('{')) return item
    const [, min = '', comma, max = ''] = /^(\d{1,6})(?:(,)(\d{0,6}))?$/.exec(this.#upTo('}')) ?? []
    if (min === '') throw new NotAPattern()
    const most = comma === undefined ? Number(min) : max === '' ? Infinity : Number(max)
    if (most < Number(min)) throw new NotAPattern()
    return { kind: 'repeat', item, min: Number(min), max: most }
  }

  #atom(): PatternNode {
    const character = this.#next()
    if (character === '(') {
      const inner = this.#choice()
      if (!this.#take(')')) throw new NotAPattern()
      return inner
    }
    if (character === '[') return { kind: 'char', is: this.#classExpression() }
    if (character === '.') return { kind: 'char', is: (code) => code !== 0x0a && code !== 0x0d }
    if (character === '\\') return { kind: 'char', is: this.#escape() }
    if ('?*+{}]'.includes(character)) throw new NotAPattern()
    return { kind: 'char', is: single(character) }
  }

  /** After `[`: ranges, escapes, a leading `^`, a trailing `-[…]` to subtract (appendix F [12] to [22]). */
  #classExpression(): CharClass {
    const negated = this.#take('^')
    const parts: CharClass[] = []
    let minus: CharClass | undefined
    while (!this.#take(']')) {
      if (this.#peek() === '-' && this.#characters[this.#at + 1] === '[' && parts.length > 0) {
        this.#at += 2
        minus = this.#classExpression()
        if (!this.#take(']')) throw new NotAPattern()
        break
      }
      parts.push(this.#range())
    }
    if (parts.length === 0) throw new NotAPattern()
    return (code) => parts.some((part) => part(code)) !== negated && (minus === undefined || !minus(code))
  }

  #range(): CharClass {
    const character = this.#next()
    if (character === '\\' && !isSingleEscape(this.#peek())) return this.#escape()
    if (character === '[') throw new NotAPattern()
    const from = character === '\\' ? this.#singleEscape() : character
    const next = this.#characters[this.#at + 1]
    if (this.#peek() !== '-' || next === ']' || next === '[') return single(from)
    this.#at++
    const end = this.#next()
    const to = end === '\\' ? this.#singleEscape() : end
    const [low, high] = [codeOf(from), codeOf(to)]
    if (high < low) throw new NotAPattern()
    return (code) => code >= low && code <= high
  }

  #escape(): CharClass {
    const kind = this.#peek()
    if (isSingleEscape(kind)) return single(this.#singleEscape())
    this.#at++
    if (kind === 'p' || kind === 'P') {
      if (!this.#take('{')) throw new NotAPattern()
      return required(classOf(kind, this.#upTo('}')))
    }
    return required(classOf(kind ?? ''))
  }

  #singleEscape(): string {
    const character = this.#next()
    if (!isSingleEscape(character)) throw new NotAPattern()
    return character === 'n' ? '\n' : character === 'r' ? '\r' : character === 't' ? '\t' : character
  }

  #upTo(end: string): string {
    const to = this.#characters.indexOf(end, this.#at)
    if (to === -1) throw new NotAPattern()
    const text = this.#characters.slice(this.#at, to).join('')
    this.#at = to + 1
    return text
  }

  #peek(): string | undefined {
    return this.#characters[this.#at]
  }

  #next(): string {
    const character = this.#characters[this.#at++]
    if (character === undefined) throw new NotAPattern()
    return character
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false
    this.#at++
    return true
  }
}

function isSingleEscape(character: string | undefined): boolean {
  return character !== undefined && 'nrt\\|.?*+(){}-[]^$'.includes(character)
}

function single(character: string): CharClass {
  const code = codeOf(character)
  return (candidate) => candidate === code
}

function required(found: CharClass | undefined): CharClass {
  if (found === undefined) throw new NotAPattern()
  return found
}
