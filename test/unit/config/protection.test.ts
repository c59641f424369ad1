// What the file says of the protection of calls: what stands in, and what a write makes untrue.
import { expect, test } from 'vitest'
import rest from '../../../adapters/rest/index.ts'
import { known, load, problemsOf } from './fakes.ts'

const backend = (operations: string): string =>
  `backends: { orders: { adapter: rest, url: http://x, operations: ${operations} } }`

test('cache: three ages; without revalidate it is as fresh', async () => {
  const config = await load(
    backend(`{
      A: { cache: { fresh: 0s, stale: 30d }, static: { a: [1, null] } },
      B: { cache: { fresh: 5s, revalidate: 1m, stale: 1h, staleAfterWrite: true } },
      C: { safe: false, invalidates: [A, B, "*"] } }`),
  )
  expect(config.backends['orders']?.operations).toMatchObject({
    A: {
      cache: { freshMs: 0, revalidateMs: 0, staleMs: 30 * 86_400_000, staleAfterWrite: false },
      static: { a: [1, null] },
    },
    B: { cache: { freshMs: 5000, revalidateMs: 60_000, staleMs: 3_600_000, staleAfterWrite: true } },
    C: { invalidates: ['A', 'B', '*'] },
  })
  expect(config.cache).toEqual({ maxEntries: 10_000, maxBytes: 64 * 2 ** 20 })
})

test('ages out of order, a stand-in for a write, an invalidation of what is not kept are problems', async () => {
  expect(await problemsOf(backend('{ A: { cache: { fresh: 5s, stale: 1s } } }'))).toEqual([
    expect.stringContaining('operations.A.cache: these are ages: fresh ≤ revalidate ≤ stale'),
  ])
  expect(
    await problemsOf(backend('{ A: { cache: { fresh: 5s, revalidate: 2s, stale: 1h } } }')),
  ).toHaveLength(1)
  expect(
    await problemsOf(backend('{ A: { safe: false, static: 1, cache: { fresh: 1s, stale: 1s } } }')),
  ).toEqual([
    expect.stringContaining('operations.A.static: it needs an operation that is safe'),
    expect.stringContaining('operations.A.cache: it needs an operation that is safe'),
  ])
  expect(
    await problemsOf(
      backend('{ GetOrder: { cache: { fresh: 1s, stale: 1s } }, B: { invalidates: [GetOder] } }'),
    ),
  ).toEqual([
    expect.stringMatching(/invalidates\[0\]: "GetOder" has no "cache" here \(did you mean "GetOrder"\?\)$/u),
  ])
})

test('what the core alone reads changes the hash, and not the definition by which answers are kept', async () => {
  const of = async (operations: string) => (await load(backend(operations))).backends['orders']
  const before = await of('{ A: { path: /a, safe: true } }')
  const calm = await of('{ A: { path: /a, safe: true, cache: { fresh: 1s, stale: 1s } } }')
  const other = await of('{ A: { path: /b, safe: true } }')
  expect(calm?.definition).toBe(before?.definition)
  expect(calm?.hash).not.toBe(before?.hash)
  expect(other?.definition).not.toBe(before?.definition)
})

test('retry: the backend’s, and what an operation says else', async () => {
  const config = await load(
    'backends: { orders: { adapter: rest, url: http://x, retry: { attempts: 5, budget: 0 }, operations: { A: { retry: { attempts: 1, first: 1s } }, B: {} } } }',
  )
  const { retry, retryBudget, operations } = config.backends['orders'] ?? {}
  expect([retry, retryBudget]).toEqual([{ attempts: 5, firstMs: 100, longestMs: 2000 }, 0])
  expect(operations?.['A']?.retry).toEqual({ attempts: 1, firstMs: 1000, longestMs: 2000 })
  expect(operations?.['B']?.retry).toBeUndefined()
})

test('limits: by name, about a channel that there is', async () => {
  const channels = 'channels: { web: { adapter: rest } }\n'
  const config = await load(`${channels}limits: { each: { channel: web, calls: 10, per: 1m } }`)
  expect(config.limits['each']).toEqual({
    channel: 'web',
    by: 'caller',
    calls: 10,
    perMs: 60_000,
    dryRun: false,
  })
  expect(await problemsOf(`${channels}limits: { each: { channel: wbe, calls: 10, per: 1m } }`)).toEqual([
    expect.stringMatching(/limits\.each\.channel: no channel is named "wbe" \(did you mean "web"\?\)$/u),
  ])
  expect(await problemsOf('limits: { each: { calls: 0, per: 1s }, b: { calls: 1, per: 2d } }')).toHaveLength(
    2,
  )
})

test('a queue: what is not safe, its key, what a poison write does', async () => {
  const config = await load(`
backends:
  a: { adapter: rest, url: 'http://127.0.0.1:1', operations: { A: { onFailure: queue, queueKey: order.no, onPoison: skip } } }
`)
  expect(config.backends['a']?.operations).toEqual({
    A: { onFailure: 'queue', queueKey: 'order.no', onPoison: 'skip' },
  })
  const problems = await problemsOf(`
backends:
  a:
    adapter: rest
    url: 'http://127.0.0.1:1'
    operations:
      A: { safe: true, onFailure: queue }
      B: { queueKey: orderNo, onPoison: halt }
      C: { onFailure: stack }
      D: { onFailure: queue, queueKey: 'order.' }
`)
  expect(problems).toHaveLength(5)
  expect(problems.join('\n')).toMatch(
    /7:\d+: backends\.a\.operations\.A\.onFailure: only what is not safe is queued/u,
  )
  expect(problems.join('\n')).toMatch(
    /8:\d+: backends\.a\.operations\.B\.queueKey: it needs "onFailure: queue"/u,
  )
  expect(problems.join('\n')).toMatch(
    /8:\d+: backends\.a\.operations\.B\.onPoison: it needs "onFailure: queue"/u,
  )
})

test('where the adapter can tell what is safe from the config alone, its word counts as the config’s own', async () => {
  const adapters = new Map([...known, ['rest', rest]])
  const of = (operations: string) => problemsOf(backend(operations), { adapters })
  const needsSafe =
    'it needs an operation that is safe: no old answer stands in for a write; one that only reads says "safe: true"'
  expect(await of('{ A: { method: GET, onFailure: queue } }')).toEqual([
    '1:85: backends.orders.operations.A.onFailure: only what is not safe is queued: a read has "cache"',
  ])
  expect(await of('{ A: { method: POST, static: {} } }')).toEqual([
    `1:86: backends.orders.operations.A.static: ${needsSafe}`,
  ])
  expect(await of('{ "*": { cache: { fresh: 1s, stale: 1h } } }')).toEqual([
    `1:74: backends.orders.operations["*"].cache: ${needsSafe}`,
  ])
  expect(await of('{ B: { static: {} }, "*": { method: GET } }')).toHaveLength(1)
  for (const fine of [
    '{ A: { method: GET, static: {} }, B: { method: POST, onFailure: queue } }',
    '{ A: { method: POST, safe: true, static: {} }, B: { method: GET, safe: false, onFailure: queue } }',
  ])
    expect(await of(fine)).toEqual([])
})
