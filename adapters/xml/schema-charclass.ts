// The character classes of XSD patterns (Part 2, appendix F.1): multi-character escapes, categories, blocks.
import { nameClasses } from './names.ts'

/** Whether a code point belongs to it. */
export type CharClass = (code: number) => boolean

const escapes: ReadonlyMap<string, CharClass> = new Map([
  ['s', (code: number) => code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d],
  ['i', byExpression(`[:${nameClasses.start}]`)],
  ['c', byExpression(`[:${nameClasses.part}]`)],
  ['d', byExpression('\\p{Nd}')],
  ['w', byExpression('[^\\p{P}\\p{Z}\\p{C}]')],
])

// The blocks of Unicode 3.1 that schemas are seen to name; a pattern with another one is not enforced.
const blocks: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['BasicLatin', [0x00, 0x7f]],
  ['Latin-1Supplement', [0x80, 0xff]],
  ['LatinExtended-A', [0x100, 0x17f]],
  ['LatinExtended-B', [0x180, 0x24f]],
  ['IPAExtensions', [0x250, 0x2af]],
  ['SpacingModifierLetters', [0x2b0, 0x2ff]],
  ['CombiningDiacriticalMarks', [0x300, 0x36f]],
  ['Greek', [0x370, 0x3ff]],
  ['Cyrillic', [0x400, 0x4ff]],
  ['Armenian', [0x530, 0x58f]],
  ['Hebrew', [0x590, 0x5ff]],
  ['Arabic', [0x600, 0x6ff]],
  ['Devanagari', [0x900, 0x97f]],
  ['Thai', [0xe00, 0xe7f]],
  ['HangulJamo', [0x1100, 0x11ff]],
  ['LatinExtendedAdditional', [0x1e00, 0x1eff]],
  ['GreekExtended', [0x1f00, 0x1fff]],
  ['GeneralPunctuation', [0x2000, 0x206f]],
  ['SuperscriptsandSubscripts', [0x2070, 0x209f]],
  ['CurrencySymbols', [0x20a0, 0x20cf]],
  ['LetterlikeSymbols', [0x2100, 0x214f]],
  ['NumberForms', [0x2150, 0x218f]],
  ['Arrows', [0x2190, 0x21ff]],
  ['MathematicalOperators', [0x2200, 0x22ff]],
  ['CJKSymbolsandPunctuation', [0x3000, 0x303f]],
  ['Hiragana', [0x3040, 0x309f]],
  ['Katakana', [0x30a0, 0x30ff]],
  ['Bopomofo', [0x3100, 0x312f]],
  ['CJKUnifiedIdeographsExtensionA', [0x3400, 0x4db5]],
  ['CJKUnifiedIdeographs', [0x4e00, 0x9fff]],
  ['HangulSyllables', [0xac00, 0xd7a3]],
  ['PrivateUse', [0xe000, 0xf8ff]],
  ['CJKCompatibilityIdeographs', [0xf900, 0xfaff]],
  ['HalfwidthandFullwidthForms', [0xff00, 0xffef]],
])

/** `\d`, `\p{Lu}`, `\P{IsBasicLatin}`: the letter after the backslash, and what stands in braces. Undefined if unknown. */
export function classOf(escape: string, property?: string): CharClass | undefined {
  const negated = escape !== escape.toLowerCase()
  const found = property === undefined ? escapes.get(escape.toLowerCase()) : classOfProperty(property)
  if (found === undefined) return undefined
  return negated ? (code) => !found(code) : found
}

function classOfProperty(property: string): CharClass | undefined {
  if (property.startsWith('Is')) {
    const block = blocks.get(property.slice(2))
    return block === undefined ? undefined : (code) => code >= block[0] && code <= block[1]
  }
  const known = /^(?:L[ultmo]?|M[nce]?|N[dlo]?|P[cdseifo]?|Z[slp]?|S[mcko]?|C[cfon]?)$/.test(property)
  return known ? byExpression(`\\p{${property}}`) : undefined
}

function byExpression(one: string): CharClass {
  const expression = new RegExp(`^${one}$`, 'u')
  return (code) => expression.test(String.fromCodePoint(code))
}
