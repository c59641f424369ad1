// What a REST business system answered: data, a business fault, or a breakage.
import { GatewayError } from 'dragoman'
import type { Answer, BackendCall, Fault, Json } from 'dragoman'

import type { OperationConfig } from './backend-config.ts'
import { answerHeaders } from '../data/answer-headers.ts'
import { compileExpression } from '../data/expression.ts'
import type { Expression } from '../data/expression.ts'
import { retryAfterMs } from '../data/retry-after.ts'
import { isObject, parseJson } from '../data/json.ts'
import { isJson, isUtf8, mediaType } from '../data/media-type.ts'
import { NOT_BUSINESS } from '../data/status.ts'

export interface ReadOptions {
  /** The backend's name, for messages. */
  readonly backend: string
  readonly now: number
}

/** Reads one answer. Rejects with `BACKEND_FAILED`; its `detail.status` is the status that came. */
export type ReadAnswer = (response: Response, call: BackendCall, options: ReadOptions) => Promise<Answer>

export function compileAnswer({ result, metadata, notExecuted }: OperationConfig): ReadAnswer {
  const data = result === undefined ? undefined : compileExpression(result)
  const marks = Object.entries(metadata ?? {}).map(
    ([name, source]) => [name, compileExpression(source)] as const,
  )

  return async (response, call, { backend, now }) => {
    const { status } = response
    const where = `${backend}: ${call.operation}`
    const fail = (problem: string, cause?: unknown): GatewayError => {
      const retryAfter = retryAfterMs(response.headers.get('retry-after'), now)
      return new GatewayError('BACKEND_FAILED', `${where} ${problem}`, {
        detail: { status },
        ...(retryAfter !== undefined && { retryAfterMs: retryAfter }),
        // SEMANTICS 3: a 429 proves it, a 503 where the operation declares it.
        notExecuted: status === 429 || (status === 503 && notExecuted === true),
        ...(cause !== undefined && { cause }),
      })
    }
    const bytes = await response.bytes()
    if (status >= 400 && status < 500 && !NOT_BUSINESS.has(status))
      return { fault: faultOf(response, bytes, where), metadata: { 'http:status': String(status) } }
    if (status >= 300 && status < 400)
      throw fail(
        `answered ${status}, a redirect`,
        new GatewayError('BACKEND_FAILED', 'put the address it leads to into the config'),
      )
    if (status < 200 || status > 299) throw fail(`answered ${status}`)

    const content = bytes.byteLength === 0 ? undefined : contentOf(response, bytes, fail)
    if (data === undefined && marks.length === 0) return content === undefined ? {} : { data: content }
    const bindings = { message: call.message, headers: answerHeaders(response.headers) }
    try {
      return await answerOf({ content, bindings, data, marks })
    } catch (error) {
      throw fail('answered what cannot be read', error)
    }
  }
}

interface Reading {
  readonly content: Json | undefined
  readonly bindings: Parameters<Expression>[1]
  readonly data: Expression | undefined
  readonly marks: readonly (readonly [string, Expression])[]
}

async function answerOf({ content, bindings, data, marks }: Reading): Promise<Answer> {
  const value = data === undefined ? content : await data(content, bindings)
  const texts: Record<string, string> = {}
  for (const [name, expression] of marks) {
    const mark = await expression(content, bindings)
    if (mark !== undefined && mark !== null)
      texts[name] = typeof mark === 'string' ? mark : JSON.stringify(mark)
  }
  return { ...(value !== undefined && { data: value }), ...(marks.length > 0 && { metadata: texts }) }
}

function contentOf(
  response: Response,
  bytes: Uint8Array,
  fail: (problem: string, cause?: unknown) => GatewayError,
): Json {
  const field = response.headers.get('content-type')
  const type = mediaType(field ?? 'application/json')
  if (type === undefined || !isJson(type) || !isUtf8(type))
    throw fail(`answered ${JSON.stringify((field ?? '').slice(0, 80))}, not JSON in UTF-8`)
  try {
    return parseJson(bytes)
  } catch (error) {
    throw fail('answered what is not JSON', error)
  }
}

// RFC 9457: `code` and `title` of the problem; an object as `detail` is the fault's own.
function faultOf(response: Response, bytes: Uint8Array, where: string): Fault {
  const { code, title, detail } = problemMembers(response, bytes)
  return {
    code: textOf(code) ?? `HTTP_${response.status}`,
    message: textOf(title) ?? textOf(detail) ?? `${where} answered ${response.status}`,
    ...(typeof detail === 'object' && detail !== null && { detail }),
  }
}

function problemMembers(response: Response, bytes: Uint8Array): Readonly<Record<string, Json>> {
  const type = mediaType(response.headers.get('content-type'))
  if (type === undefined || !isJson(type)) return {}
  try {
    const body = parseJson(bytes)
    return isObject(body) ? body : {}
  } catch (error) {
    if (error instanceof SyntaxError) return {} // the status alone says that it is a fault
    throw error
  }
}

function textOf(value: Json | undefined): string | undefined {
  if (typeof value === 'number') return String(value)
  return typeof value === 'string' && value !== '' ? value : undefined
}
