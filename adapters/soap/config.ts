// What a SOAP channel and a SOAP backend take from the config.
import { z } from 'zod'
import { location } from '../data/location.ts'

const units: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
}
const DURATION = /^(\d{1,9})(ms|s|m|h)$/
const duration = z
  .string()
  .regex(DURATION, 'must look like 300s')
  .transform((text) => {
    const [, digits = '0', unit = ''] = DURATION.exec(text) ?? []
    return Number(digits) * (units[unit] ?? 1)
  })

const file = z.string().min(1).meta({ format: 'file' })
const sign = z.strictObject({
  keyFile: file.describe('PEM file of the private key'),
  certFile: file.describe('PEM file of its X.509 certificate'),
  passphrase: z.string().optional(),
})
const trust = z
  .array(file)
  .min(1)
  .describe('PEM files: signers whose certificate is one of these, or issued by one of these, are believed')

const sha1 = z
  .boolean()
  .default(true)
  .describe('accept signatures made with SHA-1, as older stacks make them by default')

/** WS-Security as a channel asks for it. */
const channelSecurity = z.strictObject({
  users: z
    .array(z.strictObject({ user: z.string().min(1), password: z.string().min(1) }))
    .min(1)
    .optional()
    .describe('every request needs a UsernameToken of one of these'),
  passwordType: z.enum(['any', 'text', 'digest']).default('any'),
  trust: trust.optional().describe('every request needs a signature over its Body by one of these'),
  sha1,
  timestamp: z.enum(['optional', 'required']).default('optional'),
  sign: sign.optional().describe('answers are signed with this'),
  maxAge: duration.prefault('5m').describe('how old Created may be, and how long a nonce is remembered'),
})

/** WS-Security as a backend wants it. */
const backendSecurity = z.strictObject({
  user: z.string().min(1).optional(),
  password: z.string().optional(),
  passwordType: z.enum(['text', 'digest']).default('text'),
  timestamp: z.boolean().default(false),
  sign: sign.optional(),
  trust: trust.optional().describe('answers need a signature over their Body by one of these'),
  sha1,
  maxAge: duration.prefault('5m'),
})

const imports = z
  .array(z.string())
  .default([])
  .describe('hosts (host or host:port) or URL prefixes, besides its own, that a WSDL may import from')
const wsdlPart = {
  service: z.string().optional().describe('only this service of the WSDL'),
  port: z.string().optional().describe('only this port of the WSDL'),
  imports,
}

export const channelConfig = z
  .strictObject({
    path: z.string().startsWith('/'),
    wsdl: location.optional().describe('a file or URL'),
    ...wsdlPart,
    schema: location
      .optional()
      .describe('without a WSDL: an XML schema whose global elements are the bodies'),
    lists: z.array(z.string()).default([]).describe('without a schema: paths that are lists, Order/item'),
    types: z.record(z.string(), z.string()).default({}).describe('without a schema: path → XSD type'),
    namespace: z.string().default('').describe('of header blocks the WSDL does not declare'),
    understand: z
      .array(z.string())
      .default([])
      .describe('header blocks with mustUnderstand that are taken: {namespace}name or {namespace}*'),
    security: channelSecurity.optional(),
    tolerateSurrogateRefs: z
      .boolean()
      .default(true)
      .describe('join two references to surrogates into the character they mean (Axis 1)'),
    processingInstructions: z.enum(['refuse', 'ignore']).default('refuse'),
    waitMs: z
      .int()
      .min(0)
      .default(0)
      .describe('how long an operation that is a message waits for its answer before it is acknowledged'),
    mtom: z.enum(['off', 'in', 'both']).default('in').describe('both: answer in MTOM whoever sent it'),
  })
  .refine(
    ({ wsdl, schema }) => wsdl === undefined || schema === undefined,
    'wsdl and schema exclude each other',
  )

export const backendConfig = z.strictObject({
  wsdl: location.describe('a file or URL'),
  ...wsdlPart,
  endpoint: z
    .url({ protocol: /^https?$/, error: 'expected an address such as http://erp.example.com/orders' })
    .optional()
    .describe('instead of the soap:address of the WSDL'),
  version: z.enum(['1.1', '1.2']).optional().describe('default: what the first port speaks'),
  addressing: z.boolean().default(false).describe('send WS-Addressing headers; MessageID is the stable key'),
  mtom: z.boolean().default(false).describe('send base64Binary as attachments'),
  security: backendSecurity.optional(),
})

export type ChannelConfig = z.output<typeof channelConfig>
export type BackendConfig = z.output<typeof backendConfig>
export type ChannelSecurity = z.output<typeof channelSecurity>
export type BackendSecurity = z.output<typeof backendSecurity>
export type SignConfig = z.output<typeof sign>
