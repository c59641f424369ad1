// One link from hello to its end: what is on its way over it, what is owed by the gateway, and for how long already.
import type { DownFrame, MsgFrame, NakFrame, WelcomeFrame } from '../../api.ts'
import { frameBytes } from './frame-bytes.ts'
import type { Ledger } from './ledger.ts'
import { Patience } from './patience.ts'
import { subjectOf } from './token.ts'
import type { LinkKind, OpenTransport, Transport } from './types.ts'

export interface LineOptions {
  readonly kind: LinkKind
  readonly address: string
  readonly token: string
  readonly ledger: Ledger
  readonly open: OpenTransport
  readonly onWelcome: (line: Line, welcome: WelcomeFrame) => void
  /** In order; resolves when they are durable. */
  readonly onMessages: (messages: readonly MsgFrame[]) => Promise<boolean>
  /** The cursor cannot be used: the inbox goes on there, or, true, from its beginning, for which hello is said anew. */
  readonly onReset: (at: { readonly epoch: string; readonly top: number; readonly why: string }) => boolean
  /** Once, and not after `close`. */
  readonly onGone: (line: Line, gone: Gone) => void
}

export interface Gone {
  readonly reason: string
  /** `again`: nothing has failed, hello is to be said anew from another place of the inbox. */
  readonly code?: 'replaced' | 'auth' | 'moved' | 'again'
  /** Not before. */
  readonly afterMs?: number
}

export const AGAIN: Gone = { reason: 'the inbox is read from another place', code: 'again' }
const WINDOW = 32
/** Bytes on their way at once; on a slow line each takes its time, and that is granted beside the patience. */
const WINDOW_BYTES = 128 * 1024
const BYTES_PER_MS = 8
const HEARTBEAT_S = 25
const LOOK_MS = 500
/** Names are looked up, TCP and TLS shake hands: more round trips than one. */
const OPENING_MS = 10_000
/** The inbox flows and nothing of ours is answered: the way up is broken. */
const MUTE_MS = 30_000
/** Refused for now: it will be sent a second time. */
const NOT_FLYING = { at: Number.NaN, bytes: 0 }

export class Line {
  readonly kind: LinkKind
  readonly openedAt = performance.now()
  readonly #options: LineOptions
  readonly #transport: Transport
  readonly #patience = new Patience()
  readonly #looking: ReturnType<typeof setInterval>
  #welcome: WelcomeFrame | undefined
  #isActive = false
  #isOver = false
  /** The next number to be sent over this link. */
  #next = 1
  #heldUntil = 0
  /** Since when the gateway owes something; it owes an answer to hello first. */
  #owedSince: number | undefined = performance.now()
  #heardAt = performance.now()
  #answeredAt = performance.now()
  /** What is on its way; `at` is not a number where it was sent twice. And the ping that is not answered. */
  readonly #flying = new Map<number, { readonly at: number; readonly bytes: number }>()
  #pingedAt: number | undefined
  #answers = 0

  constructor(options: LineOptions) {
    this.#options = options
    this.kind = options.kind
    const { address, token, ledger } = options
    this.#transport = options.open({
      address,
      token,
      device: ledger.device,
      hello: () => ledger.hello(),
      onFrames: (frames) => this.#take(frames),
      onGone: ({ reason, isRefused }) => this.#end({ reason, ...(isRefused === true && this.#refusal) }),
      patienceMs: () => this.#patience.ms,
    })
    this.#looking = setInterval(() => this.#look(), LOOK_MS)
  }

  /** A token that was good has run out: no waiting, as the gateway says where it can (`kick auth`, `after: 0`). */
  get #refusal(): Pick<Gone, 'code' | 'afterMs'> {
    return { code: 'auth', ...(this.isWelcome && { afterMs: 0 }) }
  }

  get isWelcome(): boolean {
    return this.#welcome !== undefined
  }
  /** Something was answered beyond the welcome: the way back works too. */
  get isProven(): boolean {
    return this.#answers > 0
  }

  /** From here on it carries what is sent. The ack tells the gateway that the welcome came (SEMANTICS 38). */
  activate(): void {
    this.#isActive = true
    this.acknowledge()
    this.ping()
    this.pump()
  }

  /** It carries nothing new; what it still brings is taken. */
  retire(): void {
    this.#isActive = false
  }

  /** Sends what may be on its way at once. */
  pump(): void {
    if (!this.#isActive || this.#welcome === undefined || this.#isOver) return
    if (performance.now() < this.#heldUntil) return
    const { ledger } = this.#options
    const window = Math.min(this.#welcome.window.up, WINDOW)
    this.#next = Math.max(this.#next, ledger.first)
    for (; this.#next < ledger.first + window && this.#bytes < WINDOW_BYTES; this.#next++) {
      const frame = ledger.sendFrame(this.#next)
      if (frame === undefined) {
        if (ledger.isSettled(this.#next)) continue
        return // there is none yet, or it is not durable here
      }
      const now = performance.now()
      const at = this.#flying.has(frame.n) ? Number.NaN : now
      this.#flying.set(frame.n, { at, bytes: frameBytes(frame) })
      this.#owedSince ??= now
      this.#transport.send([frame])
      ledger.sent(frame.n)
    }
  }

  /** Everything up to the cursor is durable here. */
  acknowledge(): void {
    if (this.kind === 'http' || this.#isOver || this.#welcome === undefined) return // its requests say it
    const { epoch, offset, first } = this.#options.ledger.hello()
    this.#transport.send([{ t: 'ack', epoch, offset, first }])
  }

  ping(): void {
    if (this.kind === 'http' || this.#welcome === undefined || this.#pingedAt !== undefined) return
    this.#pingedAt = performance.now()
    this.#owedSince ??= this.#pingedAt
    this.#transport.send([{ t: 'ping' }])
  }

  close(): void {
    if (this.#isOver) return
    this.#isOver = true
    clearInterval(this.#looking)
    this.#transport.close()
  }

  #end(gone: Gone): void {
    if (this.#isOver) return
    this.close()
    this.#options.onGone(this, gone)
  }

  /** No progress: close, never send again over the same link (DESIGN §12). */
  #look(): void {
    const now = performance.now()
    const patience = this.isWelcome ? this.#patience.ms + this.#bytes / BYTES_PER_MS : OPENING_MS
    const owedFor = now - (this.#owedSince ?? now)
    const isMute = this.#flying.size > 0 && now - this.#answeredAt > MUTE_MS + this.#bytes / BYTES_PER_MS
    if (owedFor > patience || (isMute && now >= this.#heldUntil)) {
      this.#end({ reason: `no answer for ${Math.round(Math.max(owedFor, 1000) / 1000)} s` })
      return
    }
    if (now - this.#heardAt > (this.#welcome?.heartbeat ?? HEARTBEAT_S) * 1000) this.ping()
    this.pump()
  }

  get #bytes(): number {
    let sum = 0
    for (const { bytes } of this.#flying.values()) sum += bytes
    return sum
  }

  async #take(frames: readonly DownFrame[]): Promise<void> {
    this.#heardAt = performance.now()
    const messages: MsgFrame[] = []
    for (const frame of frames) {
      // The frame before may have ended it: an answer over HTTP has reset and welcome together, and the welcome is no longer ours to heed.
      if (this.#isOver) return
      if (frame.t === 'msg') messages.push(frame)
      else {
        this.#answeredAt = performance.now()
        this.#takeOne(frame)
      }
    }
    this.#progress()
    if (messages.length > 0 && !this.#isOver) {
      const isWhole = await this.#options.onMessages(messages)
      if (isWhole) this.acknowledge()
      else this.#end({ reason: 'a message of the inbox is missing' })
    }
    this.pump()
  }

  #takeOne(frame: Exclude<DownFrame, MsgFrame>): void {
    const { ledger, onReset } = this.#options
    switch (frame.t) {
      case 'welcome':
        this.#welcomed(frame)
        return
      case 'ok':
        this.#sample(this.#flying.get(frame.n)?.at)
        this.#answers++
        ledger.settle(frame.n, frame.refused, frame)
        return
      case 'nak':
        this.#nak(frame)
        return
      case 'gap':
        this.#goBack(frame.next, Math.max(50, this.#patience.srttMs))
        return
      case 'pong':
        this.#sample(this.#pingedAt)
        this.#pingedAt = undefined
        this.#answers++
        return
      case 'reset':
        if (onReset(frame)) this.#end(AGAIN)
        return
      case 'kick':
        this.#end({ reason: `kicked: ${frame.code}`, code: frame.code, afterMs: frame.after })
    }
  }

  #welcomed(welcome: WelcomeFrame): void {
    const { ledger, onWelcome, token } = this.#options
    const { inbox } = welcome
    if (!ledger.isOf({ inbox })) return
    ledger.claim(inbox, subjectOf(token))
    // What it has stored under these numbers is not what waits here.
    if (!ledger.gave(welcome.next)) {
      onWelcome(this, welcome)
      return
    }
    ledger.settle(welcome.next - 1, welcome.refused)
    if (this.#welcome === undefined) {
      this.#sample(this.#owedSince)
      this.#next = Math.max(welcome.next, ledger.first)
    }
    const isFirst = this.#welcome === undefined
    this.#welcome = welcome
    if (isFirst || !welcome.recovered) onWelcome(this, welcome)
  }

  #nak({ n, code, message, retry, after = 1000 }: NakFrame): void {
    if (n === undefined) {
      // Not of a message of ours; over and over it would go on for ever.
      this.#end({ reason: `refused: ${code}: ${message}` })
      return
    }
    this.#answers++
    if (retry) this.#goBack(n, after)
    else this.#options.ledger.refuse(n, code)
  }

  /** What is on its way behind it is answered alike; it is sent again when that is through. */
  #goBack(n: number, afterMs: number): void {
    if (n < this.#options.ledger.first) {
      if (this.#options.ledger.waiting > 0)
        this.#end({ reason: `number ${n} is asked for, which was stored` })
      return
    }
    this.#next = Math.min(this.#next, n)
    for (const flying of this.#flying.keys()) if (flying >= n) this.#flying.set(flying, NOT_FLYING)
    this.#heldUntil = Math.max(this.#heldUntil, performance.now() + afterMs)
    setTimeout(() => this.pump(), afterMs + 1)
  }

  /** Something came: what is still owed is owed from now on. */
  #progress(): void {
    const { ledger } = this.#options
    for (const n of this.#flying.keys()) if (ledger.isSettled(n)) this.#flying.delete(n)
    const isHeld = performance.now() < this.#heldUntil
    const isOwed =
      this.#welcome === undefined || this.#pingedAt !== undefined || (!isHeld && this.#flying.size > 0)
    this.#owedSince = isOwed ? performance.now() : undefined
  }

  #sample(since: number | undefined): void {
    if (since !== undefined && !Number.isNaN(since)) this.#patience.sample(performance.now() - since)
  }
}
