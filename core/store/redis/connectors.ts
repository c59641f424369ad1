// How lines to Redis are opened: each behind the limits of what may be answered.
import { connect as connectPlain } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { AbstractConnector, SentinelConnector } from 'ioredis'
import type { RedisOptions, SentinelConnectionOptions } from 'ioredis'
import type { Node } from './address.ts'
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

/** To the master the Sentinels name. */
export class WatchedConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions) // ioredis hands over its own
  }

  override async connect(tell: Parameters<SentinelConnector['connect']>[0]): Promise<Stream> {
    const stream = limited(await super.connect(tell))
    stream.on('error', () => undefined) // heard by the client, or after it let go of the stream
    return stream
  }
}

/** RFC 6066 §3: a name, never an address. */
function serverName(host: string): { readonly servername?: string } {
  return /^[\d.]+$|:/.test(host) ? {} : { servername: host }
}
