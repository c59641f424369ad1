// What the config says of a NATS channel and a NATS backend.
import { z } from 'zod'

import { subjectTemplate } from './subject.ts'

const text = z.string().min(1)
const file = text.meta({ format: 'file' })

const server = z.string().regex(/^(?:nats|tls):\/\/[^\s/@]+$/, 'expected nats://HOST:PORT or tls://HOST:PORT')

const account = {
  servers: z.union([server, z.array(server).min(1)]),
  /** Empty: none. */
  user: z.string().default(''),
  password: z.string().default(''),
  token: z.string().default(''),
  /** A file with a JWT and its key, as `nsc` writes it. */
  credentials: file.exactOptional(),
  /** PEM files. `tls` is the core's own key, for what goes over `scope.fetch`. */
  certificates: z
    .strictObject({ ca: file.exactOptional(), cert: file.exactOptional(), key: file.exactOptional() })
    .exactOptional(),
}

/** A name of NATS: of a queue group, a stream, a consumer. */
const name = z.string().regex(/^[\w-]{1,64}$/, 'expected letters, digits, _ and -')

/** Subjects to the operations they stand for. */
const subjects = z.record(subjectTemplate, text)

export const channelConfig = z.strictObject({
  ...account,
  queue: name.default('dragoman'),
  subjects: subjects.default({}),
  streams: z
    .record(
      name,
      z.strictObject({
        consumer: name,
        filter: z
          .string()
          .regex(/^[^\s]+$/)
          .exactOptional(),
        subjects,
        ackWaitMs: z.int().min(1000).max(3_600_000).default(30_000),
      }),
    )
    .default({}),
  /** How long a message that asks for an answer waits for what an agent says. A request is always waited for. */
  waitMs: z.int().min(0).max(60_000).default(0),
})
export type ChannelConfig = z.output<typeof channelConfig>
export type StreamConfig = ChannelConfig['streams'][string]

export const backendConfig = z.strictObject({
  ...account,
  operations: z.record(
    z.string(),
    z.strictObject({
      subject: subjectTemplate,
      /** Published into this stream; without it, a request whose answer is waited for. */
      stream: name.exactOptional(),
      headers: z.record(z.string().regex(/^[!-9;-~]+$/, 'no header name'), z.string()).default({}),
      answer: z.enum(['json', 'text']).default('json'),
    }),
  ),
})
export type BackendConfig = z.output<typeof backendConfig>
export type OperationConfig = BackendConfig['operations'][string]
export type AccountConfig = Pick<BackendConfig, keyof typeof account>
