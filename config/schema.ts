// What may stand in the file: one zod schema per section, which also yields the editors' JSON Schema and the tables of the README.
import { z } from 'zod'
import {
  LONGEST_KEPT_MS,
  NAME,
  count,
  duration,
  expression,
  range,
  size,
  template,
  text,
  webAddress,
  webOrigin,
} from './values.ts'

// ─── Sections ────────────────────────────────────────────────────────────────────────────────────────────────────────

const http = z.strictObject({
  host: text.default('127.0.0.1').describe('Where to listen. Beyond loopback `identity` is needed'),
  port: count(65_535, 0).default(8080).describe('0: any free one'),
  bodyLimit: size(1024 ** 3)
    .prefault('1mb')
    .describe('The longest request body'),
  publicUrl: webAddress.describe('The address given out to callers, behind a proxy').exactOptional(),
  tls: z
    .strictObject({
      cert: text.describe('PEM file'),
      key: text.describe('PEM file'),
      ca: text.describe('PEM file: callers need a certificate of one of these').exactOptional(),
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
  customers: jwt.describe('JWT of customers; `sub` is the name').exactOptional(),
  agents: jwt.describe('JWT of people at the desk; `roles` says what they may').exactOptional(),
  keys: z
    .record(
      z.string().regex(NAME, { error: 'a name has letters, digits, _ and -, at most 63' }),
      z.strictObject({
        key: text.describe('What the program sends'),
        channels: z.array(text).describe('The channels it may use; without it, all').exactOptional(),
      }),
    )
    .describe('API keys of programs, by the program’s name')
    .exactOptional(),
})

const store = z.strictObject({
  retention: z
    .strictObject({
      age: duration(LONGEST_KEPT_MS, 60_000).prefault('30d').describe('Settled messages are kept this long'),
      size: size(2 ** 50, 1024 ** 2)
        .prefault('10gb')
        .describe('Above it the oldest settled messages go'),
    })
    .prefault({})
    .describe('What is kept; unsettled work is never removed'),
  dedupe: duration(LONGEST_KEPT_MS, 60_000).prefault('72h').describe('How long an external id is remembered'),
})

const lanes = z.strictObject({
  limit: count(1_000_000).default(1000).describe('Waiting messages of one conversation'),
  hold: duration().prefault('60s').describe('How long the head may hold its lane, all attempts together'),
  attempts: count(100).default(3).describe('Attempts begun and not ended before a message is dead'),
})

const allow = z.array(text).describe('Only these; without it, every plugin of the folder')

const cache = z.strictObject({
  entries: count(1_000_000).default(10_000).describe('At most so many answers'),
  size: size(2 ** 32, 1024)
    .prefault('64mb')
    .describe('… of together so much; those used longest ago go first'),
})

const limit = z.strictObject({
  channel: text
    .describe('What comes in by it; without it, by any that can tell its callers to come again')
    .exactOptional(),
  operation: text
    .describe('Of this type alone: a request’s operation, an event’s type; without it, everything')
    .exactOptional(),
  by: z.enum(['caller', 'all']).default('caller').describe('Each caller for himself, or all together'),
  calls: count(1_000_000_000).describe('So many are taken, more are refused'),
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
      token: text.describe('Token of `/admin/v1`; without it, made at the first start').exactOptional(),
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
  limits: z
    .record(z.string().regex(NAME, { error: 'a name has letters, digits, _ and -, at most 63' }), limit)
    .default({})
    .describe('How often somebody may call, by a name for it'),
} as const

// ─── Components: the core's own keys; the rest is the adapter's ──────────────────────────────────────────────────────

const adapter = text.describe('The protocol, or the kind of agent')

export const channelOperation = z.strictObject({
  kind: z.enum(['message', 'event', 'request']).default('request').describe('What a call of it is'),
  type: expression.describe('Its type; without it, the operation’s name').exactOptional(),
  sender: expression.describe('Who sends; without it, the channel').exactOptional(),
  text: expression.describe('What was said').exactOptional(),
  data: expression.describe('The payload; without it, the whole body').exactOptional(),
  externalId: expression.describe('The caller’s own id, for removing duplicates').exactOptional(),
  conversation: expression.describe('The conversation; without it, the sender’s').exactOptional(),
  priority: expression.describe('`low`, `normal`, `high` or `urgent`').exactOptional(),
  example: z.json().describe('A sample body, for documentation').exactOptional(),
})

export const channelKeys = z.strictObject({
  adapter,
  access: z
    .union(
      [
        z.literal('open'),
        z
          .strictObject({
            from: z.array(range).min(1).describe('Addresses and CIDR ranges').exactOptional(),
            basic: z
              .strictObject({ user: text.describe('Its user'), password: text.describe('Its password') })
              .describe('HTTP Basic (RFC 7617)')
              .exactOptional(),
          })
          .refine((value) => value.from !== undefined || value.basic !== undefined, {
            error: 'one of "from" and "basic" is needed',
          }),
      ],
      { error: 'it must be open, or { from, basic }' },
    )
    .describe('For callers without a credential: `open`, or address ranges and HTTP Basic')
    .exactOptional(),
  bodyLimit: size(1024 ** 3)
    .describe('The longest request body; without it, the listener’s')
    .exactOptional(),
  inDoubt: z
    .enum(['repeat', 'park'])
    .default('repeat')
    .describe('A push without a known result: sent again, or put aside'),
})

const breakerFields = {
  errorRate: z.number().min(1).max(100).describe('Opens at this percentage of failed calls'),
  minimumCalls: count(1_000_000).describe('… of at least so many'),
  window: duration().describe('… in this time'),
  openFor: duration().describe(
    'Then no call for this time; each failed try at coming back doubles it, up to four times',
  ),
  slow: duration().describe('A call that takes as long is slow; without it, none is'),
  slowRate: z.number().min(1).max(100).describe('Opens at this percentage of slow calls'),
}

const callKeys = {
  timeout: duration().prefault('10s').describe('One call with all its attempts'),
  breaker: z
    .strictObject({
      errorRate: breakerFields.errorRate.default(50),
      minimumCalls: breakerFields.minimumCalls.default(10),
      window: breakerFields.window.prefault('10s'),
      openFor: breakerFields.openFor.prefault('5s'),
      slow: breakerFields.slow.exactOptional(),
      slowRate: breakerFields.slowRate.default(50),
    })
    .prefault({})
    .describe('When to stop calling what is broken'),
  bulkhead: z
    .strictObject({
      calls: count(100_000)
        .default(256)
        .describe('At most so many calls at once; further requests are refused'),
      dryRun: z.boolean().default(false).describe('Refuses nothing, only counts'),
    })
    .prefault({})
    .describe('How much of the gateway it may take when it is slow'),
  tls: z
    .strictObject({
      ca: text.describe('PEM file of the authorities to believe').exactOptional(),
      cert: text.describe('PEM file: our own certificate').exactOptional(),
      key: text.describe('PEM file: its key').exactOptional(),
      serverName: text.describe('The name wanted in the other side’s certificate').exactOptional(),
      verify: z.boolean().default(true).describe('`false`: any certificate will do; for trying out'),
    })
    .refine((value) => (value.cert === undefined) === (value.key === undefined), {
      error: '"cert" and "key" belong together',
    })
    .describe('TLS towards the other side')
    .exactOptional(),
  connections: count(10_000).default(64).describe('At most so many at once'),
  responseLimit: size(1024 ** 3)
    .prefault('4mb')
    .describe('The longest answer taken'),
}

const retryFields = {
  attempts: count(10).describe('Attempts of one call, the first included; 1: no retry'),
  first: duration().describe('The first pause is a random one below it, each further bound is doubled'),
  longest: duration().describe('No pause is longer, unless the system asks for it (`Retry-After`)'),
}

export const backendOperation = z.strictObject({
  safe: z.boolean().describe('Changes nothing: may be repeated').exactOptional(),
  idempotent: z.boolean().describe('The same key again is executed once').exactOptional(),
  timeout: duration().describe('Without it, the backend’s').exactOptional(),
  breaker: z
    .strictObject({
      errorRate: breakerFields.errorRate.exactOptional(),
      minimumCalls: breakerFields.minimumCalls.exactOptional(),
      window: breakerFields.window.exactOptional(),
      openFor: breakerFields.openFor.exactOptional(),
      slow: breakerFields.slow.exactOptional(),
      slowRate: breakerFields.slowRate.exactOptional(),
    })
    .describe('What differs from the backend’s')
    .exactOptional(),
  retry: z
    .strictObject({
      attempts: retryFields.attempts.exactOptional(),
      first: retryFields.first.exactOptional(),
      longest: retryFields.longest.exactOptional(),
    })
    .describe('What differs from the backend’s')
    .exactOptional(),
  public: z.boolean().describe('The answer is the same for everybody').exactOptional(),
  cache: z
    .strictObject({
      fresh: duration(LONGEST_KEPT_MS, 0).describe('Younger answers are given without a call'),
      revalidate: duration(LONGEST_KEPT_MS)
        .describe('Up to this age given at once, marked, and renewed behind it')
        .exactOptional(),
      stale: duration(LONGEST_KEPT_MS).describe('Up to this age given, marked, while the system is down'),
      staleAfterWrite: z
        .boolean()
        .default(false)
        .describe('Kept for when the system is down, also after a write that invalidates it'),
    })
    .refine(({ fresh, revalidate = fresh, stale }) => fresh <= revalidate && revalidate <= stale, {
      error: 'these are ages: fresh ≤ revalidate ≤ stale',
    })
    .describe('Its last good answers; only for `safe` operations')
    .exactOptional(),
  static: z
    .json()
    .describe(
      'The answer, marked, where the system is down and there is no other; only for `safe` operations',
    )
    .exactOptional(),
  invalidates: z
    .array(text)
    .min(1)
    .describe('Operations with `cache` whose answers this one makes untrue; `*`: all')
    .exactOptional(),
  onFailure: z
    .literal('queue')
    .describe(
      'While the system is down, a write of which nothing was done is stored and made when it is back; only for operations that are not `safe`',
    )
    .exactOptional(),
  queueKey: expression
    .describe(
      'Over its parameters: writes with the same value keep their order; without it, those of one customer',
    )
    .exactOptional(),
  onPoison: z
    .enum(['halt', 'skip'])
    .describe(
      'A write that cannot be made stops those behind it until an operator decides (`halt`, the default), or is given up',
    )
    .exactOptional(),
})

export const backendKeys = z.strictObject({
  adapter,
  ...callKeys,
  retry: z
    .strictObject({
      attempts: retryFields.attempts.default(3),
      first: retryFields.first.prefault('100ms'),
      longest: retryFields.longest.prefault('2s'),
      budget: z
        .number()
        .min(0)
        .max(100)
        .default(20)
        .describe('Retries are at most this percentage of its calls'),
    })
    .prefault({})
    .describe('Requests of operations that are `safe` or `idempotent` are tried again'),
})
export const agentKeys = z.strictObject({
  adapter,
  ...callKeys,
  callbackWithin: duration(LONGEST_KEPT_MS)
    .describe('How long an agent that only took a message may take to answer')
    .exactOptional(),
})

export const route = z.strictObject({
  when: expression
    .describe(
      'What it takes, said over the message; `$present()`: whether the customer’s app has a link. Without it, everything',
    )
    .exactOptional(),
  agent: text.describe('The agent who answers').exactOptional(),
  backend: text.describe('The backend that is called').exactOptional(),
  operation: text
    .describe('Its operation: a name, or JSONata such as `data.mode`; without it, the message’s type')
    .exactOptional(),
  params: expression.describe('Its parameters; without it, the message’s data').exactOptional(),
  notify: text.describe('The agent who is told').exactOptional(),
  fallback: text.describe('The agent who takes over, where the first one fails').exactOptional(),
  reply: template.describe('A text with `{{ JSONata }}` for the customer').exactOptional(),
  priority: z
    .enum(['low', 'normal', 'high', 'urgent'])
    .describe('Instead of the message’s own')
    .exactOptional(),
  skills: z.array(text).describe('What the person at the desk must know').exactOptional(),
  timeout: duration().describe('One attempt; without it, the agent’s or backend’s').exactOptional(),
  record: z.boolean().describe('Stores requests too').exactOptional(),
  ordered: expression.describe('Recorded requests with the same value keep their order').exactOptional(),
})
