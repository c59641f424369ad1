// Pushes an inbox to one link: register, then read; the window and the reader set the pace, the log is the buffer (SEMANTICS 10, 33).
import { GatewayError } from '../api.ts'
import type { DownFrame, Log, Message } from '../api.ts'
import type { ReadResult, Store, Watch } from '../store/store.ts'
import { FORGET_MS, LOOK_MS, PAGE_ROWS, RETRY_MS, WINDOW } from './figures.ts'

export interface Inbox {
  readonly home: string
  readonly epoch: string
  /** Pushed next is what comes after it. */
  readonly after: number
}

export interface PumpOptions {
  readonly store: Pick<Store, 'read'>
  readonly log: Log
  /** Registered before the inbox was read for the first time. */
  readonly watch: Watch
  /** Resolves when the transport has taken it; false: the link is gone. */
  readonly send: (frame: DownFrame) => Promise<boolean>
  /** The inbox is of another epoch now, or no longer reaches back: where to go on. Undefined: the link ends. */
  readonly lost: (why: string) => Promise<Inbox | undefined>
}

type Row = Extract<ReadResult, { status: 'rows' }>['rows'][number]

export class Pump {
  readonly #options: PumpOptions
  readonly #hints: AsyncIterator<string>
  #inbox: Inbox
  #sent: number
  #acked: number
  /** What was read and not sent yet, the next one last; forgotten when the reader is slow. */
  #page: Row[] = []
  #isStopped = false
  #isHinted = true
  #wake: (() => void) | undefined
  #asking: (() => void)[] = []

  constructor(inbox: Inbox, options: PumpOptions) {
    this.#options = options
    this.#inbox = inbox
    this.#sent = inbox.after
    this.#acked = inbox.after
    this.#hints = options.watch[Symbol.asyncIterator]()
    void this.#listen()
    void this.#run()
  }

  /** The app has stored everything up to it. */
  acknowledge(offset: number): void {
    if (offset <= this.#acked) return
    this.#acked = offset
    // Acknowledged over another link of the device: it is not pushed here a second time.
    this.#sent = Math.max(this.#sent, offset)
    this.#nudge()
  }

  /** Another place or another epoch to go on from. */
  goTo(inbox: Inbox): void {
    this.#inbox = inbox
    this.#sent = inbox.after
    this.#acked = inbox.after
    this.#page = []
    this.#nudge()
  }

  /** Resolves when what is in the inbox by now was sent, as far as the window allows. */
  caughtUp(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#asking.push(resolve)
    this.#nudge()
    return promise
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#page = []
    this.#options.watch.close()
    this.#nudge()
    for (const answer of this.#asking) answer()
    this.#asking = []
  }

  #nudge(): void {
    this.#isHinted = true
    this.#wake?.()
  }

  async #listen(): Promise<void> {
    while (!this.#isStopped && (await this.#hints.next()).done !== true) this.#nudge()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const asked = this.#asking
      this.#asking = []
      this.#isHinted = false
      try {
        if (await this.#push()) this.#asking.unshift(...asked)
        else {
          for (const answer of asked) answer()
          await this.#rest(LOOK_MS)
        }
      } catch (error) {
        this.#asking.unshift(...asked)
        this.#options.log.warn('an inbox could not be read; it is tried again', {
          home: this.#inbox.home,
          error: GatewayError.from(error).message,
        })
        this.#isHinted = false
        await this.#rest(RETRY_MS)
      }
    }
  }

  /** One page at most. False: nothing is there, or nothing may be sent. */
  async #push(): Promise<boolean> {
    const lost = await this.#read()
    if (this.#isStopped) return false
    if (lost !== undefined) return this.#moveOn(lost)
    if (this.#page.length === 0) return false
    await this.#sendPage()
    return true
  }

  /** Fills the page. Resolves why the inbox cannot be read from here, if that is so. Of its own, so that nobody else holds the rows. */
  async #read(): Promise<string | undefined> {
    const { home, epoch } = this.#inbox
    const room = this.#acked + WINDOW.down - this.#sent
    if (room <= 0) return undefined
    const page = await this.#options.store.read({
      home,
      log: { inbox: true },
      after: this.#sent,
      incarnation: epoch,
      limit: Math.min(room, PAGE_ROWS),
    })
    if (page.status === 'reset') return 'the cursor is of another epoch'
    if (page.truncated) return 'the inbox no longer reaches back'
    this.#page = page.rows.toReversed()
    return undefined
  }

  async #moveOn(why: string): Promise<boolean> {
    const inbox = await this.#options.lost(why)
    if (inbox === undefined) {
      this.stop()
      return false
    }
    this.goTo(inbox)
    return true
  }

  async #sendPage(): Promise<void> {
    const { send } = this.#options
    const { epoch } = this.#inbox
    const forget = setTimeout(() => {
      this.#page = []
    }, FORGET_MS)
    try {
      for (let row = this.#page.pop(); row !== undefined; row = this.#page.pop()) {
        const offset = row.offset ?? this.#sent + 1
        if (offset <= this.#sent) continue // acknowledged meanwhile, over another link
        this.#sent = offset
        if (await send({ t: 'msg', epoch, offset, message: shown(row.message) })) continue
        this.stop()
        return
      }
    } finally {
      clearTimeout(forget)
      this.#page = []
    }
  }

  /** Until there is a reason to look again, or it is time to look without one. */
  async #rest(ms: number): Promise<void> {
    if (this.#isHinted || this.#isStopped) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, ms).unref()
    await promise
    clearTimeout(timer)
    this.#wake = undefined
  }
}

/** DESIGN §16: without the bytes it came as. */
function shown({ raw: _raw, ...message }: Message): Omit<Message, 'raw'> {
  return message
}
