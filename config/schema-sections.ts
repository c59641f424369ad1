// The sections of the file that are the gateway's own: one zod schema each, which also yields the editors' JSON Schema and the README's tables.
import { z } from 'zod'
import {
  LONGEST_KEPT_MS,
  NAME,
  count,
  credential,
  duration,
  listenHost,
  range,
  size,
  text,
  webAddress,
  webOrigin,
} from './values.ts'

const http = z.strictObject({
  host: listenHost.prefault('127.0.0.1').describe('Where to listen. Beyond loopback `identity` is needed'),
  port: count(65_535, 0).default(8080).describe('0: any free one'),
  bodyLimit: size(1024 ** 3)
    .prefault('1mb')
    .describe('The longest request body'),
  publicUrl: webAddress
    .describe('The address given out to callers and bots, behind a proxy or where `host` is all addresses')
    .exactOptional(),
  tls: z
    .strictObject({
      cert: text.describe('PEM file'),
      key: text.describe('PEM file'),
      ca: text
        .describe(
          'PEM file: callers need a certificate of one of these; commands on this machine show the gateway’s own, so sign it for clients too',
        )
        .exactOptional(),
    })
    .describe('TLS on the listener; the files are read again when they change')
    .exactOptional(),
  trustedProxies: z
    .array(range)
    .default([])
    .describe('Addresses and CIDR ranges whose `X-Forwarded-*` is believed'),
  headerTimeout: duration().prefault('10s').describe('For a request to send its head'),
  requestTimeout: duration().prefault('60s').describe('For a request to arrive whole'),
  keepAliveTimeout: duration().prefault('5s').describe('An idle connection is closed after it'),
  maxConnections: count(1_000_000).default(10_000).describe('More are refused'),
  headerLimit: size(1024 ** 2)
    .prefault('16kb')
    .describe('The longest request head'),
  origins: z
    .array(webOrigin)
    .default([])
    .describe("Pages of these sites may open a WebSocket, besides the gateway's own; `'*'`: any"),
  maxSockets: count(1_000_000).default(10_000).describe('WebSockets open at once; more are refused'),
  maxSocketsPerAddress: count(1_000_000)
    .default(1000)
    .describe('WebSockets of one address; of an IPv6 caller his /64 counts as one'),
})

const jwt = z
  .strictObject({
    secret: text.describe('HMAC key').exactOptional(),
    jwks: text.describe('Key set: a URL or a file').exactOptional(),
    issuer: text.describe('The `iss` wanted').exactOptional(),
    audience: z
      .union([text, z.array(text).min(1)], { error: 'it must be a text or a list of texts' })
      .describe('The `aud` wanted')
      .exactOptional(),
  })
  .refine((value) => (value.secret === undefined) !== (value.jwks === undefined), {
    error: 'exactly one of "secret" and "jwks" is needed',
  })

const identity = z.strictObject({
  customers: jwt
    .describe('JWT of customers; `sub` is the name: up to 256 characters, none of them a control character')
    .exactOptional(),
  agents: jwt
    .describe(
      'JWT of people at the desk: one with any `roles` reads every conversation and may call every operation',
    )
    .exactOptional(),
  keys: z
    .record(
      z.string().regex(NAME, { error: 'a name has letters, digits, _ and -, at most 63' }),
      z.strictObject({
        key: credential.describe('What the program sends: visible ASCII, no blanks'),
        channels: z.array(text).describe('The channels it may use; without it, all').exactOptional(),
      }),
    )
    .describe('API keys of programs, by the program’s name')
    .exactOptional(),
})

const REDIS =
  /^rediss?:\/\/[^\s/?#,]+(?:\/\d{1,5})?$|^rediss?\+sentinel:\/\/[^\s/?#]+\/[^\s/?#]+(?:\/\d{1,5})?$|^rediss?\+cluster:\/\/[^\s/?#]+\/?$/u

/** `core/store/redis/address.ts` reads it so. */
function redisParts(url: string): { readonly login: string; readonly nodes: readonly string[] } {
  const [, login = '', nodes = ''] = /:\/\/(?:([^@]*)@)?([^/]*)/u.exec(url) ?? []
  return { login, nodes: nodes.split(',') }
}

function hasPorts(url: string): boolean {
  return redisParts(url).nodes.every((node) => {
    const [, port = '1'] = /^(?:\[[\da-f:.]+\]|[^:[\]]+)(?::(\d{1,5}))?$/iu.exec(node) ?? [node, '0']
    return Number(port) >= 1 && Number(port) <= 65_535
  })
}

function isEncoded(url: string): boolean {
  try {
    return decodeURIComponent(redisParts(url).login) !== undefined
  } catch {
    return false // a % that encodes nothing
  }
}

const store = z.strictObject({
  url: text
    .regex(REDIS, {
      error:
        'it must be redis://HOST:PORT/DATABASE, redis+sentinel://HOST:PORT,HOST:PORT/MASTER/DATABASE or redis+cluster://HOST:PORT,HOST:PORT, with rediss for TLS; a / # ? or blank in a password is percent-encoded',
      abort: true,
    })
    .refine(hasPorts, { error: 'every host is HOST or HOST:PORT, with a port from 1 to 65535' })
    .refine(isEncoded, {
      error: 'a % in it is followed by no two hexadecimal digits: write it as %25',
    })
    .describe(
      'Redis 6.2 or later, or Valkey, as `redis://USER:PASSWORD@HOST:PORT/DATABASE` or another form below; without it, the embedded store',
    )
    .exactOptional(),
  tls: z
    .strictObject({
      ca: text
        .describe('PEM file: whose certificates Redis may have; without it, the system’s')
        .exactOptional(),
      cert: text.describe('PEM file: the gateway’s certificate, if Redis wants one').exactOptional(),
      key: text.describe('PEM file: its key').exactOptional(),
    })
    .refine(({ cert, key }) => (cert === undefined) === (key === undefined), {
      error: '"cert" and "key" are needed both or none',
    })
    .describe('For `rediss`')
    .exactOptional(),
  sentinel: z
    .strictObject({
      user: text.describe('ACL user').exactOptional(),
      password: text.describe('Its password').exactOptional(),
    })
    .describe('Who asks the Sentinels, if they want to know; what stands in the URL is for Redis itself')
    .exactOptional(),
  durability: z
    .enum(['strict', 'any'])
    .default('any')
    .describe('`strict`: no start where Redis may lose what was acknowledged; the embedded store never does'),
  replicas: count(100, 0)
    .describe(
      'So many replicas of Redis must have a write before it is acknowledged: all that may be promoted; without it, under `strict` all there are, else 0',
    )
    .exactOptional(),
  retention: z
    .strictObject({
      age: duration(LONGEST_KEPT_MS, 60_000).prefault('30d').describe('Settled messages are kept this long'),
      size: size(2 ** 50, 1024 ** 2)
        .prefault('10gb')
        .describe('Above it the oldest settled messages go; on Redis at most a fifth of its `maxmemory`'),
    })
    .prefault({})
    .describe('What is kept; unsettled work is never removed'),
  dedupe: duration(LONGEST_KEPT_MS, 60_000)
    .prefault('72h')
    .describe(
      'How long an external id is remembered. What an app wrote before its first hello, longer ago than this less 1h (below 2h: than half of it), is refused (`TOO_OLD`)',
    ),
})

const lanes = z.strictObject({
  limit: count(1_000_000)
    .default(1000)
    .describe('Waiting messages of one conversation, or writes of one `queueKey`'),
  hold: duration().prefault('60s').describe('How long the head may hold its lane, all attempts together'),
  attempts: count(100).default(3).describe('Failed attempts before a message is dead'),
})

const sha256 = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'a SHA-256 in hexadecimal is needed: `dragoman plugins lock` writes it')
const allow = z
  .union([z.array(text), z.record(z.string(), sha256)])
  .describe(
    'Only these, by name; or name and SHA-256, as `dragoman plugins lock` writes them: nothing else is run. Without it, every plugin of the folder',
  )

const cache = z.strictObject({
  entries: count(1_000_000).default(10_000).describe('At most so many answers'),
  size: size(2 ** 32, 1024)
    .prefault('64mb')
    .describe('… of together so much; those used longest ago go first'),
})

const overload = z.strictObject({
  turn: duration(1000)
    .prefault('1ms')
    .describe('The event loop shall come round in this time; as much is begun as fits'),
  wait: duration(60_000)
    .prefault('1s')
    .describe(
      'How long a request of normal priority waits to begin; low half, high twice, urgent four times as long',
    ),
  dryRun: z.boolean().default(false).describe('Nobody waits or is refused; only counts'),
})

const limit = z.strictObject({
  channel: text
    .describe('What comes in by it; without it, by any that can tell its callers to come again')
    .exactOptional(),
  operation: text
    .describe('Of this type alone: a request’s operation, an event’s type; without it, everything')
    .exactOptional(),
  by: z.enum(['caller', 'all']).default('caller').describe('Each caller for himself, or all together'),
  calls: count(1_000_000_000).describe(
    'So many are taken, more are refused; with Redis as the store, by all instances together',
  ),
  per: duration().describe('… in this time'),
  dryRun: z.boolean().default(false).describe('Refuses nothing, only counts'),
})

/** The parts of the file that are validated as they stand; channels, backends, agents and routes are taken apart first. */
export const sections = {
  http: http.prefault({}).describe('The listener'),
  data: text.default('./data').describe('The folder of the embedded store; made if it is not there'),
  plugins: z
    .union(
      [
        text,
        z.strictObject({
          path: text.describe('The folder').exactOptional(),
          allow: allow.exactOptional(),
        }),
      ],
      {
        error: 'it must be a folder, or { path, allow }',
      },
    )
    .default('./plugins')
    .describe('The folder of the plugins, or `{ path, allow }`'),
  identity: identity.describe('Who may call').exactOptional(),
  admin: z
    .strictObject({
      token: credential
        .describe('Token of `/admin/v1`: visible ASCII, no blanks; without it, made at the first start')
        .exactOptional(),
    })
    .prefault({})
    .describe('The operators’ interface'),
  log: z
    .strictObject({
      level: z.enum(['debug', 'info', 'warn', 'error']).default('info').describe('The least to be logged'),
    })
    .prefault({})
    .describe('JSON lines on stderr'),
  store: store.prefault({}).describe('What is remembered'),
  lanes: lanes.prefault({}).describe('One conversation’s waiting work'),
  cache: cache
    .prefault({})
    .describe('Last good answers of operations with `cache`, kept in the folder `data`'),
  overload: overload.prefault({}).describe('What is begun when more comes than can be done'),
  limits: z
    .record(z.string().regex(NAME, { error: 'a name has letters, digits, _ and -, at most 63' }), limit)
    .default({})
    .describe('How often somebody may call, by a name for it'),
} as const
