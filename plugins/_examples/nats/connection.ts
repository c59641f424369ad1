// One connection to NATS: made again as often as it breaks, and never the reason that the gateway does not start.
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'

import { connect, credsAuthenticator } from '@nats-io/transport-node'
import type { NatsConnection, NodeConnectionOptions } from '@nats-io/transport-node'
import { GatewayError } from 'dragoman'
import type { Log } from 'dragoman'

import type { AccountConfig } from './config.ts'

export interface Bus extends AsyncDisposable {
  /** Undefined while there is none: what is published meanwhile would be dropped when it is back. */
  readonly connection: NatsConnection | undefined
  /** Settles with the first connection and what `onFirst` did with it. */
  readonly ready: Promise<void>
}

export interface BusOptions {
  readonly config: AccountConfig
  /** The name the server shows for us. */
  readonly name: string
  readonly log: Log
  /** With the first connection alone: subscriptions outlive a break. */
  readonly onFirst?: (connection: NatsConnection) => Promise<void>
}

const RETRY_MS = 500
const FLUSH_MS = 1000

/** Begins to connect, at once and for as long as it takes. */
export function openBus({ config, name, log, onFirst }: BusOptions): Bus {
  const ending = new AbortController()
  let connection: NatsConnection | undefined
  let isConnected = false

  async function first(): Promise<void> {
    const options = await optionsOf(config, name)
    for (let isTold = false; ; isTold = true) {
      try {
        connection = await connect(options)
        break
      } catch (error) {
        if (isRefused(error)) throw unreachable(config, error)
        if (!isTold) log.warn(`${placeOf(config)} cannot be reached, and is tried again`, { error })
        await pause(RETRY_MS, undefined, { signal: ending.signal })
      }
    }
    if (ending.signal.aborted) return connection.close()
    isConnected = true
    void follow(connection)
    await onFirst?.(connection)
  }

  async function follow(of: NatsConnection): Promise<void> {
    for await (const status of of.status()) {
      if (status.type === 'disconnect') {
        isConnected = false
        if (!ending.signal.aborted) log.warn(`the connection to ${placeOf(config)} is broken`)
      }
      if (status.type === 'reconnect') {
        isConnected = true
        log.info(`${placeOf(config)} is back`)
      }
      if (status.type === 'error') log.warn(`${placeOf(config)} says: ${status.error.message}`)
    }
  }

  const ready = first()
  ready.catch(() => undefined) // whoever waits for it hears of it
  return {
    get connection() {
      return isConnected ? connection : undefined
    },
    ready,
    async [Symbol.asyncDispose]() {
      ending.abort()
      // The last answers and acknowledgements go out first, where there is still somebody to take them.
      if (isConnected) await Promise.race([flushed(connection), pause(FLUSH_MS, undefined, { ref: false })])
      isConnected = false
      await connection?.close()
      await ready.catch(() => undefined) // it was told to whoever waited
    },
  }
}

/** Also where the connection breaks meanwhile: then nobody takes them any more. */
async function flushed(connection: NatsConnection | undefined): Promise<void> {
  await connection?.flush().catch(() => undefined)
}

/** Waits for the first connection, but not for ever. Throws what went wrong with it. */
export async function soon(bus: Bus, ms: number, signal: AbortSignal): Promise<void> {
  const late = new AbortController()
  const within = AbortSignal.any([signal, late.signal])
  try {
    await Promise.race([bus.ready, pause(ms, undefined, { signal: within, ref: false })])
  } finally {
    late.abort()
  }
}

export function placeOf({ servers }: AccountConfig): string {
  return typeof servers === 'string' ? servers : servers.join(', ')
}

async function optionsOf(config: AccountConfig, name: string): Promise<NodeConnectionOptions> {
  const { servers, user, password, token, credentials, certificates } = config
  const { ca, cert, key } = certificates ?? {}
  return {
    servers: typeof servers === 'string' ? servers : [...servers],
    name,
    maxReconnectAttempts: -1,
    // Otherwise two refusals in a row would end it for ever: a password that is changed here later than there.
    ignoreAuthErrorAbort: true,
    reconnectTimeWait: RETRY_MS,
    // A server that has gone without a word is noticed within the minute.
    pingInterval: 20_000,
    ...(user !== '' && { user }),
    ...(password !== '' && { pass: password }),
    ...(token !== '' && { token }),
    ...(credentials !== undefined && { authenticator: credsAuthenticator(await readFile(credentials)) }),
    ...((certificates !== undefined || placeOf(config).includes('tls://')) && {
      tls: {
        ...(ca !== undefined && { caFile: ca }),
        ...(cert !== undefined && { certFile: cert }),
        ...(key !== undefined && { keyFile: key }),
      },
    }),
  }
}

/** Trying again changes nothing: somebody has to change the config. */
function isRefused(error: unknown): boolean {
  return error instanceof Error && /^(?:AuthorizationError|InvalidArgumentError)$/.test(error.name)
}

function unreachable(config: AccountConfig, cause: unknown): GatewayError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new GatewayError('BACKEND_FAILED', `${placeOf(config)} refuses us: ${why}`, {
    cause,
    notExecuted: true,
  })
}
