// What each instance says about itself in the store, so that any of them can show all: who runs what, since when, and who is lost.
import { GatewayError } from '../api.ts'
import type { Json, Log } from '../api.ts'
import type { Store } from '../store/store.ts'

/** What an instance says about itself. */
export interface InstanceState {
  readonly name: string
  /** Of several processes that share the ports. */
  readonly worker: number | null
  /** Of HTTP; 0 before it listens. */
  readonly port: number
  readonly pid: number
  readonly version: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly state: 'running' | 'leaving'
  readonly generation: number
  /** Equal: the same config files and plugins run. */
  readonly config: string
  readonly connections: { readonly http: number; readonly websocket: number }
  /** Apps that speak the client protocol, over whatever transport. */
  readonly links: number
  /** Whose lanes are run there. */
  readonly partitions: number
  readonly inFlight: number
  /** How late its event loop comes round, at the 99th percentile since it last said so. */
  readonly lagMs: number
  /** RFC 3339; `error`: why the change was not taken over. Null: nothing has changed since the start. */
  readonly lastReload: { readonly at: string; readonly error: string | null } | null
  /** Plugins that do not run as they lie in the folder. */
  readonly problems: readonly string[]
}

export interface InstanceRow extends Omit<InstanceState, 'state'> {
  readonly id: string
  /** `lost`: it has said nothing for 10 s. After 90 s it is forgotten. */
  readonly state: 'running' | 'leaving' | 'lost'
}

export interface Cluster {
  /** By name. Rejects with `STORE_UNAVAILABLE`. */
  rows(): Promise<readonly InstanceRow[]>
  /** Says now how it stands. Never rejects. */
  tell(): Promise<void>
  /** It is not lost, it has left. Never rejects. */
  leave(): Promise<void>
}

export interface ClusterOptions {
  readonly store: Pick<Store, 'value' | 'partitions'>
  readonly log: Log
  /** Unique among the instances. */
  readonly id: string
  readonly self: () => InstanceState
  readonly everyMs?: number
}

const EVERY_MS = 2500
const ALIVE_MS = 10_000
const KEPT_MS = 90_000
const INDEX = 'core/cluster'
const TRIES = 20
/** Who is forgotten goes from the list also where nobody looks at it: once in so many times an instance says how it stands. */
const TIDIED_EVERY = 36
const MAX_PROBLEMS = 10
const MAX_CHARS = 300

/** With the embedded store there is one instance, and nothing is written. */
export function createCluster(options: ClusterOptions): Cluster {
  const { store, log, id, self, everyMs = EVERY_MS } = options
  const isAlone = store.partitions === 1
  let hasLeft = false
  let told = 0
  let telling: Promise<void> = Promise.resolve()
  const timer = isAlone ? undefined : setInterval(() => void tell(), everyMs).unref()

  function tell(): Promise<void> {
    telling = telling.then(beat)
    return telling
  }

  async function beat(): Promise<void> {
    if (isAlone || hasLeft) return
    await quietly(async () => {
      await store.value({ key: stateKey(id), put: plain(self()), ttlMs: KEPT_MS })
      await store.value({ key: aliveKey(id), put: true, ttlMs: ALIVE_MS })
      await keep((ids) => (ids.includes(id) ? ids : [...ids, id]))
      told += 1
      if (told % TIDIED_EVERY === 0) await others()
    })
  }

  /** Those that have said something within 90 s; the rest go from the list. */
  async function others(): Promise<readonly InstanceRow[]> {
    const { value } = await store.value({ key: INDEX })
    const ids = idsIn(value).filter((other) => other !== id)
    const found = await Promise.all(ids.map(rowOf))
    const forgotten = ids.filter((_, at) => found[at] === undefined)
    if (forgotten.length > 0)
      await quietly(() => keep((all) => all.filter((other) => !forgotten.includes(other))))
    return found.filter((row) => row !== undefined)
  }

  /** Changes the list of those there are. */
  async function keep(change: (ids: readonly string[]) => readonly string[]): Promise<void> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { value, version } = await store.value({ key: INDEX })
      const ids = idsIn(value)
      const next = change(ids)
      if (next === ids) return
      const { status } = await store.value({ key: INDEX, expect: version ?? 'absent', put: [...next] })
      if (status === 'ok') return
    }
  }

  async function quietly(write: () => Promise<void>): Promise<void> {
    try {
      await write()
    } catch (error) {
      log.debug('the other instances were not told how this one stands', {
        error: GatewayError.from(error).message,
      })
    }
  }

  async function rowOf(other: string): Promise<InstanceRow | undefined> {
    const [{ value: state }, { value: alive }] = await Promise.all([
      store.value({ key: stateKey(other) }),
      store.value({ key: aliveKey(other) }),
    ])
    if (state === undefined) return undefined
    const said = state as unknown as InstanceState // as `beat` has put it
    return { ...said, id: other, ...(alive === undefined && { state: 'lost' as const }) }
  }

  return {
    tell,
    async rows() {
      const own: InstanceRow = { ...self(), id }
      if (isAlone) return [own]
      return [own, ...(await others())].toSorted((a, b) => order(a, b))
    },
    async leave() {
      if (isAlone || hasLeft) return
      hasLeft = true
      clearInterval(timer)
      await telling
      await quietly(async () => {
        await keep((ids) => ids.filter((other) => other !== id))
        await store.value({ key: stateKey(id), delete: true })
        await store.value({ key: aliveKey(id), delete: true })
      })
    },
  }
}

function stateKey(id: string): string {
  return `core/cluster/${id}`
}

function aliveKey(id: string): string {
  return `core/cluster/${id}/alive`
}

function idsIn(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((id) => typeof id === 'string') : []
}

/** A value of the store is small. */
function plain(state: InstanceState): Json {
  const { lastReload, problems } = state
  const cut = (text: string): string => text.slice(0, MAX_CHARS)
  return {
    ...state,
    connections: { ...state.connections },
    lastReload: lastReload && { at: lastReload.at, error: lastReload.error && cut(lastReload.error) },
    problems: problems.slice(0, MAX_PROBLEMS).map(cut),
  }
}

/** `desk/2` before `desk/10`. */
function order(a: InstanceRow, b: InstanceRow): number {
  return a.name.localeCompare(b.name, 'en', { numeric: true }) || (a.id < b.id ? -1 : 1)
}
