// Which link is used: the best one that works, a better one tried beside it, never instead of it (DESIGN §12).
import type { MsgFrame, ResetFrame, WelcomeFrame } from '../../api.ts'
import { checkKind } from './kinds.ts'
import type { Ledger } from './ledger.ts'
import { AGAIN, Line } from './line.ts'
import type { Gone } from './line.ts'
import { BadToken } from './token.ts'
import type { LinkKind, OpenTransport, StateEvent } from './types.ts'

export interface ConductorOptions {
  readonly ledger: Ledger
  readonly links: () => readonly LinkKind[]
  readonly transports: Readonly<Record<LinkKind, { readonly address: string; readonly open: OpenTransport }>>
  readonly token: () => Promise<string>
  readonly onMessages: (messages: readonly MsgFrame[]) => Promise<boolean>
  /** True: the inbox is read from another place than after `top`, for which hello is said anew. */
  readonly onReset: (at: Pick<ResetFrame, 'epoch' | 'top' | 'oldest' | 'why'>) => boolean
  readonly onState: (event: StateEvent) => void
}

/** One kind of link: how it has done lately, and the one that is open or being opened. */
interface Way {
  readonly kind: LinkKind
  failures: number
  /** How often hello was said anew over it (`AGAIN`), since it was a good one. */
  repeats: number
  /** Not tried before. */
  notBefore: number
  isAsking: boolean
  line: Line | undefined
}

/** The next kind is tried beside one that has not been welcomed for so long, or has failed so often. */
const BESIDE_MS = 2500
const BESIDE_FAILURES = 2
/** A new device, a cut and a restored store want a hello or two more; with more than these it is a failure, so that nobody is called without end. */
const REPEATS = 3
const BACKOFF_MS = 500
const BACKOFF_MOST_MS = 8000
/** A better kind is tried this long after a worse one was taken, and later each time it fails. */
const PROBE_MS = 8000
const PROBE_MOST_MS = 60_000
/** A link that has lived for as long is a good one: what went wrong before it is forgotten. */
const GOOD_MS = 20_000
/** The former link is closed when the new one has answered, or after this. */
const HANDOVER_MS = 5000
const REFUSED_MS = 30_000
const TOKEN_MS = 15_000
const TICK_MS = 200

export class Conductor {
  readonly #options: ConductorOptions
  readonly #ways = new Map<LinkKind, Way>()
  readonly #ticking: ReturnType<typeof setInterval>
  #order: readonly LinkKind[] = []
  #active: Line | undefined
  #activatedAt = 0
  /** When the link before the active one was taken. */
  #formerAt = -Infinity
  #retired: Line | undefined
  #seekingSince = performance.now()
  #isOver = false
  #isElsewhere = false
  // What `onState` begins with.
  #status = 'connecting'
  #told = JSON.stringify({ what: 'link', status: 'connecting' })

  constructor(options: ConductorOptions) {
    this.#options = options
    this.#ticking = setInterval(() => this.#tick(), TICK_MS)
    this.#seek()
  }

  /** There is something to send. */
  pump(): void {
    if (this.#isElsewhere) this.hurry()
    this.#active?.pump()
  }

  /** The network is said to be back, or somebody looks: no waiting now, and a link that only seems to live is found out. */
  hurry(): void {
    this.#isElsewhere = false
    for (const way of this.#ways.values()) way.notBefore = 0
    this.#active?.ping()
    if (this.#active === undefined) this.#seek()
  }

  close(): void {
    this.#isOver = true
    clearInterval(this.#ticking)
    this.#active?.close()
    this.#retired?.close()
    for (const { line } of this.#ways.values()) line?.close()
  }

  /** Begins to look for a link, the best kind first. */
  #seek(isTold = true): void {
    this.#order = this.#options.links()
    this.#seekingSince = performance.now()
    if (this.#order.length === 0) this.#tell('connecting', undefined, 'links names none')
    else if (isTold) this.#tell('connecting')
    this.#tick()
  }

  #tick(): void {
    if (this.#isOver || this.#isElsewhere) return
    const now = performance.now()
    if (this.#active === undefined) this.#open(now)
    else {
      this.#probe(now, this.#active)
      if (this.#retired !== undefined && (this.#active.isProven || now - this.#activatedAt > HANDOVER_MS)) {
        this.#retired.close()
        this.#retired = undefined
      }
      if (now - this.#activatedAt > GOOD_MS) {
        const way = this.#way(this.#active.kind)
        way.failures = 0
        way.repeats = 0
      }
    }
  }

  /** Every kind down to the first that is still to be given a chance. */
  #open(now: number): void {
    for (const [index, kind] of this.#order.entries()) {
      const way = this.#way(kind)
      if (way.line === undefined && !way.isAsking && now >= way.notBefore) this.#begin(way)
      const isTried = now - this.#seekingSince > BESIDE_MS * (index + 1) || way.failures >= BESIDE_FAILURES
      if (!isTried) return
    }
  }

  #probe(now: number, active: Line): void {
    for (const kind of this.#order.slice(0, Math.max(0, this.#order.indexOf(active.kind)))) {
      const way = this.#way(kind)
      const wait = Math.min(PROBE_MOST_MS, PROBE_MS * 2 ** Math.max(0, way.failures - 1))
      const isTime = now - Math.max(way.notBefore, this.#activatedAt) > wait
      if (way.line === undefined && !way.isAsking && isTime) this.#begin(way)
    }
  }

  #begin(way: Way): void {
    way.isAsking = true
    void this.#ask(way)
  }

  async #ask(way: Way): Promise<void> {
    const late = setTimeout(() => this.#unasked(way, 'the token takes too long'), TOKEN_MS)
    try {
      const token = await this.#options.token()
      if (way.isAsking) this.#connect(way, token)
    } catch (error) {
      this.#unasked(way, `no token: ${String(error)}`, error instanceof BadToken)
    } finally {
      clearTimeout(late)
    }
  }

  #unasked(way: Way, reason: string, isBad = false): void {
    if (!way.isAsking) return
    way.isAsking = false
    this.#failed(way, { reason, ...(isBad && { code: 'auth' }) })
  }

  #connect(way: Way, token: string): void {
    const { ledger, transports, onMessages, onReset } = this.#options
    way.isAsking = false
    if (this.#isOver || way.line !== undefined) return
    try {
      checkKind(way.kind, 'link')
      way.line = new Line({
        ...transports[way.kind],
        kind: way.kind,
        token,
        ledger,
        onMessages,
        onReset,
        onWelcome: (line, welcome) => this.#welcomed(line, welcome),
        onGone: (line, gone) => this.#gone(line, gone),
      })
    } catch (error) {
      // A browser refuses ws: from a page of https: and the like; a function has named a link that is none.
      this.#failed(way, { reason: String(error) })
    }
  }

  #welcomed(line: Line, welcome: WelcomeFrame): void {
    const { ledger, onReset } = this.#options
    // A retired one: where the inbox goes on is the new one's to say.
    if (this.#way(line.kind).line !== line) return
    if (!ledger.gave(welcome.next)) {
      // A box that cannot be written ends the client, which the ledger has told.
      this.#startNewBoot().catch(() => undefined)
      return
    }
    if (welcome.recovered) ledger.begin(welcome.epoch)
    else if (onReset({ ...welcome, why: 'the inbox no longer reaches back' })) {
      this.#gone(line, AGAIN)
      return
    }
    if (this.#active === line) return
    if (this.#active !== undefined && this.#rank(line) >= this.#rank(this.#active)) {
      this.#drop(line)
      return
    }
    this.#retired?.close()
    this.#retired = this.#active
    if (this.#retired !== undefined) {
      this.#retired.retire()
      this.#way(this.#retired.kind).line = undefined
      this.#formerAt = this.#activatedAt
    }
    this.#active = line
    this.#activatedAt = performance.now()
    for (const { line: other } of this.#ways.values())
      if (other !== undefined && other !== line && this.#rank(other) > this.#rank(line)) this.#drop(other)
    line.activate()
    this.#tell('online', line.kind)
  }

  /** An old copy of this outbox: what it says now was said under other numbers. All that is open speaks for the former boot. */
  async #startNewBoot(): Promise<void> {
    const lines = [...this.#ways.values()].flatMap(({ line }) => line ?? [])
    for (const line of lines) line.close()
    this.#retired?.close()
    this.#retired = undefined
    await this.#options.ledger.startNewBoot()
    for (const line of lines) this.#gone(line, { reason: 'the outbox is an old copy' })
  }

  #gone(line: Line, gone: Gone): void {
    line.close()
    if (line === this.#retired) this.#retired = undefined
    const way = this.#way(line.kind)
    if (way.line !== line) return
    way.line = undefined
    const wasActive = line === this.#active
    if (wasActive) this.#active = undefined
    // By another process; unless there was another link of ours, of which the gateway heard after this one.
    this.#isElsewhere ||= wasActive && gone.code === 'replaced' && this.#formerAt < line.openedAt
    if (gone.code === 'again' && ++way.repeats <= REPEATS) {
      way.notBefore = 0
      if (this.#active === undefined) this.#seek()
      return
    }
    this.#failed(way, gone)
    if (!wasActive) return
    if (this.#isElsewhere) this.#tell('elsewhere', undefined, gone.reason)
    else this.#seek(false)
  }

  /** Full jitter: all apps lose their links at the same moment, and come back at different ones. */
  #failed(way: Way, gone: Gone): void {
    const { reason, afterMs = 0 } = gone
    way.failures++
    const most = Math.min(BACKOFF_MOST_MS, BACKOFF_MS * 2 ** (way.failures - 1))
    const wait = isRefused(gone) ? Math.max(afterMs, REFUSED_MS) : afterMs + Math.random() * most
    way.notBefore = performance.now() + wait
    if (this.#active !== undefined || this.#isElsewhere) return
    if (isRefused(gone)) this.#tell('refused', undefined, reason)
    // A browser is not told why its WebSocket failed: what another link was told stands.
    else if (this.#status !== 'refused') this.#tell('connecting', undefined, `${way.kind}: ${reason}`)
  }

  #drop(line: Line): void {
    line.close()
    const way = this.#way(line.kind)
    if (way.line === line) way.line = undefined
  }

  #rank(line: Line): number {
    const rank = this.#order.indexOf(line.kind)
    return rank < 0 ? this.#order.length : rank
  }

  #way(kind: LinkKind): Way {
    const known = this.#ways.get(kind)
    if (known !== undefined) return known
    const way: Way = { kind, failures: 0, repeats: 0, notBefore: 0, isAsking: false, line: undefined }
    this.#ways.set(kind, way)
    return way
  }

  #tell(status: 'connecting' | 'online' | 'elsewhere' | 'refused', link?: LinkKind, reason?: string): void {
    const event: StateEvent = {
      what: 'link',
      status,
      ...(link !== undefined && { link }),
      ...(reason !== undefined && { reason }),
    }
    const text = JSON.stringify(event)
    if (text === this.#told || this.#isOver) return
    this.#told = text
    this.#status = status
    this.#options.onState(event)
  }
}

/** The credential is none. One that has only run out is kicked with `after: 0`: the next link asks for a new one. */
function isRefused({ code, afterMs }: Gone): boolean {
  return code === 'auth' && afterMs !== 0
}
