// DESIGN §7: an outage under load: the last good answers, marked, also after a restart; a breaker that opens at once and probes alone.
import { expect, test } from 'vitest'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import { stopwatch } from '../support/processor.ts'
import { post } from '../support/rest.ts'
import { startBusiness } from './business.ts'
import type { Business } from './business.ts'
import { isFull, seeded, slowness } from './random.ts'
import { pause, percentile } from './world.ts'
import type { Sample } from './world.ts'

const OUTAGE_MS = isFull ? 30_000 : 4000
const PER_SECOND = isFull ? 500 : 150
const THINGS = 50

const yaml = (system: Business, cache: string): string => `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: rest
    url: ${system.url}
    timeout: 2s
    retry: { attempts: 1 }
    breaker: { minimumCalls: 10, window: 10s, openFor: 2s }
    operations: { Look: { path: "/look/{n}", safe: true, public: true, cache: ${cache} } }
routes: [{ backend: orders }]
`

/** With the gateway's `pid` its time is without that in which there was no processor for it. */
async function look(base: string, n: string, pid?: number): Promise<Sample & { readonly code: string }> {
  const at = performance.now()
  const watch = pid === undefined ? () => performance.now() - at : stopwatch(pid)
  const { status, headers, body } = await post<{ code?: string }>(`${base}/v1/requests/Look`, { n })
  const ms = watch()
  const isStale = headers.get('cache-status')?.includes('stale') === true
  return { at, ms, status, isStale, code: body.code ?? '' }
}

/** Open loop: so many a second, whatever becomes of them. */
async function flood(base: string, ms: number): Promise<readonly Sample[]> {
  const all: Promise<Sample>[] = []
  const begun = performance.now()
  for (let sent = 0; performance.now() - begun < ms;) {
    const due = ((performance.now() - begun) / 1000) * PER_SECOND
    for (; sent < due; sent++) all.push(look(base, String(sent % THINGS)))
    await pause(2)
  }
  return Promise.all(all)
}

test(
  `${OUTAGE_MS / 1000} s outage at ${PER_SECOND}/s: 99.9 % of what is cacheable is answered, all marked; after a restart as well`,
  { timeout: OUTAGE_MS + 120_000 },
  async () => {
    await using system = await startBusiness(seeded('outage'))
    const file = yaml(system, '{ fresh: 0s, stale: 1h }')
    const directory = await temporaryDirectory()
    const first = await startGateway({ yaml: file, directory })
    for (let n = 0; n < THINGS; n++) expect((await look(first.base, String(n))).status).toBe(200)
    await system.become('refuses')
    const during = await flood(first.base, OUTAGE_MS)
    const answered = during.filter(({ status, isStale }) => status === 200 && isStale)
    console.log(
      `${during.length} asked, ${answered.length} answered and marked, p50 ${percentile(during, 0.5).toFixed(1)} ms, p99 ${percentile(during, 0.99).toFixed(1)} ms`,
    )
    expect(answered.length / during.length).toBeGreaterThanOrEqual(0.999)
    expect(during.filter(({ status, isStale }) => status === 200 && !isStale)).toEqual([])
    await first.stop()

    await using second = await startGateway({ yaml: file, directory })
    for (let n = 0; n < THINGS; n++)
      expect(await look(second.base, String(n))).toMatchObject({ status: 200, isStale: true })
    await system.become('well')
    await until(async () => ((await look(second.base, '1')).isStale ? undefined : true))
  },
)

test(
  'dead, with 75 % of the traffic from the cache: open within 10 calls, refused within 5 ms, one probe for 1,000 callers',
  { timeout: 120_000 },
  async () => {
    await using system = await startBusiness(seeded('breaker'))
    await using gateway = await startGateway({ yaml: yaml(system, '{ fresh: 1h, stale: 1h }') })
    const { base } = gateway
    for (let n = 0; n < THINGS; n++) await look(base, String(n))
    await system.become('fails')
    const before = system.requests
    // Nothing else reaches it: what it counts are the calls made.
    for (let sent = 0, isOpen = false; !isOpen; sent++) {
      const { status, code } = await look(base, sent % 4 === 0 ? `new${sent}` : String(sent % THINGS))
      expect(status).toBe(sent % 4 === 0 ? (code === 'BREAKER_OPEN' ? 503 : 502) : 200)
      isOpen = code === 'BREAKER_OPEN'
      expect(sent).toBeLessThan(100)
    }
    expect(system.requests - before).toBeLessThanOrEqual(10)

    const slow = slowness()
    const refused: Sample[] = []
    const openedBy = system.requests
    const opened = performance.now()
    for (let n = 0; n < 200; n++) {
      const one = await look(base, `other${n}`, gateway.pid)
      if (one.code === 'BREAKER_OPEN') refused.push(one)
    }
    console.log(
      `refused: p50 ${percentile(refused, 0.5).toFixed(2)} ms, p99 ${percentile(refused, 0.99).toFixed(2)} ms (machine × ${slow.toFixed(1)})`,
    )
    expect(refused.length).toBeGreaterThan(150)
    expect(percentile(refused, isFull ? 0.99 : 0.9)).toBeLessThanOrEqual(5 * slow)

    // The probe hangs: whoever comes meanwhile is refused, not sent after it.
    await system.become('black hole')
    const silent = system.requests
    // One each time that it has been open long enough.
    expect(silent - openedBy).toBeLessThanOrEqual(1 + Math.floor((performance.now() - opened) / 2000))
    await until(async () => {
      await Promise.all(Array.from({ length: 50 }, (_, n) => look(base, `early${n}`)))
      return system.requests > silent ? true : undefined
    })
    const probed = system.requests
    const crowd = await Promise.all(Array.from({ length: 1000 }, (_, n) => look(base, `crowd${n}`)))
    expect(probed - silent).toBe(1)
    // By the breaker, or at the door where a thousand at once are more than can be begun.
    const codes = crowd.map(({ code }) => code)
    console.log(
      `a crowd of 1000: ${codes.filter((code) => code === 'BREAKER_OPEN').length} refused by the breaker`,
    )
    expect(
      codes.filter((code) => code !== 'BREAKER_OPEN' && code !== 'OVERLOADED').length,
    ).toBeLessThanOrEqual(1)
    expect(system.requests - silent).toBeLessThanOrEqual(2)
  },
)
