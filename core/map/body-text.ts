// The body of an HTTP message as text for people's eyes: in its charset, or a word about what it is.

/** Longer bodies are cut in the middle of what is shown, never in what is sent. */
export function bodyText(bytes: Uint8Array, contentType = ''): string {
  if (bytes.length === 0) return ''
  const type = contentType.toLowerCase()
  if (/^(?:image|audio|video|font)\/|^application\/(?:octet-stream|pdf|zip|gzip)/.test(type))
    return `(${bytes.length} bytes of ${contentType})`
  return decodedBody(bytes, contentType)
}

/** Any body as text: in the charset that its type states, or its XML declaration, else in UTF-8. */
export function decodedBody(bytes: Uint8Array, contentType = ''): string {
  return decoder(bytes, contentType).decode(bytes)
}

function decoder(bytes: Uint8Array, contentType: string): TextDecoder {
  const [, said] = /charset\s*=\s*"?([^\s";]+)/i.exec(contentType) ?? []
  const start = new TextDecoder('latin1').decode(bytes.subarray(0, 200))
  const [, declared] = /^<\?xml[^>]*\bencoding\s*=\s*["']([\w.-]+)["']/.exec(start) ?? []
  try {
    return new TextDecoder(said ?? declared ?? 'utf-8')
  } catch {
    return new TextDecoder('latin1') // a charset nobody knows: every byte is shown as something
  }
}
