// The open store file and what is kept of it in memory; closed after a failed write and opened again before the next.
import { randomUUID } from 'node:crypto'
import type { DatabaseSync } from 'node:sqlite'
import { CLOCK_HELD, CLOCK_HELD_MS } from '../figures.ts'
import { StoreClock } from './clock.ts'
import { Counters } from './counters.ts'
import { GatewayError } from '../../api.ts'
import { damageIn } from './backup.ts'
import { knownOn } from './known.ts'
import type { Known } from './known.ts'
import { incarnationOf, lockDirectory, openFile, writeWitness } from './database.ts'
import { layGround } from './ground.ts'
import type { Ground } from './ground.ts'
import { Leases } from './leases.ts'
import { refuseMarked } from './mark.ts'
import { operationsOn } from './operations.ts'
import type { Operations } from './operations.ts'
import { nameCopy } from './restored.ts'
import type { Faults, WorkerData } from './wire.ts'

export interface Open {
  readonly db: DatabaseSync
  readonly ground: Ground
  readonly operations: Operations
  readonly known: Known
}

export type Note = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields: Readonly<Record<string, unknown>>,
) => void

const UNLIMITED_PAGES = 4_294_967_294

export class StoreFile implements Disposable {
  /** Free space is below the reserve. */
  isPressed = false
  readonly leases = new Leases()
  readonly clock: StoreClock
  readonly #directory: string
  readonly #note: Note
  readonly #lock: Disposable
  #counters: Counters
  #open: Open | undefined
  /** The next opening must not believe what a failed write may have left. */
  #mustSync = false
  #faults: Faults | undefined

  /** Throws `STORE_UNAVAILABLE` where the directory is in use or moved away, the file is newer, or is no store. */
  constructor(data: WorkerData, note: Note) {
    this.#directory = data.directory
    this.#note = note
    this.#faults = data.faults
    this.#lock = lockDirectory(data.directory)
    let db: DatabaseSync | undefined
    try {
      refuseMarked(data.directory)
      db = openFile(data.directory)
      const known = Counters.read(db)
      this.clock = new StoreClock(known?.saved, data.stamp, { confirmJump: data.confirmClockJump })
      const { heldMs } = this.clock
      if (heldMs > CLOCK_HELD_MS) note('warn', CLOCK_HELD, { heldMs })
      this.#counters = known === undefined ? this.#create(db) : this.#recognise(db, known)
      this.#open = this.#lay(db)
      if (data.confirmClockJump) this.#counters.write(this.clock) // the next start is not asked again
      this.witness()
    } catch (error) {
      db?.close()
      this.#lock[Symbol.dispose]()
      throw error
    }
  }

  get incarnation(): string {
    return this.#counters.incarnation
  }

  /** The file, opened if it was closed. Throws what opening throws. */
  get open(): Open {
    return this.#open ?? this.#layAnew(openFile(this.#directory, { mustSync: this.#mustSync }))
  }

  /** After a rollback memory is ahead of the file: it is read again. */
  layAnew(): void {
    if (this.#open !== undefined) this.#layAnew(this.#open.db)
  }

  /** Writes the row of counters and commits. */
  commit({ db }: Open): void {
    this.#counters.write(this.clock)
    if (this.#faults?.commit === 'fails') throw new OrderedFault()
    db.exec('COMMIT')
    if (this.#faults?.commit === 'lost') throw new OrderedFault()
  }

  /** After a failed write. `mustSync`: after anything but a full disk, only what is known to be on the disk is believed. */
  close(mustSync: boolean): void {
    const db = this.#open?.db
    this.#open = undefined
    this.#mustSync ||= mustSync
    try {
      db?.close()
    } catch (error) {
      this.#note('warn', 'the store file could not be closed cleanly', { error: String(error) })
    }
  }

  setFaults(faults: Faults | undefined): void {
    if (faults?.maxPages !== this.#faults?.maxPages)
      this.#open?.db.exec(`PRAGMA max_page_count = ${faults?.maxPages ?? UNLIMITED_PAGES}`)
    this.#faults = faults
  }

  /** Notes how far the file has come, for the next start to know it again. */
  witness(): void {
    try {
      writeWitness(this.#directory, this.#counters)
    } catch (error) {
      this.#note('warn', 'the note beside the store file could not be written', { error: String(error) })
    }
  }

  [Symbol.dispose](): void {
    try {
      if (this.#open !== undefined) this.witness()
      this.#open?.db.close()
    } finally {
      this.#lock[Symbol.dispose]()
    }
  }

  #create(db: DatabaseSync): Counters {
    return Counters.create(db, randomUUID(), { storeMs: this.clock.now, wallMs: this.clock.wall })
  }

  /** SEMANTICS 12: a copy that was put in the file's place is known by another name from now on, and its open work is in doubt. */
  #recognise(db: DatabaseSync, known: Counters): Counters {
    const incarnation = incarnationOf(this.#directory, known)
    if (incarnation === known.incarnation) return known
    const problem = damageIn(db)
    if (problem !== undefined)
      throw new GatewayError(
        'STORE_UNAVAILABLE',
        `the store in "${this.#directory}" is a damaged copy (${problem}): take one with \`dragoman backup\`, which may be done while a gateway runs`,
      )
    const mayBeDone = nameCopy(db, { incarnation, wall: this.clock.wall })
    this.#note(
      'warn',
      'the store was restored or moved: cursors given out before are void, and of its open work nobody knows whether it was done since',
      { incarnation, mayBeDone },
    )
    return Counters.read(db) ?? known
  }

  #layAnew(db: DatabaseSync): Open {
    try {
      const counters = Counters.read(db)
      if (counters === undefined) throw new Error('the store file has lost its first row')
      counters.notBelow(this.#counters)
      this.#counters = counters
      this.#open = this.#lay(db)
      this.#mustSync = false
      return this.#open
    } catch (error) {
      this.#open = undefined
      db.close()
      throw error
    }
  }

  #lay(db: DatabaseSync): Open {
    if (this.#faults?.maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${this.#faults.maxPages}`)
    const ground = layGround({
      db,
      clock: this.clock,
      leases: this.leases,
      counters: this.#counters,
      isPressed: () => this.isPressed,
    })
    return { db, ground, operations: operationsOn(ground), known: knownOn(ground) }
  }
}

/** What a test ordered: looks like SQLITE_IOERR. */
class OrderedFault extends Error {
  override readonly message = 'disk I/O error'
  readonly errcode = 10
}
