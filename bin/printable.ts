// Others' words on a terminal and in a table: they are shown, and nothing of them is obeyed.

/** What a terminal would obey or a line would end at: C0, C1, the separators, and what turns the direction of what follows (UAX #9 §2). */
const OBEYED = String.raw`[\u0000-\u001F\u007F-\u009F\u061C\u200E\u200F\u2028-\u202E\u2066-\u2069]`
const RUN = new RegExp(`${OBEYED}+`, 'gu')
const WITHIN_LINES = new RegExp(String.raw`(?!\n|\t|\r\n)${OBEYED}`, 'gu')

/** For what must stay one line: a run of them is a space. */
export function inLine(text: string): string {
  return text.replaceAll(RUN, ' ')
}

/** For text of several lines: line ends and tabs stay, the rest is `\uXXXX`, as JSON would say it. */
export function inLines(text: string): string {
  return text.replaceAll(
    WITHIN_LINES,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Indented, the same value to whoever parses it. */
export function asJson(value: unknown): string {
  return inLines(JSON.stringify(value, null, 2))
}
