// Every single value of an HTTP message that goes out, with where it stands: address, headers, body of any kind.
import { jsonLeaves } from './json-leaves.ts'

/** A value as text, and where it is: `query customer`, `body order.items[0].sku`. */
export interface Place {
  readonly path: string
  readonly text: string
}

/** An HTTP message as far as it can hold values. */
export interface Outgoing {
  readonly url?: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** Reads the values of an XML document; throws for what is none. The core knows no XML: whoever starts it brings the reader. */
export type XmlPlaces = (body: Uint8Array, charset: string | undefined) => readonly Place[]

/** They frame the message, and change with any value. */
const FRAMING = new Set(['content-length', 'host', 'date', 'connection'])

export function placesOf(message: Outgoing, xml: XmlPlaces): readonly Place[] {
  const { url, headers, body } = message
  return [
    ...(url === undefined ? [] : placesOfUrl(new URL(url))),
    ...Object.entries(headers)
      .filter(([name]) => !FRAMING.has(name))
      .map(([name, text]) => ({ path: `header ${name}`, text })),
    ...placesOfBody(body, headers['content-type'] ?? '', xml),
  ]
}

function placesOfUrl(url: URL): readonly Place[] {
  const segments = url.pathname.split('/').slice(1)
  return [
    { path: 'host', text: url.host },
    ...segments.map((segment, index) => ({ path: `path segment ${index + 1}`, text: decoded(segment) })),
    ...fields(url.search, 'query'),
  ]
}

function placesOfBody(body: Uint8Array, contentType: string, xml: XmlPlaces): readonly Place[] {
  if (body.length === 0) return []
  const [, charset] = /charset\s*=\s*"?([^\s";]+)/i.exec(contentType) ?? []
  const [type = ''] = contentType.toLowerCase().split(/\s*;/)
  try {
    if (/\bjson$/.test(type))
      return jsonLeaves(new TextDecoder().decode(body)).map(({ path, text }) => ({
        path: path === '' ? 'body' : `body ${path}`,
        text,
      }))
    if (/\bxml$/.test(type))
      return xml(body, charset).map(({ path, text }) => ({ path: `body ${path}`, text }))
    if (type === 'application/x-www-form-urlencoded')
      return fields(new TextDecoder('latin1').decode(body), 'body')
  } catch {
    // What does not hold what its type says is looked at as one text: it will be shown as it is.
  }
  return [{ path: 'body', text: new TextDecoder().decode(body) }]
}

function fields(encoded: string, where: string): readonly Place[] {
  const seen = new Map<string, number>()
  return [...new URLSearchParams(encoded)].map(([name, text]) => {
    const count = (seen.get(name) ?? 0) + 1
    seen.set(name, count)
    return { path: `${where} ${name}${count === 1 ? '' : `[${count}]`}`, text }
  })
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment // not UTF-8: shown as it stands
  }
}
