// The business system behind the gateway as a plain JSON service: it never heard of SOAP.
import { createServer } from 'node:http'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { answer } from '../unit/adapters/soap/semantics.ts'

export interface Business extends AsyncDisposable {
  readonly url: string
  /** Operations called so far, by name. */
  readonly called: readonly string[]
}

export interface Asked {
  readonly operation: string
  readonly text: string
  readonly request: IncomingMessage
}

export interface Answered {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** The body as it goes out, so that bare numbers keep their digits. */
  readonly json?: string
}

/** A JSON server at `POST /OPERATION` (or any method). */
export async function startBusiness(serve: (given: Asked) => Answered): Promise<Business> {
  const called: string[] = []
  const server = createServer((request, response) => {
    void (async () => {
      const text = (await request.setEncoding('utf8').toArray()).join('')
      const operation = decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname.slice(1))
      called.push(operation)
      const { status = 200, headers = {}, json } = serve({ operation, text, request })
      response.writeHead(status, {
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      })
      response.end(json)
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}`,
    called,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The service of the kit: what its clients expect, in JSON. A business fault is a 404 with a problem (RFC 9457). */
export function startKitBusiness(): Promise<Business> {
  return startBusiness(({ operation, text, request }) => {
    if (operation === 'WhoAmI') {
      const user = request.headers['x-user'] ?? '(none)'
      return { headers: { 'x-session': 'S-000042' }, json: JSON.stringify({ user }) }
    }
    const { data, fault } = answer(operation, JSON.parse(text === '' ? '{}' : text))
    if (fault !== undefined) {
      const { code, message: title, detail } = fault
      return { status: 404, json: JSON.stringify({ code, title, detail }) }
    }
    return data === undefined ? { status: 204 } : { json: JSON.stringify(data) }
  })
}
