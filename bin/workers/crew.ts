// The workers of one supervisor: started, watched, restarted when they die, replaced one after another, ended together.
import cluster from 'node:cluster'
import type { Worker } from 'node:cluster'
import type { Log } from '../../core/api.ts'
import { closeWhatIsLost } from './handed-over.ts'
import type { Begin, Fixed } from './fixed.ts'
import { passOnLines } from './lines.ts'
import { REFUSED, WORKER } from './messages.ts'
import type { FromWorker, Ready, ToWorker } from './messages.ts'
import { Relay } from './relay.ts'
import { Restarts } from './restarts.ts'

export interface CrewOptions {
  readonly workers: number
  readonly log: Log
  /** How long a successor may take to get ready. Default: 2 min, which is longer than any start that succeeds. */
  readonly successorMs?: number
  /** Where the workers' error output goes. */
  readonly write: (lines: string) => void
  /** Before another one takes a place in which nobody was for a while. */
  readonly prepare: (number: number) => Promise<void>
  /** Once: all are ready. */
  readonly onReady: (first: Ready) => void
  /** All that start from now on have these: they are of the first successor, which is ready. */
  readonly onFixed: (fixed: Fixed) => void
  /** Once: none is left. The status to end with. */
  readonly onEnd: (status: number) => void
}

type Started = FromWorker & { readonly kind: 'ready' }

interface Member {
  readonly number: number
  readonly worker: Worker
  readonly ready: PromiseWithResolvers<Started>
  readonly gone: PromiseWithResolvers<void>
  /** Started to take another one's place; if it cannot, it is not tried again. */
  readonly isSuccessor: boolean
  state: 'starting' | 'ready' | 'leaving'
  /** Pings since it last answered one. */
  unanswered: number
  /** It was starting when all were to load the config again, and may have read the one before. */
  owesReload: boolean
  /** What it was started with; undefined: the files. */
  readonly like: Fixed | undefined
}

const PING_MS = 2000
/** A process that stands still for so many pings is ended: its callers would wait for ever. */
const MOST_UNANSWERED = 15
/** A worker gives itself 9 s to end, and up to 10 s before that when another one has taken its place. */
const END_MS = 12_000
const LEAVE_MS = 25_000
const SUCCESSOR_MS = 120_000

export class Crew {
  readonly #options: CrewOptions
  readonly #members = new Map<number, Member>()
  readonly #restarts = new Map<number, Restarts>()
  /** Places whose worker has died and is started again soon. */
  readonly #pending = new Map<number, NodeJS.Timeout>()
  readonly #relay = new Relay()
  readonly #pinging: NodeJS.Timeout
  /** What all run with: the sections of the first, since a replacement those of its first successor. Undefined: none was ready yet. */
  #fixed: Fixed | undefined
  #isAnnounced = false
  #replacing: 'not' | 'once' | 'again' = 'not'
  #status: number | undefined

  constructor(options: CrewOptions) {
    this.#options = options
    this.#pinging = setInterval(() => this.#ping(), PING_MS)
  }

  /** The first alone: what keeps it from starting keeps all. */
  start(): void {
    this.#launch(1)
  }

  /** Each loads the config again; one that is starting does when it is ready, because the signal might end it before. */
  reload(): void {
    for (const member of this.#members.values())
      if (member.state === 'ready') member.worker.process.kill('SIGHUP')
      else member.owesReload = true
  }

  /** Ends all of them; those that do not by themselves are killed. */
  end(status: number): void {
    if (this.#status !== undefined) return
    this.#status = status
    clearInterval(this.#pinging)
    for (const timer of this.#pending.values()) clearTimeout(timer)
    this.#pending.clear()
    this.#signal('SIGTERM')
    setTimeout(() => this.#signal('SIGKILL'), END_MS).unref()
    this.#checkEnd()
  }

  #signal(signal: NodeJS.Signals): void {
    for (const { worker } of this.#members.values()) worker.process.kill(signal)
  }

  /** One after another: the next one is ready before one leaves. Stops, with those that run, at the first that does not get ready. */
  async replaceAll(): Promise<void> {
    const { log } = this.#options
    if (!this.#isAnnounced || this.#status !== undefined) return
    if (this.#replacing !== 'not') {
      this.#replacing = 'again'
      return log.info('the workers are replaced once more after this time')
    }
    do {
      this.#replacing = 'once'
      await this.#replaceOnce()
    } while (this.#isOwed())
    this.#replacing = 'not'
  }

  #isOwed(): boolean {
    return this.#replacing === 'again' && this.#status === undefined
  }

  async #replaceOnce(): Promise<void> {
    const { log } = this.#options
    log.info('the workers are replaced, one after another')
    const places = this.#places() // those of this moment: the successors' join them
    let begin: Begin = this.#fixed === undefined ? {} : { beside: this.#fixed }
    try {
      for (const place of places) {
        if (this.#status !== undefined) return
        // It has died, and who has its place was started with what this time brings.
        if (begin.like !== undefined && this.#members.get(place)?.like === begin.like) continue
        const number = this.#free()
        await this.#options.prepare(number)
        if (this.#status !== undefined) return // all have been told to end: one more would not hear of it
        const next = this.#launch(number, { begin, isSuccessor: true })
        const { fixed } = await this.#readyInTime(next)
        // For who starts after it, whatever the files say then: the next one, and who comes in the place of one that dies.
        if (begin.like === undefined) {
          begin = { like: (this.#fixed = fixed) }
          this.#options.onFixed(fixed)
        }
        await this.#clear(place)
      }
      log.info('all workers were replaced')
    } catch (error) {
      if (this.#status === undefined)
        log.error('the workers were not all replaced; those that run go on', {
          error: error instanceof Error ? error.message : error,
        })
    }
  }

  /** Where somebody is, or soon is again. */
  #places(): readonly number[] {
    const staying = [...this.#members.values()].filter(({ state }) => state !== 'leaving')
    return [...staying.map(({ number }) => number), ...this.#pending.keys()]
  }

  /** One that neither gets ready nor ends would keep every later replacement from beginning. */
  async #readyInTime(next: Member): Promise<Started> {
    const { number, ready, worker } = next
    const { successorMs = SUCCESSOR_MS } = this.#options
    const timer = setTimeout(() => {
      next.state = 'leaving' // whatever it says in its last moment
      ready.reject(new Error(`worker ${number} was not ready within ${successorMs / 1000} s`))
      worker.process.kill('SIGKILL')
    }, successorMs)
    try {
      return await ready.promise
    } finally {
      clearTimeout(timer)
    }
  }

  /** Nobody is in this place any more, nor comes into it: neither who was there at first nor who has come in his place meanwhile. */
  async #clear(number: number): Promise<void> {
    clearTimeout(this.#pending.get(number))
    this.#pending.delete(number)
    const member = this.#members.get(number)
    if (member !== undefined) await this.#retire(member)
  }

  async #retire(member: Member): Promise<void> {
    if (member.state === 'starting') member.worker.process.kill('SIGTERM')
    member.state = 'leaving'
    this.#tell(member, { kind: 'leave' })
    const timer = setTimeout(() => member.worker.process.kill('SIGKILL'), LEAVE_MS)
    await member.gone.promise
    clearTimeout(timer)
  }

  /** Between replacements there is one place more than workers. */
  #free(): number {
    for (let number = 1; ; number += 1)
      if (!this.#members.has(number) && !this.#pending.has(number)) return number
  }

  #launch(
    number: number,
    { begin = {}, isSuccessor = false }: { readonly begin?: Begin; readonly isSuccessor?: boolean } = {},
  ): Member {
    const worker = cluster.fork({ [WORKER]: String(number) })
    const member: Member = {
      number,
      worker,
      isSuccessor,
      ready: Promise.withResolvers(),
      gone: Promise.withResolvers(),
      state: 'starting',
      unanswered: 0,
      owesReload: false,
      like: begin.like,
    }
    member.ready.promise.catch(() => undefined) // heard by who waits for it
    this.#members.set(number, member)
    closeWhatIsLost(worker)
    const { stderr } = worker.process
    if (stderr !== null) passOnLines(stderr, this.#options.write)
    worker.on('message', (message: FromWorker) => this.#hear(member, message))
    worker.on('error', (error) => this.#options.log.debug('a worker was not reached', { of: number, error }))
    worker.once('exit', (code, signal) => this.#ended(member, { code, signal }))
    this.#tell(member, { kind: 'begin', ...begin })
    return member
  }

  #hear(member: Member, message: FromWorker): void {
    const { number } = member
    switch (message.kind) {
      case 'ready':
        if (member.state !== 'starting') return
        member.state = 'ready'
        this.#options.log.info('a worker is ready', { of: number, pid: member.worker.process.pid })
        if (member.owesReload) member.worker.process.kill('SIGHUP')
        member.ready.resolve(message)
        return this.#gotReady(message)
      case 'pong':
        member.unanswered = 0
        return
      case 'farewell':
        return this.#tell(member, message)
      case 'ask':
        return void this.#ask(member, message)
      case 'answer':
        this.#relay.answered(message.id, message.answer)
    }
  }

  #gotReady({ fixed, ...ready }: Started): void {
    if (this.#status !== undefined || this.#isAnnounced) return
    const { workers, onReady } = this.#options
    if (this.#fixed === undefined) {
      this.#fixed = fixed
      for (let number = 2; number <= workers; number += 1) this.#launch(number, { begin: { like: fixed } })
    }
    if (this.#running < workers) return
    this.#isAnnounced = true
    onReady(ready)
  }

  get #running(): number {
    return [...this.#members.values()].filter(({ state }) => state === 'ready').length
  }

  async #ask(member: Member, { id, question }: FromWorker & { readonly kind: 'ask' }): Promise<void> {
    const others = [...this.#members.values()].filter((other) => other !== member && other.state === 'ready')
    const answers = await this.#relay.ask(
      question,
      new Map(
        others.map((other) => [
          other.number,
          (asked, its) => this.#tell(other, { kind: 'asked', id: asked, question: its }),
        ]),
      ),
    )
    this.#tell(member, { kind: 'answers', id, answers })
  }

  #ended(member: Member, { code, signal }: { readonly code: number; readonly signal: string }): void {
    const { number, isSuccessor } = member
    const { log } = this.#options
    const wasReady = member.state !== 'starting'
    const isLeaving = member.state === 'leaving'
    this.#members.delete(number)
    this.#relay.gone(number)
    member.ready.reject(
      new Error(`worker ${number} ended (${signal ?? `status ${code}`}) before it was ready`),
    )
    member.gone.resolve()
    if (this.#status !== undefined) return this.#checkEnd()
    if (isLeaving) return log.info('a worker has left', { of: number })
    log.error('a worker has died', { of: number, status: code, signal, wasReady })
    if (isSuccessor && !wasReady) return
    const restarts = this.#restarts.get(number) ?? new Restarts(() => performance.now())
    this.#restarts.set(number, restarts)
    const { pauseMs, isHopeless } = restarts.died({ wasReady })
    // It has said why, and nothing has run here yet: as a gateway without workers, it is not tried again.
    if (!this.#isAnnounced && code === REFUSED) return this.end(1)
    if (isHopeless && this.#running === 0) {
      log.error('no worker gets ready: this is the end; the lines before say why', { of: number })
      return this.end(1)
    }
    const again = (): void => {
      this.#pending.delete(number)
      this.#launch(number, this.#fixed === undefined ? {} : { begin: { like: this.#fixed } })
    }
    this.#pending.set(number, setTimeout(again, pauseMs))
  }

  #ping(): void {
    for (const member of this.#members.values()) {
      if (member.state !== 'ready') continue
      if (member.unanswered >= MOST_UNANSWERED) {
        this.#options.log.error('a worker stands still: it is killed', { of: member.number })
        member.worker.process.kill('SIGKILL')
        continue
      }
      member.unanswered += 1
      this.#tell(member, { kind: 'ping' })
    }
  }

  #tell({ worker }: Member, message: ToWorker): void {
    if (worker.isConnected()) worker.send(message)
  }

  #checkEnd(): void {
    if (this.#status === undefined || this.#members.size > 0) return
    this.#options.onEnd(this.#status)
  }
}
