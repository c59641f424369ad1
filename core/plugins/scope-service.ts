// In the gateway: does what a component in a worker asks of its scope.
import type { Log, Scope, State } from '../api.ts'
import type { PackedFetchResponse, PackedRequest } from './contract.ts'
import { unpackError } from './wire.ts'
import type { PackedError } from './wire.ts'

export type Service = (args: readonly unknown[], signal: AbortSignal) => unknown

/** What `worker-scope.ts` calls, by name. The arguments are those of `Scope`. */
export function scopeService(scope: Scope): Readonly<Record<string, Service>> {
  /** By name: one that is renewed is the same one. */
  const leases = new Map<string, NonNullable<Awaited<ReturnType<State['lease']>>>>()
  const { log, metrics, state } = scope
  return {
    log: ([level, message, fields]) =>
      log[level as keyof Log](String(message), arrived(fields as Record<string, unknown>)),
    count: ([name, labels, by]) => metrics.count(...([name, labels, by] as Parameters<typeof metrics.count>)),
    gauge: ([name, value, labels]) =>
      metrics.gauge(...([name, value, labels] as Parameters<typeof metrics.gauge>)),
    fetch: async ([request], signal) => guardedFetch(scope, request as PackedRequest, signal),
    'state.get': async ([key]) => state.get(key as string),
    'state.put': async (args) => state.put(...(args as Parameters<State['put']>)),
    'state.compareAndSet': async (args) =>
      state.compareAndSet(...(args as Parameters<State['compareAndSet']>)),
    'state.lease': async ([name, ttlMs]) => {
      const lease = await state.lease(name as string, ttlMs as number)
      if (lease === undefined) return false
      leases.set(name as string, lease)
      return true
    },
    'state.release': async ([name]) => {
      const lease = leases.get(name as string)
      leases.delete(name as string)
      await lease?.release()
    },
  }
}

async function guardedFetch(
  scope: Scope,
  { url, method, headers, body, redirect }: PackedRequest,
  signal: AbortSignal,
): Promise<PackedFetchResponse> {
  const pairs: [string, string][] = []
  for (let at = 0; at + 1 < headers.length; at += 2) pairs.push([headers[at] ?? '', headers[at + 1] ?? ''])
  const response = await scope.fetch(url, {
    method,
    headers: pairs,
    redirect,
    signal,
    // What came over a port lies in a buffer of its own, never in a shared one.
    ...(body !== undefined && { body: body as string | Uint8Array<ArrayBuffer> }),
  })
  const isBodiless = method === 'HEAD' || [204, 205, 304].includes(response.status) // Fetch §2.2.3
  return {
    status: response.status,
    statusText: response.statusText,
    headers: [...response.headers],
    body: isBodiless ? undefined : await response.bytes(),
    url: response.url,
    redirected: response.redirected,
  }
}

function arrived(fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const isPacked = typeof value === 'object' && value !== null && 'packed' in value
      return [name, isPacked ? unpackError(value.packed as PackedError) : value] // worker-scope.ts packs
    }),
  )
}
