// How lines to Redis are opened: each behind the limits of what may be answered.
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { AbstractConnector, SentinelConnector } from 'ioredis'
import type { Redis, RedisOptions, SentinelConnectionOptions } from 'ioredis'
import type { Node } from './address.ts'
import { toldOf } from './refusals.ts'
import { limited } from './replies.ts'

type Stream = Awaited<ReturnType<AbstractConnector['connect']>>

/** To the server the options name. */
export class ServerConnector extends AbstractConnector {
  readonly #options: RedisOptions

  constructor(options: unknown) {
    const known = options as RedisOptions // ioredis hands over its own
    super(known.disconnectTimeout ?? 500)
    this.#options = known
  }

  async connect(): Promise<Stream> {
    this.connecting = true
    await Promise.resolve() // ioredis listens from the next turn on
    if (!this.connecting) throw new Error('Connection is closed.')
    return this.begin(this.address(), this.#options.tls)
  }

  protected address(): Node {
    return { host: this.#options.host ?? '127.0.0.1', port: this.#options.port ?? 6379 }
  }

  protected begin({ host, port }: Node, tls: ConnectionOptions | undefined): Stream {
    const stream =
      tls === undefined
        ? limited(connectPlain({ host, port }))
        : limited(connectTls({ host, port, ...serverName(host), ...tls }))
    this.stream = stream
    // Not the first alone: one that comes after the client let go of the stream would end the process.
    stream.on('error', (error) => (this.firstError = error))
    return stream
  }
}

/** To any of a cluster's nodes: what is published on one is heard on all. */
export function anyNodeConnector(nodes: () => readonly Node[]): new (options: unknown) => AbstractConnector {
  return class extends ServerConnector {
    protected override address(): Node {
      const known = nodes()
      return known[Math.floor(Math.random() * known.length)] ?? super.address()
    }
  }
}

/** How ioredis tells of one Sentinel: where it is, and what came of it. */
const ASKED = /^(?:failed to connect|connected) to sentinel (?<at>\S+) (?:because )?(?<what>.*)$/su

/** What ioredis has and its types hide: it makes the clients that ask Sentinels, and those that hear of a failover. */
interface Asking {
  connectToSentinel: (at: Node, options?: RedisOptions) => Redis
}

/** To the master the Sentinels name. */
export class WatchedConnector extends SentinelConnector {
  /** Why each was of no use, by its address. */
  readonly #failures = new Map<string, string>()

  constructor(options: unknown) {
    super(options as SentinelConnectionOptions) // ioredis hands over its own
    const asking = this as unknown as Asking
    const make = asking.connectToSentinel.bind(this)
    asking.connectToSentinel = (at, more) => {
      const client = make(at, more)
      // Without an ear ioredis prints the stack; and what it says itself of one that is gone is only that it is.
      client.on('error', (error: Error) => this.#failures.set(`${at.host}:${at.port}`, toldOf(error)))
      return client
    }
  }

  override async connect(tell: Parameters<SentinelConnector['connect']>[0]): Promise<Stream> {
    this.#failures.clear()
    this.#askAll()
    const hear = (event: string, error: Error): void => {
      const { at = '', what = '' } = ASKED.exec(error.message)?.groups ?? {}
      if (!this.#failures.has(at)) this.#failures.set(at, toldOf(new Error(what)))
      tell(event, error)
    }
    try {
      const stream = limited(await super.connect(hear))
      stream.on('error', () => undefined) // heard by the client, or after it let go of the stream
      return stream
    } catch (error) {
      if (this.#failures.size === 0) throw error
      // In one order: they are asked in turn.
      const all = [...this.#failures].map(([at, what]) => `${at}: ${what}`).toSorted()
      const master = this.options.name ?? ''
      throw new Error(`no Sentinel says where the master "${master}" is (${all.join(', ')})`, {
        cause: error,
      })
    }
  }

  /**
   * ioredis goes on behind the one that answered last and ends at the list's end, so that after the last one nobody is asked. It is behind
   * the others instead, and not before them: one that is cut off from them names the old master for ever.
   */
  #askAll(): void {
    const { done } = this.sentinelIterator.next()
    this.sentinelIterator.reset(!done) // `true`: from the one that `next` gave
  }
}

/** RFC 6066 §3: a name, never an address. */
function serverName(host: string): { readonly servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host }
}
