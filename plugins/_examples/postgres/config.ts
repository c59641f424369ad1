// What the config says of a database and its queries.
import { z } from 'zod'

import { queryProblem } from './sql.ts'

const text = z.string().min(1)
const file = text.meta({ format: 'file' })

const parameter = z.union([
  text.transform((name) => ({ name, optional: false })),
  z.strictObject({ name: text, optional: z.boolean().default(false) }),
])

const operation = z
  .strictObject({
    query: text,
    /** The first one is $1. An optional one that is absent is NULL. */
    parameters: z.array(parameter).max(100).default([]),
    /** The answer is one row, not a list of them; none is the fault `notFound`. */
    one: z.boolean().default(false),
    notFound: text.default('NotFound'),
    maxRows: z.int().min(1).max(100_000).default(1000),
    maxBytes: z.int().min(1024).max(16_777_216).default(4_194_304),
  })
  .superRefine(({ query, parameters }, context) => {
    const names = parameters.map(({ name }) => name)
    const problem = queryProblem(query, names)
    if (problem !== undefined) context.addIssue({ code: 'custom', path: ['query'], message: problem })
    if (new Set(names).size < names.length)
      context.addIssue({ code: 'custom', path: ['parameters'], message: 'a name stands there twice' })
  })

export const backendConfig = z.strictObject({
  /** A name, an address, or the folder of a Unix socket. */
  host: text.default('127.0.0.1'),
  port: z.int().min(1).max(65_535).default(5432),
  database: text,
  user: text,
  /** Empty: none. */
  password: z.string().default(''),
  /** PEM files. `tls` is the core's own key, for what goes over `scope.fetch`. */
  ssl: z
    .strictObject({
      ca: file.exactOptional(),
      cert: file.exactOptional(),
      key: file.exactOptional(),
      serverName: text.exactOptional(),
      verify: z.boolean().default(true),
    })
    .exactOptional(),
  pool: z
    .strictObject({
      connections: z.int().min(1).max(200).default(8),
      idleMs: z.int().min(100).default(30_000),
      /** For a connection, a free one of the pool or a new one. */
      waitMs: z.int().min(100).default(3000),
    })
    .prefault({}),
  /** The database itself ends a query after it; the call's deadline usually comes sooner. */
  statementTimeoutMs: z.int().min(1).max(600_000).default(10_000),
  operations: z.record(z.string(), operation),
})
export type BackendConfig = z.output<typeof backendConfig>
export type OperationConfig = BackendConfig['operations'][string]
