// Connections that hold still, in a process of their own: `node mqtt-idle.ts mqtt|ws PORT COUNT connected|welcomed`. Prints HELD,
// ends with its input.
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

const [kind, port, count] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])]
const isWelcomed = process.argv[5] === 'welcomed'
const held: Socket[] = []
/** Opened at once: more than these a listener's queue need not take. */
const AT_ONCE = 100
const PING = 0x89

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length >> 8, value.length & 255]), Buffer.from(value)])
}

function mqttPacket(type: number, ...pieces: readonly Buffer[]): Buffer {
  const body = Buffer.concat(pieces) // shorter than 128 bytes
  return Buffer.concat([Buffer.from([type, body.length]), body])
}

/** RFC 6455 §5.2: one masked text message. */
function webSocketText(value: string): Buffer {
  const bytes = Buffer.from(value)
  const head =
    bytes.length < 126 ? [0x81, 0x80 | bytes.length] : [0x81, 0xfe, bytes.length >> 8, bytes.length & 255]
  return Buffer.concat([Buffer.from([...head, 0, 0, 0, 0]), bytes])
}

function hello(device: string): string {
  return JSON.stringify({ t: 'hello', v: 1, device, boot: 'b', first: 1, epoch: '', offset: 0 })
}

/** Resolves when it is connected and subscribed; or welcomed, which is where an app rests. */
function open(index: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const device = `idle-${process.pid}-${index}`
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  held.push(socket)
  socket.on('error', reject)
  socket.once('close', () => reject(new Error(`connection ${index} was closed`)))
  socket.once('connect', () => {
    if (kind === 'mqtt') {
      const connecting = mqttPacket(
        0x10,
        text('MQTT'),
        Buffer.from([4, 0xc2, 4, 0xb0]),
        text(device),
        text('app'),
        text(device),
      )
      const down = Buffer.concat([Buffer.from([0, 1]), text(`dragoman/v1/${device}/down`), Buffer.from([0])])
      socket.write(Buffer.concat([connecting, mqttPacket(0x82, down)]))
    } else
      socket.write(
        `GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: dragoman.1, bearer.${device}\r\n\r\n`,
      )
  })
  let seen = ''
  let hasGreeted = false
  socket.on('data', (bytes: Buffer) => {
    // RFC 6455 §5.5.3: who is silent is gone. An empty pong, masked.
    if (kind === 'ws' && bytes[0] === PING) socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]))
    seen += bytes.toString('latin1')
    const isReady = kind === 'mqtt' ? bytes.length >= 4 : seen.includes('\r\n\r\n')
    if (isReady && !isWelcomed) resolve()
    else if (!hasGreeted && isReady) {
      hasGreeted = true
      const frame = hello(device)
      if (kind === 'mqtt')
        socket.write(
          Buffer.concat([Buffer.from([0x30, 0]), text(`dragoman/v1/${device}/up`), Buffer.from(frame)]).map(
            (byte, at, all) => (at === 1 ? all.length - 2 : byte),
          ),
        )
      else socket.write(webSocketText(frame))
    }
    if (!seen.includes('"welcome"')) return
    seen = ''
    resolve()
  })
  return promise
}

for (let from = 0; from < count; from += AT_ONCE)
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, index) => open(from + index)))
console.log(`HELD ${held.length}`)
process.stdin.resume()
process.stdin.once('end', () => process.exit(0))
