// GET /v1/ws: the client protocol over a WebSocket; each text message is a frame or an array of frames.
import { GatewayError } from 'dragoman'
import type {
  ChannelHost,
  DownFrame,
  Identity,
  KickFrame,
  Link,
  Log,
  Socket,
  SocketHandler,
  SocketOptions,
} from 'dragoman'
import { LRUCache } from 'lru-cache'

import { decodeUtf8, isObject } from '../data/json.ts'

/** DESIGN §16: one frame of an app. What an app gets is a whole message, whatever its size. */
const FRAME_BYTES = 64 * 1024
/** One frame, and room for several, so that one that is too large can still be refused by its number. */
const MESSAGE_BYTES = 256 * 1024

const TRY_LATER = 1013
/** RFC 6455 §7.4.1; what our own limit ends is seen as 1006. */
const TOO_BIG = 1009
/** Devices of which it is known that they were told of. */
const DEVICES_WARNED = 1000
/** RFC 6455 §7.4: 1012 service restart, 1008 policy, 4000 and above are our own. */
const KICKED: Readonly<Record<KickFrame['code'], number>> = { moved: 1012, auth: 1008, replaced: 4001 }

export const socketOptions: SocketOptions = {
  protocols: ['dragoman.1'],
  messageBytes: MESSAGE_BYTES,
  admit({ identity }) {
    if (identity.role !== 'customer')
      throw new GatewayError(
        'AUTH_FAILED',
        "a link is one customer's own: send his token as Authorization, or as the subprotocol bearer.TOKEN",
      )
  },
}

/** Takes the WebSockets of one channel: opens the link of each. A message is read when the frames of the one before are answered. */
export function socketTaker(host: ChannelHost, log: Log): SocketHandler {
  const warned = new LRUCache<string, true>({ max: DEVICES_WARNED })

  /** It comes back and gets the same frame again, for ever. */
  function onTooBig({ id: customer }: Identity, device: string, bytes: number): void {
    const name = JSON.stringify([customer, device])
    if (warned.has(name)) return
    warned.set(name, true)
    log.warn(
      'an app closes its WebSocket over a frame that is too large for it, and gets no further: raise the maximum of its library (max_size, maxPayload) to what /asyncapi.json says, or set none',
      { customer, device, bytes },
    )
  }

  return (socket, { identity }) => openLink(socket, { host, identity, onTooBig })
}

interface LinkParts {
  readonly host: ChannelHost
  readonly identity: Identity
  /** The app has closed with 1009 after a frame of so many bytes. */
  readonly onTooBig: (who: Identity, device: string, bytes: number) => void
}

function openLink(socket: Socket, { host, identity, onTooBig }: LinkParts): void {
  let isWelcome = false
  let hello: string | Uint8Array = ''
  let device = ''
  let largest = 0
  const send = (frame: DownFrame): Promise<boolean> => {
    if (frame.t === 'welcome' && !isWelcome) {
      isWelcome = true
      device = deviceIn(hello)
      hello = ''
    }
    const text = JSON.stringify(frame)
    largest = Math.max(largest, Buffer.byteLength(text))
    const sent = socket.send(text)
    if (frame.t === 'kick') socket.close(KICKED[frame.code], frame.code)
    return sent
  }
  const link: Link = host.link(identity, send)
  socket.onClose((code) => {
    link.close()
    if (code === TOO_BIG && largest > FRAME_BYTES) onTooBig(identity, device, largest)
  })
  socket.onMessage(async (message) => {
    if (!isWelcome) hello = message
    try {
      await link.receive(message)
    } catch (error) {
      // The store cannot be reached. A send was told so by its nak; a hello has no answer but this.
      if (!isWelcome) socket.close(TRY_LATER, GatewayError.from(error).code)
    }
  })
}

/** For the log. Empty: it cannot be read. */
function deviceIn(message: string | Uint8Array): string {
  try {
    const said: unknown = JSON.parse(typeof message === 'string' ? message : decodeUtf8(message))
    const frames: readonly unknown[] = Array.isArray(said) ? said : [said]
    const hello = frames.find((frame) => isObject(frame) && frame['t'] === 'hello')
    return isObject(hello) && typeof hello['device'] === 'string' ? hello['device'] : ''
  } catch {
    return ''
  }
}
