// What the config of a channel and of a backend may say.
import { z } from 'zod'
import { fieldTypes } from './values.ts'

const address = z.string().regex(/^(\/[\w.~-]+)+\/?$/, 'expected a path such as /sap/bc/soap/rfc')
const tables = z.array(z.string()).default([])
const dates = z.enum(['dashed', 'plain']).default('dashed').meta({
  description:
    'How function modules get their dates and times: 2024-02-29 and 23:59:00, or 20240229 and 235900.',
})
const shared = {
  fields: fieldTypes
    .default({})
    .meta({ description: 'Types of fields by name, or by the end of their path.' }),
  dates,
}
const name = z.string().regex(/^[A-Z_/][A-Z0-9_/]*$/, 'expected a name of SAP’s in capitals')

const operation = z
  .strictObject({
    function: name
      .optional()
      .meta({ description: 'The function module; default: the name of the operation.' }),
    tables: tables.meta({
      description: 'TABLES parameters: sent even if empty, or SAP leaves them out of its answer.',
    }),
    fields: fieldTypes.default({}),
    set: z.record(z.string(), z.json()).default({}).meta({ description: 'Parameters with fixed values.' }),
    return: z.union([z.string(), z.literal(false)]).default('RETURN'),
    exceptions: z.array(z.string()).default([]).meta({
      description:
        'Faults of the runtime that are an answer of the business all the same, by their text or type.',
    }),
    idoc: name
      .optional()
      .meta({ description: 'Sends an IDoc of this type instead of calling a function module.' }),
    control: z
      .record(z.string(), z.string())
      .default({})
      .meta({ description: 'Fields of its control record.' }),
  })
  .refine(({ idoc, function: module }) => idoc === undefined || module === undefined, {
    message: 'an operation calls a function module or sends an IDoc',
  })
  .refine(({ idoc, set }) => idoc === undefined || Object.keys(set).length === 0, {
    message: 'an IDoc has no parameters: `set` is for function modules',
    path: ['set'],
  })
export type OperationConfig = z.output<typeof operation>

export const backendConfig = z.strictObject({
  url: z.url({ protocol: /^https?$/ }).meta({ description: 'The server: https://sap.example:44300' }),
  path: address.default('/sap/bc/soap/rfc'),
  idocPath: address.default('/sap/bc/idoc_xml'),
  client: z
    .string()
    .regex(/^\d{3}$/, 'expected three digits')
    .optional(),
  language: z
    .string()
    .regex(/^[A-Za-z]{1,2}$/, 'expected a language such as EN')
    .optional(),
  user: z.string().optional(),
  password: z.string().optional(),
  ...shared,
  operations: z.record(z.string(), operation),
})
export type BackendConfig = z.output<typeof backendConfig>

const called = z.strictObject({
  tables,
  fields: fieldTypes.default({}),
  /** How a business's "no" is told: in RETURN as BAPIs do, or as an exception. */
  return: z.enum(['table', 'structure']).optional(),
})

export const channelConfig = z.strictObject({
  path: address,
  ...shared,
  functions: z.record(name, called).default({}).meta({
    description: 'What is known of single function modules. Others are taken too.',
  }),
})
export type ChannelConfig = z.output<typeof channelConfig>
export type CalledConfig = ChannelConfig['functions'][string]
