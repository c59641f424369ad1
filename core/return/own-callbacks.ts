// How an agent of this gateway brings a promised answer by `scope.fetch`: straight to the callbacks, over no network and under no certificate.
import { STATUS_CODES } from 'node:http'
import { GatewayError } from '../api.ts'
import type { HttpRequest, HttpResponse } from '../api.ts'
import { CALLBACK_PATH } from './callbacks.ts'
import type { RawAnswer } from '../guard/exchange.ts'
import type { OwnAddresses } from '../guard/fetch.ts'
import type { Outbound } from '../guard/outbound.ts'
import { problem } from '../http/problem.ts'

/** `origin`: our own base address as others see it. */
export function ownCallbacks(
  origin: () => string,
  handle: (request: HttpRequest) => Promise<HttpResponse>,
): OwnAddresses {
  return {
    base: () => new URL(`${origin()}${CALLBACK_PATH}/`).href,
    async ask(request) {
      try {
        return rawOf(await handle(asReceived(request, origin())))
      } catch (error) {
        return rawOf(problem(GatewayError.from(error)))
      }
    },
  }
}

function asReceived({ url, method, headers, body = '' }: Outbound, origin: string): HttpRequest {
  const pairs = headers.flatMap((name, at) => (at % 2 === 0 ? [[name, headers[at + 1] ?? ''] as const] : []))
  return {
    method,
    path: url.pathname,
    query: url.search.slice(1),
    headers: Object.fromEntries(pairs),
    body: Buffer.from(body),
    remote: '127.0.0.1',
    origin,
    identity: { role: 'program', id: 'core' },
  }
}

/** What the core answers itself is never a stream. */
function rawOf({ status, headers = {}, body = '' }: HttpResponse): RawAnswer {
  const bytes = typeof body === 'string' || body instanceof Uint8Array ? Buffer.from(body) : Buffer.alloc(0)
  return { status, statusText: STATUS_CODES[status] ?? '', headers, body: bytes }
}
