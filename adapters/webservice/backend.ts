// The webservice backend: one HTTP call per operation in the dialect of the business system.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Fault, Json, Operation, Scope } from 'dragoman'
import { asmxDialect, poxDialect } from './backend-xml.ts'
import { xmlRpcDialect } from './backend-xmlrpc.ts'
import type { BackendConfig, OperationConfig } from './config.ts'
import { isObject, loadContract } from './contract.ts'
import type { Contract } from './contract.ts'
import type { Dialect, Outbound } from './dialect.ts'
import { answerHeaders } from '../data/answer-headers.ts'
import { Description } from '../data/description.ts'
import { compileExpression, readsMessage } from '../data/expression.ts'
import type { Expression } from '../data/expression.ts'
import { isFieldValue } from '../data/field.ts'
import { retryAfterMs } from '../data/retry-after.ts'

interface Compiled {
  readonly config: OperationConfig
  readonly result: Expression | undefined
  readonly fault: Expression | undefined
}

/** Makes a webservice backend. */
export function createBackend(config: BackendConfig, scope: Scope): Backend {
  const headers = Object.entries(config.headers).map(
    ([name, source]) => [name.toLowerCase(), compileExpression(source)] as const,
  )
  const compiled = new Map<string, Compiled>()
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  for (const [name, operation] of Object.entries(config.operations)) {
    const { result, fault } = operation
    compiled.set(name, {
      config: operation,
      result: result === undefined ? undefined : compileExpression(result),
      fault: fault === undefined ? undefined : compileExpression(fault),
    })
    operations[name] = { safe: false, readsMessage: readsMessage(config.headers, operation) }
  }
  const description = new Description<Dialect>({
    what: `backend "${scope.id}": its schema`,
    scope,
    read: async (fetch) => dialectOf(config, await loadContract(config, { fetch })),
  })

  return {
    operations,
    start: (signal) => description.begin(signal),
    async call(call, signal) {
      const found = compiled.get(call.operation) ?? compiled.get('*')
      if (found === undefined)
        throw new GatewayError('NO_ROUTE', `backend "${scope.id}" has no operation "${call.operation}"`, {
          notExecuted: true,
        })
      const dialect = description.value ?? (await description.forCall(signal))
      const outbound = requestOf(dialect, call, found.config)
      const response = await scope.fetch(addressOf(config, call, found.config, outbound), {
        method: outbound.method,
        headers: { ...headersOf(outbound, call), ...(await evaluated(headers, call)) },
        ...(outbound.body !== undefined && { body: Buffer.from(outbound.body) }),
        signal,
        redirect: 'manual', // it would repeat the call somewhere the config does not name
      })
      return read({ scope, dialect, found, call }, response)
    },
    async probe(signal) {
      await scope.fetch(config.url, { method: 'HEAD', signal, redirect: 'manual' })
    },
    async [Symbol.asyncDispose]() {
      description.end()
      compiled.clear()
    },
  }
}

function dialectOf(config: BackendConfig, contract: Contract): Dialect {
  switch (config.dialect) {
    case 'pox':
      return poxDialect(config, contract)
    case 'asmx-get':
    case 'asmx-post':
      return asmxDialect(config, contract)
    case 'xmlrpc':
      return xmlRpcDialect(config)
  }
}

/** What cannot be made into a request is the caller's mistake. Nothing has gone out yet: a write may be queued or sent again. */
function requestOf(dialect: Dialect, call: BackendCall, operation: OperationConfig): Outbound {
  try {
    return dialect.request(call, operation)
  } catch (error) {
    const { code, message } = GatewayError.from(error)
    throw new GatewayError(code === 'ENCODE_FAILED' ? 'DECODE_FAILED' : code, message, {
      cause: error,
      notExecuted: true,
    })
  }
}

function addressOf(
  { url }: BackendConfig,
  { operation }: BackendCall,
  { path }: OperationConfig,
  outbound: Outbound,
): string {
  // WHATWG URL §4.4: encoded or not, it would leave its place in the path.
  if (operation === '.' || operation === '..')
    throw new GatewayError('DECODE_FAILED', `"${operation}" is no operation`, { notExecuted: true })
  const [place = '', own] = url.split('?', 2)
  const below = (path ?? outbound.path ?? '').replaceAll('{operation}', encodeURIComponent(operation))
  const query = [own, outbound.query].filter((part) => part !== undefined && part !== '').join('&')
  return `${below === '' ? place : place.replace(/\/+$/, '')}${below}${query === '' ? '' : `?${query}`}`
}

function headersOf({ contentType }: Outbound, { key, message }: BackendCall): Record<string, string> {
  return {
    accept: 'text/xml, application/xml;q=0.9, */*;q=0.5',
    traceparent: message.traceparent, // W3C Trace Context §3.2
    'idempotency-key': key,
    ...(contentType !== undefined && { 'content-type': contentType }),
  }
}

async function evaluated(
  headers: readonly (readonly [string, Expression])[],
  call: BackendCall,
): Promise<Record<string, string>> {
  const fields: Record<string, string> = {}
  for (const [name, expression] of headers) {
    const value = await expression(call.params, { message: call.message }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error)
      throw new GatewayError('ENCODE_FAILED', `operation "${call.operation}": header "${name}": ${why}`, {
        cause: error,
        notExecuted: true,
      })
    })
    if (value === undefined || value === null) continue
    const text = typeof value === 'object' ? JSON.stringify(value) : String(value)
    if (!isFieldValue(text))
      throw new GatewayError(
        'DECODE_FAILED',
        `header "${name}" holds a character that HTTP headers cannot carry`,
        {
          notExecuted: true,
        },
      )
    fields[name] = text
  }
  return fields
}

interface Reading {
  readonly scope: Scope
  readonly dialect: Dialect
  readonly found: Compiled
  readonly call: BackendCall
}

async function read({ scope, dialect, found, call }: Reading, response: Response): Promise<Answer> {
  const { status } = response
  const fail = (problem: string, cause?: unknown): GatewayError => {
    const later = retryAfterMs(response.headers.get('retry-after'), scope.now())
    return new GatewayError('BACKEND_FAILED', `${scope.id}: ${call.operation} ${problem}`, {
      detail: { status },
      ...(later !== undefined && { retryAfterMs: later }),
      notExecuted: status === 429, // SEMANTICS 3
      ...(cause !== undefined && { cause }),
    })
  }
  const bytes = new Uint8Array(await response.arrayBuffer())
  try {
    const answer = dialect.answer(response, bytes, call)
    if (answer === undefined) throw fail(`answered ${status}`)
    return answer.fault === undefined ? await shaped(answer, found, { call, response }) : answer
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'BACKEND_FAILED') throw error
    throw fail(
      `answered ${status} with what cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      error,
    )
  }
}

/** The answer as `fault` and `result` of the config make it. */
async function shaped(
  answer: Answer,
  { fault, result }: Compiled,
  { call, response }: { readonly call: BackendCall; readonly response: Response },
): Promise<Answer> {
  if (fault === undefined && result === undefined) return answer
  const bindings = { message: call.message, headers: answerHeaders(response.headers) }
  const said = faultOf(await fault?.(answer.data, bindings))
  if (said !== undefined) return { fault: said }
  if (result === undefined) return answer
  const data = await result(answer.data, bindings)
  return data === undefined ? {} : { data }
}

function faultOf(value: Json | undefined): Fault | undefined {
  if (!isObject(value)) return undefined
  const { code, message, detail } = value
  if (code === undefined || code === null || typeof code === 'object') return undefined
  return {
    code: String(code),
    message:
      message === undefined || message === null || typeof message === 'object'
        ? String(code)
        : String(message),
    ...(detail !== undefined && { detail }),
  }
}
