// What a GraphQL server answered: data, partial data, a business fault, or a breakage.
import { GatewayError } from 'dragoman'
import type { Answer, BackendCall, Fault, Json } from 'dragoman'

import type { OperationConfig } from './backend-config.ts'
import { answerHeaders } from '../data/answer-headers.ts'
import { compileExpression } from '../data/expression.ts'
import { isObject } from '../data/json.ts'
import { retryAfterMs } from '../data/retry-after.ts'
import { NOT_BUSINESS } from '../data/status.ts'

/** An answer as the client hands it over; the members are what the other side sent. */
export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly data?: unknown
  readonly errors?: unknown
  readonly extensions?: unknown
}

export interface ReadOptions {
  /** The backend's name, for messages. */
  readonly backend: string
  readonly now: number
}

/** Reads one answer. Rejects with `BACKEND_FAILED`; its `detail` has the status and the first error's own code. */
export type ReadAnswer = (answered: Answered, call: BackendCall, options: ReadOptions) => Promise<Answer>

interface Failed {
  readonly message: string
  readonly code?: string
  readonly extensions?: Json
}
const MAX_MESSAGE = 300

/** Compiles how an operation's answers are read. */
export function compileAnswer({
  result,
  metadata = {},
  errors: rule,
  faults,
  notExecuted,
}: OperationConfig): ReadAnswer {
  const data = result === undefined ? undefined : compileExpression(result)
  const marks = Object.entries(metadata).map(([name, source]) => [name, compileExpression(source)] as const)

  return async (answered, call, { backend, now }) => {
    const { status, headers } = answered
    const where = `${backend}: ${call.operation}`
    const failures = failuresOf(answered.errors)
    const [first] = failures
    const says = (codes: RegExp): boolean =>
      failures.some(({ code }) => code !== undefined && codes.test(code))
    // GraphQL (October 2021) §7.1: without the entry `data` the request itself was refused, before anything was executed.
    // mercurius writes `data: null` there, under a 4xx.
    const isDataless = answered.data === undefined || (answered.data === null && status >= 400)
    const isRefused = isVerdict(status) && isDataless && isRequestError(answered.errors)
    const isUnproven = says(BROKEN) || (says(AWAY) && notExecuted !== true)
    const fail = (problem: string, cause?: unknown): GatewayError => {
      const retryAfter = retryAfterMs(headers.get('retry-after'), now)
      return new GatewayError('BACKEND_FAILED', `${where} ${problem}`, {
        detail: { status, ...(first?.code !== undefined && { code: first.code }) },
        ...(retryAfter !== undefined && { retryAfterMs: retryAfter }),
        // SEMANTICS 3: a 429 proves it, a 503 where the operation declares it; a code may say either under another status.
        notExecuted: status === 429 || (status === 503 && notExecuted === true) || (isRefused && !isUnproven),
        ...(cause !== undefined && { cause }),
      })
    }
    // Overloads and refused credentials say nothing about the business, whatever the body is (DESIGN §10).
    if (status >= 500 || NOT_BUSINESS.has(status)) throw fail(`answered ${status}`)
    const fault = failures.find(({ code }) => code !== undefined && faults.includes(code))
    if (fault !== undefined) return { fault: faultOf(fault) }
    if (isRefused && first !== undefined && ![MOMENTARY, OURS, AWAY, BROKEN].some(says))
      return { fault: { code: first.code ?? 'REQUEST_ERROR', message: first.message } }
    const content = answered.data as Json | undefined // what our own JSON parser made
    const nothing = content === undefined || content === null || !isObject(content) || allNull(content)
    if (first !== undefined && (rule === 'fail' || nothing))
      throw fail(
        `answered an error: ${first.message}${failures.length > 1 ? `, and ${failures.length - 1} more` : ''}`,
      )
    if (status < 200 || status > 299) throw fail(`answered ${status}`)
    if (content === undefined || content === null)
      throw fail('answered what is no GraphQL result: data and errors are missing')

    const texts: Record<string, string> = {}
    if (failures.length > 0) texts['graphql:errors'] = JSON.stringify(failures)
    const bindings = { message: call.message, headers: answerHeaders(headers) }
    try {
      const value = data === undefined ? content : await data(content, bindings)
      for (const [name, expression] of marks) {
        const mark = await expression(content, bindings)
        if (mark !== undefined && mark !== null)
          texts[name] = typeof mark === 'string' ? mark : JSON.stringify(mark)
      }
      return {
        ...(value !== undefined && { data: value }),
        ...(Object.keys(texts).length > 0 && { metadata: texts }),
        ...(failures.length > 0 && { partial: true }),
      }
    } catch (error) {
      throw fail('answered what cannot be read', error)
    }
  }
}

// Codes of a refused request that say nothing about the caller's parameters. There is no list of all servers' codes, so it is their words
// that count: one that is taken for the server's own costs the caller a clear word; one that is taken for his hides an outage.
const MOMENTARY = /THROTTL|LIMITED|RATE_?LIMIT|TOO_?MANY|OVERLOAD|BUSY/i
const OURS = /UNAUTH|FORBIDDEN|PERSISTED|PARSE_FAILED|OPERATION_RESOLUTION/i
const AWAY = /UNAVAILABLE/i
const BROKEN = /INTERNAL|UNEXPECTED|DOWNSTREAM|SUBREQUEST|TIMEOUT/i

/** Whether the server itself has looked at the request: no redirect, no timeout, no breakage. */
function isVerdict(status: number): boolean {
  return (status >= 200 && status < 300) || (status >= 400 && status < 500 && status !== 408)
}

/** An error with a `path` was met while a field was executed (§7.1.2), also where the server then left `data` out. */
function isRequestError(errors: unknown): boolean {
  return (
    Array.isArray(errors) &&
    errors.length > 0 &&
    !errors.some((error) => isObject(error) && (error['path'] ?? undefined) !== undefined)
  )
}

function failuresOf(errors: unknown): readonly Failed[] {
  if (!Array.isArray(errors)) return []
  return errors.map((error: unknown) => {
    if (!isObject(error)) return { message: 'an error without a message' }
    const { message, extensions } = error
    const code = isObject(extensions) ? extensions['code'] : undefined
    const said = extensions === undefined ? undefined : withoutStacks(extensions)
    return {
      message: typeof message === 'string' ? message.slice(0, MAX_MESSAGE) : 'an error without a message',
      ...(typeof code === 'string' && { code }),
      ...(said !== undefined && { extensions: said }),
    }
  })
}

/**
 * Without what servers in their debug mode tell of themselves (DESIGN §11): `stacktrace` of Apollo 4, `exception.stacktrace` of 2 and 3,
 * `stackTrace` of Hot Chocolate, `debugMessage`, `trace`, `file` and `line` of webonyx and Lighthouse, `backtrace` of graphql-ruby.
 * Undefined: there was nothing else in it.
 */
function withoutStacks(value: Json): Json | undefined {
  if (Array.isArray(value)) return value.map(withoutStacks).filter((member) => member !== undefined)
  if (!isObject(value)) return value
  const members = Object.entries(value)
  const isPlace = isPlaceInCode(value)
  const kept: [string, Json][] = []
  for (const [name, member] of members) {
    const rest =
      isOfStack(name, member) || (isPlace && /^(?:file|line)$/.test(name)) ? undefined : withoutStacks(member)
    if (rest !== undefined) kept.push([name, rest])
  }
  return kept.length === 0 && members.length > 0 ? undefined : Object.fromEntries(kept)
}

function isOfStack(name: string, member: Json): boolean {
  if (/^(?:stacktrace|debugmessage)$/i.test(name)) return true
  return /^(?:back)?trace$/i.test(name) && Array.isArray(member) // a text is a trace's id
}

/** With a folder: a file that the caller handed in has none. */
function isPlaceInCode({ file, line }: Readonly<Record<string, Json>>): boolean {
  return typeof file === 'string' && /[/\\]/.test(file) && typeof line === 'number'
}

function faultOf({ code, message, extensions }: Failed): Fault {
  const detail = isObject(extensions)
    ? Object.fromEntries(Object.entries(extensions).filter(([name]) => name !== 'code'))
    : {}
  return { code: code ?? 'FAULT', message, ...(Object.keys(detail).length > 0 && { detail }) }
}

function allNull(content: Readonly<Record<string, Json>>): boolean {
  return Object.values(content).every((value) => value === null)
}
