// Frame topics: the client protocol of DESIGN §12 on dragoman/v1/{device}/up and /down. The device is the MQTT client id.
import { GatewayError } from 'dragoman'
import type { ChannelHost, DownFrame, Link } from 'dragoman'

import type { Session } from './session.ts'

export interface Frames {
  /** Resolves when every frame is answered: PUBACK says no more than that (SEMANTICS 43). Rejects with `STORE_UNAVAILABLE`, `FORBIDDEN`. */
  receive(payload: Uint8Array): Promise<void>
  /** The client has subscribed to what goes down. */
  subscribed(): void
  close(): void
}

export interface FrameTopics {
  readonly device: string
  readonly down: string
}

/** Frames for a client that has not subscribed yet: a welcome that overtakes the SUBSCRIBE, and little more. */
const MAX_HELD = 64
const NOT_A_CUSTOMER_MS = 60_000

export function createFrames(
  session: Session,
  { device, down }: FrameTopics,
  host: Pick<ChannelHost, 'link'>,
): Frames {
  const held: DownFrame[] = []
  let link: Link | undefined

  async function write(frame: DownFrame): Promise<boolean> {
    // QoS 0: TCP orders, and `ack` and resume do the rest.
    const sent = await session.publish(down, JSON.stringify(frame), { qos: 0 })
    if (frame.t === 'kick') session.finish()
    return sent === 'written'
  }

  function send(frame: DownFrame): Promise<unknown> | void {
    if (session.filters.has(down)) return write(frame)
    // It must not wait: nothing more is read from the client, the SUBSCRIBE neither, until its publish is answered.
    held.push(frame)
    if (held.length > MAX_HELD) return Promise.resolve(false)
  }

  function open(): Link | undefined {
    try {
      return host.link(session.who, send, { device })
    } catch (error) {
      if (GatewayError.from(error).code !== 'FORBIDDEN' || !session.filters.has(down)) throw error
      return undefined
    }
  }

  return {
    async receive(payload) {
      link ??= open()
      // Who is no customer is told so, which ends the connection.
      if (link === undefined) await write({ t: 'kick', code: 'auth', after: NOT_A_CUSTOMER_MS })
      else await link.receive(payload)
    },
    subscribed() {
      for (const frame of held.splice(0)) void write(frame)
    },
    close() {
      link?.close()
    },
  }
}
