// What a GraphQL backend takes: its address and, per operation, a document and how its answer is read.
import { isAbsolute } from 'node:path'

import { parse } from 'graphql'
import { z } from 'zod'

import { documentProblem } from './document.ts'
import { expressionProblem } from '../data/expression.ts'

const expression = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    const problem = expressionProblem(source)
    if (problem !== undefined)
      context.addIssue({ code: 'custom', message: `"${source}" is not JSONata: ${problem}` })
  })
  .meta({ format: 'jsonata', description: 'JSONata; a fixed text stands in quotes of its own: "\'text\'"' })

// Framing and routing belong to the transport: RFC 9110 §7.6.1, RFC 9112 §6.
const TRANSPORT = /^(?:connection|content-length|host|keep-alive|te|trailer|transfer-encoding|upgrade)$/i
const headers = z.record(
  z
    .string()
    .regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'expected the name of a header field')
    .refine((name) => !TRANSPORT.test(name), 'this header belongs to the transport'),
  expression,
)

const operation = z.strictObject({
  document: z
    .string()
    .min(1)
    .superRefine((text, context) => {
      if (isAbsolute(text)) return // a file: read when the backend starts
      const problem = problemOf(text)
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
    })
    .meta({
      format: 'file-or-text',
      description: 'One query or mutation, or a file (./get-order.graphql) that holds it.',
    }),
  variables: expression
    .optional()
    .meta({ description: 'Default: the parameters. Only the variables of the document are sent.' }),
  headers: headers.optional(),
  result: expression.optional().meta({ description: 'Default: `data` of the answer.' }),
  metadata: z.record(z.string().min(1), expression).optional(),
  errors: z.enum(['fail', 'partial']).default('fail').meta({
    description:
      'What an answer with data and errors is: a failure, or partial data with the errors in its metadata.',
  }),
  faults: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Values of `extensions.code` that are business faults: valid answers.' }),
  notExecuted: z.boolean().optional().meta({ description: 'A 503 proves that nothing was done.' }),
})

export const backendConfig = z.strictObject({
  url: z
    .url({
      protocol: /^https?$/,
      abort: true,
      error: 'expected an address such as https://orders.example.com/graphql',
    })
    .refine((text) => {
      const { username, password, hash } = new URL(text)
      return username === '' && password === '' && hash === ''
    }, 'the address holds no user or fragment: use headers'),
  headers: headers.optional().meta({ description: 'Sent with every operation.' }),
  introspection: z
    .boolean()
    .default(true)
    .meta({ description: 'Checks the documents at the start, where the server tells its schema.' }),
  operations: z
    .record(z.string().min(1), operation)
    .refine((operations) => Object.keys(operations).length > 0, 'at least one operation is needed')
    .refine(
      (operations) => !Object.hasOwn(operations, '*'),
      "'*' has no document of its own: name each operation",
    ),
})

export type BackendConfig = z.output<typeof backendConfig>
export type OperationConfig = BackendConfig['operations'][string]

function problemOf(text: string): string | undefined {
  try {
    return documentProblem(parse(text))
  } catch (error) {
    return `this is no GraphQL document: ${error instanceof Error ? error.message : String(error)}`
  }
}
