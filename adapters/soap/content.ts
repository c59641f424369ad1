// What HTTP says about a body: media type, charset, action.
import { mediaTypeParts } from '../data/media-type.ts'

export interface MediaType {
  /** Lower case, without parameters; `''` if the header is missing. */
  readonly type: string
  /** Names in lower case, values as they are without quotes. */
  readonly parameters: ReadonlyMap<string, string>
}

/**
 * Reads a Content-Type (RFC 9110 §8.3.1): case-insensitive, parameters quoted or not. Of several lines that were joined by
 * commas (§5.3) the first.
 */
export function mediaType(header = ''): MediaType {
  const before = known.get(header)
  if (before !== undefined) return before
  const read = readMediaType(header)
  if (known.size < 100 && header.length < 200) known.set(header, read) // of callers: not without end
  return read
}

/** As they were written so far: nearly always the same few. */
const known = new Map<string, MediaType>()

function readMediaType(header: string): MediaType {
  const [type = '', ...rest] = mediaTypeParts(header).filter((part) => part !== '')
  const parameters = new Map<string, string>()
  for (const part of rest) {
    const equals = part.indexOf('=')
    if (equals === -1) continue
    const name = part.slice(0, equals).trim().toLowerCase()
    if (!parameters.has(name)) parameters.set(name, unquote(part.slice(equals + 1).trim()))
  }
  return { type: type.trim().toLowerCase(), parameters }
}

function unquote(value: string): string {
  if (!/^".*"$/s.test(value)) return value
  const inside = value.slice(1, -1)
  return inside.includes('\\') ? inside.replaceAll(/\\(.)/gs, '$1') : inside // every SOAPAction comes by here
}

/** The SOAPAction header's URI; quoted as SOAP 1.1 §6.1.1 wants it or not. Undefined: no header, or an empty one. */
export function soapAction(header: string | undefined): string | undefined {
  const action = unquote((header ?? '').trim()).trim()
  return action === '' ? undefined : action
}
