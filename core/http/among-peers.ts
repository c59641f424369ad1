// Pages of one of several processes behind the same ports: what is changed is changed in all, what is counted is added up.
import type { Hono } from 'hono'
import { AggregatorRegistry } from 'prom-client'
import type { MetricObjectWithValues, MetricValue } from 'prom-client'
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'
import { joinEventPages } from '../operators/events.ts'
import type { OperatorEventPage } from '../operators/events.ts'
import { addTops } from '../operators/top.ts'
import type { Top } from '../operators/top.ts'
import { eventsAsked } from './admin-breakers.ts'
import type { PeerAnswer, Peers } from './peers.ts'

/** Each process has these for itself. */
const CHANGES = new Set([
  '/admin/v1/reload',
  '/admin/v1/cache/invalidate',
  '/admin/v1/breakers/off',
  '/admin/v1/breakers/on',
  '/admin/v1/plugins/restart',
  '/admin/v1/generations/rollback',
])
/** Each process counts its own generations: what a number of this one means is said to the others by its content. */
const ROLLBACK = '/admin/v1/generations/rollback'
const FIND = '/admin/v1/generations/find'
/** A row of each process, with the number of its worker. */
const LISTS = new Set(['/admin/v1/breakers', '/admin/v1/cache', '/admin/v1/plugins'])
const TOP = '/admin/v1/top'
const EVENTS = '/admin/v1/events'
export const FIGURES = '/metrics'

type Fetch = (request: Request) => Promise<Response>
/** As prom-client gives them out: every series, with its labels. */
export type Figures = readonly MetricObjectWithValues<MetricValue<string>>[]

export interface AmongPeers extends Peers {
  readonly worker: number
}

/** The pages of `app`, for all the processes there are. Throws `INTERNAL` where a change was made here and not by all others. */
export function amongPeers(app: Hono, peers: AmongPeers, figures: () => Promise<Figures>): Fetch {
  const own: Fetch = async (request) => app.fetch(request)
  peers.onAsked(async ({ method, path, body }) => {
    try {
      if (path === FIGURES) return { status: 200, body: (await figures()) as unknown as Json } // plain data
      const request = new Request(`http://dragoman${path}`, { method, ...(body !== undefined && { body }) })
      const response = await own(request)
      return { status: response.status, body: (await response.json()) as Json }
    } catch (error) {
      const { status, code, message } = GatewayError.from(error)
      return { status, body: { code, detail: message } }
    }
  })
  return async (request) => {
    const { pathname, search, searchParams } = new URL(request.url)
    const { method } = request
    const path = `${pathname}${search}`
    if (method === 'POST' && CHANGES.has(pathname)) {
      const given = await request.text()
      const body = pathname === ROLLBACK ? await byContent(own, given) : given
      const again = new Request(request.url, { method, ...(body !== '' && { body }) })
      const [answers, response] = await Promise.all([
        peers.ask({ method, path, ...(body !== '' && { body }) }),
        own(again),
      ])
      refuseHalf(answers)
      return response
    }
    if (method !== 'GET' || !(LISTS.has(pathname) || pathname === TOP || pathname === EVENTS))
      return own(request)
    const askedAt = Date.now()
    const [response, answers] = await Promise.all([own(request), peers.ask({ method, path })])
    const rest = answers.filter(({ status }) => status === 200)
    const first: unknown = await response.json()
    if (pathname === TOP)
      return Response.json(
        addTops(
          first as Top,
          rest.map(({ body }) => body as unknown as Top),
        ),
      ) // of the same page
    const of = [{ worker: peers.worker, body: first }, ...rest]
    if (pathname === EVENTS) {
      if (!response.ok) return Response.json(first, response)
      const pages = of.map(({ worker, body }) => withWorker(body as OperatorEventPage, worker)) // of the same page
      return Response.json(joinEventPages(pages, { ...eventsAsked(searchParams), askedAt }))
    }
    const rows = of.flatMap(({ worker, body }) =>
      (Array.isArray(body) ? body : []).map((row: object) => ({ worker, ...row })),
    )
    return Response.json(rows)
  }
}

function withWorker(page: OperatorEventPage, worker: number): OperatorEventPage {
  return { ...page, events: page.events.map((event) => ({ worker, ...event })) }
}

/** Throws what the page throws that looks for it. */
async function byContent(own: Fetch, body: string): Promise<string> {
  const asked = new Request(`http://dragoman${FIND}`, { method: 'POST', body })
  const { hash } = (await (await own(asked)).json()) as { readonly hash: string } // admin-generations.ts
  return JSON.stringify({ hash })
}

function refuseHalf(answers: readonly PeerAnswer[]): void {
  const failed = answers.filter(({ status }) => status >= 400)
  if (failed.length === 0) return
  const why = failed.map(({ worker, body }) => `worker ${worker}: ${detailOf(body)}`)
  throw new GatewayError('INTERNAL', `it was not done everywhere: ${why.join('; ')}`)
}

/** One page of the figures of several processes; their series differ by the label `worker`. */
export async function figuresOfAll(own: Figures, answers: readonly PeerAnswer[]): Promise<string> {
  const others = answers.filter(({ status }) => status === 200).map(({ body }) => body as unknown as Figures) // as `amongPeers` has sent it
  // Nothing is added up, for no two series are the same; by default prom-client leaves some out.
  const all = [own, ...others].map((figures) => figures.map((figure) => ({ ...figure, aggregator: 'sum' })))
  return AggregatorRegistry.aggregate(all).metrics()
}

/** Of a problem. */
function detailOf(body: Json): string {
  if (typeof body !== 'object' || body === null || !('detail' in body)) return 'no reason given'
  return typeof body['detail'] === 'string' ? body['detail'] : JSON.stringify(body['detail'])
}
