// What a card's `data` holds: which of the platform's kinds it is, and the fields of that kind.
import type { Json, Part } from 'dragoman'

import { isFields, textIn } from './document.ts'
import type { Fields } from './document.ts'

/** The kind that hands the customer over to the platform's own staff. */
export const TRANSFER = 'transfer_customer_service'

/** The kinds of a card that the response itself can hold. */
const inResponse: ReadonlySet<string> = new Set(['music', 'news', TRANSFER])

/**
 * A card says by `msgtype` (or `type`) which of the platform's kinds it is, and the rest beside it or, as the customer-service
 * API has it, under that name.
 */
export function kindOf(data: Fields): { readonly type: string | undefined; readonly own: Fields } {
  const also = textIn(data, 'type') ?? ''
  const type = textIn(data, 'msgtype') ?? (inResponse.has(also) ? also : undefined)
  return { type, own: type === undefined ? data : (memberOf(data, type) ?? data) }
}

/** Undefined: the part is no card that holds a list of them. */
export function articlesOf({ kind, data }: Part): readonly Fields[] | undefined {
  if (kind !== 'card' || data === undefined || !isFields(data)) return undefined
  const { type, own } = kindOf(data)
  const articles = own['articles']
  if ((type !== undefined && type !== 'news') || !Array.isArray(articles)) return undefined
  return articles.filter((each: Json): each is Fields => isFields(each))
}

/** The first of these members that is a text, however it is spelled. */
export function textOf(fields: Fields, ...names: readonly string[]): string | undefined {
  return names.map((name) => textIn(fields, name)).find((value) => value !== undefined)
}

/** A member that holds fields. */
export function memberOf(data: Fields, name: string): Fields | undefined {
  const value = Object.hasOwn(data, name) ? data[name] : undefined
  return value !== undefined && isFields(value) ? value : undefined
}
