// What a handler of a plugin's channel has answered, checked where it was written: a plugin's author may not have asked the compiler.
import type { HttpHandler, HttpResponse } from '../api.ts'

/** A handler that a channel serves. */
export interface Served {
  readonly path: string
  readonly handler: HttpHandler
  /** Made where the channel serves it: its stack names the plugin's line. */
  readonly at: Error
}

/** Throws what is wrong with an answer, with the line where its handler is served. */
export function responseOf(answer: unknown, served: Served): HttpResponse {
  const problem = problemOf(answer)
  if (problem !== undefined) throw misshapen(served, `must return ${SHAPE}; ${problem}`)
  return answer as HttpResponse // problemOf found nothing
}

/** The same of a piece of a streamed body. */
export function pieceOf(piece: unknown, served: Served): string | Uint8Array {
  if (typeof piece === 'string' || piece instanceof Uint8Array) return piece
  throw misshapen(served, `must stream texts or bytes; a piece of its body is ${kindOf(piece)}`)
}

const SHAPE = '{ status: 200…599, body?: text, bytes or an async iterable of them }'
const FIRST_STATUS = 200 // RFC 9110 §15.2: those below are followed by another
const LAST_STATUS = 599
/** RFC 9110 §5.1 and §5.5. */
const NAME = /^[!#$%&'*+.^`|~\w-]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

function problemOf(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return `it returns ${kindOf(answer)}`
  const { status, body, headers } = answer as { [name in keyof HttpResponse]: unknown } // any object may be asked
  if (!Number.isInteger(status) || Number(status) < FIRST_STATUS || Number(status) > LAST_STATUS)
    return `its status is ${kindOf(status)}`
  const isBody =
    body === undefined ||
    typeof body === 'string' ||
    body instanceof Uint8Array ||
    (typeof body === 'object' && body !== null && Symbol.asyncIterator in body)
  return isBody ? headersProblem(headers) : `its body is ${kindOf(body)}`
}

function headersProblem(headers: unknown): string | undefined {
  if (headers === undefined || headers === null || headers === false) return undefined // there are none
  // A Headers or a Map would be emptied.
  if (typeof headers !== 'object' || Symbol.iterator in headers)
    return `its headers are ${kindOf(headers)}, not { name: text }`
  const wrong = Object.entries(headers).find(
    ([name, value]) => value !== undefined && !(NAME.test(name) && isValue(value)), // the edge leaves undefined out
  )
  return wrong === undefined ? undefined : `its header ${JSON.stringify(wrong[0])} is ${kindOf(wrong[1])}`
}

const WRITTEN: ReadonlySet<string> = new Set(['number', 'boolean', 'bigint'])

/** Node writes whatever has a text, and several of one name; of an object it would write `[object Object]`. */
function isValue(value: unknown): boolean {
  return [value].flat().every((each) => {
    if (typeof each === 'string') return VALUE.test(each)
    return each === null || each instanceof Date || WRITTEN.has(typeof each)
  })
}

function misshapen({ path, at }: Served, problem: string): Error {
  const error = new TypeError(`the handler of ${path} ${problem}`)
  const frames = at.stack?.slice(at.stack.indexOf('\n')) ?? ''
  error.stack = `${error.name}: ${error.message}${frames}`
  return error
}

const MOST_CHARS = 40

/** What a value is, in a few words: `an object`, `of the class Map`, `"a text"`. */
export function kindOf(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MOST_CHARS))
  if (typeof value === 'function') return 'a function'
  if (typeof value !== 'object' || value === null) return String(value)
  const name: unknown = value.constructor?.name
  return typeof name === 'string' && name !== 'Object' ? `of the class ${name}` : 'an object'
}
