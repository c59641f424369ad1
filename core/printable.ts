// Others' words where a terminal may show them: they are shown, and nothing of them is obeyed.

/** What a terminal would obey or a line would end at: C0, C1, the separators, and what turns the direction of what follows (UAX #9 §2). */
export const OBEYED = String.raw`[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]`
/** Of these, what JSON leaves as it is. */
const IN_JSON = /[\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]/u
const WITHIN_LINES = new RegExp(String.raw`(?!\n|\t|\r\n)${OBEYED}`, 'gu')

/** For text of several lines: line ends and tabs stay, the rest is `\uXXXX`, as JSON would say it. */
export function inLines(text: string): string {
  return text.replaceAll(
    WITHIN_LINES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** For a line of JSON, which is looked at first: nearly none holds any. */
export function inJson(line: string): string {
  return IN_JSON.test(line) ? inLines(line) : line
}
