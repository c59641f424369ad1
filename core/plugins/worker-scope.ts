// In a plugin's worker: the scope of one component. Everything it does is done by the gateway, which guards it.
import type { Log, Scope } from '../api.ts'
import { readOutbound } from '../guard/outbound.ts'
import { namedFields, outlineOf } from '../log/log-fields.ts'
import type { Beginning, PackedFetchResponse, PackedRequest } from './contract.ts'
import type { Rpc } from './rpc.ts'
import { ownBytes, packError, weightOf } from './wire.ts'

/** `instance` names the component to the gateway. */
export function workerScope(
  rpc: Rpc,
  instance: number,
  { id, responseLimitBytes }: Pick<Beginning, 'id' | 'responseLimitBytes'>,
): Scope {
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
    responseLimitBytes,
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
    (message, fields) =>
      write(level, lineOf(message), crossing(namedFields(fields)))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Of one line: the log itself cuts texts, lists and depths far below it. */
const LINE_BYTES = 256 * 1024

/** A plugin without types may say anything. */
function lineOf(message: unknown): string {
  try {
    return String(message).slice(0, LINE_BYTES)
  } catch {
    return `<${typeof message}>`
  }
}

/** Errors cross as errors; what is too much for a line, or does not cross at all, is told in outline, so that the line itself always goes out. */
function crossing(fields: object): Readonly<Record<string, unknown>> {
  let left = LINE_BYTES
  return Object.fromEntries(
    Object.entries(fields).flatMap(([name, value]: [string, unknown]) => {
      const full = value instanceof Error ? { packed: packError(value) } : value
      for (const show of [() => full, () => outlineOf(name, value)]) {
        const shown = show()
        const bytes = weightOf(shown, left)
        if (bytes > left) continue
        left -= bytes
        return [[name, shown]]
      }
      return [[name, '<too much for a line>']]
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
