// What a failure of the database means: whose fault, whether anything was done, and what the caller is told of it.
import { GatewayError } from 'dragoman'
import type { Fault } from 'dragoman'

export interface Failing {
  /** `orders: GetOrder` */
  readonly where: string
  readonly error: unknown
}

/** SQLSTATE (PostgreSQL's manual, appendix A); of a connection also Node's code. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : ''
}

export function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Class 22, a data exception: a value that is not what the query takes. Only of a call that has values: they are the caller's. */
export function faultOf(error: unknown): Fault | undefined {
  return codeOf(error).startsWith('22') ? { code: 'InvalidParameters', message: textOf(error) } : undefined
}

/** There was no connection: no query was sent. */
export function unreachable(place: string, error: unknown): GatewayError {
  const code = codeOf(error)
  const problem = /^(?:28|3D)/.test(code)
    ? `refuses us: ${textOf(error)}`
    : `cannot be reached: ${code === '' ? textOf(error) : code}`
  return new GatewayError('BACKEND_FAILED', `${place} ${problem}`, { cause: error, notExecuted: true })
}

/** A query failed. What the database says of tables and columns is for the log alone. */
export function failed({ where, error }: Failing): GatewayError {
  const code = codeOf(error)
  const fail = (problem: string, isUndone = false): GatewayError =>
    new GatewayError('BACKEND_FAILED', `${where} ${problem}`, {
      cause: error,
      detail: { sqlstate: code },
      notExecuted: isUndone,
    })
  if (code === '57014')
    return new GatewayError('DEADLINE_EXCEEDED', `${where} took longer than statementTimeoutMs`, {
      cause: error,
    })
  if (code === '25006') return fail('would write, and is only allowed to read')
  if (/^40(?:001|P01)$/.test(code)) return fail('met another transaction; the same may go well now', true)
  if (/^(?:42|3F)/.test(code)) return fail(`has a query that this database does not take (${code})`)
  if (/^(?:57P|53|08)/.test(code)) return fail(`found the database out of order (${code})`)
  return fail(code === '' ? 'lost the connection to the database' : `failed (${code})`)
}
