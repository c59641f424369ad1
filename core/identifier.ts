// What a name or an id may be: of a sender, whoever names him, of a conversation, of a caller's own.

export const MAX_ID = 256
// C0, DEL and C1 would let two ids look alike in logs and keys.
const CONTROL = new RegExp(String.raw`[\u0000-\u001F\u007F-\u009F]`, 'u')
const PAIR = /[\uD800-\uDBFF][\uDC00-\uDFFF]/g

/** What is wrong with it, as the end of a sentence; undefined: nothing. `max` counts characters. */
export function identifierProblem(value: string, max = MAX_ID): string | undefined {
  if (value === '') return 'is empty'
  const count = charactersOf(value, max)
  if (count > max) return `has ${count} characters, more than ${max}`
  if (CONTROL.test(value)) return 'holds a control character'
  return value.isWellFormed() ? undefined : 'is not well-formed Unicode'
}

/** As JSON Schema counts them (Validation §6.3.1): a character beyond U+FFFF is one, though two units long. */
function charactersOf(value: string, max: number): number {
  return value.length <= max ? value.length : value.length - (value.match(PAIR)?.length ?? 0)
}
