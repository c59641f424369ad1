// A folder of files: every record of every file is handed in, then the file is moved away. Reading it again is no harm.
import { constants } from 'node:fs'
import type { Stats } from 'node:fs'
import { access, mkdir, open, readdir, rename, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { GatewayError } from 'dragoman'
import type { ChannelHost, Scope } from 'dragoman'
import type { ChannelConfig } from './config.ts'
import { framesOf } from './frames.ts'
import type { Frame } from './frames.ts'
import type { Intake } from './intake.ts'

export interface FolderOptions {
  readonly folder: NonNullable<ChannelConfig['folder']>
  readonly intake: Intake
  readonly host: ChannelHost
  readonly scope: Scope
}

/** Only one of several gateways reads at a time. */
const LEASE_MS = 60_000
const PIECE = 65_536
const MAX_REPORTED = 1000
/** A link or a pipe that was put in a file's place is neither followed nor waited for. */
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/** What is known of a file that is not done yet. */
interface Progress {
  readonly stamp: string
  /** Everything before it has been handed in. */
  upTo: number
  readonly refused: string[]
  count: number
  /** That it cannot be read or moved stands in the log. */
  isTold: boolean
}

/** Looks for files until it is disposed. Rejects where the folder is not there, or files cannot be moved away from it. */
export async function watchFolder(options: FolderOptions): Promise<AsyncDisposable> {
  const { folder, scope } = options
  const { path, done = join(path, 'done'), failed = join(path, 'failed') } = folder
  const own = await stat(path)
  for (const each of [done, failed]) {
    await mkdir(each, { recursive: true })
    const { dev, ino } = await stat(each)
    if (dev !== own.dev)
      throw new TypeError(`${each} is on another file system than ${path}: files are renamed into it`)
    if (ino === own.ino) throw new TypeError(`${each} is ${path} itself: what is done would be read again`)
  }
  const stop = new AbortController()
  const reader = new Reader(options, { done, failed, signal: stop.signal })
  const running = loop()

  async function loop(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await reader.round()
      } catch (error) {
        scope.log.error('the folder cannot be read', { path, error })
      }
      await wait(folder.everyMs, undefined, { signal: stop.signal }).catch(() => undefined) // aborted: the loop ends
    }
  }
  return {
    async [Symbol.asyncDispose]() {
      stop.abort()
      await running
    },
  }
}

interface Places {
  readonly done: string
  readonly failed: string
  readonly signal: AbortSignal
}

class Reader {
  readonly #options: FolderOptions
  readonly #places: Places
  /** Size and time of the last look: a file is read when it no longer changes. */
  #stamps = new Map<string, string>()
  readonly #progress = new Map<string, Progress>()
  constructor(options: FolderOptions, places: Places) {
    this.#options = options
    this.#places = places
  }

  async round(): Promise<void> {
    const { folder, scope } = this.#options
    const settled = await this.#settled(folder.path)
    if (settled.length === 0) return
    await using lease = await holding(scope)
    if (lease === undefined) return
    for (const name of settled) {
      if (this.#places.signal.aborted) return
      try {
        if (!(await this.#file(name, () => lease.isHeld()))) return
      } catch (error) {
        if (error instanceof GatewayError) throw error // the store, not the file
        this.#unreadable(name, error)
      }
    }
  }

  /** It stays, and those behind it go on. */
  #unreadable(name: string, error: unknown): void {
    const progress = this.#progress.get(name)
    if (progress === undefined || progress.isTold) return
    progress.isTold = true
    this.#options.scope.log.error('a file cannot be read or moved', { file: name, error })
  }

  /** The names of files that look as they did the last time, in order. */
  async #settled(path: string): Promise<readonly string[]> {
    const { ending = '' } = this.#options.folder
    const entries = await readdir(path, { withFileTypes: true })
    const names = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.') && entry.name.endsWith(ending))
      .map(({ name }) => name)
    const now = new Map<string, string>()
    for (const name of names.toSorted()) {
      const found = await stat(join(path, name)).catch(() => undefined) // somebody has just taken it away
      if (found !== undefined) now.set(name, stampOf(found))
    }
    const before = this.#stamps
    this.#stamps = now
    for (const name of this.#progress.keys()) if (!now.has(name)) this.#progress.delete(name)
    return [...now].filter(([name, stamp]) => before.get(name) === stamp).map(([name]) => name)
  }

  /** Resolves false where it makes no sense to go on for now. */
  async #file(name: string, isHeld: () => Promise<boolean>): Promise<boolean> {
    const { folder, scope, intake } = this.#options
    const stamp = this.#stamps.get(name) ?? ''
    const known = this.#progress.get(name)
    const progress: Progress =
      known?.stamp === stamp ? known : { stamp, upTo: 0, refused: [], count: 0, isTold: false }
    this.#progress.set(name, progress)
    const frames = framesOf(intake.framing)
    await using file = await open(join(folder.path, name), READ)
    // Another one lies there by now: the next look is about that.
    if (stampOf(await file.stat()) !== stamp) return true
    try {
      for await (const piece of file.createReadStream({ highWaterMark: PIECE, autoClose: false })) {
        if (this.#places.signal.aborted || !(await isHeld())) return false
        frames.put(piece as Buffer) // without an encoding a stream yields buffers
        for (let frame = frames.next(); frame !== undefined; frame = frames.next())
          if (!(await this.#record(name, frame, progress))) return false
      }
      const last = frames.last()
      if (last !== undefined && !(await this.#record(name, last, progress))) return false
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      progress.refused.push(`${progress.upTo}: DECODE_FAILED: ${error.message}`)
    }
    await this.#away(name, progress)
    scope.metrics.count('files', { outcome: progress.refused.length === 0 ? 'done' : 'failed' })
    return true
  }

  async #record(name: string, { record, offset }: Frame, progress: Progress): Promise<boolean> {
    if (offset < progress.upTo) return true
    if (this.#places.signal.aborted) return false
    const { intake, host, scope } = this.#options
    const { refused, fault } = await intake.take(
      { record, kind: 'event', externalId: `${name}:${offset}` },
      host,
    )
    if (refused?.retry === true) {
      scope.log.warn('a file waits: the gateway does not take its next record now', {
        file: name,
        offset,
        code: refused.code,
      })
      return false
    }
    const why = refused ?? fault
    if (why !== undefined && progress.refused.length < MAX_REPORTED)
      progress.refused.push(`${offset}: ${why.code}: ${why.message}`)
    progress.upTo = offset + 1
    progress.count += 1
    return true
  }

  async #away(name: string, { refused, count }: Progress): Promise<void> {
    const { folder, scope } = this.#options
    const to = await free(refused.length === 0 ? this.#places.done : this.#places.failed, name)
    if (refused.length > 0) await writeFile(`${to}.report.txt`, `${refused.join('\n')}\n`)
    await rename(join(folder.path, name), to)
    this.#progress.delete(name)
    const said = { file: name, records: count, to: basename(to) }
    if (refused.length === 0) scope.log.info('a file is done', said)
    else
      scope.log.error('records of a file were refused', {
        ...said,
        refused: refused.length,
        first: refused[0],
      })
  }
}

function stampOf({ size, mtimeMs }: Stats): string {
  return `${size} ${mtimeMs}`
}

/** A name nothing has there yet: `CLAIMS.DAT`, `CLAIMS.DAT.2`, … */
async function free(directory: string, name: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const path = join(directory, number === 1 ? name : `${name}.${number}`)
    const isTaken = await access(path).then(
      () => true,
      () => false,
    )
    if (!isTaken) return path
  }
}

interface Lease extends AsyncDisposable {
  /** Renews it in time; false: another one has it now. */
  isHeld(): Promise<boolean>
}

async function holding({ state }: Scope): Promise<Lease | undefined> {
  let lease = await state.lease('folder', LEASE_MS)
  let until = performance.now() + LEASE_MS / 2
  if (lease === undefined) return undefined
  return {
    async isHeld() {
      if (performance.now() < until) return lease !== undefined
      lease = await state.lease('folder', LEASE_MS)
      until = performance.now() + LEASE_MS / 2
      return lease !== undefined
    },
    async [Symbol.asyncDispose]() {
      await lease?.release()
    },
  }
}
