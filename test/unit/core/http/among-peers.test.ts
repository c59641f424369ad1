// Pages of one of several processes behind the same ports.
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json } from '../../../../core/api.ts'
import { createOperatorEvents, joinEventPages } from '../../../../core/operators/events.ts'
import type { OperatorEventPage as Page } from '../../../../core/operators/events.ts'
import { breakerPages } from '../../../../core/http/admin-breakers.ts'
import { generationPages } from '../../../../core/http/admin-generations.ts'
import { amongPeers, figuresOfAll } from '../../../../core/http/among-peers.ts'
import { createMetrics } from '../../../../core/http/metrics.ts'
import type { PeerAnswer, PeerQuestion, Peers } from '../../../../core/http/peers.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'

type Answering = Parameters<Peers['onAsked']>[0]

/** As many processes as there are apps, each asking all others, as by their supervisor. */
function processes(...apps: readonly Hono[]) {
  const answering: Answering[] = []
  return apps.map((app, at) => {
    const worker = at + 1
    return amongPeers(
      app,
      {
        worker,
        onAsked: (by) => void (answering[at] = by),
        ask: (question: PeerQuestion) =>
          Promise.all(
            answering.flatMap((by, other) =>
              other === at
                ? []
                : [by(question).then((given): PeerAnswer => ({ worker: other + 1, ...given }))],
            ),
          ),
      },
      () => createMetrics(noLog, { name: `desk/${worker}`, version: '1', worker }).figures(),
    )
  })
}

const at = (path: string, init?: RequestInit): Request => new Request(`http://dragoman${path}`, init)

test('what each process has for itself is changed in all of them, with the same body', async () => {
  const seen: string[] = []
  const apps = [1, 2, 3].map((worker) =>
    new Hono().post('/admin/v1/breakers/off', async (c) => {
      seen.push(`${worker} ${await c.req.text()}`)
      return Response.json({ names: ['orders.GetOrder'] })
    }),
  )
  const [, second] = processes(...apps)
  const response = await second?.(at('/admin/v1/breakers/off', { method: 'POST', body: '{"name":"orders"}' }))
  expect([response?.status, await response?.json()]).toEqual([200, { names: ['orders.GetOrder'] }])
  expect(seen.toSorted()).toEqual(['1 {"name":"orders"}', '2 {"name":"orders"}', '3 {"name":"orders"}'])
})

test('a change that one of them refuses is an error that names it', async () => {
  const refuses = new Hono().post('/admin/v1/reload', () => {
    throw new GatewayError('INTERNAL', 'gateway.yaml:3:1: unknown key "lane"')
  })
  refuses.onError((error) => {
    throw error
  })
  const takes = new Hono().post('/admin/v1/reload', () => Response.json({ generation: 2 }))
  const [first] = processes(takes, refuses)
  await expect(first?.(at('/admin/v1/reload', { method: 'POST' }))).rejects.toThrow(
    'it was not done everywhere: worker 2: gateway.yaml:3:1: unknown key "lane"',
  )
})

test('a rollback is one in all of them, to the same content, whatever number each has for it', async () => {
  const content = (fill: string): string => fill.repeat(64)
  const asked: string[] = []
  const apps = [1, 2].map((worker) => {
    const rows = [
      { generation: worker, hash: content('a') },
      { generation: worker + 5, hash: content('b') },
    ]
    const app = new Hono()
    generationPages(app, {
      history: {
        last: 9,
        list: () => ({ generations: [], rolledBackTo: null }),
        find: (wanted) => {
          const found = rows.find(({ generation, hash }) => generation === wanted || hash === wanted)
          if (found === undefined) throw new GatewayError('NOT_FOUND', `generation ${wanted} is not kept`)
          return found
        },
        running: () => null,
      },
      reload: async ({ rollbackTo }) => {
        asked.push(`${worker}: ${rollbackTo}`)
        return { generation: 10 + worker }
      },
    })
    app.onError((error) => {
      throw error
    })
    return app
  })
  const [, second] = processes(...apps)
  const roll = (body: object): Promise<Response> | undefined =>
    second?.(at('/admin/v1/generations/rollback', { method: 'POST', body: JSON.stringify(body) }))
  expect(await (await roll({ generation: 7 }))?.json()).toEqual({ generation: 12, rolledBackTo: 7 })
  expect(asked.toSorted()).toEqual(['1: 6', '2: 7'])
  await expect(roll({ generation: 6 })).rejects.toThrow('generation 6 is not kept')
  await expect(roll({ hash: 'x' })).rejects.toMatchObject({ code: 'DECODE_FAILED' })
  expect(asked).toHaveLength(2)
})

test('what is in the store is changed once', async () => {
  let replays = 0
  const apps = [1, 2].map(() =>
    new Hono().post('/admin/v1/dead/replay', () => {
      replays += 1
      return Response.json({})
    }),
  )
  const [first] = processes(...apps)
  await first?.(at('/admin/v1/dead/replay', { method: 'POST' }))
  expect(replays).toBe(1)
})

test('lists are of all, each row with its worker', async () => {
  const apps = ['ACTIVE', 'OPEN'].map((state) =>
    new Hono().get('/admin/v1/breakers', () => Response.json([{ name: 'orders.GetOrder', state }])),
  )
  const [first] = processes(...apps)
  expect(await (await first?.(at('/admin/v1/breakers')))?.json()).toEqual([
    { worker: 1, name: 'orders.GetOrder', state: 'ACTIVE' },
    { worker: 2, name: 'orders.GetOrder', state: 'OPEN' },
  ])
})

interface Rows {
  readonly events: readonly { readonly worker: number; readonly n: number }[]
}

test('events are of all, in the order of their moments, each once with its worker, a page after the other', async () => {
  let now = 1000
  const logs = [1, 2].map(() => createOperatorEvents(() => now))
  const apps = logs.map((log) => {
    const app = new Hono()
    breakerPages(app, {
      breakers: () => [],
      off: async () => ({ names: [], isStored: true }),
      on: async () => ({ names: [], isStored: true }),
      events: ({ after, limit }) => log.after(after, limit) as unknown as Json, // plain data
    })
    return app
  })
  for (const [moment, worker] of [1, 0, 0, 1, 0].entries()) {
    now = 2000 + 10 * moment
    logs[worker]?.add('breaker', { moment })
  }
  now = 2040
  logs[1]?.add('breaker', { moment: 5 })
  const peers = processes(...apps)
  const seen: (readonly [worker: number, n: number])[] = []
  let after = 0
  for (let turn = 0; turn < 5; turn += 1) {
    const response = await peers[turn % 2]?.(at(`/admin/v1/events?after=${after}&limit=2`))
    const page = (await response?.json()) as Omit<Page, 'events'> & Rows // of all
    expect(page.missed).toBe(false)
    seen.push(...page.events.map(({ worker, n }) => [worker, n] as const))
    after = page.next
  }
  expect(seen).toEqual([
    [2, 2000],
    [1, 2010],
    [1, 2020],
    [2, 2030],
    [1, 2040],
    [2, 2040],
  ])
})

test('an event as young as the question comes the next time, and that some were missed is told once', () => {
  const event = (n: number) => ({ n, at: '', type: 'breaker', data: {} })
  const [old, young] = [event(5000), event(6000)]
  const asked = { after: 4000, limit: 100 }
  const pages = (...events: readonly Page['events'][number][]): readonly Page[] => [
    { events, next: 6000, missed: false },
    { events: [], next: 4000, missed: false },
  ]
  expect(joinEventPages(pages(old, young), { ...asked, askedAt: 6000 })).toEqual({
    events: [old],
    next: 5000,
    missed: false,
  })
  expect(joinEventPages(pages(young), { ...asked, askedAt: 6000 })).toMatchObject({ events: [], next: 4000 })
  const missed = [...pages(old), { events: [], next: 5500, missed: true }]
  expect(joinEventPages(missed, { ...asked, askedAt: 6000 })).toEqual({
    events: [old],
    next: 5999,
    missed: true,
  })
})

test('the counters of top are added up, by operation; a breaker that is open in one is shown', async () => {
  const top = (more: object) => ({
    at: '2030-01-01T00:00:00.000Z',
    generation: 1,
    intake: { offered: 2, accepted: 2 },
    refused: {},
    limits: {},
    writes: {},
    operations: [],
    waiting: 5,
    deadLetters: 1,
    ...more,
  })
  const operation = (name: string, calls: object, state: string) => ({
    name,
    calls,
    answers: {},
    retries: {},
    breaker: { name, state },
  })
  const [first] = processes(
    new Hono().get('/admin/v1/top', () =>
      Response.json(top({ operations: [operation('a.X', { ok: 1 }, 'ACTIVE')] })),
    ),
    new Hono().get('/admin/v1/top', () =>
      Response.json(
        top({
          generation: 2,
          intake: { offered: 3, refused: 1 },
          operations: [
            operation('a.X', { ok: 4, TIMEOUT: 2 }, 'OPEN'),
            operation('b.Y', { ok: 1 }, 'ACTIVE'),
          ],
        }),
      ),
    ),
  )
  expect(await (await first?.(at('/admin/v1/top')))?.json()).toEqual(
    top({
      generation: 2,
      intake: { offered: 5, accepted: 2, refused: 1 },
      operations: [operation('a.X', { ok: 5, TIMEOUT: 2 }, 'OPEN'), operation('b.Y', { ok: 1 }, 'ACTIVE')],
    }),
  )
})

test('the figures of all are one page: each family once, each series with its worker', async () => {
  const [one, two] = [1, 2].map((worker) =>
    createMetrics(noLog, { name: `desk/${worker}`, version: '1.2.3', worker }),
  )
  two?.telemetry.intake('offered', 'web')
  const said = JSON.stringify((await two?.figures()) ?? [])
  const answer = { worker: 2, status: 200, body: JSON.parse(said) as Json }
  const page = await figuresOfAll((await one?.figures()) ?? [], [answer])
  expect(page.match(/^# TYPE dragoman_intake_total counter$/gmu)).toHaveLength(1)
  expect(page).toMatch(/^dragoman_intake_total\{result="offered",worker="1"\} 0$/mu)
  expect(page).toMatch(/^dragoman_intake_total\{result="offered",worker="2"\} 1$/mu)
  expect(page).toMatch(/^dragoman_message_duration_seconds_bucket\{le="0\.001",worker="2"\} 0$/mu)
  expect(page).toMatch(/^dragoman_instance_info\{name="desk\/2",version="1\.2\.3",worker="2"\} 1$/mu)
  expect(page).toMatch(/^process_start_time_seconds\{worker="\d"\} \d+$/mu)
})
