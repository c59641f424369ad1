// Where each generation of `dragoman start` comes from: the files, or one that was kept; and what is kept of it.
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { ConfigError } from '../../config/load.ts'
import type { Config, Overrides } from '../../config/load.ts'
import { GatewayError } from '../../core/api.ts'
import type { Log } from '../../core/api.ts'
import type { ReloadCause } from '../../core/generation.ts'
import { contentOf, sha256, takeFiles } from '../../core/generations/content.ts'
import type { Content, KeptFile } from '../../core/generations/content.ts'
import { hashOfDisk } from '../../core/generations/disk.ts'
import { History, historyFolder } from '../../core/generations/history.ts'
import type { HistoryAdmin } from '../../core/http/admin-generations.ts'
import type { RootLog } from '../../core/log/log.ts'
import { howToShut, isOpenToAll } from '../../core/planted-file.ts'
import type { Plugins } from '../../core/plugins/plugins.ts'
import { dataFolder, loadAll, refuseSame, takeOver } from '../config-file.ts'
import type { Loaded } from '../config-file.ts'
import { checkFiles, checkFolder, refusePlanted } from '../running/data-folder.ts'
import { withFixed } from '../workers/fixed.ts'
import type { Fixed } from '../workers/fixed.ts'
import { ownFolder } from '../workers/own-folder.ts'
import { FIXED, partsOf } from '../generations/plan-parts.ts'
import type { RunningParts } from '../generations/plan-parts.ts'

export interface ReloadsOptions {
  /** Of the config. */
  readonly file: string
  readonly overrides: Overrides
  readonly plugins: Plugins
  readonly log: RootLog
  /** Of several processes each keeps its own generations. */
  readonly worker?: number | undefined
  /** Runs instead of what the files say of these sections, until this process ends. */
  readonly fixed?: Fixed | undefined
}

/** Of the files, or of the generation of this number. */
interface Source {
  readonly loaded: Loaded
  /** As they were read: what lies there later is another generation's. */
  readonly files: readonly KeptFile[]
  readonly kept: number | undefined
}

export class Reloads {
  readonly #options: ReloadsOptions
  readonly #log: Log
  readonly #history: History
  /** What cannot change in this life. */
  readonly #started: Config
  /** Loaded, and not taken yet: the start's. */
  #first: Source | undefined
  #where: Config['plugins']
  #files: readonly string[]
  /** Named by what was refused last, where it was: one of them may be all that is wrong with it. */
  #refused: readonly string[] = []
  #running: RunningParts | undefined
  #hasEnded = false
  /** Of the generations that have not ended, by number. */
  readonly #secrets = new Map<number, readonly string[]>()
  /** Of what was loaded last and may not have come to run: what is said of it afterwards shows none either. */
  #loading: readonly string[] = []

  private constructor(options: ReloadsOptions, history: History, first: Source) {
    const { config } = first.loaded
    this.#options = options
    this.#log = options.log.child('generations')
    this.#history = history
    this.#first = first
    this.#started = withFixed(config, options.fixed)
    this.#where = config.plugins
    this.#files = config.files
  }

  /**
   * Loads what is to run first: what the files say, or the generation that was gone back to, where nothing has changed
   * since. Throws `ConfigError`, and what `checkFolder` and `checkFiles` do, before anything in the data folder is believed.
   */
  static async begin(options: ReloadsOptions): Promise<Reloads> {
    const { file, overrides, plugins, fixed, log, worker } = options
    const folder = fixed?.dataDirectory ?? (await dataFolder(file, overrides))
    if (folder !== undefined) refusePlanted(folder) // also where the config is wrong: what is kept may run all the same
    const known = folder === undefined ? undefined : await openHistory(folder, options)
    const pinned = known && (await loadPinned(known, options))
    const first = pinned ?? fromFiles(await loadAll(file, overrides, { plugins }))
    const dataDirectory = folder ?? first.loaded.config.dataDirectory
    checkFolder(dataDirectory)
    checkFiles(withFixed(first.loaded.config, fixed))
    if (worker === undefined || worker === 1) warnOfOpen(dataDirectory, log)
    return new Reloads(options, known ?? (await openHistory(dataDirectory, options)), first)
  }

  /** Of the start. */
  get config(): Config {
    return this.#started
  }

  /** The config, and what it names as it was read last; where that was refused, what it named before as well. */
  get files(): readonly string[] {
    return [this.#options.file, ...this.#files, ...this.#refused]
  }

  /** The plugins folder, as the files say. */
  get pluginsFolder(): string {
    return this.#where.directory
  }

  get admin(): HistoryAdmin {
    const history = this.#history
    return {
      get last() {
        return history.last
      },
      list: () => history.list(),
      find: (wanted) => history.find(wanted),
      running: () => this.#running,
    }
  }

  /** Whether something in the plugins folder is another than what was loaded, or than what lay there when an earlier generation was gone back to. */
  async hasDropped(): Promise<boolean> {
    const { pin } = this.#history
    if (pin === undefined) return this.#options.plugins.hasChanged(this.#where)
    return (await hashOfDisk(pin.places)) !== pin.disk
  }

  /**
   * Loads, lets `take` make it run, and keeps what it was made of. Rejects with the reason why nothing changes: with a `ConfigError` for the
   * start's, and with the same words for who asked for a reload (422) after it.
   */
  async reload<T extends { readonly number: number }>(
    take: (next: Loaded) => Promise<T>,
    cause: ReloadCause,
  ): Promise<T> {
    const { plugins } = this.#options
    const to = cause.rollbackTo ?? (cause.isRetry === true ? this.#history.pin?.generation : undefined)
    if (to !== undefined && cause.isAgain !== true) plugins.forgive()
    let kept = to
    this.#loading = []
    let source: Source | undefined
    const load = async (): Promise<Loaded> => {
      source = await this.#load(cause, kept)
      kept = source.kept // a start's is known now; without a plugin that stood in the way it is the same one
      this.#loading = [...this.#loading, ...source.loaded.config.secrets]
      this.#mask()
      const { config } = source.loaded
      if (cause.isAgain !== true) warnOfFixed(this.#started, config, this.#log)
      if (cause.isAgain !== true) for (const notice of config.notices) this.#log.warn(notice)
      return source.loaded
    }
    try {
      const blamed = async (error: unknown): Promise<boolean> =>
        !this.#hasEnded && (await plugins.refuse(error))
      const adopted = (generation: number): void => plugins.adopt(generation)
      const taken = await takeOver({ adopt: adopted, refuse: blamed }, load, take)
      if (source !== undefined) {
        this.#secrets.set(taken.number, source.loaded.config.secrets)
        await this.#took(taken.number, source)
      }
      return taken
    } catch (error) {
      if (to !== undefined) await this.#look()
      throw error instanceof ConfigError && this.#running !== undefined ? refusedConfig(error) : error
    }
  }

  /** The gateway ends: that it takes nothing over any more is no plugin's fault. */
  end(): void {
    this.#hasEnded = true
  }

  /** A generation has ended with all its work: what was secret in it alone is one no more. */
  retired(generation: number): void {
    this.#secrets.delete(generation)
    this.#mask()
  }

  /** The start's are used as long as the process lives: its store, its identity and the operators' token do not change. */
  #mask(): void {
    this.#options.log.setSecrets([
      ...this.#started.secrets,
      ...[...this.#secrets.values()].flat(),
      ...this.#loading,
    ])
  }

  async #load({ isDropIn, rollbackTo }: ReloadCause, to: number | undefined): Promise<Source> {
    const first = this.#first
    this.#first = undefined
    if (first !== undefined) return first
    const source =
      to === undefined
        ? fromFiles(await this.#fromFiles())
        : await loadKept(this.#history, to, { ...this.#options, isWhole: rollbackTo !== undefined })
    if (isDropIn === true) refuseSame(source.loaded.plugins)
    if (to !== undefined) return source
    const { config } = source.loaded
    this.#where = config.plugins
    this.#files = config.files
    return source
  }

  async #fromFiles(): Promise<Loaded> {
    const { file, overrides, plugins } = this.#options
    this.#refused = []
    try {
      return await loadAll(file, overrides, { plugins, isReload: true })
    } catch (error) {
      if (error instanceof ConfigError) this.#refused = error.files
      throw error
    }
  }

  async #took(number: number, { loaded, files, kept }: Source): Promise<void> {
    const { file, plugins, overrides } = this.#options
    const { config, text } = loaded
    const { fixed } = partsOf(this.#started, [])
    this.#running = {
      generation: number,
      overrides: absolute(overrides),
      ...partsOf(config, plugins.list()),
      fixed,
    }
    const history = this.#history
    try {
      if (kept === undefined) {
        const content = contentOf({ config: { file, text }, files, plugins: plugins.kept })
        await history.ran(number, content)
        return await history.pinTo(undefined)
      }
      const row = history.find(kept, { isAny: true })
      await history.ran(number, await history.contentOf(row))
      const places = { files: this.files, plugins: this.#where.directory }
      const pin = history.pin?.generation === kept ? history.pin : undefined
      await history.pinTo(pin ?? { generation: kept, places, disk: await hashOfDisk(places) })
      this.#log.warn(
        `generation ${kept} runs again, as generation ${number}, until a file changes: what the files say now is not used`,
      )
    } catch (error) {
      this.#log.error('the generation that runs could not be kept: nothing can go back to it', { error })
    }
  }

  /** The plugins as they stand, after a generation that could not run again. */
  async #look(): Promise<void> {
    const { plugins } = this.#options
    const { pin } = this.#history
    try {
      const row = pin && this.#history.find(pin.generation, { isAny: true })
      await plugins.load(this.#where, row && (await this.#history.contentOf(row)).plugins)
    } catch (error) {
      this.#log.warn('the plugins could not be looked at again', { error })
    }
  }
}

/** A command that asks may stand elsewhere. */
function absolute({ data, ...rest }: Overrides): Overrides {
  return { ...rest, ...(data !== undefined && { data: resolve(data) }) }
}

function openHistory(dataDirectory: string, { log, worker }: ReloadsOptions): Promise<History> {
  return History.open({
    directory: historyFolder(ownFolder(dataDirectory, worker)),
    log: log.child('generations'),
    now: Date.now,
  })
}

function fromFiles(loaded: Loaded): Source {
  return { loaded, files: takeFiles(loaded.config.contents), kept: undefined }
}

/** Undefined: nothing was gone back to, or something has changed since. */
async function loadPinned(history: History, options: ReloadsOptions): Promise<Source | undefined> {
  const { pin } = history
  if (pin === undefined || (await hashOfDisk(pin.places)) !== pin.disk) return undefined
  try {
    return await loadKept(history, pin.generation, { ...options, isWhole: true })
  } catch (error) {
    options.log
      .child('generations')
      .error(`generation ${pin.generation}, which was gone back to, does not run again: the files are used`, {
        error,
      })
    return undefined
  }
}

/** With `isWhole` it throws what keeps a plugin from running as it ran; else something stands in for that plugin. */
async function loadKept(
  history: History,
  generation: number,
  options: ReloadsOptions & { readonly isWhole: boolean },
): Promise<Source> {
  const { overrides, plugins, log, isWhole } = options
  const content = await history.contentOf(history.find(generation, { isAny: true }))
  const { config } = content
  const places = (await haveChanged(content)) ? await history.placesOf(content) : new Map<string, string>()
  const kept = { text: Buffer.from(config.bytes).toString('utf8'), places, plugins: content.plugins }
  const loaded = await loadAll(config.file, overrides, { plugins, kept })
  const ran = new Set(content.plugins.flatMap(({ found, snapshot }) => (snapshot ? [found.name] : [])))
  const problems = loaded.plugins.plugins.flatMap(({ name, failure }) =>
    failure !== undefined && ran.has(name) ? [`plugin ${name}: ${failure.message}`] : [],
  )
  if (isWhole && problems.length > 0) throw new GatewayError('INTERNAL', problems.join('; '))
  for (const { snapshot } of isWhole ? content.plugins : [])
    // what is tried again has been told of
    for (const [file, hash] of snapshot?.others ?? [])
      if ((await hashOf(file)) !== hash)
        log
          .child('generations')
          .warn(
            `${file} is not what it was: of a plugin only code is kept, other files are read where they lie`,
          )
  return { loaded, files: content.files, kept: generation }
}

async function haveChanged({ files }: Content): Promise<boolean> {
  const now = await Promise.all(files.map(async ({ file, bytes }) => (await hashOf(file)) === sha256(bytes)))
  return now.includes(false)
}

async function hashOf(file: string): Promise<string | undefined> {
  try {
    return sha256(await readFile(file))
  } catch {
    return undefined // it has gone
  }
}

/** Without the `cause`, which says the same: in the log it would stand twice, and with a stack as a mistake of the program. */
function refusedConfig({ message }: ConfigError): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { status: 422 })
}

/** No start is refused for it: so are the volumes of a container (`emptyDir`), where nobody else is, and a disk that keeps no modes. */
function warnOfOpen(dataDirectory: string, log: RootLog): void {
  if (!isOpenToAll(dataDirectory)) return
  log
    .child('gateway')
    .warn(
      `everybody on this machine may write ${dataDirectory}, so anybody may take away or rename what the gateway keeps there: ${howToShut(dataDirectory)}`,
    )
}

function warnOfFixed(running: Config, next: Config, log: Log): void {
  for (const [section, of] of Object.entries(FIXED))
    if (!isDeepStrictEqual(of(running), of(next)))
      log.warn(`the change of "${section}" is used after the next start`, { section })
}
