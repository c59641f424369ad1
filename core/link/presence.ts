// Who of the customers is reachable: kept with a grace, so that a tunnel is no farewell; other instances see it in the store. May be late, never queued.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import type { Store } from '../store/store.ts'
import { GRACE_MS, PRESENCE_RENEW_MS, PRESENCE_TTL_MS } from './figures.ts'

export interface Presence {
  enter(home: string): void
  leave(home: string): void
  /** Whether he has a link, here or elsewhere, or had one a moment ago. Rejects with `STORE_UNAVAILABLE`. */
  of(home: string): Promise<boolean>
  stop(): void
}

export interface PresenceOptions {
  readonly store: Pick<Store, 'value'>
  readonly log: Log
  /** This process among the instances. */
  readonly instance: string
  readonly graceMs?: number
}

interface Present {
  links: number
  leaving: NodeJS.Timeout | undefined
}

export function createPresence({ store, log, instance, graceMs = GRACE_MS }: PresenceOptions): Presence {
  const homes = new Map<string, Present>()
  const renewing = setInterval(() => {
    for (const home of homes.keys()) tell(home)
  }, PRESENCE_RENEW_MS).unref()

  function tell(home: string): void {
    void quietly(() => store.value({ key: keyOf(home), put: instance, ttlMs: PRESENCE_TTL_MS }))
  }

  /** Not where another instance has said so since. */
  function forget(home: string): void {
    homes.delete(home)
    void quietly(async () => {
      const key = keyOf(home)
      const { value, version } = await store.value({ key })
      if (value === instance && version !== undefined)
        await store.value({ key, expect: version, delete: true })
    })
  }

  async function quietly(write: () => Promise<unknown>): Promise<void> {
    try {
      await write()
    } catch (error) {
      log.debug('presence was not told', { error: GatewayError.from(error).message })
    }
  }

  return {
    enter(home) {
      const known = homes.get(home)
      if (known === undefined) {
        homes.set(home, { links: 1, leaving: undefined })
        tell(home)
        return
      }
      clearTimeout(known.leaving)
      known.leaving = undefined
      known.links++
    },
    leave(home) {
      const known = homes.get(home)
      if (known === undefined || --known.links > 0) return
      known.leaving = setTimeout(() => forget(home), graceMs).unref()
    },
    async of(home) {
      return homes.has(home) || (await store.value({ key: keyOf(home) })).value !== undefined
    },
    stop() {
      clearInterval(renewing)
      for (const { leaving } of homes.values()) clearTimeout(leaving)
      homes.clear()
    },
  }
}

function keyOf(home: string): string {
  return `presence/${home}`
}
