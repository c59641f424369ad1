// What may stand below a channel, a backend, an agent and a route: zod schemas, which also yield the editors' JSON Schema and the README's tables.
import { z } from 'zod'
import {
  LONGEST_KEPT_MS,
  basicPassword,
  basicUser,
  count,
  duration,
  expression,
  predicate,
  range,
  size,
  template,
  text,
} from './values.ts'

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
              .strictObject({
                user: basicUser.describe('Its user: no `:`'),
                password: basicPassword.describe('Its password'),
              })
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
  priority: z
    .enum(['low', 'normal', 'high', 'urgent'])
    .default('normal')
    .describe('Of what comes in by it, when more comes than can be done'),
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
        .default(512)
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
    .prefault('1h')
    .describe('How long an agent that only took a message may take to answer'),
})

export const route = z.strictObject({
  when: predicate
    .describe(
      'What it takes, said over the message; `$present()`: whether the customer’s app has a link. Without it, everything. A message for which it cannot be evaluated has no route',
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
  skills: z
    .array(text)
    .describe(
      'What the person at the desk must know. No agent of this version asks for it: it has no effect, and `check` says so',
    )
    .exactOptional(),
  timeout: duration()
    .describe(
      'One attempt; without it, the agent’s or backend’s. With less than half of that, a call that is too slow does not count for its breaker',
    )
    .exactOptional(),
  record: z.boolean().describe('Stores requests too').exactOptional(),
  ordered: expression
    .describe('Recorded requests to the same target with the same value keep their order')
    .exactOptional(),
})
