// GET /v1/conversations/{id}/messages: a page, a page that is waited for, or a stream of server-sent events.
import { GatewayError } from 'dragoman'
import type { ChannelHost, HttpRequest, HttpResponse, Log, LogPage } from 'dragoman'

import { checked } from './body.ts'
import { asksFor, preferenceApplied, preferredWaitMs } from './fields.ts'
import { logQuery } from './schemas.ts'
import { eventStream, shown } from './stream.ts'

const DEFAULT_LIMIT = 100

export interface LogRequestOptions {
  readonly host: ChannelHost
  readonly conversation: string
  readonly maxWaitMs: number
  readonly heartbeatMs: number
  readonly log: Log
  /** The caller is gone. */
  readonly signal: AbortSignal
  /** The channel closes. */
  readonly closing: AbortSignal
}

/** Reads the log as the caller asks for it. Throws `DECODE_FAILED`, `FORBIDDEN`, `NOT_FOUND`, `CURSOR_RESET`. */
export async function getLog(request: HttpRequest, options: LogRequestOptions): Promise<HttpResponse> {
  const { host, conversation, maxWaitMs, signal, closing, heartbeatMs, log } = options
  const { after = 0, limit = DEFAULT_LIMIT } = numbers(request.query)
  const reading = { limit, identity: request.identity }
  if (request.method === 'GET' && asksFor(request.headers['accept'], 'text/event-stream')) {
    const from = lastEventId(request.headers['last-event-id']) ?? after
    // The first page is read before the status goes out: a refusal is then a proper one.
    const first = await host.log(conversation, from, { ...reading, signal })
    const { until } = request.identity
    const read = async (next: number, ending: AbortSignal): Promise<LogPage> => {
      const waitMs = Math.min(heartbeatMs, Math.max(0, (until ?? Infinity) - Date.now()))
      return host.log(conversation, next, { ...reading, waitMs, signal: ending })
    }
    return {
      status: 200,
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no', // nginx would hold the stream back
        vary: 'Accept',
      },
      body: eventStream({ first, read, until, log, signal: AbortSignal.any([signal, closing]) }),
    }
  }
  const waitMs = preferredWaitMs(request.headers['prefer'], maxWaitMs)
  const page = await host.log(conversation, after, {
    ...reading,
    ...(waitMs !== undefined && request.method === 'GET' && { waitMs }),
    signal,
  })
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      vary: 'Accept, Prefer', // RFC 7240 §2
      ...(waitMs !== undefined && preferenceApplied(waitMs)),
    },
    body: JSON.stringify({
      messages: page.messages.map(shown),
      next: page.next,
      oldest: page.oldest,
      top: page.top,
      truncated: page.truncated,
    }),
  }
}

function numbers(query: string): { readonly after?: number; readonly limit?: number } {
  const given = new Map<string, string>()
  for (const [name, value] of new URLSearchParams(query)) {
    if (given.has(name))
      throw new GatewayError(
        'DECODE_FAILED',
        `the query has ${JSON.stringify(name.slice(0, 80))} more than once`,
      )
    given.set(name, value)
  }
  const { after, limit } = checked(logQuery, Object.fromEntries(given), 'the query')
  return {
    ...(after !== undefined && { after: Number(after) }),
    ...(limit !== undefined && { limit: Number(limit) }),
  }
}

// WHATWG HTML §9.2.4: where a reconnecting reader left off wins over the address it was opened with.
function lastEventId(field: string | undefined): number | undefined {
  if (field === undefined || field.trim() === '') return undefined
  if (/^\d{1,15}$/.test(field.trim())) return Number(field)
  throw new GatewayError(
    'DECODE_FAILED',
    `Last-Event-ID ${JSON.stringify(field.slice(0, 80))} is not a sequence of this stream`,
  )
}
