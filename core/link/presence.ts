// Who of the customers is reachable: kept with a grace, so that a tunnel is no farewell; other instances see it in the store. May be late, never queued.
import { GatewayError } from '../api.ts'
import type { Json, Log } from '../api.ts'
import type { Store } from '../store/store.ts'
import { GRACE_MS, PRESENCE_RENEW_MS, PRESENCE_TTL_MS } from './figures.ts'

export interface Presence {
  enter(home: string): void
  leave(home: string): void
  /** Whether he has a link, here or elsewhere, or had one a moment ago. Rejects with `STORE_UNAVAILABLE`. */
  of(home: string): Promise<boolean>
  /** Takes leave of all: they stay present for the grace. Resolves when that is written, or its time is over. */
  stop(): Promise<void>
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
  /** Of the value as this process has seen it last. */
  version: number | 'absent'
  others: readonly string[]
  /** Writes of this process, one after the other, between which nobody else has written. */
  quiet: number
}

/** Each instance writes once in the time of a renewal: who has not in two is gone, and took no leave. */
const GONE_AFTER = 2
/** Others may write at the same moment. */
const TRIES = 16
const NOWHERE: readonly string[] = []
/** Stands for an instance that has stopped, until the grace is over. */
const LEFT = ''
/** For taking leave of thousands: who is not reached in it goes as from an instance that was killed. */
const LEAVING_MS = 1000
const LEFT_AT_ONCE = 500

export function createPresence({ store, log, instance, graceMs = GRACE_MS }: PresenceOptions): Presence {
  const homes = new Map<string, Present>()
  const renewing = setInterval(() => {
    for (const home of homes.keys()) tell(home)
  }, PRESENCE_RENEW_MS).unref()

  function tell(home: string): void {
    const present = homes.get(home)
    if (present !== undefined) void quietly(() => write(home, present, true))
  }

  function forget(home: string, present: Present): void {
    homes.delete(home)
    void quietly(() => write(home, present, false))
  }

  /** The instances at which he is: this one is put in or taken out, the others stay. `leavesIn`: ms for which he stays where he is nowhere else. */
  async function write(home: string, present: Present, isHere: boolean, leavesIn?: number): Promise<void> {
    const key = keyOf(home)
    if (present.quiet >= GONE_AFTER) present.others = []
    for (let tries = 0; tries < TRIES; tries++) {
      const put = [...present.others, ...(isHere ? [instance] : [])]
      const nowhere = leavesIn === undefined ? { delete: true } : { put: [LEFT], ttlMs: leavesIn }
      const change = put.length > 0 ? { put, ttlMs: PRESENCE_TTL_MS } : nowhere
      const result = await store.value({ key, expect: present.version, ...change })
      present.version = result.version ?? 'absent'
      if (result.status === 'ok') {
        if (tries === 0) present.quiet++
        return
      }
      present.quiet = 0
      present.others = instancesIn(result.value).filter((other) => other !== instance && other !== LEFT)
    }
  }

  async function takeLeave(): Promise<void> {
    const end = performance.now() + LEAVING_MS
    const all = [...homes]
    homes.clear()
    while (all.length > 0 && performance.now() < end)
      await Promise.all(
        all
          .splice(0, LEFT_AT_ONCE)
          .map(([home, present]) => quietly(() => write(home, present, false, graceMs))),
      )
  }

  let stopped: Promise<void> | undefined

  async function quietly(telling: () => Promise<unknown>): Promise<void> {
    try {
      await telling()
    } catch (error) {
      log.debug('presence was not told', { error: GatewayError.from(error).message })
    }
  }

  return {
    enter(home) {
      const known = homes.get(home)
      if (known === undefined) {
        homes.set(home, { links: 1, leaving: undefined, version: 'absent', others: NOWHERE, quiet: 0 })
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
      known.leaving = setTimeout(() => forget(home, known), graceMs).unref()
    },
    async of(home) {
      return homes.has(home) || instancesIn((await store.value({ key: keyOf(home) })).value).length > 0
    },
    stop() {
      clearInterval(renewing)
      for (const { leaving } of homes.values()) clearTimeout(leaving)
      stopped ??= takeLeave()
      return stopped
    },
  }
}

/** Anything else than a list of names is nobody. */
function instancesIn(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : []
}

function keyOf(home: string): string {
  return `presence/${home}`
}
