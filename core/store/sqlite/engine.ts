// The worker's heart: runs groups on the file, knows whether it can be written, and tries by itself until it can again.
import { statfsSync } from 'node:fs'
import { join } from 'node:path'
import { GatewayError } from '../../api.ts'
import { PROBE_MS, SPACE_CHECK_MS } from '../figures.ts'
import type { Stamp } from './clock.ts'
import { FILE, query } from './database.ts'
import { StoreFile } from './file.ts'
import type { Note } from './file.ts'
import { GroupFailed, isFull, refusal, runGroup, runRead } from './group.ts'
import type { Step } from '../crash.ts'
import type { Result } from './group.ts'
import { isGrowing } from './wire.ts'
import type { Request } from '../codec/wire.ts'
import type { Faults, FromWorker, WorkerData } from './wire.ts'

interface Trouble {
  readonly reason: string
  readonly since: number
  /** Free space is below the reserve, but what there is can be written. */
  readonly isReserve: boolean
}

export interface EngineOptions {
  readonly data: WorkerData
  readonly tell: (message: FromWorker) => void
  readonly step: Step | undefined
}

const PROBE_BYTES = 65_536
const PROBE_PAUSE_MS = 100

export class Engine implements Disposable {
  readonly #options: EngineOptions
  readonly #note: Note
  readonly #file: StoreFile
  #faults: Faults | undefined
  #trouble: Trouble | undefined
  #lookedAt = -Infinity
  #probedAt = -Infinity

  /** Throws `STORE_UNAVAILABLE` where the directory is in use, the file is newer, or is no store. */
  constructor(options: EngineOptions) {
    this.#options = options
    this.#note = (level, message, fields) => options.tell({ kind: 'note', level, message, fields })
    this.#faults = options.data.faults
    this.#file = new StoreFile(options.data, this.#note)
    this.look()
  }

  get incarnation(): string {
    return this.#file.incarnation
  }

  /** Answers all of them, in their order; the answers may be given away when this returns. */
  run(requests: readonly Request[], stamp: Stamp, faults: Faults | undefined): Result[] {
    this.#file.clock.advance(stamp)
    this.#faults = faults
    this.#file.setFaults(faults)
    this.look()
    if (this.#isBroken && performance.now() - this.#probedAt >= PROBE_PAUSE_MS) this.#probe()
    const writes = requests.filter((request) => this.#isWrite(request))
    const written = this.#runWrites(writes)
    let at = 0
    // Reads come after the commit: they see one state, and everything that was asked for before them.
    return requests.map((request) => {
      if (request !== writes[at]) return this.#read(request)
      return written[at++] ?? this.#unavailable()
    })
  }

  /** Looks at free space, and tries to write again where that had failed. Called once a second and before each group. */
  look(): void {
    const now = performance.now()
    if (now - this.#lookedAt >= SPACE_CHECK_MS || this.#faults !== undefined) {
      this.#lookedAt = now
      this.#lookAtSpace()
    }
    if (this.#isBroken && now - this.#probedAt >= PROBE_MS) this.#probe()
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]()
  }

  get #isBroken(): boolean {
    return this.#trouble?.isReserve === false
  }

  #runWrites(requests: readonly Request[]): Result[] {
    if (requests.length === 0) return []
    // What was refused by a full disk is not tried again before a probe went through: the room is for settle, ack and trim.
    if (this.#isBroken && requests.some(isGrowing)) return this.#withoutGrowing(requests)
    try {
      return this.#group(requests, false)
    } catch (error) {
      if (!(error instanceof GroupFailed) || error.isStorage) return this.#afterStorage(requests, error)
      this.#note('error', 'an operation failed, its group is run again with each on its own', {
        error: error.message,
      })
      return this.#runRest(requests, true)
    }
  }

  #afterStorage(requests: readonly Request[], error: unknown): Result[] {
    this.#break(error)
    // Nothing was committed: what drains the store may still fit where what fills it did not.
    const mayFit = error instanceof GroupFailed && error.index !== undefined && requests.some(isGrowing)
    return mayFit ? this.#withoutGrowing(requests) : requests.map(() => this.#unavailable())
  }

  #withoutGrowing(requests: readonly Request[]): Result[] {
    const results = this.#runRest(
      requests.filter((request) => !isGrowing(request)),
      false,
    )
    let at = 0
    return requests.map(
      (request) => (isGrowing(request) ? this.#known(request) : results[at++]) ?? this.#unavailable(),
    )
  }

  /** Undefined: new, still at work, or the file cannot be read either. */
  #known(request: Request): Result | undefined {
    try {
      return this.#file.open.known(request)
    } catch (error) {
      this.#break(error)
      return undefined
    }
  }

  #runRest(requests: readonly Request[], isolated: boolean): Result[] {
    if (requests.length === 0) return []
    try {
      return this.#group(requests, isolated)
    } catch (error) {
      this.#break(error)
      return requests.map(() => this.#unavailable())
    }
  }

  /** Throws `GroupFailed`, with nothing of the failed group left in memory; or what opening the file threw. */
  #group(requests: readonly Request[], isolated: boolean): Result[] {
    const file = this.#file
    const { open } = file
    try {
      const results = runGroup(
        {
          db: open.db,
          operations: open.operations,
          commit: () => file.commit(open),
          forget: () => open.ground.heads.forget(),
          step: this.#options.step,
        },
        requests,
        isolated,
      )
      if (requests[0]?.[0] === 'trim') file.witness()
      return results
    } catch (error) {
      if (error instanceof GroupFailed && !error.isStorage) file.layAnew()
      else file.close(!isFull(causeOf(error)))
      throw error
    }
  }

  #read(request: Request): Result {
    try {
      return runRead(this.#file.open.operations, request)
    } catch (error) {
      this.#break(error)
      return this.#unavailable()
    }
  }

  #isWrite(request: Request): boolean {
    switch (request[0]) {
      case 'read':
      case 'find':
        return false
      case 'value':
        return request[1].put !== null || request[1].delete
      case 'lease':
        // A renewal is in memory only, and must go on while the disk is full.
        return !this.#file.leases.renews(request[1])
      default:
        return true
    }
  }

  #unavailable(): Result {
    const reason = this.#trouble?.reason ?? 'a write failed'
    return refusal(
      new GatewayError('STORE_UNAVAILABLE', `the store cannot be written: ${reason}`, {
        retryAfterMs: PROBE_MS,
      }),
    )
  }

  #break(error: unknown): void {
    const cause = causeOf(error)
    const what = isFull(cause) ? 'the disk is full' : 'the disk failed'
    this.#setTrouble({ reason: `${what} (${messageOf(cause)})`, since: Date.now(), isReserve: false })
    this.#probedAt = performance.now()
  }

  /** Writes as much as a busy moment would, to the disk, and takes it back. */
  #probe(): void {
    this.#probedAt = performance.now()
    if (this.#room() === undefined) return
    try {
      const { open } = this.#file
      open.db.exec('BEGIN IMMEDIATE')
      query(open.db, 'INSERT OR REPLACE INTO probe VALUES (1, zeroblob(?))').run(PROBE_BYTES)
      this.#file.commit(open)
      open.db.exec('DELETE FROM probe')
      this.#setTrouble(undefined)
      this.#lookAtSpace()
    } catch (error) {
      this.#file.close(!isFull(error))
      this.#setTrouble({
        reason: `${isFull(error) ? 'the disk is full' : 'the disk failed'} (${messageOf(error)})`,
        since: Date.now(),
        isReserve: false,
      })
    }
  }

  #lookAtSpace(): void {
    const free = this.#room()
    if (free === undefined) return
    const { reserveBytes } = this.#options.data
    this.#file.isPressed = free < reserveBytes
    if (this.#isBroken) return
    if (!this.#file.isPressed) return this.#setTrouble(undefined)
    if (this.#trouble !== undefined) return
    const reason = `${inMegabytes(free)} of disk are free and ${inMegabytes(reserveBytes)} are the reserve`
    this.#setTrouble({ reason, since: Date.now(), isReserve: true })
  }

  /** Free bytes where the file is. Undefined: it was moved, deleted or unmounted; it stays open for who puts it back. */
  #room(): number | undefined {
    const { directory } = this.#options.data
    try {
      return this.#faults?.freeBytes ?? freeBytes(join(directory, FILE))
    } catch (error) {
      const hint = 'put it back, or start the gateway with the right --data'
      const reason = `its file in "${directory}" cannot be found any more (${messageOf(error)}): ${hint}`
      this.#setTrouble({ reason, since: Date.now(), isReserve: false })
      return undefined
    }
  }

  #setTrouble(trouble: Trouble | undefined): void {
    const before = this.#trouble
    if (trouble?.reason === before?.reason) return
    if (trouble === undefined) {
      this.#trouble = undefined
      this.#options.tell({ kind: 'health', trouble: null })
      return this.#note('info', 'the store can be written again', {})
    }
    const since = before?.since ?? trouble.since
    this.#trouble = { ...trouble, since }
    this.#options.tell({ kind: 'health', trouble: { reason: trouble.reason, since } })
    this.#note('error', 'the store cannot be written', { reason: trouble.reason })
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof GroupFailed ? error.cause : error
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function freeBytes(file: string): number {
  const { bavail, bsize } = statfsSync(file)
  return bavail * bsize
}

function inMegabytes(bytes: number): string {
  return `${Math.floor(bytes / 1_048_576)} MB`
}
