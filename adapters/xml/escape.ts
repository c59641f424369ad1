// How text and attribute values are written: escaped so that the reader gives back exactly what was meant.
import { GatewayError } from 'dragoman'
import { canEncode } from './charset.ts'

/** Whether a charset has a character. */
export type Carries = (character: string) => boolean

// What cannot stand as it is: markup, what normalisation would change (XML 1.0 §2.11, §3.3.3), surrogates (a pair is fine:
// looked at again), and what is no character at all (§2.2).
const unplainText = /[&<>\r\0-\x08\x0B\x0C\x0E-\x1F\uD800-\uDFFF\uFFFE\uFFFF]/
const unplainValue = /[&<>"\t\n\r\0-\x08\x0B\x0C\x0E-\x1F\uD800-\uDFFF\uFFFE\uFFFF]/
const illegal = /[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|\p{Surrogate}/u
const beyondAscii = /[^\0-\x7F]/gu

/**
 * Character data. `>` is always escaped, so `]]>` cannot arise (XML 1.0 §2.4). Without `carries` every character fits.
 * Throws `ENCODE_FAILED` for what XML 1.0 §2.2 does not have.
 */
export function escapeText(text: string, carries: Carries | undefined): string {
  if (!unplainText.test(text)) return carried(text, carries)
  refuseIllegal(text)
  return carried(text.replace(/[&<>\r]/g, reference), carries)
}

/** The same for an attribute value in double quotes, white space kept (XML 1.0 §3.3.3). */
export function escapeValue(value: string, carries: Carries | undefined): string {
  if (!unplainValue.test(value)) return carried(value, carries)
  refuseIllegal(value)
  return carried(value.replace(/[&<>"\t\n\r]/g, reference), carries)
}

/** Asks the charset once per character. */
export function carriesOf(charset: string): Carries {
  const known = new Map<string, boolean>()
  return (character) => {
    const remembered = known.get(character)
    if (remembered !== undefined) return remembered
    const answer = canEncode(character, charset)
    known.set(character, answer)
    return answer
  }
}

/** What is wrong with a text no document can hold, in words that follow it; undefined: nothing. */
export function illegalProblem(text: string): string | undefined {
  if (!unplainText.test(text)) return undefined
  const found = illegal.exec(text)?.[0]
  if (found === undefined) return undefined
  const code = found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')
  return `holds U+${code}, which xml cannot carry`
}

/** XML 1.0 §2.2 [2] Char: not even a reference may name others (§4.1 WFC: Legal Character). */
function refuseIllegal(text: string): void {
  const problem = illegalProblem(text)
  if (problem !== undefined) throw new GatewayError('ENCODE_FAILED', `a text of the document ${problem}`)
}

const references: ReadonlyMap<string, string> = new Map([
  ['&', '&amp;'],
  ['<', '&lt;'],
  ['>', '&gt;'],
  ['"', '&quot;'],
])

function reference(character: string): string {
  return references.get(character) ?? numeric(character)
}

function numeric(character: string): string {
  return `&#x${(character.codePointAt(0) ?? 0).toString(16).toUpperCase()};`
}

function carried(text: string, carries: Carries | undefined): string {
  if (carries === undefined) return text
  return text.replace(beyondAscii, (character) => (carries(character) ? character : numeric(character)))
}
