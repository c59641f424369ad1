// What components get here instead of the gateway's own: a log that is read, a state in memory, figures for nobody.
import { GatewayError } from '../api.ts'
import type { ChannelHost, Json, Log, Metrics, State } from '../api.ts'
import type { ChannelParts } from '../components/components.ts'
import type { Said } from './passage.ts'
import type { Recorded } from './recorder.ts'

/** A log whose warnings and errors are handed on, the reason of an error with them. */
export function tellingLog(component: string, said: (line: Said) => void): Log {
  const at = (level: Said['level']) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
    const error = fields?.['error']
    said({ component, level, message, ...(error instanceof Error && { reason: error.message }) })
  }
  return { debug() {}, info() {}, warn: at('warn'), error: at('error') }
}

export const noLog: Log = { debug() {}, info() {}, warn() {}, error() {} }
export const noMetrics: Metrics = { count() {}, gauge() {} }

/** A component's state that lasts until it is emptied: each way begins with nothing remembered. */
export function emptyState(): { readonly state: State; empty(): void } {
  const values = new Map<string, { readonly value: Json; readonly version: number }>()
  const write = (key: string, value: Json): void =>
    void values.set(key, { value, version: (values.get(key)?.version ?? 0) + 1 })
  return {
    empty: () => values.clear(),
    state: {
      get: async (key) => values.get(key),
      put: async (key, value) => write(key, value),
      async compareAndSet(key, expected, value) {
        if (values.get(key)?.version !== expected) return false
        write(key, value)
        return true
      },
      lease: async () => ({ release: async () => undefined }),
    },
  }
}

/** What a channel is started with where nothing comes in: what it would serve is noted. */
export function silentHost({ operations, mounts, sockets, places }: ChannelParts): ChannelHost {
  const nobody = (): never => {
    throw new GatewayError('NOT_FOUND', 'nothing is taken here')
  }
  return {
    operations: operations.list,
    accept: async () => nobody(),
    draft: async () => undefined,
    handed() {},
    arrived() {},
    tell: async () => false,
    onTold() {},
    serve: (path, handler) => void mounts.push({ path, handler }),
    socket: (path, handler, options = {}) => void sockets.push({ path, handler, options, open: new Set() }),
    link: nobody,
    linkedAt: (place) => void places.push(place),
    log: async () => ({ messages: [], next: 0, oldest: 1, top: 0, truncated: false }),
    identify: async () => ({ role: 'program', id: 'map' }),
  }
}

/**
 * A component wants something over the network while it starts: a document must come from a file. What is asked by another method than
 * GET is an answer, which no file can give.
 */
export function notFetched(owner: string, { method, url }: Pick<Recorded, 'method' | 'url'>): GatewayError {
  return new GatewayError(
    'BACKEND_FAILED',
    method === 'GET'
      ? `${owner} wants ${url}, and nobody is called here: save it to a file and name that in the config you map with`
      : `${owner} asks ${url}, and nobody is called here: what it would answer is not known`,
    { notExecuted: true },
  )
}
