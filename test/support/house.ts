// A gateway in the test's own process: real store, edge and pipeline, with adapters made by hand. It can be stopped, or cut off as by a crash.
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadBuiltIn } from '../../bin/adapters.ts'
import { takeOver } from '../../bin/config-file.ts'
import type { loadAll } from '../../bin/config-file.ts'
import { readConfig, resolveConfig } from '../../config/load.ts'
import type { Adapter } from '../../core/api.ts'
import type { Broadcast } from '../../core/components/broadcast.ts'
import { startGateway } from '../../core/gateway.ts'
import type { Gateway } from '../../core/gateway.ts'
import { createIdentity } from '../../core/http/identity.ts'
import { createLog } from '../../core/log/log.ts'
import { Plugins } from '../../core/plugins/plugins.ts'
import type { Limits } from '../../core/plugins/thread.ts'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import type { StoreHooks } from '../../core/store/sqlite.ts'
import type { Store } from '../../core/store/store.ts'
import type { DeadRow, LedgerRow, Row } from '../../core/store/store.ts'
import { temporaryDirectory } from './gateway.ts'

export interface HouseOptions {
  readonly yaml: string
  readonly adapters?: readonly Adapter[]
  /** An earlier life's folder. */
  readonly directory?: string
  /** How long the house stood empty before: the wall clock is that far ahead. */
  readonly emptyForMs?: number
  /** Default: any free one. */
  readonly port?: number
  /** Disk faults to order. */
  readonly hooks?: StoreHooks
  /** Files of the folder `plugins` beside the config, by name; each plugin has its worker. */
  readonly plugins?: Readonly<Record<string, string>>
  readonly limits?: Partial<Limits>
  /** Other instances, made by hand. */
  readonly broadcast?: Broadcast
  /** What the gateway sees of the store. */
  readonly around?: (store: Store) => Store
}

export interface House extends AsyncDisposable {
  readonly base: string
  readonly store: Store
  readonly gateway: Gateway
  readonly directory: string
  readonly plugins: Plugins
  log(): string
  /** Writes a plugin's file; undefined: removes it. */
  drop(name: string, text: string | undefined): Promise<void>
  /** The file has changed: the next generation. */
  reload(yaml: string): Promise<void>
  /** Drains, as SIGTERM does. Resolves how many steps were left. */
  stop(): Promise<number>
  /** From now on nothing of this life reaches the store; its files are free for the next one. */
  crash(): Promise<void>
  dead(): Promise<readonly DeadRow[]>
  ledger(): Promise<LedgerRow>
  rows(id: string): Promise<readonly Row[]>
}

const TOKEN = 'test-admin-token'

export async function openHouse(options: HouseOptions): Promise<House> {
  const directory = options.directory ?? (await temporaryDirectory())
  const data = join(directory, 'data')
  await mkdir(data, { recursive: true })
  const file = join(directory, 'gateway.yaml')
  let lines = ''
  const log = createLog({ level: 'info', write: (text) => (lines += text) })
  const byHand = [...(await loadBuiltIn()), ...(options.adapters ?? [])]
  const plugins = new Plugins({ log, builtIn: byHand.map(({ name }) => name), limits: options.limits ?? {} })
  const load = async (): Promise<LoadedHouse> => {
    const document = await readConfig(file, { env: {}, overrides: { data, port: options.port ?? 0 } })
    const dropped = await plugins.load(document.plugins)
    const adapters = new Map([...byHand, ...dropped.adapters].map((adapter) => [adapter.name, adapter]))
    return {
      config: await plugins.resolve(() => resolveConfig(document, adapters)),
      adapters,
      plugins: dropped,
      text: document.text,
    }
  }
  await writeFile(file, options.yaml)
  const folder = join(directory, 'plugins')
  await mkdir(folder, { recursive: true })
  const drop: House['drop'] = async (name, text) => {
    if (text === undefined) await rm(join(folder, name), { recursive: true })
    else await writeFile(join(folder, name), text)
  }
  for (const [name, text] of Object.entries(options.plugins ?? {})) await drop(name, text)
  let first: LoadedHouse | undefined = await load()
  const settings = first.config
  const ahead = options.emptyForMs ?? 0
  const real = await openSqliteStore({
    directory: data,
    clock: { wall: () => Date.now() + ahead, monotonic: () => performance.now() },
    ...(options.hooks !== undefined && { hooks: options.hooks }),
  })
  const wire = cutable(options.around?.(real) ?? real)
  const identity = createIdentity(undefined, {
    host: '127.0.0.1',
    adminToken: TOKEN,
    log: log.child('identity'),
  })
  const gateway = await startGateway({
    settings,
    plugins,
    store: wire.store,
    identity,
    open: true,
    log,
    version: 'test',
    cacheFile: join(data, 'cache.db'),
    broadcast: options.broadcast,
    reload: (take) => {
      const next = async (): Promise<LoadedHouse> => {
        const loaded = first ?? (await load())
        first = undefined
        return loaded
      }
      return takeOver(plugins, next, ({ config, adapters }) => take({ settings: config, adapters }))
    },
  })
  let isOpen = true
  const house: House = {
    base: gateway.origin,
    store: real,
    gateway,
    directory,
    plugins,
    drop,
    log: () => lines,
    async reload(yaml) {
      await writeFile(file, yaml)
      await gateway.reload()
    },
    async stop() {
      if (!isOpen) return 0
      isOpen = false
      const left = await gateway.stop(5000)
      await plugins[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
      return left
    },
    async crash() {
      if (!isOpen) return
      isOpen = false
      wire.cut()
      await gateway.stop(0)
      await plugins[Symbol.asyncDispose]()
      await real[Symbol.asyncDispose]()
    },
    async dead() {
      const rows = await real.find({ by: 'dead', limit: 100 })
      return rows.filter((row) => row.row === 'dead')
    },
    async ledger() {
      const [row] = await real.find({ by: 'ledger' })
      if (row?.row !== 'ledger') throw new Error('there is no ledger')
      return row
    },
    rows: (id) => real.find({ by: 'id', id }),
    async [Symbol.asyncDispose]() {
      await house.crash()
      if (options.directory === undefined)
        await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    },
  }
  return house
}

type LoadedHouse = Awaited<ReturnType<typeof loadAll>>

/** What the store says without being asked. */
const UNASKED: ReadonlySet<string | symbol> = new Set(['health', 'now', 'partitionOf', 'watch'])

/** A store whose answers stop at `cut`, as for a process that is gone. */
function cutable(store: Store): { readonly store: Store; cut(): void } {
  let isCut = false
  const proxy = new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (typeof value !== 'function') return value
      if (isCut && !UNASKED.has(name)) return () => NEVER
      return (...given: unknown[]): unknown => Reflect.apply(value, target, given)
    },
  })
  return { store: proxy, cut: () => void (isCut = true) }
}
const NEVER = new Promise<never>(() => undefined)
