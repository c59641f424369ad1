// What of an answer is said in words where its parts cannot be shown as they are: in the response, and by the platform's API.
import type { Part } from 'dragoman'

import { isFields, textIn } from './api/answer-text.ts'
import { cutAfter } from './api/text-pieces.ts'

export interface Said {
  /** Empty: there is nothing to say. */
  readonly text: string
  /** Its end is missing: `…` stands there. */
  readonly isCut: boolean
}

/** A bot's markdown and stream take 20,480 (developer.work.weixin.qq.com/document/path/101031). */
export const BOT_BYTES = 20_000

/** A part's text, and the address of what it shows unless the text has it already. */
export function fallbackText({ text, media, data }: Part): string {
  const url = (isFields(data) ? textIn(data, 'url') : undefined) ?? media?.url
  if (url === undefined || text.includes(url)) return text
  return text === '' ? url : `${text}\n${url}`
}

/** All parts as one text, a line for each, of at most `maxBytes` of UTF-8. */
export function saidWithin(parts: readonly Part[], maxBytes: number): Said {
  const whole = parts
    .map(fallbackText)
    .filter((text) => text !== '')
    .join('\n')
  const text = cutAfter(whole, maxBytes)
  return { text, isCut: text !== whole }
}

/** What an operator is told of a text that was cut. */
export function lostEnd(maxBytes: number): string {
  return `an answer is longer than the ${maxBytes} bytes that can be said: its end is lost`
}
