// Content-Type: its parts, and whether a body is JSON in UTF-8.

/** The media type in lower case without parameters, and its charset in lower case. */
export interface MediaType {
  readonly essence: string
  readonly charset?: string
}

const JSON_TYPE: MediaType = { essence: 'application/json' }

/** RFC 9110 §8.3.1; undefined where there is none that can be read. */
export function mediaType(field: string | null | undefined): MediaType | undefined {
  if (field === JSON_TYPE.essence) return JSON_TYPE
  const [essence = '', ...parameters] = (field ?? '').toLowerCase().split(';')
  if (!/^[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+$/.test(essence.trim())) return undefined
  for (const parameter of parameters) {
    const charset = /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/.exec(parameter)?.[1]
    if (charset !== undefined) return { essence: essence.trim(), charset }
  }
  return { essence: essence.trim() }
}

/** application/json, text/json and every +json (RFC 6839 §3.1). */
export function isJson({ essence }: MediaType): boolean {
  return essence === 'application/json' || essence === 'text/json' || essence.endsWith('+json')
}

/** RFC 8259 §8.1: JSON is UTF-8; a charset parameter may only say so. */
export function isUtf8({ charset }: MediaType): boolean {
  return charset === undefined || charset === 'utf-8' || charset === 'utf8' || charset === 'us-ascii'
}

/**
 * A Content-Type cut at each semicolon outside quotes (RFC 9110 §5.6.4): the type, then its parameters as they are written.
 * Of several lines joined by commas (§5.3) the first: it ends at a comma outside quotes that a media type follows, since old
 * clients write commas into values without quotes.
 */
export function mediaTypeParts(header: string): readonly string[] {
  const parts: string[] = []
  let from = 0
  for (const { 0: mark, index } of header.matchAll(QUOTED_OR_CUT)) {
    if (mark.startsWith('"')) continue
    parts.push(header.slice(from, index))
    if (mark === ',') return parts
    from = index + 1
  }
  return [...parts, header.slice(from)]
}

// A quote that is not closed goes to the end: looked for anew at each quote, it would take the square of the length.
const QUOTED_OR_CUT = /"(?:[^"\\]|\\.?)*(?:"|$)|;|,(?=\s*[\w!#$&^.+-]+\/[\w!#$&^.+-]+\s*(?:[;,]|$))/gs
