// What of an answer is said in words where its parts cannot be shown as they are: in the response, and by the platform's API.
import type { Part } from 'dragoman'

import { cutAfter } from './api/text-pieces.ts'
import { articlesOf, kindOf, memberOf, textOf } from './card.ts'
import { isFields, listIn } from './document.ts'
import type { Fields } from './document.ts'

export interface Said {
  /** Empty: there is nothing to say. */
  readonly text: string
  /** What of the parts is not in it, in words for an operator. */
  readonly lost?: string
}

/** A bot's markdown and stream take 20,480 (developer.work.weixin.qq.com/document/path/101031). */
export const BOT_BYTES = 20_000

/** For operators: a part is not among what is said. */
export const LOST_PART =
  'a part of an answer cannot be shown, and has no text and no address that could be said for it: it is lost'

/**
 * A part's text, and a line for each thing it shows that has words, unless the text has it already: its address, the titles and
 * addresses of articles, the choices of a menu. Empty: there is nothing to say for it.
 */
export function fallbackText(part: Part): string {
  const { text } = part
  const lines = text.split('\n')
  const more = linesOf(part).filter((line) =>
    isAddress(line) ? !names(text, line) : line !== '' && !lines.includes(line),
  )
  return (text === '' ? more : [text, ...more]).join('\n')
}

/** All parts as one text, a line for each, of at most `maxBytes` of UTF-8. An address is in it whole or not at all. */
export function saidWithin(parts: readonly Part[], maxBytes: number): Said {
  const said = parts.map(fallbackText)
  const whole = said.filter((text) => text !== '').join('\n')
  const text = cutAfter(whole, maxBytes)
  const losses = [
    ...(text === whole
      ? []
      : [`an answer is longer than the ${maxBytes} bytes that can be said: its end is lost`]),
    ...(parts.some(({ kind }, index) => kind !== 'text' && said[index] === '') ? [LOST_PART] : []),
  ]
  return { text, ...(text !== '' && losses.length > 0 && { lost: losses.join('; ') }) }
}

/** With empty ones where a name is missing. */
function linesOf(part: Part): readonly string[] {
  const { kind, text, media } = part
  const data: Fields = part.data !== undefined && isFields(part.data) ? part.data : {}
  const own = kind === 'card' ? kindOf(data).own : data
  const address = addressIn(own) ?? [media?.url ?? ''].find(isSayable)
  return [
    ...(kind === 'card' ? linesOfCard(part, own) : []),
    ...(address === undefined ? [] : [text === '' ? (textOf(own, 'title') ?? '') : '', address]),
  ]
}

function linesOfCard(part: Part, own: Fields): readonly string[] {
  const articles = articlesOf(part) ?? []
  const choices = listIn(own, 'list').filter(isFields)
  return [
    ...articles.flatMap((article) => [textOf(article, 'title') ?? '', addressIn(article) ?? '']),
    textOf(own, 'head_content') ?? '',
    ...choices.flatMap(linesOfChoice),
    textOf(own, 'tail_content') ?? '',
  ]
}

/** A menu's item as an official account has it, or as 微信客服, whose fields stand under its type. */
function linesOfChoice(item: Fields): readonly string[] {
  const own = { ...item, ...memberOf(item, textOf(item, 'type') ?? '') }
  return [textOf(own, 'content') ?? '', addressIn(own) ?? '']
}

function addressIn(fields: Fields): string | undefined {
  return ['url', 'musicurl', 'musicUrl', 'hqmusicurl', 'hqMusicUrl']
    .map((name) => textOf(fields, name) ?? '')
    .find(isSayable)
}

/** A `data:` address is the thing itself, of which nobody reads a letter. */
function isSayable(address: string): boolean {
  return address !== '' && !/^data:/iu.test(address)
}

function isAddress(line: string): boolean {
  return /^https?:\/\//iu.test(line)
}

/** The text has this address, and not only a longer one that begins like it. */
function names(text: string, address: string): boolean {
  const [, ...behind] = text.split(address)
  return behind.some((rest) => !/^(?:[\w/#&=%~+@-]|[.:,;?!]\w)/u.test(rest))
}
