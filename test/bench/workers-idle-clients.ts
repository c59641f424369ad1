// Apps that hold still, in a process of their own with an address of its own: `workers-idle.ts` forks it and tells it what to do.
import { randomBytes, randomUUIDv7 } from 'node:crypto'
import { connect } from 'node:net'
import type { Socket } from 'node:net'

export interface Order {
  readonly port: number
  /** A machine gives one address some 28,000 ports towards one port. */
  readonly from: string
  readonly first: number
  readonly count: number
}
export type ToClients =
  | { readonly kind: 'open'; readonly order: Order }
  | { readonly kind: 'say'; readonly perSecond: number }
export type FromClients =
  | { readonly kind: 'held'; readonly count: number }
  | { readonly kind: 'figures'; readonly figures: Figures }
export interface Figures {
  /** Answers that came, and those that came once more. */
  readonly answered: number
  readonly doubled: number
  readonly lost: number
  /** Sends that were told to come again later, and did. */
  readonly again: number
  /** Connections that were closed meanwhile. */
  readonly closed: number
  readonly latenciesMs: readonly number[]
}

/** Opened at once: more than these a listener's queue need not take. */
const AT_ONCE = 50
/** Beyond the last answer. */
const PATIENCE_MS = 60_000
const TEXT = 1
const CLOSE = 8
const WORDLESS = 'without a word'
const PING = 9

class App {
  readonly name: string
  answers = 0
  saidAt = 0
  latencyMs = 0
  again = 0
  isClosed = false
  #said = {}
  readonly #socket: Socket
  readonly #welcomed = Promise.withResolvers<void>()
  #isUpgraded = false
  #lastWords = WORDLESS
  #held = Buffer.alloc(0)

  constructor(name: string, { port, from }: Order) {
    this.name = name
    this.#socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
    const gone = (why: Error): void => {
      this.isClosed = true
      this.#welcomed.reject(why)
    }
    this.#socket.on('error', gone)
    this.#socket.once('close', () => gone(new Error(`${name} was closed: ${this.#lastWords}`)))
    this.#socket.on('data', (bytes) => this.#read(bytes))
    this.#socket.write(
      `GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: dragoman.1, bearer.${name}\r\n\r\n`,
    )
  }

  get welcomed(): Promise<void> {
    return this.#welcomed.promise
  }

  say(text: string): void {
    this.saidAt = performance.now()
    this.#said = { t: 'send', n: 1, id: randomUUIDv7(), message: { text } }
    this.#tell(this.#said)
  }

  end(): void {
    this.#socket.destroy()
  }

  #read(bytes: Buffer): void {
    let left = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
    if (!this.#isUpgraded) {
      const end = left.indexOf('\r\n\r\n')
      this.#lastWords = left.toString()
      if (end !== -1) {
        this.#isUpgraded = true
        this.#lastWords = WORDLESS
        left = left.subarray(end + 4)
        this.#tell({ t: 'hello', v: 1, device: this.name, boot: 'b', first: 1, epoch: '', offset: 0 })
      }
    }
    while (this.#isUpgraded) {
      const frame = firstOf(left)
      if (frame === undefined) break
      left = left.subarray(frame.end)
      if (frame.opcode === CLOSE) this.#lastWords = closing(frame.payload)
      else if (frame.opcode === PING) this.#write(0x8a, frame.payload)
      else if (frame.opcode === TEXT) this.#heard(JSON.parse(frame.payload.toString()) as Heard) // our own gateway says it
    }
    this.#held = left.length === 0 ? Buffer.alloc(0) : Buffer.from(left)
  }

  #heard(frame: Heard): void {
    if (frame.t === 'welcome') this.#welcomed.resolve()
    if (frame.t === 'nak' && frame.retry === true) {
      this.again += 1
      setTimeout(() => this.#tell(this.#said), frame.after ?? 1000)
    } else if (frame.t === 'nak') console.error(`${this.name}: ${JSON.stringify(frame)}`)
    if (frame.t !== 'msg') return
    this.#tell({ t: 'ack', epoch: frame.epoch, offset: frame.offset })
    if (frame.message?.direction !== 'outbound') return
    this.answers += 1
    if (this.answers === 1) this.latencyMs = performance.now() - this.saidAt
  }

  #tell(frame: object): void {
    this.#write(0x81, Buffer.from(JSON.stringify(frame)))
  }

  /** RFC 6455 §5.2, masked with zeros. */
  #write(head: number, payload: Buffer): void {
    const length =
      payload.length < 126 ? [0x80 | payload.length] : [0xfe, payload.length >> 8, payload.length & 255]
    if (!this.isClosed)
      this.#socket.write(Buffer.concat([Buffer.from([head, ...length, 0, 0, 0, 0]), payload]))
  }
}

interface Heard {
  readonly t: string
  readonly epoch?: string
  readonly offset?: number
  readonly retry?: boolean
  readonly after?: number
  readonly message?: { readonly direction: string }
}

/** RFC 6455 §5.5.1: a code and a reason, or nothing. */
function closing(payload: Buffer): string {
  return payload.length < 2 ? WORDLESS : `${payload.readUInt16BE(0)} ${payload.toString('utf8', 2)}`
}

/** A server's frame is not masked, and none of ours is longer than 64 kB. */
function firstOf(
  bytes: Buffer,
): { readonly opcode: number; readonly payload: Buffer; readonly end: number } | undefined {
  const [head = 0, short = 0] = bytes
  const begin = short === 126 ? 4 : 2
  if (bytes.length < begin) return undefined
  const end = begin + (short === 126 ? bytes.readUInt16BE(2) : short)
  return bytes.length < end ? undefined : { opcode: head & 15, payload: bytes.subarray(begin, end), end }
}

const apps: App[] = []

async function open(order: Order): Promise<void> {
  for (let from = 0; from < order.count; from += AT_ONCE) {
    const some = Array.from(
      { length: Math.min(AT_ONCE, order.count - from) },
      (_, index) => new App(`idle-${order.first + from + index}`, order),
    )
    apps.push(...some)
    await Promise.all(some.map((app) => app.welcomed))
    tell({ kind: 'held', count: apps.length })
  }
}

/** Each says one thing, evenly; resolves when all are answered, or nobody was for a minute. */
async function say(perSecond: number): Promise<Figures> {
  const began = performance.now()
  for (let said = 0; said < apps.length;) {
    const due = Math.min(apps.length, Math.ceil(((performance.now() - began) / 1000) * perSecond))
    for (; said < due; said += 1) apps[said]?.say(`from ${said}`)
    await new Promise((turn) => setTimeout(turn, 5))
  }
  let before = -1
  for (let since = performance.now(); performance.now() - since < PATIENCE_MS;) {
    const answered = apps.filter(({ answers }) => answers > 0).length
    if (answered === apps.length) break
    if (answered > before) since = performance.now()
    before = answered
    await new Promise((turn) => setTimeout(turn, 100))
  }
  await new Promise((turn) => setTimeout(turn, 1000)) // what comes a second time comes now
  const answered = apps.filter(({ answers }) => answers > 0)
  return {
    answered: answered.length,
    doubled: apps.filter(({ answers }) => answers > 1).length,
    lost: apps.length - answered.length,
    again: apps.reduce((all, { again }) => all + again, 0),
    closed: apps.filter(({ isClosed }) => isClosed).length,
    latenciesMs: answered.map(({ latencyMs }) => latencyMs),
  }
}

function tell(message: FromClients): void {
  process.send?.(message)
}

process.on('message', (message: ToClients) => {
  const work =
    message.kind === 'open'
      ? open(message.order)
      : say(message.perSecond).then((figures) => tell({ kind: 'figures', figures }))
  work.catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })
})
process.once('disconnect', () => {
  for (const app of apps) app.end()
  process.exit(0)
})
