// The plugins of one gateway, over all its reloads: found, checked, loaded, kept where the new one is bad, ended when nobody uses them.
import type { Adapter } from '../api.ts'
import { ADAPTER_LOG } from '../log/log.ts'
import type { RootLog } from '../log/log.ts'
import { BRING_BACK, goneRow, isNamed, lockProblem, notThen, rowOf } from './entries.ts'
import type { Entry, KeptPlugin, LoadedPlugins, PluginRow, Where } from './entries.ts'
import { failureAt } from './explain.ts'
import { distrust, findPlugins, oneOfEach, pluginsRoot } from './find.ts'
import type { Found } from './find.ts'
import { Absent } from './absent.ts'
import type { Missed } from './absent.ts'
import { settleNames } from './names.ts'
import { Questions, untilAnswered } from './remote-schema.ts'
import { Rejected } from './rejected.ts'
import { Restless, whyRestless } from './restless.ts'
import { isAsBefore, takeSnapshot } from './snapshot.ts'
import type { Snapshot, Taken } from './snapshot.ts'
import { Spare, spawnWorker } from './spawn.ts'
import type { Spawned } from './spawn.ts'
import { standsInFor } from './stand-in.ts'
import { LIMITS, NotLoaded } from './thread.ts'
import type { Limits } from './thread.ts'
import { PluginVersion } from './version.ts'

export type { Allow, LoadedPlugin, LoadedPlugins, PluginRow, Where } from './entries.ts'

export interface PluginsOptions {
  readonly log: Pick<RootLog, 'child'>
  /** Names that are taken. */
  readonly builtIn: readonly string[]
  readonly limits?: Partial<Limits>
  /** No connection may leave this process; hears of those that were tried. */
  readonly offline?: (attempt: string) => void
  readonly onState?: (plugin: string, state: PluginRow['state']) => void
  /** What was refused for a reason that may pass may be loaded again. Resolves when that is over, however it ends. Absent: it is not tried again. */
  readonly onAgain?: () => Promise<unknown>
}

export class Plugins implements AsyncDisposable {
  readonly #options: PluginsOptions
  readonly #limits: Limits
  readonly #spare = new Spare((name) => this.#spawn(name, true))
  readonly #absent = new Absent()
  readonly #questions = new Questions()
  readonly #restless = new Restless()
  readonly #generations = new Map<PluginVersion, number>()
  readonly #rejected: Rejected
  /** By the plugin's name, with its hash: a failure is said once. */
  readonly #told = new Map<string, string>()
  readonly #ending = new Set<Promise<void>>()
  #current: ReadonlyMap<string, PluginVersion> = new Map()
  #last: ReadonlyMap<string, Entry> = new Map()
  #toldGone: ReadonlySet<string> = new Set()
  #hasRun = false

  constructor(options: PluginsOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#rejected = new Rejected(options.onAgain)
  }

  /**
   * Loads what has changed; what has not is the same adapter. Never rejects for a plugin's sake: what cannot be loaded has
   * a `failure`, and the version that runs stays. A folder that does not exist has no plugins. Of two files with one name
   * the one that runs stays, else the first. Of two adapters with one name the one that runs stays, else the one whose file is
   * called so, even if it cannot be loaded, else none. `adopt` or `refuse` says what became of it. With `kept`, those are
   * loaded, as they were, in the place of what lies in the folder now.
   */
  async load(where: Where, kept?: readonly KeptPlugin[]): Promise<LoadedPlugins> {
    const entries =
      kept === undefined
        ? await this.#inFolder(where)
        : await Promise.all(
            kept.map(async (each) =>
              each.snapshot === undefined
                ? notThen(each)
                : this.#checked(each.found, { snapshot: each.snapshot }, where),
            ),
          )
    void this.#spare.drop() // whoever needed it has it
    const named = this.#named(
      entries.flatMap((entry) => entry ?? []),
      kept !== undefined,
    )
    const before = this.#last
    this.#last = new Map(named.map((entry) => [entry.found.name, entry]))
    const known = new Set(named.map(({ version }) => version))
    for (const { version } of before.values())
      if (version !== undefined && !known.has(version) && !this.#isCurrent(version)) await version.kill()
    this.#tell()
    this.#rejected.forgetOthers(this.#last)
    for (const [name, version] of this.#current) if (!this.#last.has(name)) this.#absent.remember(version)
    const adapters = named.flatMap(({ version }) => version?.adapter ?? [])
    const taken = new Set([...this.#options.builtIn, ...adapters.map(({ name }) => name)])
    return {
      adapters: [...adapters, ...this.#absent.standIns(taken)],
      plugins: named.map(rowOf),
      isSame:
        this.#hasRun &&
        named.every(({ found: { name }, version }) => version === this.#current.get(name)) &&
        [...this.#current.keys()].every((name) => this.#last.has(name)),
    }
  }

  /** What runs, as `load` takes it again. */
  get kept(): readonly KeptPlugin[] {
    return [...this.#last.values()].map(({ found, hash, version }) => ({
      found,
      hash,
      ...(version !== undefined && { snapshot: version.snapshot }),
    }))
  }

  /** Whether what lies there now is something else than what was loaded last, or was loaded and not taken: a file that was only touched is not. */
  async hasChanged(where: Where): Promise<boolean> {
    const root = await pluginsRoot(where.directory)
    const allowed = root === undefined ? [] : await this.#found(root, where)
    if (allowed.length !== this.#last.size) return true
    for (const each of allowed) {
      const last = this.#last.get(each.name)
      const taken = await this.#take(each, root ?? '')
      if (taken === undefined) return true
      const isTaken = last?.failure !== undefined || last?.version === this.#current.get(each.name)
      const isSame =
        isTaken &&
        last?.found.entry === each.entry &&
        ('failure' in taken
          ? taken.failure.message === last?.failure?.message
          : isAsBefore(last, taken.snapshot))
      if (!isSame) return true
    }
    void this.#spare.drop()
    return false
  }

  /** A plugin's file begins to change: a worker is begun for the version that follows. */
  prepare(name: string): void {
    this.#spare.prepare(name)
  }

  /** Does work that asks the plugins' schemas, which live elsewhere, until they have answered. */
  resolve<T>(work: () => T): Promise<T> {
    return untilAnswered(this.#questions, work)
  }

  /** What was loaded last runs now. What ran before and does not any more ends when its last call is over. */
  adopt(generation: number): void {
    this.#hasRun = true
    const next = new Map<string, PluginVersion>()
    for (const [name, { version, failure }] of this.#last) {
      if (version === undefined) continue
      if (failure === undefined) {
        this.#rejected.forget(name)
        this.#told.delete(name)
      }
      next.set(name, version)
      if (!this.#generations.has(version)) this.#generations.set(version, generation)
      version.adopt()
    }
    const before = this.#current
    this.#current = next
    for (const version of before.values()) if (!this.#isCurrent(version)) this.#retire(version)
    for (const name of new Set([...before.keys(), ...this.#last.keys()])) this.#report(name)
    this.#tellGone()
  }

  /**
   * What was loaded last could not take over. True: loading again gives something else, without the version that is to
   * blame. The failure is that version's own if it has one; else it may be the config's, and an older version is tried.
   */
  async refuse(error: unknown): Promise<boolean> {
    const fresh = [...this.#last.values()].flatMap(({ version, hash }) =>
      version === undefined || this.#isCurrent(version) ? [] : [{ version, hash }],
    )
    const blamed = fresh.filter(({ version }) => version.failure !== undefined)
    const out = blamed.length > 0 ? blamed : fresh.filter(({ version }) => this.#current.has(version.name))
    const told = error instanceof Error ? error.message : String(error)
    for (const { version, hash } of out) {
      const { file, root, packages } = version.snapshot
      const contents = { hash, packages }
      if (version.failure === undefined) {
        const failure = failureAt(root, { file }, `the gateway cannot run with it: ${told}`)
        this.#rejected.add(version.name, contents, failure)
      } else if (version.thread === undefined || version.isMisfit)
        this.#rejected.add(version.name, contents, version.failure)
      else this.#rejected.addPassing(version.name, contents, version.failure)
      if (!this.#current.has(version.name)) this.#absent.remember(version)
    }
    for (const { version } of out.length > 0 ? out : fresh) await version.kill()
    return out.length > 0
  }

  /** What was refused may be tried again: the config has changed, or an operator asks. */
  forgive(name?: string): void {
    for (const each of name === undefined ? this.#last.keys() : [name]) {
      this.#rejected.forgive(each)
      this.#told.delete(each)
    }
  }

  /** A fresh worker for the version that runs; lifts a quarantine. False: no such plugin runs. */
  async restart(name: string): Promise<boolean> {
    const version = this.#current.get(name)
    await version?.restart()
    return version !== undefined
  }

  /** What the worker of a plugin has open now, in Node's words: what its components have not let go of. */
  async held(name: string): Promise<readonly string[]> {
    return (await this.#last.get(name)?.version?.held()) ?? []
  }

  /** Not while it is started again: what lasts. */
  whyDown(adapter: Adapter): string | undefined {
    const version = [...this.#current.values()].find((each) => each.adapter === adapter)
    if (version !== undefined)
      return version.isDown ? `the plugin ${version.name} is ${version.state}: ${version.why}` : undefined
    const plugin = standsInFor(adapter)
    if (plugin === undefined) return undefined
    const failure = this.#last.get(plugin)?.failure
    return `the plugin ${plugin} does not run: ${failure?.message ?? 'its file has gone'}`
  }

  /** With those that are gone and still needed. */
  list(): readonly PluginRow[] {
    const here = [...this.#last.values()].map(({ found, failure }): PluginRow => {
      const version = this.#current.get(found.name)
      return {
        name: found.name,
        adapter: version?.adapter.name ?? null,
        state: version?.state ?? 'failed',
        hash: version?.snapshot.hash ?? null,
        generation: version === undefined ? null : (this.#generations.get(version) ?? null),
        ...(version?.figures ?? { calls: 0, errors: 0, restarts: 0 }),
        memory: version?.thread?.memory ?? null,
        failure: failure ?? version?.failure ?? this.#rejected.lastOf(found.name) ?? null,
      }
    })
    return [...here, ...this.#gone().map(goneRow)]
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const loaded = [...this.#last.values()].flatMap(({ version }) => version ?? [])
    const all = new Set([...loaded, ...this.#current.values(), ...this.#generations.keys()])
    this.#rejected[Symbol.dispose]()
    await Promise.all([this.#spare[Symbol.asyncDispose](), ...[...all].map((version) => version.kill())])
    await Promise.all(this.#ending)
  }

  async #inFolder(where: Where): Promise<readonly (Entry | undefined)[]> {
    const root = await pluginsRoot(where.directory)
    if (root === undefined) return []
    const found = await this.#found(root, where)
    const untrusted = await distrust(root, root)
    return Promise.all(
      found.map(async (each) => {
        const taken = untrusted === undefined ? await this.#take(each, root) : unsafe(each, untrusted)
        return taken && this.#checked(each, taken, where)
      }),
    )
  }

  async #found(root: string, { allow }: Pick<Where, 'allow'>): Promise<readonly Found[]> {
    const found = (await findPlugins(root)).filter(({ name }) => isNamed(name, allow))
    return oneOfEach(found, (name) => this.#current.get(name)?.snapshot.file)
  }

  #take(found: Found, root: string): Promise<Taken | undefined> {
    return takeSnapshot(found, root, { codeOnly: this.#restless.has(found.name) })
  }

  /** With what may run of it: it itself, or what runs already. */
  async #checked(found: Found, taken: Taken, { allow }: Pick<Where, 'allow'>): Promise<Entry> {
    const { name } = found
    const version = this.#current.get(name)
    if ('failure' in taken) return { found, version, ...taken }
    const { snapshot } = taken
    const { hash, packages, root } = snapshot
    const entry = { found, hash, packages }
    const locked = lockProblem(name, hash, allow)
    if (locked !== undefined) {
      const isStillAllowed =
        version !== undefined && lockProblem(name, version.snapshot.hash, allow) === undefined
      const failure = failureAt(root, { file: snapshot.file }, locked)
      return { ...entry, failure, version: isStillAllowed ? version : undefined }
    }
    const fits = (known: PluginVersion | undefined): boolean =>
      known?.snapshot.file === snapshot.file &&
      isAsBefore(known.snapshot, snapshot) &&
      known.state !== 'ended'
    if (fits(version)) return { ...entry, version }
    const waiting = this.#last.get(name)?.version
    if (fits(waiting) && waiting?.failure === undefined) return { ...entry, version: waiting }
    const before = this.#rejected.failureOf(name, snapshot)
    if (before !== undefined) return { ...entry, version, failure: before }
    if (version !== undefined && version.snapshot.hash !== hash) this.#note(version, snapshot)
    try {
      const fresh = await PluginVersion.load(snapshot, {
        log: this.#options.log.child(`plugin ${name}`, ADAPTER_LOG),
        limits: this.#limits,
        questions: this.#questions,
        spawn: (each) => this.#spare.take(each) ?? this.#spawn(each, false),
        onAttempt: this.#options.offline,
        isTried: version !== undefined,
        now: () => performance.now(),
        onState: () => this.#report(name),
      })
      return { ...entry, version: fresh }
    } catch (error) {
      if (!(error instanceof NotLoaded)) throw error
      this.#rejected.add(name, snapshot, error.failure)
      return { ...entry, version, failure: error.failure }
    }
  }

  /** With what is known of those that run not at all, first of those that cannot be loaded: their names are theirs. */
  #named(entries: readonly Entry[], areKept: boolean): readonly Entry[] {
    const named = settleNames(entries, { builtIn: this.#options.builtIn, current: this.#current, areKept })
    for (const { found, hash, version, failure } of entries)
      if (failure !== undefined && version === undefined) this.#absent.guess(found, hash)
    for (const [at, { found, hash, version }] of entries.entries()) {
      if (version === undefined || named[at]?.version === version) continue
      if (named[at]?.version === undefined) this.#absent.guess(found, hash, version.adapter.name)
      if (!this.#isCurrent(version)) void version.kill()
    }
    return named
  }

  /** What could not be loaded is said once. */
  #tell(): void {
    const log = this.#options.log.child('plugins')
    for (const [name, { hash, failure, version }] of this.#last) {
      if (failure === undefined || this.#told.get(name) === `${hash} ${failure.message}`) continue
      this.#told.set(name, `${hash} ${failure.message}`)
      const goesOn = version === undefined ? 'was not loaded' : 'was not taken over, the old one goes on'
      const { message, ...place } = failure
      log.error(`plugin ${name} ${goesOn}: ${message}`, place)
      this.#report(name)
    }
  }

  #gone(): readonly Missed[] {
    const all = this.#absent.missed.filter(({ plugin }) => !this.#last.has(plugin))
    return [...new Map(all.map((each) => [each.plugin, each])).values()]
  }

  /** What has gone is said once, until it is back. */
  #tellGone(): void {
    const gone = this.#gone()
    for (const { plugin, users } of gone)
      if (!this.#toldGone.has(plugin))
        this.#options.log
          .child('plugins')
          .warn(`plugin ${plugin} has gone; ${users.join(', ')} is refused until it is back: ${BRING_BACK}`)
    this.#toldGone = new Set(gone.map(({ plugin }) => plugin))
  }

  #note({ name, snapshot: runs }: PluginVersion, now: Snapshot): void {
    const changed = this.#restless.note(runs, now, performance.now())
    if (changed.length > 0)
      this.#options.log.child('plugins').warn(`plugin ${name}: ${whyRestless(now.root, changed)}`)
  }

  #spawn(name: string, isEarly: boolean): Spawned {
    const { memoryMb, messageBytes } = this.#limits
    const isOffline = this.#options.offline !== undefined
    return spawnWorker({ name, memoryMb, messageBytes, isOffline, isEarly })
  }

  #isCurrent(version: PluginVersion): boolean {
    return this.#current.get(version.name) === version
  }

  #report(name: string): void {
    this.#options.onState?.(name, this.#current.get(name)?.state ?? 'failed')
  }

  #retire(version: PluginVersion): void {
    const ending = this.#ended(version).finally(() => this.#ending.delete(ending))
    this.#ending.add(ending)
  }

  async #ended(version: PluginVersion): Promise<void> {
    const held = await version.end()
    this.#generations.delete(version)
    const problem = `plugin ${version.name} held something at its end: let go of it in its asyncDispose`
    if (held.length > 0) this.#options.log.child('plugins').warn(problem, { held })
  }
}

function unsafe({ path }: Found, reason: string): Taken {
  return {
    hash: '',
    failure: { message: `${path}: the plugins folder is not safe: ${reason}`, file: path },
  }
}
