// The link over MQTT 3.1.1: QoS 1 up, QoS 0 down, a clean session, the device's own two topics (DESIGN §12). MQTT.js only carries:
// what it would keep and send again is what the outbox is for (TRAPS).
import { framesIn } from './frames-in.ts'
import type { Mqtt, OpenTransport, Transport, TransportOptions } from './types.ts'

const KEEPALIVE_S = 25
const VERSION = 4
// MQTT 3.1.1 §3.2.2.3: bad user name or password, not authorized.
const REFUSALS: ReadonlySet<unknown> = new Set([4, 5])

export function openMqtt(load: () => Promise<Mqtt>): OpenTransport {
  return (options) => {
    let isOver = false
    let transport: Transport | undefined
    const end: TransportOptions['onGone'] = (gone) => {
      if (isOver) return
      isOver = true
      transport?.close()
      options.onGone(gone)
    }
    const begin = async (): Promise<void> => {
      const mqtt = await load()
      if (!isOver) transport = open(mqtt, { ...options, onGone: end })
    }
    begin().catch((error: unknown) => end({ reason: `MQTT.js could not be loaded: ${String(error)}` }))
    return {
      send: (frames) => transport?.send(frames),
      close() {
        isOver = true
        transport?.close()
      },
    }
  }
}

function open(mqtt: Mqtt, { address, token, device, hello, onFrames, onGone }: TransportOptions): Transport {
  const up = `dragoman/v1/${device}/up`
  const down = `dragoman/v1/${device}/down`
  let isOver = false
  const connection = mqtt.connect(address, {
    clientId: device,
    username: 'bearer',
    password: token,
    clean: true,
    keepalive: KEEPALIVE_S,
    protocolVersion: VERSION,
    reconnectPeriod: 0,
    resubscribe: false,
    queueQoSZero: false,
  })
  const end = (reason: string, isRefused = false): void => {
    if (isOver) return
    isOver = true
    connection.end(true)
    onGone({ reason, isRefused })
  }
  connection.on('connect', () => {
    if (isOver) return
    connection.subscribe(down, { qos: 0 })
    connection.publish(up, JSON.stringify(hello()), { qos: 1 })
  })
  connection.on('message', (_topic, payload) => {
    if (isOver) return
    const frames = framesIn(new TextDecoder().decode(payload))
    if (frames === undefined) end('what came was no frame')
    else void onFrames(frames)
  })
  connection.on('error', (error) => end(error.message, 'code' in error && REFUSALS.has(error.code)))
  connection.on('close', () => end('closed'))
  return {
    send(frames) {
      if (isOver) return
      for (const frame of frames) connection.publish(up, JSON.stringify(frame), { qos: 1 })
    },
    close() {
      isOver = true
      connection.end(true)
    },
  }
}
