// What a channel under test serves, answered as the edge of a gateway answers it.
import { GatewayError } from '../api.ts'
import type { ChannelHost, HttpHandler, HttpRequest, HttpResponse, ServeOptions } from '../api.ts'
import { problem } from '../http/problem.ts'

export type TestRequest = Partial<HttpRequest> & { readonly path: string }

export interface TestServed {
  readonly serve: ChannelHost['serve']
  /** Throws for a path that nothing serves; rejects with what a handler threw that is no `GatewayError`. */
  readonly handle: (request: TestRequest) => Promise<HttpResponse>
}

type Served = { readonly handler: HttpHandler } & Pick<ServeOptions, 'refused'>

export function testServed(): TestServed {
  const handlers = new Map<string, Served>()
  return {
    serve(path, handler, { refused } = {}) {
      handlers.set(path, { handler, ...(refused !== undefined && { refused }) })
    },
    handle(request) {
      const path = [...handlers.keys()].find((prefix) =>
        `${request.path}/`.startsWith(prefix.replace(/\/?$/u, '/')),
      )
      const found = path === undefined ? undefined : handlers.get(path)
      if (found === undefined) throw new Error(`nothing serves ${request.path}`)
      return answered(found, request)
    },
  }
}

async function answered({ handler, refused }: Served, request: TestRequest): Promise<HttpResponse> {
  try {
    return await handler(wholeRequest(request, 'POST'), new AbortController().signal)
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return refusal(error, refused)
  }
}

/** In the channel's words, where it has some. */
async function refusal(error: GatewayError, refused: ServeOptions['refused']): Promise<HttpResponse> {
  const plain = problem(error)
  const own = await refused?.(error)
  if (own === undefined) return plain
  return { ...plain, headers: { ...plain.headers, 'content-type': own.contentType }, body: own.body }
}

export function wholeRequest(request: TestRequest, method: string): HttpRequest {
  return {
    method,
    query: '',
    headers: {},
    body: new Uint8Array(),
    remote: '127.0.0.1',
    origin: 'http://127.0.0.1:8080',
    identity: { role: 'program', id: 'test' },
    ...request,
  }
}
