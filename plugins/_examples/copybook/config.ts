// What the config of a channel and of a backend may say, and the copybooks in it, compiled.
import { z } from 'zod'
import { CHARSETS, charsetOf } from './charset.ts'
import type { Charset } from './charset.ts'
import { recordOf } from './record.ts'
import type { RecordCodec } from './record.ts'

const bounded = (from: number, to: number): z.ZodInt => z.int().min(from).max(to)
const value = z.union([z.string(), z.number()])
/** Fields with fixed values. */
const fields = z.record(z.string(), value)
const condition = z.strictObject({ field: z.string(), is: z.array(z.string()).min(1) })

const framing = z
  .discriminatedUnion('by', [
    z.strictObject({
      by: z.literal('prefix'),
      bytes: z.union([z.literal(2), z.literal(4)]),
      countsItself: z.boolean().default(false),
    }),
    z.strictObject({
      by: z.literal('digits'),
      digits: bounded(2, 8),
      countsItself: z.boolean().default(false),
    }),
    z.strictObject({ by: z.literal('rdw') }),
    z.strictObject({ by: z.literal('lines') }),
    z.strictObject({ by: z.literal('fixed'), length: bounded(1, 1_048_576).optional() }),
  ])
  .meta({ description: 'Where a record ends: a length before it, a line, or always the same length.' })

const machine = {
  charset: z.enum(CHARSETS).default('cp037'),
  overpunch: z.enum(['digits', 'letters']).default('digits').meta({
    description: 'The minus of zoned numbers on ASCII machines: p-y (GnuCOBOL) or {A-I and }J-R.',
  }),
  names: z.enum(['copybook', 'camel']).default('copybook').meta({
    description: 'POLICY-NO is the member POLICY-NO, or policyNo.',
  }),
  copybooks: z.record(
    z.string(),
    z.union([
      z.string(),
      z.strictObject({
        text: z.string(),
        views: z.record(z.string(), condition).default({}),
        form: z.enum(['fixed', 'free']).optional(),
      }),
    ]),
  ),
}

export const backendConfig = z.strictObject({
  host: z.string().min(1),
  port: bounded(1, 65_535),
  framing,
  ...machine,
  sockets: bounded(1, 64)
    .default(4)
    .meta({ description: 'Lines that are open at once; each has one call at a time.' }),
  keep: z.boolean().default(true).meta({
    description: 'False: a new connection for each call, for systems that close it after their answer.',
  }),
  idleMs: bounded(100, 3_600_000)
    .default(60_000)
    .meta({ description: 'A line nobody uses is closed after it.' }),
  operations: z.record(
    z.string(),
    z.strictObject({
      request: z.string(),
      /** Absent: nothing is answered. */
      reply: z.string().optional(),
      set: fields.default({}),
      key: z.string().optional().meta({ description: 'The field that gets the key of the call.' }),
      fault: z
        .strictObject({ field: z.string(), ok: z.array(z.string()).min(1), message: z.string().optional() })
        .optional(),
    }),
  ),
})
export type BackendConfig = z.output<typeof backendConfig>
export type BackendOperation = BackendConfig['operations'][string]

const answers = z.strictObject({
  copybook: z.string(),
  ok: fields.default({}),
  refused: fields.default({}),
  code: z.string().optional().meta({ description: 'The field that gets the code of a refusal.' }),
  message: z.string().optional().meta({ description: 'The field that gets its text.' }),
})
const absolute = z.string().regex(/^\//, 'expected an absolute path')

export const channelConfig = z
  .strictObject({
    framing: framing.default({ by: 'fixed' }),
    ...machine,
    records: z
      .array(
        z.strictObject({
          operation: z.string(),
          copybook: z.string(),
          when: condition.optional(),
          answer: answers.optional(),
        }),
      )
      .min(1),
    path: z
      .string()
      .regex(/^(\/[\w.~-]+)+$/, 'expected a path such as /records')
      .optional()
      .meta({
        description: 'One record is one POST.',
      }),
    listen: z
      .strictObject({
        host: z.string().default('127.0.0.1'),
        port: bounded(1, 65_535),
        from: z
          .array(z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6()]))
          .min(1)
          .optional(),
        sockets: bounded(1, 10_000).default(100),
        frameMs: bounded(100, 600_000)
          .default(30_000)
          .meta({ description: 'A record that has begun must be there in time.' }),
        idleMs: bounded(100, 86_400_000).default(300_000),
      })
      .refine(({ host, from }) => from !== undefined || /^(?:127\.|::1$|localhost$)/.test(host), {
        message: 'beyond loopback `from` must say which addresses may connect: nobody proves who he is there',
        path: ['from'],
      })
      .optional(),
    folder: z
      .strictObject({
        path: absolute,
        ending: z
          .string()
          .regex(/^\.[\w.-]+$/, 'expected an ending such as .dat')
          .optional(),
        everyMs: bounded(50, 3_600_000).default(2000),
        done: absolute.optional(),
        failed: absolute.optional(),
      })
      .optional(),
  })
  .refine(({ path, listen, folder }) => path !== undefined || listen !== undefined || folder !== undefined, {
    message: 'nothing comes in: give at least one of path, listen, folder',
  })
export type ChannelConfig = z.output<typeof channelConfig>

type MachineConfig = Pick<BackendConfig, 'charset' | 'overpunch' | 'names' | 'copybooks'>

export interface Books {
  readonly charset: Charset
  /** Throws `TypeError`, naming who asks, for a copybook the config does not have. */
  book(name: string, who: string): RecordCodec
}

/** Compiles every copybook of a config. Throws `TypeError` that says which one cannot be read, and where. */
export function booksOf({ charset: name, overpunch, names, copybooks }: MachineConfig): Books {
  const charset = charsetOf(name)
  const books = new Map<string, RecordCodec>()
  for (const [key, given] of Object.entries(copybooks)) {
    const { text, views, form } =
      typeof given === 'string' ? { text: given, views: {}, form: undefined } : given
    books.set(
      key,
      named(`copybook "${key}"`, () =>
        recordOf(text, { charset, overpunch, names, views, ...(form !== undefined && { form }) }),
      ),
    )
  }
  return {
    charset,
    book(key, who) {
      const found = books.get(key)
      if (found === undefined) throw new TypeError(`${who}: there is no copybook "${key}"`)
      return found
    },
  }
}

/** What goes wrong while a config is compiled, with the place in front. */
export function named<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new TypeError(`${what}: ${error.message}`, { cause: error })
  }
}
