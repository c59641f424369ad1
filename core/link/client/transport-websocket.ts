// The link over a WebSocket: GET /v1/ws, subprotocol dragoman.1, a frame in each text message up, one or several in each down.
import { framesIn } from './frames-in.ts'
import type { OpenTransport } from './types.ts'

/** Browsers cannot send a header with it: the token is a second subprotocol (DESIGN §16). */
export const openWebSocket: OpenTransport = ({ address, token, hello, onFrames, onGone }) => {
  const socket = new WebSocket(address, ['dragoman.1', `bearer.${token}`])
  let isOver = false
  const end = (reason: string): void => {
    if (isOver) return
    isOver = true
    socket.close()
    onGone({ reason })
  }
  socket.addEventListener('open', () => {
    if (!isOver) socket.send(JSON.stringify(hello()))
  })
  socket.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
    if (isOver) return
    const frames = typeof data === 'string' ? framesIn(data) : undefined
    if (frames === undefined) end('what came was no frame')
    else void onFrames(frames)
  })
  socket.addEventListener('close', ({ code, reason }) => end(`closed with ${code} ${reason}`.trim()))
  // Followed by close; it says nothing more.
  socket.addEventListener('error', () => undefined)
  return {
    send(frames) {
      if (isOver || socket.readyState !== WebSocket.OPEN) return
      for (const frame of frames) socket.send(JSON.stringify(frame))
    },
    close() {
      isOver = true
      socket.close()
    },
  }
}
