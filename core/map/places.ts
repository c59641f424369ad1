// Every single value of an HTTP message that goes out, with where it stands: address, headers, body of any kind.
import { decodedBody } from './body-text.ts'
import { jsonLeaves } from './json-leaves.ts'

/** A value as text, and where it is: `query customer`, `body order.items[0].sku`. */
export interface Place {
  readonly path: string
  readonly text: string
}

/** An HTTP message as far as it can hold values. */
export interface Outgoing {
  readonly url?: string
  /** Of fields that are not UTF-8. */
  readonly charset?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Reads the values of an XML document; throws for what is none. The core knows no XML: whoever starts it brings the reader. */
export type XmlPlaces = (body: Uint8Array, charset: string | undefined) => readonly Place[]

/** They frame the message, and change with any value. */
const FRAMING = new Set(['content-length', 'host', 'date', 'connection'])

export function placesOf(message: Outgoing, xml: XmlPlaces): readonly Place[] {
  const { url, headers, charset } = message
  return [
    ...(url === undefined ? [] : placesOfUrl(new URL(url), charset)),
    ...Object.entries(headers)
      .filter(([name]) => !FRAMING.has(name))
      .map(([name, text]) => ({ path: `header ${name}`, text })),
    ...placesOfBody(message, xml),
  ]
}

function placesOfUrl(url: URL, charset: string | undefined): readonly Place[] {
  const segments = url.pathname.split('/').slice(1)
  return [
    { path: 'host', text: url.host },
    ...segments.map((segment, index) => ({
      path: `path segment ${index + 1}`,
      text: decoded(segment, charset),
    })),
    ...fields(url.search.slice(1), 'query', charset),
  ]
}

function placesOfBody({ body, headers, charset }: Outgoing, xml: XmlPlaces): readonly Place[] {
  if (body.length === 0) return []
  const contentType = headers['content-type'] ?? ''
  const [, stated] = /charset\s*=\s*"?([^\s";]+)/i.exec(contentType) ?? []
  const [type = ''] = contentType.toLowerCase().split(/\s*;/)
  try {
    if (/\bjson$/.test(type))
      return jsonLeaves(decodedBody(body, contentType)).map(({ path, text }) => ({
        path: path === '' ? 'body' : `body ${path}`,
        text,
      }))
    if (/\bxml$/.test(type))
      return xml(body, stated).map(({ path, text }) => ({ path: `body ${path}`, text }))
    if (type === 'application/x-www-form-urlencoded')
      return fields(new TextDecoder('latin1').decode(body), 'body', stated ?? charset)
  } catch {
    // What does not hold what its type says is looked at as one text: it will be shown as it is.
  }
  return [{ path: 'body', text: decodedBody(body, contentType) }]
}

/** WHATWG URL §5.1, but in any charset. */
function fields(encoded: string, where: string, charset: string | undefined): readonly Place[] {
  const seen = new Map<string, number>()
  return encoded
    .split('&')
    .filter((field) => field !== '')
    .map((field) => {
      const [name = '', ...value] = field
        .split('=')
        .map((part) => decoded(part.replaceAll('+', ' '), charset))
      const count = (seen.get(name) ?? 0) + 1
      seen.set(name, count)
      return { path: `${where} ${name}${count === 1 ? '' : `[${count}]`}`, text: value.join('=') }
    })
}

/** Percent-encoded text: UTF-8, else the charset that is known, else what its bytes are one by one. */
function decoded(text: string, charset: string | undefined): string {
  if (!text.includes('%')) return text
  const bytes = Buffer.from(
    text.replaceAll(/%([\da-f]{2})/gi, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 16)),
    ),
    'latin1',
  )
  for (const label of ['utf-8', charset ?? 'utf-8'])
    try {
      return new TextDecoder(label, { fatal: true }).decode(bytes)
    } catch {
      continue // not in this one
    }
  return bytes.toString('latin1')
}
