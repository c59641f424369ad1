// What the chat page shows of a message: its parts, else its data.
import type { Part } from '../../api.ts'
import type { Said } from '../client/types.ts'

export interface Line {
  readonly text: string
  /** Where it leads: `http:` or `https:`, nothing that a browser would run. */
  readonly href?: string
}

/** Without any where there is nothing to show. */
export function linesOf({ text, message: { parts, data } }: Pick<Said, 'text' | 'message'>): readonly Line[] {
  const lines = (parts ?? [{ text }]).flatMap(linesOfPart)
  if (lines.length > 0 || data === undefined) return lines
  const said = typeof data === 'string' ? data : JSON.stringify(data, undefined, 2)
  return isEmpty(said) ? [] : [{ text: said }]
}

function linesOfPart({ text, media, data }: Omit<Part, 'kind'>): readonly Line[] {
  const { url = '', name = '' } = media ?? {}
  const words = [text, name, data === undefined ? '' : JSON.stringify(data)].find((each) => !isEmpty(each))
  const said = words === undefined || words === url ? [] : [{ text: words }]
  if (isEmpty(url)) return said
  const href = hrefOf(url)
  return [...said, href === undefined ? { text: url } : { text: href, href }]
}

function hrefOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const { protocol, href } = new URL(url)
  return protocol === 'http:' || protocol === 'https:' ? href : undefined
}

function isEmpty(text: string): boolean {
  return text.trim() === ''
}
