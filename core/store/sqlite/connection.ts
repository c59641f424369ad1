// The main thread's end of the writer: batches what is asked for in one turn of the event loop, and starts a writer that died anew.
import { Worker } from 'node:worker_threads'
import { GatewayError } from '../../api.ts'
import type { Log } from '../../api.ts'
import { PROBE_MS, QUEUED_REQUESTS } from '../figures.ts'
import type { Health } from '../store.ts'
import type { Stamp } from './clock.ts'
import { isGrowing } from './wire.ts'
import type { Answer, OperationName, Request } from '../codec/wire.ts'
import type { Batch, Faults, FromWorker, Refused, WorkerData } from './wire.ts'

/** What is asked, and who waits for it. */
export interface Ticket {
  readonly name: OperationName
  /** The operation as the caller wrote it, for decoding and hints. */
  readonly asked: unknown
  readonly resolve: (result: never) => void
  readonly reject: (error: GatewayError) => void
}

export interface ConnectionOptions {
  readonly data: Omit<WorkerData, 'stamp' | 'faults'>
  readonly stamp: () => Stamp
  readonly faults: (() => Faults | undefined) | undefined
  readonly log: Log | undefined
  readonly answered: (ticket: Ticket, answer: Answer) => void
}

/** Beyond this a batch is sent at once, so that the writer has work while more comes in. */
const BATCH_REQUESTS = 32
const RESTART_MS = 200

export class Connection {
  readonly #options: ConnectionOptions
  #worker: Worker | undefined
  #requests: Request[] = []
  #tickets: Ticket[] = []
  #sent: (readonly Ticket[])[] = []
  #queued = 0
  #isScheduled = false
  #isClosing = false
  #health: Health = { writable: true }
  #incarnation = ''

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  get health(): Health {
    return this.#health
  }

  get incarnation(): string {
    return this.#incarnation
  }

  /** Starts the writer. Rejects with what it says of a directory it cannot open. */
  open(): Promise<void> {
    const { data, stamp, faults, log } = this.#options
    const workerData: WorkerData = { ...data, stamp: stamp(), faults: faults?.() }
    // Its own flags: it must not inherit a test runner's loaders or an inspector's port.
    const worker = new Worker(new URL('worker.ts', import.meta.url), {
      workerData,
      execArgv: [],
      name: 'dragoman-store',
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let isOpen = false
    let failure: GatewayError | undefined
    worker.on('message', (message: FromWorker) => {
      switch (message.kind) {
        case 'answers':
          return this.#answer(message.batches)
        case 'open':
          isOpen = true
          this.#worker = worker
          this.#incarnation = message.incarnation
          return resolve()
        case 'failed':
          failure = errorOf(message.thrown)
          return undefined
        case 'health':
          this.#health = healthOf(message.trouble)
          return undefined
        case 'note':
          return log?.[message.level](message.message, message.fields)
      }
    })
    worker.on('error', (error) => {
      failure = new GatewayError('STORE_UNAVAILABLE', `the store's writer failed: ${error.message}`, {
        cause: error,
      })
    })
    worker.on('exit', (code) => {
      const error =
        failure ?? new GatewayError('STORE_UNAVAILABLE', `the store's writer ended with code ${code}`)
      if (isOpen) this.#lost(error)
      else reject(error)
    })
    return promise
  }

  send(request: Request, ticket: Ticket): void {
    if (this.#worker === undefined) return ticket.reject(unavailable(this.#health))
    if (this.#queued >= QUEUED_REQUESTS && isGrowing(request)) return ticket.reject(busy(this.#queued))
    this.#queued++
    this.#requests.push(request)
    this.#tickets.push(ticket)
    if (this.#requests.length >= BATCH_REQUESTS) return this.#flush()
    if (this.#isScheduled) return
    this.#isScheduled = true
    // After everything this turn's sockets bring.
    setImmediate(() => {
      this.#isScheduled = false
      this.#flush()
    })
  }

  /** As a batch of its own: the writer lets nobody wait for it. */
  sendAlone(request: Request, ticket: Ticket): void {
    this.#flush()
    this.send(request, ticket)
    this.#flush()
  }

  /** Answers what was sent, then closes the file. */
  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    const worker = this.#worker
    if (worker === undefined) return
    this.#flush()
    const { promise, resolve } = Promise.withResolvers<void>()
    worker.once('exit', () => resolve())
    worker.postMessage('close', [])
    await promise
  }

  #flush(): void {
    if (this.#requests.length === 0 || this.#worker === undefined) return
    const { stamp, faults } = this.#options
    const batch: Batch = { stamp: stamp(), requests: this.#requests, faults: faults?.() }
    const tickets = this.#tickets
    this.#requests = []
    this.#tickets = []
    this.#sent.push(tickets)
    this.#worker.postMessage(batch, [])
  }

  #answer(batches: readonly (readonly (Answer | Refused)[])[]): void {
    for (const answers of batches) {
      const tickets = this.#sent.shift() ?? []
      this.#queued -= tickets.length
      for (const [index, ticket] of tickets.entries()) {
        const answer = answers[index]
        if (answer === undefined) ticket.reject(unavailable(this.#health))
        else if (isRefused(answer)) ticket.reject(errorOf(answer.thrown))
        else this.#options.answered(ticket, answer)
      }
    }
  }

  /** What was sent is neither done nor undone for all we know; what comes now is refused until the writer is back. */
  #lost(error: GatewayError): void {
    const left = [...this.#sent.flat(), ...this.#tickets]
    this.#sent = []
    this.#requests = []
    this.#tickets = []
    this.#queued = 0
    this.#worker = undefined
    for (const ticket of left) ticket.reject(error)
    if (this.#isClosing) return
    this.#health = { writable: false, reason: error.message, since: new Date().toISOString() }
    this.#options.log?.error('the store lost its writer and starts it anew', { error: error.message })
    setTimeout(() => void this.#reopen(), RESTART_MS)
  }

  async #reopen(): Promise<void> {
    if (this.#isClosing) return
    try {
      this.#health = { writable: true }
      await this.open()
    } catch (error) {
      const { message } = GatewayError.from(error)
      this.#health = { writable: false, reason: message, since: new Date().toISOString() }
      setTimeout(() => void this.#reopen(), PROBE_MS)
    }
  }
}

function isRefused(answer: Answer | Refused): answer is Refused {
  return typeof answer === 'object' && 'thrown' in answer
}

function errorOf({ code, message, retryAfterMs, notExecuted }: Refused['thrown']): GatewayError {
  return new GatewayError(code, message, {
    ...(retryAfterMs !== null && { retryAfterMs }),
    notExecuted,
  })
}

function busy(queued: number): GatewayError {
  return new GatewayError('OVERLOADED', `${queued} operations wait for the store's writer`, {
    retryAfterMs: PROBE_MS,
    notExecuted: true,
  })
}

function healthOf(trouble: { readonly reason: string; readonly since: number } | null): Health {
  if (trouble === null) return { writable: true }
  return { writable: false, reason: trouble.reason, since: new Date(trouble.since).toISOString() }
}

function unavailable(health: Health): GatewayError {
  const why = health.writable ? 'it is closed' : health.reason
  // The reason may name the folder: it is in health and log, for operators.
  return new GatewayError('STORE_UNAVAILABLE', 'the store cannot be used', {
    retryAfterMs: PROBE_MS,
    cause: new GatewayError('STORE_UNAVAILABLE', why),
  })
}
