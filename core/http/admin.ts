// The core's own pages: is it alive, is it ready, what flows. Served by Hono, mounted like any channel.
import { Hono } from 'hono'
import { GatewayError, type HttpHandler, type HttpResponse, type Json } from '../api.ts'
import type { Access } from './access.ts'
import { amongPeers } from './among-peers.ts'
import type { AmongPeers, Figures } from './among-peers.ts'
import type { Mount } from './exchange.ts'
import { problem } from './problem.ts'

/** Why the gateway is not ready: a store that cannot be written, a route whose plugin does not run. */
export interface Unready {
  readonly part: string
  readonly reason: string
}

/** Where the pages have their figures from. */
export interface AdminSource {
  /** The most bytes a channel takes: a dead letter is as large and can be edited. */
  readonly messageBytes: number
  /** Empty: ready. */
  unready(): Promise<readonly Unready[]>
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>
  /** Generation, channels, backends with their breakers, plugins. */
  status(): Json | Promise<Json>
  /** One message's way; undefined: unknown. */
  trace(id: string): Promise<Json | undefined>
  /** Reads the config again; a bad one throws, and the old generation runs on. */
  reload(): Promise<Json>
  /** SEMANTICS 36. */
  ledger(): Json | Promise<Json>
  /** All instances, this one among them. */
  cluster?(): Promise<readonly unknown[]>
  /** Other processes share this one's ports. */
  readonly peers?: { readonly them: AmongPeers; readonly figures: () => Promise<Figures> } | undefined
  /** Further pages below `/admin/v1`. */
  readonly pages?: readonly ((app: Hono) => void)[]
}

const BODY_LIMIT_BYTES = 1_048_576
/** A text may grow when it becomes JSON: quotes, line ends. */
const ROOM = 2
const MAX_ID_CHARS = 256

/** The mounts of the pages: `/healthz /readyz /metrics` for operators, `/admin/v1` for the admin token. */
export function adminMounts(source: AdminSource): readonly Mount[] {
  const app = pages(source)
  const { peers } = source
  const handler = handlerOf(
    peers === undefined ? async (request) => app.fetch(request) : amongPeers(app, peers.them, peers.figures),
  )
  const mount = (path: string, access: Access, bodyLimitBytes = BODY_LIMIT_BYTES): Mount => ({
    path,
    channel: 'admin',
    access,
    handler,
    bodyLimitBytes,
  })
  return [
    mount('/healthz', 'operator'),
    mount('/readyz', 'operator'),
    mount('/metrics', 'operator'),
    mount('/admin/v1', 'admin', ROOM * Math.max(BODY_LIMIT_BYTES, source.messageBytes)),
  ]
}

function pages(source: AdminSource): Hono {
  const app = new Hono()
  app.get('/healthz', () => Response.json({ status: 'alive' }))
  app.get('/readyz', async () => {
    const reasons = await source.unready()
    return Response.json(
      { ready: reasons.length === 0, reasons },
      { status: reasons.length === 0 ? 200 : 503 },
    )
  })
  app.get('/metrics', async () => {
    const { contentType, text } = await source.metrics()
    return new Response(text, { headers: { 'content-type': contentType } })
  })
  app.get('/admin/v1/status', async () => Response.json(await source.status()))
  app.get('/admin/v1/cluster', async () => Response.json((await source.cluster?.()) ?? []))
  app.get('/admin/v1/ledger', async () => Response.json(await source.ledger()))
  const traced = async (id: string): Promise<Response> => {
    const trace = await source.trace(id)
    if (trace === undefined)
      throw new GatewayError('NOT_FOUND', `no message has the id ${id}, or store.retention has removed it`)
    return Response.json(trace)
  }
  app.get('/admin/v1/trace', (c) => traced((c.req.query('id') ?? '').slice(0, MAX_ID_CHARS)))
  // As commands of an earlier version ask: the id of a push holds a slash, which no path may.
  app.get('/admin/v1/trace/:id', (c) => traced(c.req.param('id').slice(0, MAX_ID_CHARS)))
  app.post('/admin/v1/reload', async () => Response.json(await source.reload()))
  for (const add of source.pages ?? []) add(app)
  app.onError((error) => {
    throw error // the edge answers and logs it, as for any handler
  })
  app.notFound((c) => {
    const allowed = app.routes.filter((route) => covers(route.path, c.req.path)).map((route) => route.method)
    if (allowed.length === 0) throw new GatewayError('NOT_FOUND', `nothing is served at ${c.req.path}`)
    const allow = allowed.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])).join(', ')
    const { status, headers, body } = problem(
      new GatewayError('METHOD_NOT_ALLOWED', `${c.req.method} is not served there, only ${allow}`),
      { headers: { allow } },
    )
    return new Response(body, { status, headers: { ...headers } })
  })
  return app
}

function covers(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.split('/')
  return (
    wanted.length === given.length &&
    wanted.every((part, at) => (part.startsWith(':') ? given[at] !== '' : part === given[at]))
  )
}

/** A Hono application as a handler: for pages, where its Request and Response cost nothing that matters. */
function handlerOf(fetch: (request: Request) => Promise<Response>): HttpHandler {
  return async (request, signal) => {
    const path = request.path.split('/').map(encodeURIComponent).join('/')
    const url = `http://dragoman${path}${request.query === '' ? '' : `?${request.query}`}`
    const method = request.method === 'HEAD' ? 'GET' : request.method // the edge leaves the body out
    const hasBody = method !== 'GET' && request.body.byteLength > 0
    const response = await fetch(
      new Request(url, {
        method,
        headers: { ...request.headers },
        signal,
        ...(hasBody && { body: new Uint8Array(request.body) }),
      }),
    )
    return {
      status: response.status,
      headers: { 'cache-control': 'no-store', ...Object.fromEntries(response.headers) },
      body: await response.text(),
    } satisfies HttpResponse
  }
}
