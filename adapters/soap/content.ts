// What HTTP says about a body: media type, charset, action; and the decoding of compressed requests with a limit.
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib'
import { GatewayError } from 'dragoman'

export interface MediaType {
  /** Lower case, without parameters; `''` if the header is missing. */
  readonly type: string
  /** Names in lower case, values as they are without quotes. */
  readonly parameters: ReadonlyMap<string, string>
}

/** Reads a Content-Type (RFC 9110 §8.3.1): case-insensitive, parameters quoted or not. */
export function mediaType(header: string | undefined): MediaType {
  const [type = '', ...rest] = splitParameters(header ?? '')
  const parameters = new Map<string, string>()
  for (const part of rest) {
    const equals = part.indexOf('=')
    if (equals === -1) continue
    const name = part.slice(0, equals).trim().toLowerCase()
    if (!parameters.has(name)) parameters.set(name, unquote(part.slice(equals + 1).trim()))
  }
  return { type: type.trim().toLowerCase(), parameters }
}

function splitParameters(header: string): string[] {
  return header.match(/(?:"(?:[^"\\]|\\.)*"|[^;"]|")+/g) ?? []
}

function unquote(value: string): string {
  return /^".*"$/s.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/gs, '$1') : value
}

/** The SOAPAction header's URI; quoted as SOAP 1.1 §6.1.1 wants it or not. Undefined: no header, or an empty one. */
export function soapAction(header: string | undefined): string | undefined {
  const action = unquote((header ?? '').trim()).trim()
  return action === '' ? undefined : action
}

const decoders: ReadonlyMap<
  string,
  (body: Uint8Array, options: { maxOutputLength: number }) => Promise<Uint8Array>
> = new Map([
  ['gzip', promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(gunzip)],
  ['x-gzip', promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(gunzip)],
  ['deflate', inflateEither],
  ['br', promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(brotliDecompress)],
])

/**
 * The body without its content codings (RFC 9110 §8.4), last applied first. Throws `UNSUPPORTED_MEDIA` for an unknown one,
 * `TOO_LARGE` beyond the limit before more is unpacked, `DECODE_FAILED` with status 400 for a broken one.
 */
export async function decodeContent(
  body: Uint8Array,
  header: string | undefined,
  maxBytes: number,
): Promise<Uint8Array> {
  const codings = (header ?? '')
    .split(',')
    .map((coding) => coding.trim().toLowerCase())
    .filter((coding) => coding !== '' && coding !== 'identity')
  if (codings.length > 2)
    throw new GatewayError('UNSUPPORTED_MEDIA', `${codings.length} content codings one over the other`)
  let bytes = body
  for (const coding of codings.toReversed()) {
    const decoder = decoders.get(coding)
    if (decoder === undefined)
      throw new GatewayError(
        'UNSUPPORTED_MEDIA',
        `content coding "${coding}" is not supported; use gzip or none`,
      )
    bytes = await decoder(bytes, { maxOutputLength: maxBytes }).catch((cause: unknown) => {
      if (cause instanceof Error && 'code' in cause && cause.code === 'ERR_BUFFER_TOO_LARGE')
        throw new GatewayError('TOO_LARGE', `the body is larger than ${maxBytes} bytes when it is unpacked`, {
          cause,
        })
      throw new GatewayError('DECODE_FAILED', `the body is not valid ${coding}`, { cause })
    })
  }
  if (bytes.length > maxBytes)
    throw new GatewayError('TOO_LARGE', `the body is larger than ${maxBytes} bytes`)
  return bytes
}

/** RFC 9110 §8.4.1.2: zlib format; some senders leave its header out. */
async function inflateEither(body: Uint8Array, options: { maxOutputLength: number }): Promise<Uint8Array> {
  const first = body[0] ?? 0
  const zlib = (first & 0x0f) === 8 && ((first << 8) | (body[1] ?? 0)) % 31 === 0
  return promisify<Uint8Array, { maxOutputLength: number }, Uint8Array>(zlib ? inflate : inflateRaw)(
    body,
    options,
  )
}
