// On which instance a device is by now: a link that is confirmed on one ends the older ones of all others (SEMANTICS 38).
// The last to confirm is where it is. Each writes over what it has seen only: of two at one moment, or one that is late, the other has been
// seen by nobody, and who finds it there has been overtaken. A hint without a new version is no news: watches are woken together when Redis is back.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import { digest } from '../ids.ts'
import type { Store, ValueResult, Watch } from '../store/store.ts'
import { Chains } from './chains.ts'

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
/** What was seen may be over by now, or have been written by this instance. */
const TRIES = 4

const nowhere: Whereabouts = { enter: () => undefined, leave: () => undefined, confirmed: () => undefined }

/** A device with a link here. */
interface Here {
  readonly watch: Watch
  /** The version looked at last: before that nothing is news. Undefined: it could not be read yet. */
  seen: number | 'absent' | undefined
}

export function createWhereabouts({ store, log, instance, onMoved }: WhereaboutsOptions): Whereabouts {
  if (store.partitions === 1) return nowhere // a file of one process
  const chains = new Chains()
  const devices = new Map<string, Here>()

  async function look(device: string, here: Here): Promise<void> {
    const before = here.seen
    const isElsewhere = note(here, await store.value({ key: keyOf(device) }))
    if (before !== undefined && before !== here.seen && isElsewhere) onMoved(device)
  }

  /** Whether the device is on another instance by what was read. */
  function note(here: Here, { value, version }: ValueResult): boolean {
    here.seen = version ?? 'absent'
    return value !== undefined && value !== instance
  }

  async function tell(device: string, here: Here): Promise<void> {
    if (here.seen === undefined) await look(device, here)
    for (let tries = 0; tries < TRIES; tries++) {
      const written = { put: instance, ttlMs: TOLD_MS, announce: true }
      const result = await store.value({ key: keyOf(device), expect: here.seen ?? 'absent', ...written })
      const isElsewhere = note(here, result)
      if (result.status === 'ok') return
      if (isElsewhere) return onMoved(device)
    }
  }

  /** One at a time for a device: what is read before a write of ours must not be taken for what came after it. */
  function inTurn(device: string, work: () => Promise<void>): Promise<void> {
    return chains.run(device, async () => {
      try {
        await work()
      } catch (error) {
        log.debug('where a device is was not told, or not read', { error: GatewayError.from(error).message })
      }
    })
  }

  async function listen(device: string, here: Here): Promise<void> {
    await inTurn(device, () => look(device, here))
    for await (const _ of here.watch) await inTurn(device, () => look(device, here))
  }

  return {
    enter(device) {
      if (devices.has(device)) return
      const here: Here = { watch: store.watch([`value:${keyOf(device)}`]), seen: undefined }
      devices.set(device, here)
      void listen(device, here)
    },
    leave(device) {
      devices.get(device)?.watch.close()
      devices.delete(device)
    },
    confirmed(device) {
      const here = devices.get(device)
      if (here !== undefined) void inTurn(device, () => tell(device, here))
    },
  }
}

function keyOf(device: string): string {
  return `link/at/${digest(device)}`
}
