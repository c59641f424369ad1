// Payloads: JSON without a digit lost, and the errors of NATS services (ADR-32: two headers).
import { GatewayError } from 'dragoman'
import type { Answer, Json, Reply } from 'dragoman'
import { headers } from '@nats-io/transport-node'
import type { Msg, MsgHdrs } from '@nats-io/transport-node'

const ERROR = 'Nats-Service-Error'
const ERROR_CODE = 'Nats-Service-Error-Code'
/** A business's own "no"; what went wrong otherwise has a status of the gateway. */
const FAULT_STATUS = 422
/** 4xx that say nothing about the business: our credential, or not now. */
const NOT_BUSINESS = new Set([401, 403, 408, 425, 429])
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Throws `SyntaxError`. A number that a double would change (`1.10`, 20 digits) stays the text it was. */
export function parseJson(bytes: Uint8Array): Json {
  let text: string
  try {
    text = utf8.decode(bytes)
  } catch (error) {
    throw new SyntaxError('the payload is not UTF-8', { cause: error })
  }
  return JSON.parse(text, exact) as Json // JSON.parse yields plain data, and the reviver puts texts in its place
}

function exact(_name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number' || context?.source === undefined) return value
  const isKept = String(value) === context.source && (!Number.isInteger(value) || Number.isSafeInteger(value))
  return isKept ? value : context.source
}

interface Encoded {
  readonly payload: string
  readonly headers: MsgHdrs
}

/** The answer to a request of ours: its data, or what was said. */
export function encodeReply({ data, parts, fault, stale, asOf }: Reply): Encoded {
  if (fault !== undefined) return encodeError(FAULT_STATUS, fault)
  const marks = headers()
  if (stale === true) marks.set('Dragoman-Stale', asOf ?? 'true')
  const said = parts === undefined ? {} : { text: parts.map(({ text }) => text).join('\n'), parts }
  return { payload: JSON.stringify(data ?? said), headers: marks }
}

/** Any error of the gateway, whole: status in one header, sentence in the other, the rest as JSON. */
export function encodeFailure(thrown: unknown): Encoded {
  const error = GatewayError.from(thrown)
  const { code, message, retry, detail, retryAfterMs } = error
  const body = { code, message, retry, detail, retryAfterMs }
  return encodeError(error.status, body)
}

function encodeError(status: number, body: { readonly message: string; readonly code: string }): Encoded {
  const marks = headers()
  marks.set(ERROR_CODE, String(status))
  marks.set(ERROR, body.message.replace(/[^ -~]+/g, ' ')) // a header is one line of plain characters
  return { payload: JSON.stringify(body), headers: marks }
}

/** What a service answered. Throws `BACKEND_FAILED` for what is no answer. */
export function readAnswer(message: Msg, kind: 'json' | 'text', where: string): Answer {
  const code = message.headers?.get(ERROR_CODE) ?? ''
  if (code !== '') return { fault: readFault(message, code, where) }
  if (message.data.byteLength === 0) return {}
  try {
    return { data: kind === 'json' ? parseJson(message.data) : utf8.decode(message.data) }
  } catch (error) {
    throw new GatewayError('BACKEND_FAILED', `${where} answered what is not ${kind}`, {
      cause: error,
      detail: { status: 200 }, // an answer came
    })
  }
}

function readFault(message: Msg, code: string, where: string): NonNullable<Answer['fault']> {
  const status = Number(code)
  const said = message.headers?.get(ERROR) ?? ''
  if (!(status >= 400 && status < 500) || NOT_BUSINESS.has(status))
    throw new GatewayError('BACKEND_FAILED', `${where} answered ${code}: ${said}`, {
      ...(Number.isInteger(status) && { detail: { status } }),
      notExecuted: status === 429,
    })
  const body = membersOf(message.data)
  return {
    code: textOf(body['code']) ?? `NATS_${code}`,
    message: textOf(body['message']) ?? (said === '' ? `${where} answered ${code}` : said),
    ...(body['detail'] !== undefined && { detail: body['detail'] }),
  }
}

function membersOf(bytes: Uint8Array): Readonly<Record<string, Json>> {
  try {
    const body = parseJson(bytes)
    return isObject(body) ? body : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {} // the headers alone say that it is a fault
    throw error
  }
}

function textOf(value: Json | undefined): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

export function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
