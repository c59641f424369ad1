// Frame topics: the client protocol of DESIGN §12 on dragoman/v1/{device}/up and /down. The device is the MQTT client id.
import { GatewayError } from 'dragoman'
import type { ChannelHost, DownFrame, Link, Scope } from 'dragoman'

import { downOf } from './grants.ts'
import type { Session } from './session.ts'

export interface Frames {
  /** Resolves when every frame is answered: PUBACK says no more than that (SEMANTICS 43). Rejects with `STORE_UNAVAILABLE`, `FORBIDDEN`. */
  receive(payload: Uint8Array): Promise<void>
  /** The client has subscribed to what goes down. */
  subscribed(): void
  close(): void
}

export interface FramesOptions {
  readonly host: Pick<ChannelHost, 'link'>
  readonly scope: Pick<Scope, 'log' | 'metrics'>
}

/** Frames for a client that has not subscribed yet: a welcome that overtakes the SUBSCRIBE, and little more. Beyond them it is cut. */
const MAX_HELD = 64
const NOT_A_CUSTOMER_MS = 60_000

/** The frames of a client whose id can stand in a topic. */
export function createFrames(session: Session, options: FramesOptions): Frames {
  return new SessionFrames(session, options)
}

class SessionFrames implements Frames {
  readonly #session: Session
  readonly #options: FramesOptions
  #held: DownFrame[] | undefined
  /** When what is held has gone out, or never will. */
  #hearing: PromiseWithResolvers<boolean> | undefined
  #link: Link | undefined
  #isSentAway = false

  constructor(session: Session, options: FramesOptions) {
    this.#session = session
    this.#options = options
  }

  async receive(payload: Uint8Array): Promise<void> {
    this.#link ??= this.#open()
    if (this.#link === undefined) await this.#sendAway()
    else await this.#link.receive(payload)
  }

  subscribed(): void {
    for (const frame of this.#held ?? []) void this.#write(frame)
    this.#end(true)
  }

  close(): void {
    this.#link?.close()
    this.#end(false)
  }

  get #down(): string {
    return downOf(this.#session.id) ?? ''
  }

  #end(isHeard: boolean): void {
    this.#held = undefined
    this.#hearing?.resolve(isHeard)
    this.#hearing = undefined
  }

  async #write(frame: DownFrame): Promise<boolean> {
    // QoS 0: TCP orders, and `ack` and resume do the rest.
    const sent = await this.#session.publish(this.#down, JSON.stringify(frame), { qos: 0 })
    if (frame.t === 'kick') this.#session.finish()
    return sent === 'written'
  }

  #send(frame: DownFrame): Promise<unknown> | void {
    if (this.#session.filters.has(this.#down)) return this.#write(frame)
    // The link is over, and nobody is there to hear why.
    if (frame.t === 'kick') return this.#session.finish()
    this.#held ??= []
    this.#held.push(frame)
    if (this.#held.length > MAX_HELD) return this.#cut()
    // An answer must not wait: nothing more is read from the client, the SUBSCRIBE neither, until its publish is answered. The inbox may.
    if (frame.t !== 'msg') return
    this.#hearing ??= Promise.withResolvers()
    return this.#hearing.promise
  }

  /** PUBACK would say that a frame was answered: from here on none could be kept. */
  #cut(): Promise<false> {
    const { scope } = this.#options
    scope.metrics.count('mqtt_refused', { reason: 'not subscribed' })
    scope.log.warn('a client sends frames and does not subscribe to what goes down: its connection ends', {
      client: this.#session.id,
    })
    this.#session.close()
    return Promise.resolve(false)
  }

  /** Undefined: it is no customer's. */
  #open(): Link | undefined {
    const { id: device, who } = this.#session
    try {
      return this.#options.host.link(who, (frame) => this.#send(frame), { device })
    } catch (error) {
      const { code } = GatewayError.from(error)
      if (code !== 'FORBIDDEN' && code !== 'AUTH_FAILED') throw error
      return undefined
    }
  }

  /** Said where it can be heard, and in the log: else it would come again and again and nobody knew why. */
  async #sendAway(): Promise<void> {
    if (this.#isSentAway) return
    this.#isSentAway = true
    const { scope } = this.#options
    scope.metrics.count('mqtt_refused', { reason: 'no customer' })
    scope.log.warn("a client sends frames without a customer's token for password: its connection ends", {
      client: this.#session.id,
    })
    if (this.#session.filters.has(this.#down))
      await this.#write({ t: 'kick', code: 'auth', after: NOT_A_CUSTOMER_MS })
    else this.#session.close()
  }
}
