// GET /v1/ws: the client protocol over a WebSocket; each text message is a frame or an array of frames.
import { GatewayError } from 'dragoman'
import type { ChannelHost, HttpRequest, KickFrame, Link, Socket, SocketOptions } from 'dragoman'

/** 64 KiB for one frame (DESIGN §16), and room for several, so that one that is too large can still be refused by its number. */
const MESSAGE_BYTES = 256 * 1024

const TRY_LATER = 1013
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

/** Opens the link of one WebSocket. A message is read when the frames of the one before are answered. */
export function takeSocket(host: ChannelHost, socket: Socket, { identity }: HttpRequest): void {
  let isWelcome = false
  const link: Link = host.link(identity, (frame) => {
    if (frame.t === 'welcome') isWelcome = true
    const sent = socket.send(JSON.stringify(frame))
    if (frame.t === 'kick') socket.close(KICKED[frame.code], frame.code)
    return sent
  })
  socket.onClose(() => link.close())
  socket.onMessage(async (message) => {
    try {
      await link.receive(message)
    } catch (error) {
      // The store cannot be reached. A send was told so by its nak; a hello has no answer but this.
      if (!isWelcome) socket.close(TRY_LATER, GatewayError.from(error).code)
    }
  })
}
