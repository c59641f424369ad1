// A TCP listener for records: one connection asks one thing after the other and is answered in that order.
import { BlockList, createServer, isIPv4 } from 'node:net'
import type { Socket } from 'node:net'
import type { ChannelHost, Log } from 'dragoman'
import type { ChannelConfig } from './config.ts'
import { framesOf } from './frames.ts'
import type { Frames } from './frames.ts'
import type { Intake } from './intake.ts'

export interface ListenerOptions {
  readonly listen: NonNullable<ChannelConfig['listen']>
  readonly intake: Intake
  readonly host: ChannelHost
  readonly log: Log
}

/** Resolves when connections are taken. Disposed: no new ones, and those that wait for an answer get it. */
export async function openListener({ listen, intake, host, log }: ListenerOptions): Promise<AsyncDisposable> {
  const isAllowed = allowed(listen.from)
  const open = new Map<Socket, { readonly done: Promise<void>; readonly line: Line }>()
  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true }, (socket) => {
    const { remoteAddress = '' } = socket
    // It stays: an error of a line must not end the worker; the loop below sees the end.
    socket.on('error', (error) => log.debug('a line broke', { remote: remoteAddress, error }))
    if (!isAllowed(remoteAddress)) {
      log.warn('a connection was refused: its address is not in `from`', { remote: remoteAddress })
      socket.destroy()
      return
    }
    const line = new Line(socket, listen)
    const done = serve(line, { intake, host, log }).finally(() => open.delete(socket))
    open.set(socket, { done, line })
  })
  server.maxConnections = listen.sockets
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  // While one version takes over from another both listen for a moment.
  server.listen({ port: listen.port, host: listen.host, reusePort: true }, resolve)
  await promise
  server.on('error', (error) => log.error('the listener failed', { error }))
  return {
    async [Symbol.asyncDispose]() {
      server.close()
      const all = [...open.values()]
      for (const { line } of all) line.finish()
      await Promise.all(all.map(({ done }) => done))
    },
  }
}

type Serving = Pick<ListenerOptions, 'intake' | 'host' | 'log'>

async function serve(line: Line, { intake, host, log }: Serving): Promise<void> {
  const frames = framesOf(intake.framing)
  try {
    while (await line.read(frames))
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        const { answer, refused } = await line.working(() =>
          intake.take({ record: frame.record, kind: 'request', signal: line.gone }, host),
        )
        if (answer !== undefined) await line.write(answer.frame)
        if (refused === undefined) continue
        log.warn('a record was refused', { code: refused.code, why: refused.message, remote: line.remote })
        // Who gets no answer is told by the end of the line.
        if (answer === undefined) return
      }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    log.warn('a line was closed: what it sends is no record', { why: error.message, remote: line.remote })
  } finally {
    line.end()
  }
}

/** One connection: reads only when asked, so that a caller who sends more than is worked off waits. */
class Line {
  readonly #socket: Socket
  readonly #limits: ListenerOptions['listen']
  readonly #gone = new AbortController()
  readonly #pieces: AsyncIterator<Buffer>
  #isWorking = false
  #isFinishing = false
  /** When the record that has begun must be there. */
  #deadline: number | undefined
  constructor(socket: Socket, limits: ListenerOptions['listen']) {
    this.#socket = socket
    this.#limits = limits
    socket.once('close', () => this.#gone.abort())
    this.#pieces = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]() // without an encoding a socket yields buffers
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }
  get remote(): string {
    return this.#socket.remoteAddress ?? ''
  }

  /** Resolves false at the end of the line, and where nothing comes in time. */
  async read(frames: Frames): Promise<boolean> {
    if (this.#isFinishing) return false
    const now = performance.now()
    this.#deadline = frames.pending === 0 ? undefined : (this.#deadline ?? now + this.#limits.frameMs)
    const waitMs = this.#deadline === undefined ? this.#limits.idleMs : Math.max(this.#deadline - now, 0)
    const timer = setTimeout(() => this.#socket.destroy(), waitMs)
    try {
      const piece = await this.#pieces.next()
      if (piece.done === true) return false
      frames.put(piece.value)
      return true
    } catch {
      return false // the line broke: its error has been logged
    } finally {
      clearTimeout(timer)
    }
  }

  async working<T>(work: () => Promise<T>): Promise<T> {
    this.#isWorking = true
    this.#deadline = undefined
    try {
      return await work()
    } finally {
      this.#isWorking = false
    }
  }

  /** Resolves when the system has taken it, or the line is gone. */
  async write(bytes: Uint8Array): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => this.#socket.destroy(), this.#limits.frameMs)
    this.#socket.once('close', resolve)
    this.#socket.write(bytes, () => resolve())
    await promise
    this.#socket.off('close', resolve)
    clearTimeout(timer)
  }

  /** No more is read; what is worked on is answered. */
  finish(): void {
    this.#isFinishing = true
    if (!this.#isWorking) this.#socket.destroy()
  }

  end(): void {
    this.#socket.end()
    this.#socket.destroySoon()
  }
}

function allowed(from: readonly string[] | undefined): (address: string) => boolean {
  if (from === undefined) return () => true
  const list = new BlockList()
  for (const each of from) {
    const [network = '', bits] = each.split('/')
    const family = isIPv4(network) ? 'ipv4' : 'ipv6'
    if (bits === undefined) list.addAddress(network, family)
    else list.addSubnet(network, Number(bits), family)
  }
  return (address) => {
    const plain = address.replace(/^::ffff:(?=\d+\.)/, '')
    return list.check(plain, isIPv4(plain) ? 'ipv4' : 'ipv6')
  }
}
