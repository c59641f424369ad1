// In a plugin's worker: the scope of one component. Everything it does is done by the gateway, which guards it.
import { inspect } from 'node:util'
import type { Log, Scope } from '../api.ts'
import { readOutbound } from '../guard/outbound.ts'
import type { PackedFetchResponse, PackedRequest } from './contract.ts'
import type { Rpc } from './rpc.ts'
import { isPlain, ownBytes, packError } from './wire.ts'

/** `instance` names the component to the gateway. */
export function workerScope(rpc: Rpc, instance: number, id: string): Scope {
  const ask = (method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> =>
    rpc.call(method, [instance, ...args], signal)
  const tell = (method: string, ...args: readonly unknown[]): void => rpc.tell(method, [instance, ...args])
  return {
    id,
    log: workerLog((level, message, fields) => tell('log', level, message, fields)),
    now: Date.now,
    metrics: {
      count: (name, labels, by) => tell('count', name, labels, by),
      gauge: (name, value, labels) => tell('gauge', name, value, labels),
    },
    fetch: async (input, init) => {
      const { url, method, headers, body, signal, redirect } = await readOutbound(input, init)
      const request: PackedRequest = {
        url: url.href,
        method,
        headers,
        body: typeof body === 'object' ? ownBytes(body) : body,
        redirect,
      }
      const answer = (await ask('fetch', [request], signal)) as PackedFetchResponse // scope-service.ts answers
      return responseOf(answer)
    },
    state: {
      get: async (key) => (await ask('state.get', [key])) as { value: never; version: number } | undefined, // as `State.get`
      async put(key, value, options) {
        await ask('state.put', [key, value, options])
      },
      compareAndSet: async (...args) => (await ask('state.compareAndSet', args)) === true,
      async lease(name, ttlMs) {
        if ((await ask('state.lease', [name, ttlMs])) !== true) return undefined
        return {
          async release() {
            await ask('state.release', [name])
          },
        }
      },
    },
  }
}

type Write = (level: keyof Log, message: string, fields: Readonly<Record<string, unknown>>) => void

function workerLog(write: Write): Log {
  const at =
    (level: keyof Log): Log[keyof Log] =>
    (message, fields = {}) =>
      write(level, message, crossing(fields))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Errors cross as errors; what does not cross at all is told as text. */
function crossing(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (value instanceof Error) return [name, { packed: packError(value) }]
      return [name, isPlain(value) ? value : inspect(value, { depth: 1 })]
    }),
  )
}

async function responseOf({ headers, body, ...rest }: PackedFetchResponse): Promise<Response> {
  // Not before it is needed: Node loads all of its fetch for the class Response, a quarter of what a start costs.
  const { WholeResponse } = await import('../guard/whole-response.ts')
  const response = new WholeResponse(body, { ...rest, headers: {} })
  for (const [name, value] of headers) response.headers.append(name, value)
  return response
}
