// An app's end of a WebSocket: what it is sent, and what it says (DESIGN §12).
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { until } from './gateway.ts'

export type Frame = Readonly<Record<string, unknown>> & { readonly t: string }

export interface Line {
  readonly frames: readonly Frame[]
  readonly socket: WebSocket
  tell(frame: object): void
  texts(direction: string): readonly string[]
}

/** Says hello, and resolves with the welcome. */
export async function openLine(
  base: string,
  { customer, device }: { readonly customer: string; readonly device: string },
): Promise<Line> {
  const protocols = ['dragoman.1', `bearer.${customer}`]
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, protocols)
  const frames: Frame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame)) // checked by what the test expects
  socket.on('error', () => undefined)
  await once(socket, 'open')
  const tell = (frame: object): void => socket.send(JSON.stringify(frame))
  tell({ t: 'hello', v: 1, device, boot: 'b', first: 1, epoch: '', offset: 0 })
  await until(() => frames.find(({ t }) => t === 'welcome'))
  return {
    frames,
    socket,
    tell,
    texts: (direction) =>
      frames.flatMap(({ t, message }) => {
        if (t !== 'msg') return []
        const said = message as { direction: string; parts: readonly { text: string }[] } // what the gateway promises
        return said.direction === direction ? [said.parts[0]?.text ?? ''] : []
      }),
  }
}
