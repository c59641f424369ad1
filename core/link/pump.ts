// Pushes an inbox to one link: register, then read; the window and the reader set the pace, the log is the buffer (SEMANTICS 10, 33).
import { GatewayError } from '../api.ts'
import type { Log, Message, MsgFrame } from '../api.ts'
import type { ReadResult, Store, Watch } from '../store/store.ts'
import { FORGET_MS, PAGE_ROWS, RETRY_MS, WINDOW } from './figures.ts'
import type { Looking, Looks } from './looks.ts'

export interface Inbox {
  readonly home: string
  readonly epoch: string
  /** Pushed next is what comes after it. */
  readonly after: number
}

/** What all pumps of a process have in common. */
export interface PumpParts {
  readonly store: Pick<Store, 'read'>
  readonly log: Log
  readonly looks: Looks
}

/** The link that a pump pushes to. */
export interface PumpLink {
  /** Resolves when the transport has taken it; false: the link is gone. */
  push(frame: MsgFrame): Promise<boolean>
  /** The inbox is of another epoch now, or no longer reaches back: where to go on. Undefined: the link ends. */
  lost(why: string): Promise<Inbox | undefined>
}

export interface PumpOptions {
  readonly link: PumpLink
  readonly parts: PumpParts
  /** Registered before the inbox was read for the first time. */
  readonly watch: Watch
}

type Row = Extract<ReadResult, { status: 'rows' }>['rows'][number]

/** Works when there is a reason to, and holds no more than its place while there is none: most links are idle. */
export class Pump implements Looking {
  readonly #link: PumpLink
  readonly #parts: PumpParts
  readonly #watch: Watch
  readonly #hints: AsyncIterator<string>
  #inbox: Inbox
  #sent: number
  #acked: number
  /** What was read and not sent yet, the next one last; forgotten when the reader is slow. */
  #page: Row[] | undefined
  #isStopped = false
  #isHinted = false
  #isWorking = false
  #retry: NodeJS.Timeout | undefined
  #asking: (() => void)[] | undefined

  constructor(inbox: Inbox, { link, parts, watch }: PumpOptions) {
    this.#inbox = inbox
    this.#sent = inbox.after
    this.#acked = inbox.after
    this.#link = link
    this.#parts = parts
    this.#watch = watch
    this.#hints = watch[Symbol.asyncIterator]()
    parts.looks.enter(this)
    this.#listen()
    this.look()
  }

  /** There may be something: a hint, room in the window, or it is time to look without a reason. */
  look(): void {
    this.#isHinted = true
    if (!this.#isWorking && !this.#isStopped) void this.#work()
  }

  /** The app has stored everything up to it. */
  acknowledge(offset: number): void {
    if (offset <= this.#acked) return
    this.#acked = offset
    // Acknowledged over another link of the device: it is not pushed here a second time.
    this.#sent = Math.max(this.#sent, offset)
    this.look()
  }

  /** Another place or another epoch to go on from. */
  goTo(inbox: Inbox): void {
    this.#inbox = inbox
    this.#sent = inbox.after
    this.#acked = inbox.after
    this.#page = undefined
    this.look()
  }

  /** Resolves when what is in the inbox by now was sent, as far as the window allows. */
  caughtUp(): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#asking = [...(this.#asking ?? []), resolve]
    this.look()
    return promise
  }

  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#page = undefined
    clearTimeout(this.#retry)
    this.#parts.looks.leave(this)
    this.#watch.close()
    this.#answer()
  }

  #answer(): void {
    const asking = this.#asking ?? []
    this.#asking = undefined
    for (const answer of asking) answer()
  }

  #listen(): void {
    void this.#hints.next().then(({ done }) => this.#heard(done === true))
  }

  #heard(isOver: boolean): void {
    if (isOver || this.#isStopped) return
    this.look()
    this.#listen()
  }

  async #work(): Promise<void> {
    this.#isWorking = true
    try {
      while (this.#isHinted && !this.#isStopped) {
        this.#isHinted = false
        const asked = this.#asking
        if (await this.#push()) this.#isHinted = true
        else if (asked !== undefined) this.#answered(asked)
      }
    } catch (error) {
      this.#parts.log.warn('an inbox could not be read; it is tried again', {
        home: this.#inbox.home,
        error: GatewayError.from(error).message,
      })
      this.#later()
    } finally {
      this.#isWorking = false
    }
  }

  /** Who has asked before the last look found nothing. */
  #answered(asked: readonly (() => void)[]): void {
    const rest = this.#asking?.filter((answer) => !asked.includes(answer)) ?? []
    this.#asking = rest.length === 0 ? undefined : rest
    for (const answer of asked) answer()
  }

  #later(): void {
    clearTimeout(this.#retry)
    if (!this.#isStopped) this.#retry = setTimeout(() => this.look(), RETRY_MS).unref()
  }

  /** One page at most. False: nothing is there, or nothing may be sent. */
  async #push(): Promise<boolean> {
    const lost = await this.#read()
    if (this.#isStopped) return false
    if (lost !== undefined) return this.#moveOn(lost)
    if (this.#page === undefined) return false
    await this.#sendPage()
    return true
  }

  /** Fills the page. Resolves why the inbox cannot be read from here, if that is so. Of its own, so that nobody else holds the rows. */
  async #read(): Promise<string | undefined> {
    const { home, epoch } = this.#inbox
    const room = this.#acked + WINDOW.down - this.#sent
    if (room <= 0) return undefined
    const page = await this.#parts.store.read({
      home,
      log: { inbox: true },
      after: this.#sent,
      incarnation: epoch,
      limit: Math.min(room, PAGE_ROWS),
    })
    if (page.status === 'reset') return 'the cursor is of another epoch'
    if (page.truncated) return 'the inbox no longer reaches back'
    this.#page = page.rows.length === 0 ? undefined : page.rows.toReversed()
    return undefined
  }

  async #moveOn(why: string): Promise<boolean> {
    const inbox = await this.#link.lost(why)
    if (inbox === undefined) {
      this.stop()
      return false
    }
    this.goTo(inbox)
    return true
  }

  async #sendPage(): Promise<void> {
    const { epoch } = this.#inbox
    const forget = setTimeout(() => {
      this.#page = undefined
    }, FORGET_MS)
    try {
      for (let row = this.#page?.pop(); row !== undefined; row = this.#page?.pop()) {
        const offset = row.offset ?? this.#sent + 1
        if (offset <= this.#sent) continue // acknowledged meanwhile, over another link
        this.#sent = offset
        if (await this.#link.push({ t: 'msg', epoch, offset, message: shown(row.message) })) continue
        this.stop()
        return
      }
    } finally {
      clearTimeout(forget)
      this.#page = undefined
    }
  }
}

/** DESIGN §16: without the bytes it came as. */
function shown({ raw: _raw, ...message }: Message): Omit<Message, 'raw'> {
  return message
}
