// The backend: each operation is one query, checked against the database at the start, its parameters sent beside it.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, Json, Operation, Scope } from 'dragoman'

import type { BackendConfig, OperationConfig } from './config.ts'
import { codeOf, failed, faultOf, textOf } from './errors.ts'
import { openDatabase } from './session.ts'
import type { Database, Rows } from './session.ts'
import { checkingQuery } from './sql.ts'

export function createBackend(config: BackendConfig, scope: Scope): Backend {
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  for (const name of Object.keys(config.operations)) operations[name] = { safe: true }
  let opened: Database | undefined

  function database(): Database {
    if (opened === undefined) throw new GatewayError('INTERNAL', `backend "${scope.id}" has not been started`)
    return opened
  }

  return {
    operations,
    async start(signal) {
      const onIdleError = (error: Error): void =>
        scope.log.warn('an idle connection is broken, and made again when it is needed', { error })
      opened = await openDatabase({ config, name: `dragoman ${scope.id}`, onIdleError })
      try {
        await check(database(), config, signal)
      } catch (error) {
        // A database that is away now does not keep the gateway from starting; a query that is wrong does.
        if (!(error instanceof GatewayError) || !error.notExecuted || isRefused(error.cause)) throw error
        scope.log.warn(`${error.message}; its queries have not been checked`)
      }
    },
    async call({ operation, params }, signal) {
      const found = Object.hasOwn(operations, operation) ? config.operations[operation] : undefined
      if (found === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${operation}": it has ${Object.keys(operations).join(', ')}`,
          { notExecuted: true },
        )
      const invalid = problemOf(found, params)
      if (invalid !== undefined) return { fault: { code: 'InvalidParameters', message: invalid } }
      const values = valuesOf(found, params)
      try {
        const { query: text, maxRows, maxBytes } = found
        return answerOf(await database().ask({ text, values, maxRows, maxBytes }, signal), found, operation)
      } catch (error) {
        if (signal.aborted || error instanceof GatewayError) throw error
        const fault = values.length > 0 ? faultOf(error) : undefined
        if (fault !== undefined) return { fault }
        throw failed({ where: `${scope.id}: ${operation}`, error })
      }
    },
    async probe(signal) {
      await check(database(), config, signal)
    },
    async [Symbol.asyncDispose]() {
      await opened?.[Symbol.asyncDispose]()
    },
  }
}

/** Whoever has to change something is told so at once: the password, the database's name. */
function isRefused(cause: unknown): boolean {
  return /^(?:28|3D)/.test(codeOf(cause))
}

/** Asks the database whether it takes each query. Throws, with every one that it does not, or that there is no connection. */
async function check(database: Database, config: BackendConfig, signal: AbortSignal): Promise<void> {
  const problems: string[] = []
  for (const [name, { query, parameters }] of Object.entries(config.operations)) {
    const { text, before } = checkingQuery(query)
    try {
      const values = parameters.map(() => null)
      const { columns } = await database.ask({ text, values, maxRows: 1, maxBytes: 1_048_576 }, signal)
      const problem = columnProblem(columns)
      if (problem !== undefined) problems.push(`operation "${name}": ${problem}`)
    } catch (error) {
      if (signal.aborted || error instanceof GatewayError) throw error
      const position = error instanceof Error && 'position' in error ? Number(error.position) - before : 0
      const place = position > 0 ? `, at character ${position}` : ''
      problems.push(`operation "${name}": ${textOf(error)} (${codeOf(error)}${place})`)
    }
  }
  if (problems.length > 0) throw new GatewayError('INTERNAL', `${database.place}: ${problems.join('; ')}`)
}

/** Of two columns with one name an object holds one. */
function columnProblem(columns: readonly string[]): string | undefined {
  const twice = columns.find((column, index) => columns.indexOf(column) !== index)
  return twice === undefined ? undefined : `two columns are called "${twice}": rename one of them with AS`
}

/** What is wrong with the parameters. */
function problemOf({ parameters }: OperationConfig, params: Json): string | undefined {
  if (!isObject(params)) return 'the parameters are no JSON object'
  const unknown = Object.keys(params).find((name) => !parameters.some((each) => each.name === name))
  if (unknown !== undefined) return `there is no parameter "${unknown}"`
  const missing = parameters.find(({ name, optional }) => !optional && !Object.hasOwn(params, name))
  if (missing !== undefined) return `"${missing.name}" is missing`
  return hasUnsendable(params)
    ? 'a text holds U+0000 or half a surrogate pair, which no database takes'
    : undefined
}

/** In the order of $1, $2 … */
function valuesOf({ parameters }: OperationConfig, params: Json): readonly Json[] {
  const members = new Map(isObject(params) ? Object.entries(params) : [])
  return parameters.map(({ name }) => members.get(name) ?? null)
}

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function hasUnsendable(value: Json): boolean {
  if (typeof value === 'string') return value.includes('\u0000') || !value.isWellFormed()
  return typeof value === 'object' && value !== null && Object.values(value).some(hasUnsendable)
}

function answerOf({ columns, rows, over }: Rows, operation: OperationConfig, name: string): Answer {
  const { one, notFound, maxRows, maxBytes } = operation
  if (over === 'maxRows')
    return { fault: { code: 'TooManyRows', message: `there are more than ${maxRows} rows` } }
  if (over === 'maxBytes')
    return { fault: { code: 'TooLarge', message: `the rows have more than ${maxBytes} bytes` } }
  // Where the database was away at the start, nobody has looked yet.
  const problem = columnProblem(columns)
  if (problem !== undefined) throw new GatewayError('BACKEND_FAILED', `operation "${name}": ${problem}`)
  // Object.fromEntries: a column may be called __proto__.
  const objects = rows.map((row) =>
    Object.fromEntries(columns.map((column, index) => [column, row[index] ?? null])),
  )
  if (!one) return { data: objects }
  const [first, second] = objects
  if (second !== undefined)
    throw new GatewayError('BACKEND_FAILED', `operation "${name}" gives more than the one row it is to give`)
  return first === undefined
    ? { fault: { code: notFound, message: 'there is no such row' } }
    : { data: first }
}
