// Content-Type: whether a body is JSON in UTF-8.

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
