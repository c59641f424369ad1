// Others' words on a terminal and in a table: they are shown, and nothing of them is obeyed.
import { OBEYED, inLines } from '../core/printable.ts'

export { inLines }

const RUN = new RegExp(`${OBEYED}+`, 'gu')

/** For what must stay one line: a run of them is a space. */
export function inLine(text: string): string {
  return text.replaceAll(RUN, ' ')
}

/** Indented, the same value to whoever parses it. */
export function asJson(value: unknown): string {
  return inLines(JSON.stringify(value, null, 2))
}
