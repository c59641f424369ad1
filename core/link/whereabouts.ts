// On which instance a device is by now: a link that is confirmed on one ends the older ones of all others (SEMANTICS 38).
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import { digest } from '../ids.ts'
import type { Store, Watch } from '../store/store.ts'

export interface Whereabouts {
  /** Its first link here, and the end of its last. */
  enter(device: string): void
  leave(device: string): void
  /** A link of it is known to work here: the other instances are told. */
  confirmed(device: string): void
}

export interface WhereaboutsOptions {
  readonly store: Pick<Store, 'value' | 'watch' | 'partitions'>
  readonly log: Log
  /** This process among the instances. */
  readonly instance: string
  /** It is on another instance now. */
  readonly onMoved: (device: string) => void
}

/** Long enough to be read after the hint; whoever missed that keeps a link that is closed by its own silence. */
const TOLD_MS = 60_000

const nowhere: Whereabouts = { enter: () => undefined, leave: () => undefined, confirmed: () => undefined }

export function createWhereabouts({ store, log, instance, onMoved }: WhereaboutsOptions): Whereabouts {
  if (store.partitions === 1) return nowhere // a file of one process
  const watches = new Map<string, Watch>()

  async function listen(device: string, watch: Watch): Promise<void> {
    for await (const _ of watch) {
      try {
        const { value } = await store.value({ key: keyOf(device) })
        if (value !== undefined && value !== instance) onMoved(device)
      } catch (error) {
        log.debug('where a device is could not be read', { error: GatewayError.from(error).message })
      }
    }
  }

  async function tell(device: string): Promise<void> {
    try {
      await store.value({ key: keyOf(device), put: instance, ttlMs: TOLD_MS, announce: true })
    } catch (error) {
      log.debug('where a device is was not told', { error: GatewayError.from(error).message })
    }
  }

  return {
    enter(device) {
      if (watches.has(device)) return
      const watch = store.watch([`value:${keyOf(device)}`])
      watches.set(device, watch)
      void listen(device, watch)
    },
    leave(device) {
      watches.get(device)?.close()
      watches.delete(device)
    },
    confirmed: (device) => void tell(device),
  }
}

function keyOf(device: string): string {
  return `link/at/${digest(device)}`
}
