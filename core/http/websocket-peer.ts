// One WebSocket: messages one at a time with back pressure, a bound on what waits for a slow peer, a sign of life.
import { WebSocket } from 'ws'
import type { RawData } from 'ws'
import { Answering } from '../components/answering.ts'
import type { Identity, Log, Socket } from '../api.ts'

export interface PeerOptions {
  readonly log: Log
  /** What may wait for a peer that does not read, beside the largest message of it. */
  readonly bufferedBytes: number
  /** What it is closed with when its credential ends. */
  readonly expiredCode: number | undefined
  /** Messages do not wait for each other, up to a bound. */
  readonly concurrent: boolean
  /** Called with a code that no close may have, and what it is closed with instead. */
  readonly onMisclosed: (code: unknown, instead: number) => void
  /** Called while it is open. */
  readonly onIdentified: (peer: Peer, who: Identity) => void
  /** Called once, when it is closed. */
  readonly onGone: () => void
}

type Handler = Parameters<Socket['onMessage']>[0]
type CloseHandler = Parameters<Socket['onClose']>[0]

/** RFC 6455 §7.4.1, and the IANA registry for 1012 and 1013. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  policy: 1008,
  internal: 1011,
  restart: 1012,
  tryLater: 1013,
} as const

/** RFC 6455 §7.4.1: read for a close without a code, and never sent. */
const NO_CODE = 1005

/** Of messages that do not wait for each other: a peer that sends more is read again when some are done. */
const MOST_UNDER_WAY = 64

/** A peer that does not answer our close is cut off after this. */
const CLOSE_MS = 3000
/** RFC 6455 §5.5: a control frame holds 125 bytes, two of them the code. */
const REASON_BYTES = 123

export class Peer implements Socket {
  readonly #ws: WebSocket
  readonly #options: PeerOptions
  readonly #waiting: (string | Uint8Array)[] = []
  readonly #onClose: CloseHandler[] = []
  /** Bytes of the largest message since nothing waited. */
  #largest = 0
  #handler: Handler | undefined
  #isWorking = false
  /** With the handler, where messages do not wait for each other. */
  readonly #answering = new Answering()
  #underWay = 0
  #underWayBytes = 0
  #room: PromiseWithResolvers<void> | undefined
  #isAlive = true
  /** By us: what still arrives is dropped. */
  #isClosing = false
  #closed: { readonly code: number; readonly reason: string } | undefined

  constructor(ws: WebSocket, options: PeerOptions) {
    this.#ws = ws
    this.#options = options
    ws.on('message', (data, isBinary) => this.#arrived(isBinary ? bytesOf(data) : textOf(data)))
    ws.on('pong', () => {
      this.#isAlive = true
    })
    ws.on('error', () => undefined) // ws has closed it with the code that fits; without a listener the process would end
    ws.on('close', (code, reason) => this.#gone(code, String(reason)))
  }

  get protocol(): string {
    return this.#ws.protocol
  }

  get buffered(): number {
    return this.#ws.bufferedAmount
  }

  send(data: string | Uint8Array): Promise<boolean> {
    if (this.#ws.readyState !== WebSocket.OPEN) return Promise.resolve(false)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const bytes = typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength
    this.#largest = this.buffered === 0 ? bytes : Math.max(this.#largest, bytes)
    this.#ws.send(data, (error) => resolve(error === undefined || error === null))
    // ws buffers without bound for a stalled peer. One message is sent whatever its size: it would not be smaller the next time.
    if (this.buffered - this.#largest > this.#options.bufferedBytes)
      this.close(CLOSE.tryLater, 'you read too slowly')
    return promise
  }

  onMessage(handler: Handler): void {
    this.#handler = handler
    if (this.#waiting.length > 0 && !this.#isWorking) void this.#work()
  }

  onClose(handler: CloseHandler): void {
    if (this.#closed === undefined) this.#onClose.push(handler)
    else handler(this.#closed.code, this.#closed.reason)
  }

  identified(who: Identity): void {
    if (this.#closed === undefined) this.#options.onIdentified(this, who)
  }

  expire(): void {
    this.close(
      this.#options.expiredCode ?? CLOSE.policy,
      'the credential has expired; connect with a new one',
    )
  }

  /** A code that no close may have (RFC 6455 §7.4) becomes 1011, and 1005 becomes 1000: what an upstream said is often handed on as it came. */
  close(code: number = CLOSE.normal, reason = ''): void {
    if (this.#isClosing || this.#closed !== undefined) return
    const sent = sendable(code)
    this.#ws.close(sent, truncated(reason))
    this.#isClosing = true
    this.#waiting.length = 0
    if (sent !== code) this.#options.onMisclosed(code, sent)
    const cut = setTimeout(() => this.#ws.terminate(), CLOSE_MS)
    this.#ws.once('close', () => clearTimeout(cut))
    this.#ws.resume() // its answer is to be read
  }

  /** Closes with 1012 as soon as nothing is under way, `withinMs` later at the latest. Until then it goes on: whoever hears nothing cuts the line. */
  async restart(reason: string, withinMs: number): Promise<void> {
    await this.#answering.idle(withinMs)
    this.close(CLOSE.restart, reason)
  }

  /** Cuts off a peer that has not answered the last ping, else sends the next one. While a handler runs nothing is read: that peer is not to blame. */
  beat(): void {
    if (!this.#isAlive && !this.#isWorking) {
      this.#ws.terminate()
      return
    }
    this.#isAlive = false
    if (this.#ws.readyState === WebSocket.OPEN) this.#ws.ping()
  }

  #arrived(message: string | Uint8Array): void {
    if (this.#isClosing) return
    this.#isAlive = true
    this.#waiting.push(message)
    if (this.#isWorking || this.#handler === undefined) this.#ws.pause()
    else void this.#work()
  }

  /** The messages that were read together with the one in hand wait; the socket is read again when none is left. */
  async #work(): Promise<void> {
    this.#isWorking = true
    try {
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
        const done = this.#handler?.(next)
        if (done === undefined) continue
        if (this.#options.concurrent) {
          void this.#beside(done, next.length)
          if (!this.#isCrowded) continue
        }
        this.#ws.pause()
        await (this.#options.concurrent ? this.#roomy() : done)
      }
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#isWorking = false
      this.#isAlive = true // whatever it has sent meanwhile was not read
      this.#ws.resume()
    }
  }

  /** Never rejects. */
  async #beside(done: Promise<void>, length: number): Promise<void> {
    this.#underWay++
    this.#underWayBytes += length
    try {
      await this.#answering.during(() => done)
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#underWay--
      this.#underWayBytes -= length
      if (!this.#isCrowded) this.#room?.resolve()
    }
  }

  get #isCrowded(): boolean {
    return this.#underWay >= MOST_UNDER_WAY || this.#underWayBytes > this.#options.bufferedBytes
  }

  async #roomy(): Promise<void> {
    this.#room = Promise.withResolvers()
    await this.#room.promise
  }

  /** What has closed it is told once. */
  #failed(error: unknown): void {
    const level = this.#isClosing || this.#closed !== undefined ? 'debug' : 'error'
    this.#options.log[level]('a message on a WebSocket failed', { error })
    this.close(CLOSE.internal, 'the gateway made a mistake')
  }

  #gone(code: number, reason: string): void {
    this.#closed = { code, reason }
    this.#options.onGone()
    for (const handler of this.#onClose) {
      try {
        handler(code, reason)
      } catch (error) {
        this.#options.log.error('the end of a WebSocket was not taken note of', { error })
      }
    }
  }
}

/** RFC 6455 §7.4.1 and §7.4.2, and the IANA registry up to 1014. */
function sendable(code: unknown): number {
  if (code === NO_CODE) return CLOSE.normal
  const isKnown =
    typeof code === 'number' &&
    Number.isInteger(code) &&
    ((code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999))
  return isKnown ? code : CLOSE.internal
}

function textOf(data: RawData): string {
  return Buffer.from(bytesOf(data).buffer).toString()
}

/** A copy: a view on the socket's buffer would keep all of it. */
function bytesOf(data: RawData): Uint8Array {
  if (Array.isArray(data)) return new Uint8Array(Buffer.concat(data))
  return new Uint8Array(data)
}

/** A plugin may give anything as its reason. */
function truncated(reason: unknown): string {
  const text = String(reason)
  const bytes = Buffer.from(text)
  return bytes.length <= REASON_BYTES ? text : new TextDecoder().decode(bytes.subarray(0, REASON_BYTES - 3))
}
