// Frame topics: the client protocol of DESIGN §12 on dragoman/v1/{device}/up and /down. The device is the MQTT client id.
import { GatewayError } from 'dragoman'
import type { ChannelHost, DownFrame, Link } from 'dragoman'

import { downOf } from './grants.ts'
import type { Session } from './session.ts'

export interface Frames {
  /** Resolves when every frame is answered: PUBACK says no more than that (SEMANTICS 43). Rejects with `STORE_UNAVAILABLE`, `FORBIDDEN`. */
  receive(payload: Uint8Array): Promise<void>
  /** The client has subscribed to what goes down. */
  subscribed(): void
  close(): void
}

/** Frames for a client that has not subscribed yet: a welcome that overtakes the SUBSCRIBE, and little more. */
const MAX_HELD = 64
const NOT_A_CUSTOMER_MS = 60_000

/** The frames of a client whose id can stand in a topic. */
export function createFrames(session: Session, host: Pick<ChannelHost, 'link'>): Frames {
  return new SessionFrames(session, host)
}

class SessionFrames implements Frames {
  readonly #session: Session
  readonly #host: Pick<ChannelHost, 'link'>
  #held: DownFrame[] | undefined
  #link: Link | undefined

  constructor(session: Session, host: Pick<ChannelHost, 'link'>) {
    this.#session = session
    this.#host = host
  }

  async receive(payload: Uint8Array): Promise<void> {
    this.#link ??= this.#open()
    // Who is no customer is told so, which ends the connection.
    if (this.#link === undefined) await this.#write({ t: 'kick', code: 'auth', after: NOT_A_CUSTOMER_MS })
    else await this.#link.receive(payload)
  }

  subscribed(): void {
    for (const frame of this.#held ?? []) void this.#write(frame)
    this.#held = undefined
  }

  close(): void {
    this.#link?.close()
  }

  get #down(): string {
    return downOf(this.#session.id) ?? ''
  }

  async #write(frame: DownFrame): Promise<boolean> {
    // QoS 0: TCP orders, and `ack` and resume do the rest.
    const sent = await this.#session.publish(this.#down, JSON.stringify(frame), { qos: 0 })
    if (frame.t === 'kick') this.#session.finish()
    return sent === 'written'
  }

  #send(frame: DownFrame): Promise<unknown> | void {
    if (this.#session.filters.has(this.#down)) return this.#write(frame)
    // It must not wait: nothing more is read from the client, the SUBSCRIBE neither, until its publish is answered.
    this.#held ??= []
    this.#held.push(frame)
    if (this.#held.length > MAX_HELD) return Promise.resolve(false)
  }

  #open(): Link | undefined {
    const { id: device, who, filters } = this.#session
    try {
      return this.#host.link(who, (frame) => this.#send(frame), { device })
    } catch (error) {
      if (GatewayError.from(error).code !== 'FORBIDDEN' || !filters.has(this.#down)) throw error
      return undefined
    }
  }
}
