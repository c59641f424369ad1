// Sessions that can only read: the pool, one transaction for each call, and a query that is really ended when its call is.
import { readFile } from 'node:fs/promises'

import type { Json } from 'dragoman'
import { Client, Pool, Query } from 'pg'
import type { ClientConfig, PoolClient, QueryResultBase } from 'pg'

import type { BackendConfig } from './config.ts'
import { unreachable } from './errors.ts'
import { reader } from './values.ts'
import type { Elements } from './values.ts'

export interface Asking {
  readonly text: string
  /** For $1, $2 …: they are sent beside the text, never in it. */
  readonly values: readonly Json[]
  readonly maxRows: number
  readonly maxBytes: number
}

export interface Rows {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly Json[])[]
  /** There was more than this. */
  readonly over?: 'maxRows' | 'maxBytes'
}

export interface Database extends AsyncDisposable {
  readonly place: string
  /** In a transaction of its own that only reads. Throws what the database says, the signal's reason, or that there is no connection. */
  ask(asking: Asking, signal: AbortSignal): Promise<Rows>
}

export interface DatabaseOptions {
  readonly config: BackendConfig
  /** Shown in `pg_stat_activity`. */
  readonly name: string
  readonly onIdleError: (error: Error) => void
}

/** Nothing is connected before it is asked. Rejects where a file of `ssl` cannot be read. */
export async function openDatabase({ config, name, onIdleError }: DatabaseOptions): Promise<Database> {
  const { host, port, database, pool: limits } = config
  const place = `database "${database}" at ${host}:${port}`
  const client = await clientConfig(config, name)
  const pool = new Pool({
    ...client,
    max: limits.connections,
    idleTimeoutMillis: limits.idleMs,
    connectionTimeoutMillis: limits.waitMs,
  })
  // Without listeners they would end the process; a query that was under way hears of it by itself.
  pool.on('error', onIdleError)
  pool.on('connect', (session) => {
    session.on('error', () => undefined)
    const closed = new Promise<void>((resolve) => session.on('end', resolve)).finally(() =>
      ending.delete(closed),
    )
    ending.add(closed)
  })
  const numbers = new WeakMap<PoolClient, number>()
  const ending = new Set<Promise<void>>()
  let arrays: ReadonlyMap<number, Elements> | undefined

  async function acquire(signal: AbortSignal): Promise<PoolClient> {
    signal.throwIfAborted()
    const connecting = pool.connect()
    const ended = Promise.withResolvers<never>()
    const onEnd = (): void => ended.reject(signal.reason)
    signal.addEventListener('abort', onEnd)
    try {
      return await Promise.race([connecting, ended.promise])
    } catch (error) {
      if (!signal.aborted) throw unreachable(place, error)
      connecting.then(
        (late) => late.release(),
        () => undefined, // nobody waits for it any more
      )
      throw signal.reason
    } finally {
      signal.removeEventListener('abort', onEnd)
    }
  }

  /** The number of a session is another's as soon as it is free: it is given back only after the word has been spoken. */
  async function cancel(running: PoolClient): Promise<void> {
    const number = numbers.get(running)
    if (number === undefined) return running.release(true) // it has not been asked anything yet
    const speaker = new Client(client)
    speaker.on('error', () => undefined) // said where it is waited for
    try {
      await speaker.connect()
      await speaker.query('SELECT pg_cancel_backend($1)', [number])
    } catch {
      // statement_timeout ends it then
    } finally {
      running.release(true)
      await speaker.end().catch(() => undefined) // it never was connected
    }
  }

  async function transaction(session: PoolClient, asking: Asking): Promise<Rows> {
    if (!numbers.has(session)) {
      const { rows } = await session.query<{ number: number }>('SELECT pg_backend_pid() AS number')
      numbers.set(session, rows[0]?.number ?? 0)
    }
    await session.query('BEGIN TRANSACTION READ ONLY')
    try {
      arrays ??= await arrayTypes(session)
      const found = await rowsOf(session, asking, arrays)
      if (found.over === undefined) await session.query('COMMIT')
      return found
    } catch (error) {
      await session.query('ROLLBACK').catch(() => undefined) // what is not rolled back is not used again
      throw error
    }
  }

  return {
    place,
    async ask(asking, signal) {
      const session = await acquire(signal)
      const aborted = Promise.withResolvers<'aborted'>()
      const onEnd = (): void => aborted.resolve('aborted')
      signal.addEventListener('abort', onEnd)
      if (signal.aborted) onEnd()
      const work = transaction(session, asking).then(
        (found) => ({ found }),
        (error: unknown) => ({ error }),
      )
      try {
        const first = await Promise.race([work, aborted.promise])
        if (first === 'aborted') {
          const end = cancel(session).finally(() => ending.delete(end))
          ending.add(end)
          throw signal.reason
        }
        const isOver = 'found' in first && first.found.over !== undefined
        session.release(isOver || session.getTransactionStatus() !== 'I')
        if ('error' in first) throw first.error
        return first.found
      } finally {
        signal.removeEventListener('abort', onEnd)
      }
    },
    async [Symbol.asyncDispose]() {
      if (!pool.ending) await pool.end()
      await Promise.all(ending)
    },
  }
}

/** Row by row, no further than the limits: what comes beyond them is not waited for, and the session is not used again. */
async function rowsOf(
  session: PoolClient,
  { text, values, maxRows, maxBytes }: Asking,
  arrays: ReadonlyMap<number, Elements>,
): Promise<Rows> {
  const done = Promise.withResolvers<QueryResultBase>()
  const rows: Json[][] = []
  let over: Rows['over']
  let received = 0
  const { stream } = session.connection
  const stop = (limit: Rows['over']): void => {
    over ??= limit
    stream.destroy()
  }
  const count = (chunk: Buffer): void => {
    received += chunk.byteLength
    if (received > maxBytes) stop('maxBytes')
  }
  const types = {
    getTypeParser: (type: number): unknown => reader(type, arrays),
  }
  // `rowMode` is pg's, and missing in the types of this class.
  const config = { text, values: [...values], types, rowMode: 'array' }
  const query = new Query(config)
  query.on('row', (row: Json[]) => {
    if (rows.length < maxRows) rows.push(row)
    else stop('maxRows')
  })
  query.on('end', (result: QueryResultBase) => done.resolve(result))
  query.on('error', (error: Error) => done.reject(error))
  stream.on('data', count)
  try {
    session.query(query)
    const { fields } = await done.promise
    return { columns: fields.map(({ name }) => name), rows }
  } catch (error) {
    if (over === undefined) throw error
    return { columns: [], rows: [], over }
  } finally {
    stream.off('data', count)
  }
}

async function arrayTypes(session: PoolClient): Promise<ReadonlyMap<number, Elements>> {
  const { rows } = await session.query<Elements & { readonly array: number }>(
    `SELECT a.oid AS array, e.oid AS type, e.typdelim AS delimiter
     FROM pg_catalog.pg_type a JOIN pg_catalog.pg_type e ON e.oid = a.typelem WHERE a.typcategory = 'A'`,
  )
  return new Map(rows.map(({ array, ...elements }) => [array, elements]))
}

async function clientConfig(config: BackendConfig, name: string): Promise<ClientConfig> {
  const { host, port, database, user, password, ssl, statementTimeoutMs, pool } = config
  const settings = {
    default_transaction_read_only: 'on',
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: statementTimeoutMs,
    // What values.ts reads.
    datestyle: 'ISO',
    timezone: 'UTC',
    intervalstyle: 'iso_8601',
    bytea_output: 'hex',
    extra_float_digits: 1,
  }
  return {
    host,
    port,
    database,
    user,
    ...(password !== '' && { password }),
    application_name: name,
    keepAlive: true,
    connectionTimeoutMillis: pool.waitMs,
    options: Object.entries(settings)
      .map(([key, value]) => `-c ${key}=${value}`)
      .join(' '),
    ...(ssl !== undefined && { ssl: await tlsOf(ssl) }),
  }
}

async function tlsOf(ssl: NonNullable<BackendConfig['ssl']>): Promise<ClientConfig['ssl']> {
  const { ca, cert, key, serverName, verify } = ssl
  return {
    rejectUnauthorized: verify,
    ...(ca !== undefined && { ca: await readFile(ca, 'utf8') }),
    ...(cert !== undefined && { cert: await readFile(cert, 'utf8') }),
    ...(key !== undefined && { key: await readFile(key, 'utf8') }),
    ...(serverName !== undefined && { servername: serverName }),
  }
}
