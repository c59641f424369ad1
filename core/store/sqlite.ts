// The embedded store: one SQLite file, one writer thread, group commit. `store.ts` says what every operation promises.
import { resolve as resolvePath } from 'node:path'
import type { GatewayError, Log } from '../api.ts'
import { RESERVE_BYTES } from './figures.ts'
import { acceptHints, handOverHints, leaseHints, settleHints, valueHints } from './hint-names.ts'
import { Hints } from './hints.ts'
import { crashAt } from './crash.ts'
import { Connection } from './sqlite/connection.ts'
import type { Ticket } from './sqlite/connection.ts'
import {
  acceptResult,
  claimResult,
  readResult,
  rowOf,
  settleResult,
  takeResult,
  valueResult,
} from './codec/decode.ts'
import { acceptWire, claimWire, settleWire, valueWire } from './codec/encode.ts'
import type { Stamp } from './sqlite/clock.ts'
import type { Answer, OperationName, Request, Wires } from './codec/wire.ts'
import type { Faults } from './sqlite/wire.ts'
import type {
  Accept,
  AcceptResult,
  Ack,
  AckResult,
  Claim,
  ClaimResult,
  Find,
  HandOver,
  HandOverResult,
  Health,
  Hello,
  HelloResult,
  Lease,
  LeaseResult,
  Read,
  ReadResult,
  Row,
  Settle,
  SettleResult,
  Store,
  Take,
  TakeResult,
  Trim,
  TrimResult,
  ValueOp,
  ValueResult,
  Watch,
} from './store.ts'

export interface SqliteOptions {
  /** Made if it is not there, and this process' own while the store is open. */
  readonly directory: string
  /** Free disk below which accept and claim stop; 64 MB. */
  readonly reserveBytes?: number
  readonly log?: Log
  /** For tests: both clocks, in milliseconds. */
  readonly clock?: { wall(): number; monotonic(): number }
  /** Somebody has looked: the wall clock is right, and the store clock goes on to it (SEMANTICS 25). */
  readonly confirmClockJump?: boolean | undefined
  readonly hooks?: StoreHooks
}

/** For tests alone. */
export interface StoreHooks {
  /** `accept:written`, `settle:committed#3`: the process ends there as if by kill -9. See `crash.ts`. */
  readonly crash?: string
  /** Asked before each batch: what is to fail from now on. */
  readonly faults?: () => Faults | undefined
}

/** Each operation of these has one answer in the worker's words, and here its result. */
const results = {
  accept: acceptResult,
  settle: settleResult,
  claim: claimResult,
  take: takeResult,
  handOver: (status: Wires['handOver']['answer']): HandOverResult => ({ status }),
  hello: same<HelloResult>,
  ack: same<AckResult>,
  read: readResult,
  lease: same<LeaseResult>,
  value: valueResult,
  find: (rows: Wires['find']['answer']): readonly Row[] => rows.map(rowOf),
  trim: same<TrimResult>,
} satisfies { [Name in OperationName]: (answer: Wires[Name]['answer']) => unknown }
type Results = { [Name in OperationName]: ReturnType<(typeof results)[Name]> }

/**
 * Opens the store, made or migrated as needed. Rejects with `STORE_UNAVAILABLE` if another process has it, if a newer gateway has
 * written it, or if the directory cannot hold it; what leases a dead process held is void from here on.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  crashAt(options.hooks?.crash) // a name that is no point is a mistake of the test, told here
  const store = new SqliteStore(options)
  await store.open()
  return store
}

class SqliteStore implements Store {
  /** One file, one writer. */
  readonly partitions = 1
  readonly #hints = new Hints()
  readonly #connection: Connection
  readonly #wall: () => number

  constructor({ directory, reserveBytes, log, clock, confirmClockJump, hooks }: SqliteOptions) {
    this.#wall = () => (clock === undefined ? Date.now() : clock.wall())
    const stamp = (): Stamp => ({
      wall: this.#wall(),
      monotonic: clock === undefined ? performance.now() : clock.monotonic(),
    })
    this.#connection = new Connection({
      data: {
        directory: resolvePath(directory),
        reserveBytes: reserveBytes ?? RESERVE_BYTES,
        confirmClockJump: confirmClockJump === true,
        crash: hooks?.crash,
      },
      stamp,
      faults: hooks?.faults,
      log,
      answered: (ticket, answer) => this.#answered(ticket, answer),
    })
  }

  open(): Promise<void> {
    return this.#connection.open()
  }

  get incarnation(): string {
    return this.#connection.incarnation
  }

  partitionOf(_home: string): number {
    return 0
  }

  now(): number {
    return this.#wall()
  }

  health(): Health {
    return this.#connection.health
  }

  accept(accept: Accept): Promise<AcceptResult> {
    return this.#ask('accept', accept, acceptWire)
  }

  claim(claim: Claim): Promise<ClaimResult> {
    return this.#ask('claim', claim, (asked) => ['claim', claimWire(asked)])
  }

  take(take: Take): Promise<TakeResult> {
    return this.#ask('take', take, (asked) => ['take', asked])
  }

  settle(settle: Settle): Promise<SettleResult> {
    return this.#ask('settle', settle, settleWire)
  }

  handOver(handOver: HandOver): Promise<HandOverResult> {
    return this.#ask('handOver', handOver, (asked) => ['handOver', asked])
  }

  hello(hello: Hello): Promise<HelloResult> {
    return this.#ask('hello', hello, (asked) => ['hello', asked])
  }

  ack(ack: Ack): Promise<AckResult> {
    return this.#ask('ack', ack, (asked) => ['ack', asked])
  }

  read(read: Read): Promise<ReadResult> {
    return this.#ask('read', read, (asked) => ['read', asked])
  }

  watch(names: readonly string[]): Watch {
    return this.#hints.watch(names)
  }

  lease(lease: Lease): Promise<LeaseResult> {
    return this.#ask('lease', lease, (asked) => ['lease', asked])
  }

  value(value: ValueOp): Promise<ValueResult> {
    return this.#ask('value', value, (asked) => ['value', valueWire(asked)])
  }

  find(find: Find): Promise<readonly Row[]> {
    return this.#ask('find', find, (asked) => ['find', asked])
  }

  trim(trim: Trim): Promise<TrimResult> {
    return this.#ask('trim', trim, (asked) => ['trim', asked])
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection.close()
    this.#hints.close()
  }

  #ask<Name extends OperationName, Asked>(
    name: Name,
    asked: Asked,
    encode: (asked: Asked) => Request,
  ): Promise<Results[Name]> {
    return new Promise((resolve, reject: (error: GatewayError) => void) => {
      const request = encode(asked) // what it throws rejects the promise
      const ticket: Ticket = { name, asked, resolve, reject }
      if (name === 'trim') this.#connection.sendAlone(request, ticket)
      else this.#connection.send(request, ticket)
    })
  }

  #answered({ name, asked, resolve }: Ticket, answer: Answer): void {
    const decode = results[name] as (answer: Answer) => never // the answer to an operation of this name
    resolve(decode(answer))
    if (!this.#hints.isIdle) this.#hint(name, asked, answer)
  }

  #hint(name: OperationName, asked: unknown, answer: Answer): void {
    for (const one of namesOf(name, asked, answer)) this.#hints.hint(one)
  }
}

function namesOf(name: OperationName, asked: unknown, answer: Answer): readonly string[] {
  if (name === 'accept') return Array.isArray(answer) ? acceptHints(asked as Accept, 0) : [] // the ticket of an accept
  if (name === 'settle') return settleHints(asked as Settle, 0) // the ticket of a settle
  // The tickets of these operations.
  if (name === 'handOver') return handOverHints(asked as HandOver, 0)
  if (name === 'lease') return leaseHints(asked as Lease)
  return name === 'value' ? valueHints(asked as ValueOp, !isConflict(answer)) : []
}

function isConflict(answer: Answer): boolean {
  return typeof answer === 'object' && answer !== null && 'status' in answer && answer.status === 'conflict'
}

function same<T>(value: T): T {
  return value
}
