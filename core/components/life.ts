// The life of one component, whatever its role: made by its adapter, started, ended once.
import { GatewayError } from '../api.ts'
import type { Adapter, Component } from '../api.ts'
import { shapeProblem } from './component-shape.ts'
import type { Role, Running, Surroundings } from './components.ts'
import { withDeadline } from '../guard/deadline.ts'
import { masked } from '../log/masked.ts'
import type { CallSettings, ComponentSettings } from '../settings.ts'

const START_MS = 30_000
const DISPOSE_MS = 10_000

/** The same key and the same adapter: the same component. */
export function keyOf(role: Role, settings: ComponentSettings): string {
  return `${role}/${settings.id}/${settings.adapter}/${settings.hash}`
}

export interface Life<T> {
  readonly instance: T
  readonly running: Running
  start(begin: (signal: AbortSignal) => Promise<void>): Promise<void>
  /** Ends the signal of its start, before its end. */
  close(): void
}

interface Birth<T> {
  readonly settings: ComponentSettings & Partial<CallSettings>
  readonly adapter: Adapter
  readonly component: Component<T> | undefined
  readonly around: Surroundings
}

/** Makes the instance; throws `INTERNAL` where it cannot be made, as `start` does where it does not start. Its end is waited for, within limits. */
export function create<T extends AsyncDisposable>(
  role: Role,
  { settings, adapter, component, around }: Birth<T>,
): Life<T> {
  const name = `${role} "${settings.id}"`
  if (component === undefined)
    throw new GatewayError('INTERNAL', `${name}: the adapter "${adapter.name}" offers no ${role}`)
  const surrounded = around.scope(role, settings)
  let instance: T
  try {
    instance = component.create(settings.config, surrounded.scope)
    const problem = shapeProblem(role, instance)
    if (problem !== undefined) throw new Error(problem)
  } catch (error) {
    throw new GatewayError('INTERNAL', `${name} could not be made: ${messageOf(error)}`, { cause: error })
  }
  const ending = new AbortController()
  const start: Life<T>['start'] = async (begin) => {
    try {
      await withDeadline({ ms: START_MS, what: `the start of ${name}` }, () => begin(ending.signal))
    } catch (error) {
      throw new GatewayError('INTERNAL', `${name} did not start: ${messageOf(error)}`, { cause: error })
    }
  }
  return {
    instance,
    start,
    close: () => ending.abort(),
    running: {
      role,
      id: settings.id,
      key: keyOf(role, settings),
      adapter,
      start: () => start(async () => undefined),
      adopt: () => surrounded.adopt?.(),
      async dispose() {
        ending.abort()
        try {
          await withDeadline({ ms: DISPOSE_MS, what: `the end of ${name}` }, async () =>
            instance[Symbol.asyncDispose](),
          )
        } catch (error) {
          around.log.warn('a component did not end properly', { component: name, error })
        }
        await surrounded.dispose()
      },
    },
  }
}

function messageOf(error: unknown): string {
  return masked(error instanceof Error ? error.message : String(error))
}
