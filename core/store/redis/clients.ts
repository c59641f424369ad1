// The clients of one address: a server's or a Sentinel master's with several lines to it, or a cluster's with one to each master.
import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import slotOf from 'cluster-key-slot'
import { Cluster, Redis } from 'ioredis'
import type { RedisOptions as ClientOptions } from 'ioredis'
import { addressOf } from './address.ts'
import type { Address } from './address.ts'
import { ServerConnector, WatchedConnector, anyNodeConnector } from './connectors.ts'
import { handshakeFailure, reasonOf, toldOf } from './refusals.ts'

/** Files in PEM form. Without `caFile` the system's authorities count. */
export interface TlsFiles {
  readonly caFile?: string
  readonly certFile?: string
  readonly keyFile?: string
}

export interface ClientsOptions {
  readonly url: string
  readonly tls?: TlsFiles | undefined
  /** Who is asked for the master, where the Sentinels want to know who asks. */
  readonly sentinel?: { readonly user?: string; readonly password?: string } | undefined
  /** How long a command is waited for, where it is not an operation of a gateway. */
  readonly commandMs?: number
}

export interface Events {
  /** All lines can be used, or one more of a cluster's. */
  ready(): void
  /** A line is gone, or could not be made. */
  lost(reason: string): void
}

/** What of the topology the store needs to know. */
export interface Clients {
  readonly kind: Address['kind']
  /** For what belongs to no partition: publish, and copies of it to listen with. */
  readonly client: Redis
  /** Resolves when it can be used; rejects if it cannot at once. */
  connect(): Promise<void>
  /** All lines to all that hold partitions. Empty: nobody is known. */
  lines(): readonly Redis[]
  /** One line to each of them, for what is asked of a server and not of a line. */
  servers(): readonly Redis[]
  /** The line to who holds this key: the same one for a partition, or what is sent for it would overtake itself. */
  holder(key: string): Redis | undefined
  /** A key's holder is another one now: who is asked anew. */
  refresh(): void
  /** Gives up lines that are open and silent. */
  reconnect(): void
  close(): void
}

/** Longer no command is waited for, nor a connection. */
export const COMMAND_MS = 1000
export const RECONNECT_MS = 500
/** Whose password one without a name is. Named, he takes any where he needs none; else the client prints a warning. */
const DEFAULT_USER = 'default'
/** A line's end, which says nothing of its why. */
export const CLOSED = 'the connection was closed'
export const NODE_GONE = 'a node of the cluster is gone'
const NODE_AWAY = 'a master of the cluster is away'

/** `lines`: how many go to one server; a cluster has one to each master. */
export function clientsFor(options: ClientsOptions, events: Events, lines: number): Clients {
  const address = addressOf(options.url)
  const common = commonOptions(address, options)
  switch (address.kind) {
    case 'server': {
      const server = { ...common, ...address.nodes[0], Connector: ServerConnector }
      return oneServer(address.kind, server, { events, count: lines })
    }
    case 'sentinel': {
      const master = { ...common, ...sentinelOptions(address, options) }
      return oneServer(address.kind, master, { events, count: lines })
    }
    case 'cluster':
      return cluster(address, common, events)
  }
}

function commonOptions(
  { user, password, database, isTls }: Address,
  { tls, commandMs = COMMAND_MS }: ClientsOptions,
): ClientOptions {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    // What was sent and not answered is not known: only its caller may send it again, with the same id (SEMANTICS 15).
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    commandTimeout: commandMs,
    connectTimeout: COMMAND_MS,
    disconnectTimeout: RECONNECT_MS,
    retryStrategy: () => RECONNECT_MS,
    // A failover leaves the old master read-only: what it answers is no reason to stay with it.
    reconnectOnError: (error) => reasonOf(error).startsWith('READONLY'),
    disableClientInfo: true, // Redis 7.2 and later alone knows it
    db: database,
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { username: user ?? DEFAULT_USER, password }),
    ...(isTls && { tls: tlsOptions(tls) }),
  }
}

/** Throws for a file that cannot be read. They are read for each connection: one made after a renewal uses what is there then. */
function tlsOptions({ caFile, certFile, keyFile }: TlsFiles = {}): ConnectionOptions {
  const options = {}
  for (const [name, file] of Object.entries({ ca: caFile, cert: certFile, key: keyFile })) {
    if (file === undefined) continue
    let last = readFileSync(file)
    const get = (): NonSharedBuffer => (last = readNow(file) ?? last)
    Object.defineProperty(options, name, { get, enumerable: true })
  }
  return options
}

/** Undefined: it is not there now, as in the middle of a renewal. Where what it held is no good any more, the connection tells. */
function readNow(file: string): NonSharedBuffer | undefined {
  try {
    return readFileSync(file)
  } catch {
    return undefined
  }
}

function sentinelOptions(
  { nodes, master, isTls }: Address,
  { tls, sentinel }: ClientsOptions,
): ClientOptions {
  return {
    sentinels: [...nodes],
    ...(master !== undefined && { name: master }),
    ...(sentinel?.password !== undefined && {
      sentinelUsername: sentinel.user ?? DEFAULT_USER,
      sentinelPassword: sentinel.password,
    }),
    ...(isTls && { enableTLSForSentinelMode: true, sentinelTLS: tlsOptions(tls) }),
    sentinelCommandTimeout: COMMAND_MS,
    // Who is not there is asked again by the line's own retries; without this the first connect would never end.
    sentinelRetryStrategy: () => null,
    sentinelReconnectStrategy: () => RECONNECT_MS,
    failoverDetector: true,
    Connector: WatchedConnector,
  }
}

/**
 * A line whose try to connect is broken off, as by a failover in the middle of it, is given up by the client for good: not by this side.
 * Dispose it before the client is closed.
 */
export function keepUp(client: Redis): Disposable {
  let timer: NodeJS.Timeout | undefined
  const connect = (): void => void client.connect().catch(() => undefined) // `error` has told why
  const again = (): void => {
    timer = setTimeout(connect, RECONNECT_MS)
  }
  client.on('end', again)
  return {
    [Symbol.dispose]() {
      client.off('end', again)
      clearTimeout(timer)
    },
  }
}

/** Rejects where the line's database is refused: the client selects it as well, and goes on in database 0 if it may not. */
export async function requireDatabase(line: Redis): Promise<void> {
  const { db = 0 } = line.options
  if (db !== 0) await line.select(db)
}

/** Its lines go together: what is known of the server, and of what was on its way, is known of all of them or of none. */
function oneServer(
  kind: Address['kind'],
  options: ClientOptions,
  { events, count }: { readonly events: Events; readonly count: number },
): Clients {
  const client = new Redis(options)
  const lines = [client, ...Array.from({ length: count - 1 }, () => new Redis(options))]
  const kept = lines.map(keepUp)
  const reconnect = (): void => {
    for (const line of lines) {
      // One that is being made ends by its own time limit.
      if (line.status === 'ready' || line.status === 'connect') line.disconnect(true)
    }
  }
  for (const line of lines) {
    line.on('error', (error: Error) => {
      const isBeginning = options.tls !== undefined && line.status !== 'ready'
      events.lost(isBeginning ? handshakeFailure(error) : toldOf(error))
    })
    line.on('close', () => {
      events.lost(CLOSED)
      reconnect()
    })
    line.on('ready', () => {
      // A refused login ends a line, and the answer behind it still makes it ready.
      if (lines.every(({ status, stream }) => status === 'ready' && stream.writable)) events.ready()
    })
  }
  return {
    kind,
    client,
    async connect() {
      await Promise.all(lines.map((line) => line.connect()))
    },
    lines: () => lines,
    servers: () => [client],
    holder: (key) => lines[slotOf(key) % count],
    refresh: () => undefined,
    reconnect,
    close() {
      for (const one of kept) one[Symbol.dispose]()
      for (const line of lines) line.disconnect()
    },
  }
}

function cluster(address: Address, common: ClientOptions, events: Events): Clients {
  const { retryStrategy: _, enableOfflineQueue: _queue, ...redisOptions } = common
  const all = new Cluster([...address.nodes], {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: () => RECONNECT_MS,
    slotsRefreshTimeout: COMMAND_MS,
    // A certificate is for the name the cluster says, and it may say an address.
    dnsLookup: (name, done) => done(null, name),
    redisOptions: { ...redisOptions, Connector: ServerConnector },
  })
  const client = new Redis({
    ...common,
    Connector: anyNodeConnector(() => {
      const known = all.nodes('master').map(({ options: { host = '', port = 0 } }) => ({ host, port }))
      return known.length > 0 ? known : address.nodes
    }),
  })
  const kept = keepUp(client)
  client.on('error', () => undefined) // only hints go by it, which may be lost
  all.on('error', (error: Error) => {
    const { lastNodeError: cause } = error as { readonly lastNodeError?: Error } // where none of them could be asked
    events.lost(toldOf(cause ?? error))
  })
  all.on('node error', (error: Error) => events.lost(toldOf(error)))
  all.on('-node', () => events.lost(NODE_GONE))
  all.on('+node', () => events.ready())
  all.on('ready', () => events.ready())
  const refresh = (): void => all.refreshSlotsCache(() => undefined) // who cannot be asked is told of as a lost node
  return {
    kind: address.kind,
    client,
    async connect() {
      // One whose slots are not all served the client tries for ever, and tells nobody.
      const { promise: isBroken, reject } = Promise.withResolvers<never>()
      const broken = (): void => {
        events.lost(NODE_AWAY)
        reject(new Error(NODE_AWAY))
      }
      all.once('refresh', () => all.once('close', broken))
      await Promise.race([all.connect(), isBroken])
      all.off('close', broken)
      await client.connect()
    },
    lines: () => all.nodes('master'),
    servers: () => all.nodes('master'),
    holder(key) {
      const name = all.slots[slotOf(key)]?.[0]
      return all.nodes('master').find(({ options: { host, port } }) => `${host}:${port}` === name)
    },
    refresh,
    reconnect() {
      for (const node of all.nodes('all')) node.disconnect()
      refresh()
    },
    close() {
      kept[Symbol.dispose]()
      all.disconnect()
      client.disconnect()
    },
  }
}
