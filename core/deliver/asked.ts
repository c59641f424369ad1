// Which operation of which backend a route means for one step, in the generation at hand.
import { GatewayError } from '../api.ts'
import type { BackendInUse, Components, OperationInUse } from '../calls/calls.ts'
import type { Route } from '../router.ts'
import type { Work } from '../store/store.ts'
import { HALTS, isQueuedWrite } from '../calls/writes.ts'
import type { WriteQueue } from '../calls/writes.ts'

export interface Asked {
  /** `backend orders.GetOrder`. */
  readonly target: string
  readonly backend: BackendInUse
  readonly name: string
  readonly operation: OperationInUse
  /** Changes nothing, or done twice is done once. */
  readonly repeatable: boolean
  /** Where this is a write that stands in one, also of an operation that has none any more: what 202 was said of keeps its place. */
  readonly queue: WriteQueue | undefined
}

/** Undefined: the route leads to no backend. Throws `NO_ROUTE` where there is no such backend or operation. */
export async function askedBy(route: Route, work: Work, components: Components): Promise<Asked | undefined> {
  if (route.target.kind !== 'backend') return undefined
  const backend = components.backend(route.target.backend)
  if (backend === undefined) throw missing('backend', route.target.backend)
  const name = await route.operation(work.message)
  const operation = backend.operation(name)
  if (operation === undefined)
    throw new GatewayError('NO_ROUTE', `backend "${backend.id}" has no operation "${name}"`)
  return {
    target: `backend ${backend.id}.${name}`,
    backend,
    name,
    operation,
    repeatable: operation.safe || operation.idempotent === true,
    queue: isQueuedWrite(work) ? (operation.queue ?? HALTS) : undefined,
  }
}

export function missing(role: 'agent' | 'backend', id: string): GatewayError {
  return new GatewayError('NO_ROUTE', `${role} "${id}" is not running in this generation`)
}
