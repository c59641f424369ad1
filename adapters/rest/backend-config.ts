// What a REST backend takes: its address and, per operation, how a request is made and an answer read.
import { z } from 'zod'

import { constantText, expressionProblem } from '../data/expression.ts'
import { mediaType } from '../data/media-type.ts'
import { canonicalCharset } from '../xml/charset.ts'

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const

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
const TRANSPORT = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
const headers = z
  .record(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'expected the name of a header field')
      .refine((name) => !TRANSPORT.has(name.toLowerCase()), 'this header belongs to the transport'),
    expression,
  )
  .superRefine((fields, context) => {
    for (const [name, source] of Object.entries(fields)) {
      if (name.toLowerCase() !== 'content-type') continue
      const charset = mediaType(constantText(source))?.charset
      if (charset !== undefined && canonicalCharset(charset) === undefined)
        context.addIssue({
          code: 'custom',
          path: [name],
          message: `charset "${charset}" is not one this gateway writes`,
        })
    }
  })

const operation = z
  .strictObject({
    method: z.enum(METHODS).default('POST'),
    path: z
      .string()
      .startsWith('/')
      .refine(
        (path) => !/[?#\\\s]/.test(path),
        'a path holds no ?, #, backslash or space: parameters go into query',
      )
      .refine((path) => !/[{}]/.test(path.replaceAll(/\{[^{}/]+\}/g, '')), 'a placeholder is {name}')
      .default('/{operation}')
      .meta({ description: 'Below url; {name} is a parameter, {operation} the name of the operation.' }),
    query: z.record(z.string().min(1), expression).optional(),
    headers: headers.optional(),
    body: expression.optional().meta({ description: 'Default: all parameters, as JSON (POST, PUT, PATCH).' }),
    result: expression.optional().meta({ description: 'Default: the JSON body of the answer.' }),
    metadata: z.record(z.string().min(1), expression).optional(),
    notExecuted: z.boolean().optional().meta({ description: 'A 503 proves that nothing was done.' }),
  })
  .refine(({ method, body }) => body === undefined || (method !== 'GET' && method !== 'HEAD'), {
    path: ['body'],
    message: 'GET and HEAD have no body: use query',
  })

export const backendConfig = z.strictObject({
  url: z
    .url({
      protocol: /^https?$/,
      abort: true,
      error: 'expected an address such as https://orders.example.com/api',
    })
    .refine(isPlainBase, 'the address holds no user, query or fragment: use headers and query'),
  headers: headers.optional().meta({ description: 'Sent with every operation.' }),
  operations: z
    .record(z.string().min(1), operation)
    .default({ '*': { method: 'POST', path: '/{operation}' } })
    .meta({ description: "By name; '*' stands for any other." }),
})

export type BackendConfig = z.output<typeof backendConfig>
export type OperationConfig = BackendConfig['operations'][string]

function isPlainBase(text: string): boolean {
  const { username, password, search, hash } = new URL(text)
  return username === '' && password === '' && search === '' && hash === ''
}
