// A customer's app by WebSocket, frame by frame, for tests of what becomes of a connection.
import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { WebSocket } from 'ws'
import { until } from './gateway.ts'

export interface WebSocketApp {
  readonly socket: WebSocket
  /** As they came. */
  readonly frames: readonly string[]
}

/** Connects as far as its hello is answered. */
export async function openApp(base: string, customer: string): Promise<WebSocketApp> {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, ['dragoman.1', `bearer.${customer}`])
  const frames: string[] = []
  socket.on('message', (data: Buffer) => frames.push(data.toString()))
  socket.on('error', () => undefined)
  await once(socket, 'open')
  const [device, boot] = [randomUUIDv7(), randomUUIDv7()]
  socket.send(JSON.stringify({ t: 'hello', v: 1, device, boot, first: 1, epoch: '', offset: 0 }))
  await until(() => frames.find((frame) => frame.includes('"t":"welcome"')), 120_000)
  return { socket, frames }
}
