// One link: frames in, frames out, one at a time per device (DESIGN §12). The state belongs to the customer and his device, never to it.
import { GatewayError } from '../api.ts'
import type {
  AckFrame,
  DownFrame,
  HelloFrame,
  Identity,
  Json,
  KickFrame,
  Link,
  LinkOptions,
  LinkSend,
  RefusedFrame,
  SendFrame,
  UpFrame,
} from '../api.ts'
import type { Store } from '../store/store.ts'
import { chainOf } from './chains.ts'
import type { Chains } from './chains.ts'
import { readFrames } from './codec.ts'
import type { Arrival } from './codec.ts'
import { ARRIVALS_WAITING, AUTH_AFTER_MS, HEARTBEAT_S, REFUSALS_TOLD, RETRY_MS, WINDOW } from './figures.ts'
import { greet, inboxName, standing, unreachable } from './greeting.ts'
import type { ResetAt, Welcomed } from './greeting.ts'
import { Pump } from './pump.ts'
import type { Inbox, PumpLink, PumpParts } from './pump.ts'
import type { LinkChannel, Outbox, Taken, Uplink } from './uplink.ts'

export interface SessionOptions extends LinkOptions {
  readonly channel: LinkChannel
  readonly identity: Identity
  readonly home: string
  readonly send: LinkSend
  readonly shared: SharedParts
}

/** What all links of a process have in common: ten thousand of them hold it once. */
export interface SharedParts extends PumpParts {
  readonly store: Store
  readonly uplink: Uplink
  /** One per device, for the store alone: a push that a dead peer does not take would hold up the device's next link. */
  readonly chains: Chains
  /** It was welcomed under this name of customer and device, or has left it. */
  readonly onEntered: (session: Session, device: string) => void
  readonly onLeft: (session: Session, device: string) => void
  /** The app has answered the welcome: older links of the device may go (SEMANTICS 38). */
  readonly onConfirmed: (session: Session, device: string) => void
  readonly onClosed: (session: Session) => void
  /** SEMANTICS 13. */
  readonly onJump: (by: number) => void
}

/** What a hello has made known. */
interface Opened {
  readonly outbox: Outbox
  readonly pump: Pump
  epoch: string
  /** The one before, if the epoch changed under this link: acknowledgements of it are of no use and no harm. */
  formerEpoch: string | undefined
  /** This link has told all refusals of numbers up to here. */
  told: number
}

const IDLE: Promise<void> = Promise.resolve()

export class Session implements Link, PumpLink {
  readonly home: string
  readonly isTransient: boolean
  /** Its last welcome, on `performance.now()`, whole milliseconds. */
  welcomedAt = 0
  readonly #channel: LinkChannel
  readonly #identity: Identity
  /** The only one that may say hello here. */
  readonly #device: string | undefined
  readonly #send: LinkSend
  readonly #shared: SharedParts
  /** While something waits. */
  #tail: Promise<void> | undefined
  #waiting = 0
  #arrivals = 0
  /** The arrival that held the hello: what came along with it was sent before the welcome was seen. */
  #welcomedIn = 0
  #isConfirmed = false
  #isClosed = false
  #opened: Opened | undefined

  constructor({ channel, identity, home, send, shared, device, transient = false }: SessionOptions) {
    this.home = home
    this.isTransient = transient
    this.#channel = channel
    this.#identity = identity
    this.#device = device
    this.#send = send
    this.#shared = shared
  }

  receive(frames: string | Uint8Array | Json): Promise<void> {
    const arrivals = readFrames(frames)
    if (this.#waiting >= ARRIVALS_WAITING) return this.#refuseAll(arrivals)
    this.#waiting++
    const done = (this.#tail ?? IDLE).then(() => this.#takeAll(arrivals))
    const ended = (): void => {
      if (--this.#waiting === 0) this.#tail = undefined
    }
    this.#tail = done.then(ended, ended)
    return done
  }

  async caughtUp(): Promise<void> {
    await this.#opened?.pump.caughtUp()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#leave()
    this.#shared.onClosed(this)
  }

  /** The last frame of this link. Resolves when the transport has taken it, or never will. */
  async kick(code: KickFrame['code'], after: number): Promise<void> {
    if (this.#isClosed) return
    const told = this.push({ t: 'kick', code, after })
    this.close()
    await told
  }

  /** A frame to the app. False: the link is gone. */
  async push(frame: DownFrame): Promise<boolean> {
    if (this.#isClosed) return false
    try {
      const taken = this.#send(frame)
      if (taken === undefined || (await taken) !== false) return !this.#isClosed
    } catch (error) {
      this.#shared.log.debug('a frame was not taken by the transport', { error })
    }
    this.close()
    return false
  }

  /** Asks where the inbox stands now, and says so. Undefined: the link is gone. */
  async lost(why: string): Promise<Inbox | undefined> {
    const opened = this.#opened
    if (opened === undefined || this.#isClosed) return undefined
    const { home } = this
    const { epoch, top, oldest } = await standing(this.#shared.store, opened.outbox)
    if (epoch !== opened.epoch) opened.formerEpoch = opened.epoch
    opened.epoch = epoch
    return (await this.push({ t: 'reset', epoch, top, oldest, why }))
      ? { home, epoch, after: top }
      : undefined
  }

  #leave(): void {
    const opened = this.#opened
    if (opened === undefined) return
    this.#opened = undefined
    opened.pump.stop()
    this.#shared.onLeft(this, chainOf(opened.outbox))
  }

  async #takeAll(arrivals: readonly Arrival[]): Promise<void> {
    this.#arrivals++
    for (const arrival of arrivals) {
      if (this.#isClosed) return
      if (arrival.status === 'frame') await this.#take(arrival.frame)
      else await this.#refuse(arrival)
    }
  }

  /** Too much came at once: nothing is kept, the app comes again. */
  async #refuseAll(arrivals: readonly Arrival[]): Promise<void> {
    for (const arrival of arrivals) {
      const named = arrival.status === 'refused' ? arrival : arrival.frame.t === 'send' ? arrival.frame : {}
      const error = new GatewayError(
        'OVERLOADED',
        `more than ${ARRIVALS_WAITING} wait: keep to the window of ${WINDOW.up}`,
      )
      await this.#later(named, error)
    }
  }

  async #take(frame: UpFrame): Promise<void> {
    switch (frame.t) {
      case 'hello':
        return this.#hello(frame)
      case 'send':
        return this.#store(frame)
      case 'ack':
        return this.#ack(frame)
      case 'ping':
        await this.push({ t: 'pong' })
        return
      case 'signal':
        return // may be lost: nobody listens to customers' signals but a desk
    }
  }

  async #hello(frame: HelloFrame): Promise<void> {
    const only = this.#device
    const { device, boot } = frame
    if (only !== undefined && only !== device) {
      this.#shared.log.warn('a link said hello for another device', { device: only, said: device })
      void this.kick('auth', AUTH_AFTER_MS)
      return
    }
    const outbox: Outbox = {
      channel: this.#channel,
      identity: this.#identity,
      home: this.home,
      device: only ?? device,
      boot,
    }
    await this.#open(outbox, frame)
  }

  async #open(outbox: Outbox, frame: HelloFrame): Promise<void> {
    const { home } = this
    const { store, chains, log, uplink, onJump, onEntered } = this.#shared
    const { first, epoch, offset } = frame
    this.#leave() // hello again, perhaps of another device
    // Register first, then read: nothing falls in between.
    const watch = store.watch([`inbox:${home}`])
    let inbox: Inbox
    let welcomed: Welcomed
    try {
      const cursor = { first, epoch, offset }
      const onReset = (at: ResetAt): void => void this.push({ t: 'reset', ...at })
      const found = await chains.run(chainOf(outbox), () => greet(store, outbox, { cursor, onReset }))
      welcomed = found.welcomed
      const { next, jumped, top, oldest, refused } = welcomed
      if (jumped > 0) {
        log.warn('numbers of a device were lost; they are jumped', { ...nameOf(outbox), jumped, next })
        onJump(jumped)
      }
      if (next - jumped === 1) await uplink.greet(outbox)
      inbox = { home, epoch: welcomed.epoch, after: found.isRecovered ? Math.min(offset, top) : top }
      this.#welcomedIn = this.#arrivals
      this.#isConfirmed = false
      const isSent = await this.push({
        t: 'welcome',
        epoch: welcomed.epoch,
        top,
        oldest,
        recovered: found.isRecovered,
        next,
        refused,
        window: WINDOW,
        heartbeat: HEARTBEAT_S,
        inbox: inboxName(home),
      })
      if (!isSent || this.#isClosed) {
        watch.close()
        return
      }
    } catch (error) {
      watch.close()
      throw unreachable(error)
    }
    this.#opened = {
      outbox,
      pump: new Pump(inbox, { link: this, parts: this.#shared, watch }),
      epoch: welcomed.epoch,
      formerEpoch: epoch === '' || epoch === welcomed.epoch ? undefined : epoch,
      told: welcomed.next - 1,
    }
    onEntered(this, chainOf(outbox))
  }

  async #store(frame: SendFrame): Promise<void> {
    const opened = this.#opened
    if (opened === undefined) {
      await this.#later(frame, new GatewayError('DECODE_FAILED', 'say hello first'), 0)
      return
    }
    const { outbox } = opened
    const { chains, uplink } = this.#shared
    await this.#answer(opened, frame, await chains.run(chainOf(outbox), () => uplink.take(outbox, frame)))
    this.#confirm()
  }

  /** A frame that is none; where it names a number, the refusal is that number's result. */
  async #refuse(arrival: Extract<Arrival, { status: 'refused' }>): Promise<void> {
    const { n, id = '', code, message } = arrival
    const opened = this.#opened
    if (n === undefined || opened === undefined) {
      await this.push({
        t: 'nak',
        ...(n !== undefined && { n }),
        ...(id !== '' && { id }),
        code,
        message,
        retry: n !== undefined,
        ...(n !== undefined && { after: RETRY_MS }),
      })
      return
    }
    const { outbox } = opened
    const { chains, uplink } = this.#shared
    const why = { code, message }
    const taken = await chains.run(chainOf(outbox), () => uplink.refuse(outbox, { n, id }, why))
    await this.#answer(opened, { n, id }, taken)
  }

  async #answer(opened: Opened, { n, id }: { n: number; id: string }, taken: Taken): Promise<void> {
    switch (taken.status) {
      case 'stored': {
        const { messageId, sequence, duplicate } = taken
        const refused = toldWith(taken.refused ?? [], opened.told)
        opened.told = Math.max(opened.told, n)
        await this.push({
          t: 'ok',
          n,
          id,
          messageId,
          sequence,
          duplicate,
          ...(refused.length > 0 && { refused }),
        })
        return
      }
      case 'gap':
        await this.push({ t: 'gap', next: taken.next })
        return
      case 'refused': {
        const { code, message } = taken
        await this.push({ t: 'nak', n, id, code, message, retry: false })
        return
      }
      case 'later':
        await this.#later({ n, id }, taken.error)
    }
  }

  /** Its number is not used up. Throws what the transport must not acknowledge. */
  async #later(
    { n, id }: { readonly n?: number; readonly id?: string },
    error: GatewayError,
    after = error.retryAfterMs ?? RETRY_MS,
  ): Promise<void> {
    const { code, message } = error
    await this.push({
      t: 'nak',
      ...(n !== undefined && { n }),
      ...(id !== undefined && { id }),
      code,
      message,
      retry: true,
      after,
    })
    if (code === 'STORE_UNAVAILABLE') throw error
  }

  async #ack({ epoch, offset, first }: AckFrame): Promise<void> {
    const opened = this.#opened
    if (opened === undefined) {
      await this.push({ t: 'nak', code: 'DECODE_FAILED', message: 'say hello first', retry: false })
      return
    }
    if (epoch === opened.formerEpoch && epoch !== opened.epoch) return
    const { chains, store } = this.#shared
    const { home, device, boot } = opened.outbox
    const passed = first !== undefined && { first }
    try {
      const acked = { home, device, boot, epoch, offset, ...passed }
      const result = await chains.run(chainOf(opened.outbox), () => store.ack(acked))
      if (result.status === 'ahead') {
        const inbox = await this.lost('the ack is beyond the inbox, or of another epoch')
        if (inbox !== undefined) opened.pump.goTo(inbox)
      } else {
        opened.pump.acknowledge(offset)
      }
    } catch (error) {
      throw unreachable(error)
    }
    this.#confirm()
  }

  #confirm(): void {
    if (this.#isConfirmed || this.#opened === undefined || this.#arrivals <= this.#welcomedIn) return
    this.#isConfirmed = true
    this.#shared.onConfirmed(this, chainOf(this.#opened.outbox))
  }
}

/** All that this link has not told, so that what `ok` does not list is stored; of the others the last (SEMANTICS 14). */
function toldWith(refused: readonly RefusedFrame[], told: number): readonly RefusedFrame[] {
  return refused.filter(({ n }, at) => n > told || at >= refused.length - REFUSALS_TOLD)
}

function nameOf({ home, device, boot }: Outbox): Readonly<Record<string, string>> {
  return { home, device, boot }
}
