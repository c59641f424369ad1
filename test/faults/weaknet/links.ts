// The three links of the client protocol as an app opens them: frames up, frames down, nothing kept (DESIGN §12).
import { request } from 'node:http'

import { connect as connectMqtt } from 'mqtt'
import { WebSocket } from 'ws'

export type Kind = 'ws' | 'mqtt' | 'http'
export const KINDS: readonly Kind[] = ['ws', 'mqtt', 'http']

export interface Frame extends Readonly<Record<string, unknown>> {
  readonly t: string
}

export interface Target {
  readonly host: string
  /** Of each link: a proxy's, or the gateway's own. */
  readonly ports: Readonly<Record<Kind, number>>
  readonly token: string
  readonly device: string
}

export interface Hooks {
  /** The hello of this moment: first on any link, and in every request over HTTP. */
  readonly hello: () => Frame
  readonly onFrames: (frames: readonly Frame[]) => void
  /** Once: it failed, or was closed by the other side. */
  readonly onClosed: () => void
}

export interface Line {
  send(frames: readonly Frame[]): void
  /** At once, without a word to the other side. */
  cut(): void
}

const POLL_S = 2
const REQUEST_MS = 9000

export function openLine(kind: Kind, target: Target, hooks: Hooks): Line {
  let isClosed = false
  const guarded: Hooks = {
    hello: hooks.hello,
    onFrames: (frames) => void (isClosed || hooks.onFrames(frames)),
    onClosed() {
      if (isClosed) return
      isClosed = true
      hooks.onClosed()
    },
  }
  const line = { ws: overWebSocket, mqtt: overMqtt, http: overHttp }[kind](target, guarded)
  return {
    send: (frames) => void (isClosed || line.send(frames)),
    cut() {
      isClosed = true
      line.cut()
    },
  }
}

/** Frames that this side wrote, or a test's own gateway. */
function framesIn(text: string): readonly Frame[] {
  const value = JSON.parse(text) as Frame | readonly Frame[] | { readonly frames: readonly Frame[] }
  if (Array.isArray(value)) return value as readonly Frame[]
  return 'frames' in value ? (value.frames as readonly Frame[]) : [value as Frame]
}

function overWebSocket({ host, ports, token }: Target, { hello, onFrames, onClosed }: Hooks): Line {
  const socket = new WebSocket(`ws://${host}:${ports.ws}/v1/ws`, ['dragoman.1', `bearer.${token}`])
  socket.on('open', () => socket.send(JSON.stringify(hello())))
  socket.on('message', (data: Buffer) => onFrames(framesIn(data.toString())))
  socket.on('error', onClosed)
  socket.on('close', onClosed)
  return {
    send: (frames) => void (socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(frames))),
    cut: () => socket.terminate(),
  }
}

function overMqtt({ host, ports, token, device }: Target, { hello, onFrames, onClosed }: Hooks): Line {
  const client = connectMqtt(`mqtt://${host}:${ports.mqtt}`, {
    clientId: device,
    username: 'app',
    password: token,
    clean: true,
    reconnectPeriod: 0,
    connectTimeout: REQUEST_MS,
    keepalive: 60,
  })
  const up = `dragoman/v1/${device}/up`
  // What is not acknowledged is in the app's own outbox: MQTT.js has nothing to say about it.
  const publish = (frames: readonly Frame[]): void =>
    void client.publish(up, JSON.stringify(frames), { qos: 1 }, () => undefined)
  client.on('connect', () =>
    client.subscribe(`dragoman/v1/${device}/down`, { qos: 0 }, (error) => {
      if (error === null || error === undefined) publish([hello()])
      else onClosed()
    }),
  )
  client.on('message', (_topic, payload) => onFrames(framesIn(payload.toString())))
  client.on('error', onClosed)
  client.on('close', onClosed)
  return {
    send: (frames) => void (client.connected && publish(frames)),
    cut() {
      client.stream.destroy()
      client.end(true)
    },
  }
}

function overHttp({ host, ports, token }: Target, { hello, onFrames, onClosed }: Hooks): Line {
  let waiting: Frame[] = []
  let current: ReturnType<typeof request> | undefined
  let isCut = false

  function exchange(): void {
    if (isCut) return
    const frames = [hello(), ...waiting]
    const isIdle = waiting.length === 0
    waiting = []
    current = request(
      {
        host,
        port: ports.http,
        path: '/v1/link',
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${token}`,
          ...(isIdle && { prefer: `wait=${POLL_S}` }),
        },
        agent: false,
        signal: AbortSignal.timeout(REQUEST_MS),
      },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (piece: string) => (text += piece))
        response.on('error', onClosed)
        response.on('end', () => {
          if (!response.complete || response.statusCode !== 200) {
            onClosed()
            return
          }
          onFrames(framesIn(text))
          setImmediate(exchange)
        })
      },
    )
    current.on('error', onClosed)
    current.end(JSON.stringify({ frames }))
  }
  exchange()
  return {
    send: (frames) => void waiting.push(...frames),
    cut() {
      isCut = true
      current?.destroy()
    },
  }
}
