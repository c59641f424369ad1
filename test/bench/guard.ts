// What the guard costs a call when all is well: retry, bulkhead, breaker and deadline around a backend that answers at once. Goal: 20 µs.
// node test/bench/guard.ts
import { z } from 'zod'
import { defineAdapter } from '../../core/api.ts'
import type { Message } from '../../core/api.ts'
import { callBackend } from '../../core/calls/calls.ts'
import type { BackendInvocation } from '../../core/calls/calls.ts'
import { createBackend } from '../../core/components/components.ts'
import type { Surroundings } from '../../core/components/components.ts'
import { openFallbackCache } from '../../core/guard/cache.ts'
import { createMetrics } from '../../core/http/metrics.ts'
import type { BackendSettings } from '../../core/settings.ts'

const CALLS = 200_000
const WARM = 20_000
const AT_ONCE = 50

const log = { debug() {}, info() {}, warn() {}, error() {} }
const metrics = createMetrics(log)
await using cache = await openFallbackCache({ maxEntries: 10_000, maxBytes: 2 ** 26, log, now: Date.now })

const adapter = defineAdapter({
  name: 'bench',
  apiVersion: 1,
  backend: {
    config: z.unknown(),
    create: () => ({
      operations: { Look: { safe: true }, Cached: { safe: true } },
      call: async () => ({ data: { ok: true } }),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
const around = {
  log,
  fallback: { cache, onServed: metrics.served },
  onBreaker() {},
  onCalled: (called: Parameters<Surroundings['onCalled']>[0]) => metrics.telemetry.called(called),
  onRetry: metrics.retried,
  limit: metrics.limit,
  scope: () => ({ scope: {}, dispose: async () => undefined }),
} as unknown as Surroundings // what a backend needs of it
const settings: BackendSettings = {
  id: 'bench',
  adapter: 'bench',
  config: {},
  hash: '',
  timeoutMs: 10_000,
  breaker: { errorRate: 50, minimumCalls: 10, windowMs: 10_000, openForMs: 5000, slowMs: 1000, slowRate: 50 },
  bulkhead: { maxCalls: 256, dryRun: false },
  retry: { attempts: 3, firstMs: 100, longestMs: 2000 },
  retryBudget: 20,
  connections: 64,
  responseLimitBytes: 2 ** 20,
  operations: {
    Cached: {
      cache: { freshMs: 3_600_000, revalidateMs: 3_600_000, staleMs: 3_600_000, staleAfterWrite: false },
    },
  },
}
const { inUse } = createBackend(settings, adapter, around)
const message = {
  id: 'm',
  channel: 'web',
  sender: { id: 'a', role: 'system' },
  metadata: {},
} as unknown as Message // what the key reads

async function measured(what: string, call: () => Promise<unknown>): Promise<number> {
  const run = async (calls: number): Promise<void> => {
    for (let n = 0; n < calls / AT_ONCE; n += 1) await Promise.all(Array.from({ length: AT_ONCE }, call))
  }
  await run(WARM)
  const cpu = process.cpuUsage()
  await run(CALLS)
  const { user, system } = process.cpuUsage(cpu)
  const us = (user + system) / CALLS
  console.log(`${what.padEnd(44)} ${us.toFixed(2)} µs a call`)
  return us
}

function guarded(name: string): () => Promise<unknown> {
  const operation = inUse.operation(name)
  if (operation === undefined) throw new Error(`there is no ${name}`)
  const invocation: BackendInvocation = {
    operation: name,
    params: { orderNo: '000777' },
    message,
    key: 'k',
    attempt: 1,
    ms: 10_000,
    retries: true,
    caller: 'a',
  }
  return () => callBackend(inUse, operation, invocation)
}

const call = { operation: 'Look', params: {}, message, key: 'k', attempt: 1 }
const { signal } = new AbortController()
const bare = await measured('the backend alone', () => inUse.backend.call(call, signal))
const look = await measured('retry, bulkhead, breaker, deadline around it', guarded('Look'))
const cached = await measured('a fresh answer of the cache instead', guarded('Cached'))
console.log(
  `\nthe guard costs ${(look - bare).toFixed(2)} µs a call, an answer of the cache ${cached.toFixed(2)} µs`,
)
process.exitCode = look - bare <= 20 ? 0 : 1
