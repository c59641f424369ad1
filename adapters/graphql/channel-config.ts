// What a GraphQL channel takes: its path, its schema, and how much a caller may ask for at once.
import { z } from 'zod'

const MOST = 1_000_000
const limit = (standard: number, description: string): z.ZodDefault<z.ZodInt> =>
  z.int().min(1).max(MOST).default(standard).meta({ description })

const limits = z.strictObject({
  tokens: limit(2000, 'Tokens of a document; it is not read further.'),
  depth: limit(12, 'Selections within selections.'),
  fields: limit(500, 'Fields, with every fragment written out where it is used.'),
  repeats: limit(50, 'How often one field may stand in one place, fragments written out.'),
  aliases: limit(20, 'Aliases, with every fragment written out.'),
  directives: limit(20, 'Directives of a document.'),
  listSize: limit(
    1000,
    'Items of a list that is sent, and of one that is asked for (`first`, `last`, `limit`).',
  ),
  batch: limit(10, 'Operations in one HTTP request.'),
  concurrent: limit(32, 'Operations under way on one WebSocket, subscriptions included.'),
})

export const channelConfig = z.strictObject({
  path: z
    .string()
    .regex(/^(\/[\w.~:@!$&'()*+,;=-]+)+$/, 'expected a path such as /graphql')
    .default('/graphql'),
  schema: z.string().min(1).meta({ format: 'file' }).optional().meta({
    description:
      'A file in the schema language whose root fields are the operations; without it, the built-in schema.',
  }),
  introspection: z
    .boolean()
    .optional()
    .meta({ description: 'Whether the schema may be asked for. Default: only by callers on this machine.' }),
  waitMs: z
    .int()
    .min(0)
    .max(300_000)
    .default(30_000)
    .meta({ description: 'The longest a mutation waits for the reply to a message, in milliseconds.' }),
  persisted: z
    .strictObject({
      file: z
        .string()
        .min(1)
        .meta({ format: 'file' })
        .optional()
        .meta({ description: 'A JSON object: documents by their ids.' }),
      only: z
        .boolean()
        .default(false)
        .meta({ description: 'Documents that are not in the file are refused.' }),
      automatic: z.boolean().default(true).meta({
        description: 'Callers may register a document by its SHA-256 (automatic persisted queries).',
      }),
    })
    .refine(({ file, only }) => !only || file !== undefined, {
      path: ['only'],
      error: 'only: true needs a file: nothing could be asked at all',
    })
    .prefault({}),
  limits: limits.prefault({}),
})

export type ChannelConfig = z.output<typeof channelConfig>
export type Limits = ChannelConfig['limits']
