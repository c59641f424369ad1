// What a webservice channel and a webservice backend take from the config.
import { z } from 'zod'
import { canonicalCharset } from '../xml/charset.ts'
import { clark, XSD_NS } from '../xml/names.ts'
import { builtinType } from '../xml/schema-builtin.ts'
import { expressionProblem } from '../data/expression.ts'
import { location } from '../data/location.ts'

const charset = z
  .string()
  .refine((label) => canonicalCharset(label) !== undefined, 'is not a charset this gateway speaks')
  .transform((label) => canonicalCharset(label) ?? 'utf-8')
  .prefault('utf-8')

const types = z
  .record(
    z.string(),
    z
      .string()
      .refine(
        (name) => builtinType(clark(XSD_NS, name.replace(/^xsd?:/, '')))?.kind === 'simple',
        'is not a simple type of XSD: int, long, decimal, boolean, dateTime …',
      ),
  )
  .default({})
  .describe('path → type of XSD: "GetOrder/count": int. Everything else is text')

const shared = {
  namespace: z.string().optional().describe('of what is written; callers without it: the namespace they use'),
  schema: location
    .optional()
    .describe('an XML schema, or a WSDL for its schema: names, types, lists; a file or URL'),
  lists: z
    .array(z.string())
    .default([])
    .describe('paths that are lists however many came: GetOrderResponse/line'),
  types,
}

const names = z.array(z.string().min(1)).max(100)
const int32 = z.int().min(-2147483648).max(2147483647)

export const channelConfig = z.strictObject({
  path: z.string().startsWith('/').describe('the old path; ASMX operations are below it'),
  charset: charset.describe('of callers who do not say theirs, of forms and queries, and of their answers'),
  ...shared,
  parameters: z
    .record(z.string(), names)
    .default({})
    .describe('operation → names of its positional parameters (XML-RPC), of its form fields (ASMX)'),
  faultCodes: z
    .record(z.string(), int32)
    .default({})
    .describe('XML-RPC: code of a business fault → faultCode; codes that are numbers need none'),
  title: z.string().optional().describe('of the help page; default: the last segment of the path'),
  help: z.record(z.string(), z.string()).default({}).describe('operation → what it does, one text'),
  page: z.boolean().default(true).describe('the help page at the path'),
  get: z.boolean().default(true).describe('ASMX: take GET path/OPERATION?a=b'),
  crossSite: z
    .boolean()
    .default(false)
    .describe("take what a browser sends for another site's page (Sec-Fetch-Site, Origin)"),
  requestValidation: z
    .boolean()
    .default(false)
    .describe('ASMX: refuse values that look like markup, as ASP.NET does'),
  serve: z
    .enum(['all', 'operations'])
    .default('all')
    .describe('operations: only path/OPERATION, so that a soap channel may have the path itself'),
  waitMs: z
    .int()
    .min(0)
    .default(0)
    .describe('how long an operation that is a message waits for its answer before it is acknowledged'),
  maxCalls: z.int().min(1).max(10_000).default(100).describe('XML-RPC: calls in one system.multicall'),
})

const expression = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    const problem = expressionProblem(source)
    if (problem !== undefined)
      context.addIssue({ code: 'custom', message: `"${source}" is not JSONata: ${problem}` })
  })
  .meta({ format: 'jsonata', description: 'JSONata; a fixed text stands in quotes of its own: "\'text\'"' })

// Framing and routing belong to the transport (RFC 9110 §7.6.1), the content type to the dialect.
const reserved =
  /^(?:connection|content-length|content-type|host|keep-alive|te|trailer|transfer-encoding|upgrade)$/i

const operation = z.strictObject({
  path: z
    .string()
    .startsWith('/')
    .refine((path) => !/[?#\\\s]/.test(path), 'a path holds no ?, #, backslash or space')
    .optional()
    .describe('below url; {operation} is the name. Default: nothing (pox, xmlrpc), /{operation} (asmx)'),
  parameters: names.optional().describe('xmlrpc: names of the positional parameters, in their order'),
  result: expression.optional().meta({ description: 'Default: the answer as it was read.' }),
  fault: expression
    .optional()
    .meta({ description: 'An object with code and message where the answer says no; else nothing.' }),
})

export const backendConfig = z.strictObject({
  dialect: z.enum(['pox', 'asmx-get', 'asmx-post', 'xmlrpc']),
  url: z
    .url({
      protocol: /^https?$/,
      abort: true,
      error: 'expected an address such as http://erp.example.com/service.asmx',
    })
    .refine((text) => {
      const { username, password, hash } = new URL(text)
      return username === '' && password === '' && hash === ''
    }, 'the address holds no user or fragment: use headers'),
  charset: charset.describe('of requests; answers are read in theirs, and in this where they do not say'),
  ...shared,
  headers: z
    .record(
      z
        .string()
        .regex(/^[!#$%&'*+.^_`|~\w-]+$/, 'expected the name of a header field')
        .refine((name) => !reserved.test(name), 'this header belongs to the transport or the dialect'),
      expression,
    )
    .default({})
    .describe('sent with every operation'),
  operations: z
    .record(z.string().min(1), operation)
    .default({ '*': {} })
    .describe("by name; '*' stands for any other"),
})

export type ChannelConfig = z.output<typeof channelConfig>
export type BackendConfig = z.output<typeof backendConfig>
export type OperationConfig = BackendConfig['operations'][string]
