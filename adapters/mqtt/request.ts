// A backend's operation: the topic and the payload of a call, and what its answer says. Pure.
import { randomUUID } from 'node:crypto'

import { GatewayError } from 'dragoman'
import type { Answer, BackendCall, Fault, Json } from 'dragoman'

import type { BackendOperation } from './config.ts'
import { compileExpression } from '../data/expression.ts'
import { isObject } from '../data/json.ts'
import { dataOf } from './payload.ts'
import { filterOf, topicProblem } from './topics.ts'

export interface CompiledRequest {
  /** All topics it may go to. */
  readonly filter: string
  readonly replyFilter?: string
  readonly qos: 0 | 1
  /** Throws `DECODE_FAILED` where a parameter is missing or would leave its level. */
  build(call: BackendCall): Promise<Built>
  /** A fault of an envelope comes before `result`, unless that mentions `fault` itself. Throws `BACKEND_FAILED` where `result` cannot be evaluated, or `data_base64` read. */
  read(payload: Json, call: BackendCall): Promise<Answer>
}

export interface Built {
  readonly topic: string
  readonly payload: string
  readonly replyTopic?: string
  /** Of this attempt: an answer to an earlier one is not taken for this one's. */
  readonly correlationId: string
}

export function compileRequest(operation: BackendOperation, backend: string): CompiledRequest {
  const { topic, replyTopic, qos } = operation
  const body = operation.body === undefined ? undefined : compileExpression(operation.body)
  const result = operation.result === undefined ? undefined : compileExpression(operation.result)
  const readsFault = /\bfault\b/u.test(operation.result ?? '')
  return {
    filter: filterOf(topic),
    ...(replyTopic !== undefined && { replyFilter: filterOf(replyTopic) }),
    qos,
    async build(call) {
      const { message, params } = call
      const correlationId = randomUUID()
      const at = render(topic, call, correlationId)
      const reply = replyTopic === undefined ? undefined : render(replyTopic, call, correlationId)
      const evaluate = async (): Promise<Json | undefined> => {
        try {
          return await body?.(params, {
            message,
            correlation: correlationId,
            replyTopic: reply,
            key: call.key,
          })
        } catch (error) {
          throw new GatewayError('DECODE_FAILED', `the body cannot be made: ${String(error)}`, {
            cause: error,
            notExecuted: true,
          })
        }
      }
      const payload = body === undefined ? eventOf(call, { backend, correlationId, reply }) : await evaluate()
      return {
        topic: at,
        payload: typeof payload === 'string' ? payload : JSON.stringify(payload ?? null),
        ...(reply !== undefined && { replyTopic: reply }),
        correlationId,
      }
    },
    async read(payload, { message }) {
      const fault = isEnvelope(payload) && !readsFault ? faultOf(payload['fault']) : undefined
      if (fault !== undefined) return { fault }
      if (result === undefined) return { data: dataIn(payload) }
      try {
        const data = await result(payload, { message })
        return data === undefined ? {} : { data }
      } catch (error) {
        throw unreadable('the answer cannot be read by `result`', error)
      }
    },
  }
}

/** CloudEvents 1.0: `id` is the call's key, the same over retries; `replyto` and `correlationid` say what the answer must bear. */
function eventOf(
  { operation, params, message, key }: BackendCall,
  about: { readonly backend: string; readonly correlationId: string; readonly reply: string | undefined },
): Json {
  return {
    specversion: '1.0',
    id: key,
    source: `/backends/${encodeURIComponent(about.backend)}`,
    type: operation,
    datacontenttype: 'application/json',
    ...(about.reply !== undefined && { correlationid: about.correlationId, replyto: about.reply }),
    traceparent: message.traceparent,
    data: params,
  }
}

/** Beside a correlation or a specversion stands `data` or `fault`; anything else is the data itself. */
function isEnvelope(payload: Json): payload is Readonly<Record<string, Json>> {
  if (!isObject(payload)) return false
  return 'correlationid' in payload || 'correlationId' in payload || 'specversion' in payload
}

/** Of an envelope its data, of a CloudEvent also as `data_base64`; else what it has besides the correlation. */
function dataIn(payload: Json): Json {
  if (!isEnvelope(payload)) return payload
  const { data, correlationid: _one, correlationId: _other, ...rest } = payload
  const { data_base64: base64 = null } = payload
  if (payload['specversion'] !== '1.0' || base64 === null) return data === undefined ? rest : data
  try {
    return dataOf(payload)
  } catch (error) {
    throw unreadable(`the answer cannot be read: ${GatewayError.from(error).message}`, error)
  }
}

/** A text, a number, true, a list, or an object with a code or a message. Devices write 0, '' and what is empty, or the code 0, where nothing failed. */
function faultOf(value: Json | undefined): Fault | undefined {
  if (value === undefined || value === null || value === false || value === 0 || value === '')
    return undefined
  if (Array.isArray(value) && value.length === 0) return undefined
  const { code, message, detail } = isObject(value) ? value : shaped(value)
  if (code === 0 || code === '0') return undefined
  const hasCode = (typeof code === 'string' && code !== '') || typeof code === 'number'
  const hasMessage = typeof message === 'string' && message !== ''
  if (isObject(value) && !hasCode && !hasMessage) return undefined
  const named = hasCode ? String(code) : 'FAULT'
  return {
    code: named,
    message: hasMessage ? message : named,
    ...(detail !== undefined && { detail }),
  }
}

function shaped(value: Json): Readonly<Record<string, Json>> {
  return typeof value === 'string' ? { message: value } : { detail: value }
}

/** Each value stays within its level: no `/`, no wildcard, nothing empty. */
function render(template: string, { operation, params }: BackendCall, correlationId: string): string {
  const filled = template.replaceAll(/\{([^{}/]+)\}/gu, (_, name: string) => {
    if (name === 'operation') return level(name, operation)
    if (name === 'correlation') return correlationId
    const value = isObject(params) && Object.hasOwn(params, name) ? params[name] : undefined
    if (value === undefined || value === null || typeof value === 'object')
      throw refusal(`parameter "${name}" is missing, or no single value`)
    return level(name, String(value))
  })
  const problem = topicProblem(filled)
  if (problem !== undefined) throw refusal(`the topic cannot be made: ${problem}`)
  return filled
}

function level(name: string, value: string): string {
  if (value === '' || /[/+#]/u.test(value))
    throw refusal(`"${name}" is ${JSON.stringify(value.slice(0, 80))}, which is no single level of a topic`)
  return value
}

/** An answer came, and would come again. MQTT has no word for that: it is what HTTP says by 200. */
export function unreadable(message: string, cause?: unknown): GatewayError {
  return new GatewayError('BACKEND_FAILED', message, {
    ...(cause !== undefined && { cause }),
    detail: { status: 200 },
  })
}

function refusal(message: string): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { notExecuted: true })
}
