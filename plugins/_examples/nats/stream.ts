// What a JetStream stream holds, taken by a durable consumer: acknowledged when it is stored here, so nothing is lost or twice.
import { setTimeout as pause } from 'node:timers/promises'

import { AckPolicy, jetstreamManager } from '@nats-io/jetstream'
import type { ConsumerMessages, JsMsg } from '@nats-io/jetstream'
import { nanos } from '@nats-io/transport-node'
import type { NatsConnection } from '@nats-io/transport-node'
import { GatewayError } from 'dragoman'
import type { ChannelHost, Draft, Scope } from 'dragoman'

import type { StreamConfig } from './config.ts'
import { filterOf } from './subject.ts'

export interface StreamOptions {
  readonly stream: string
  readonly settings: StreamConfig
  readonly host: ChannelHost
  readonly scope: Scope
  readonly draft: (message: JsMsg, base: Partial<Draft>) => Promise<Draft>
}

export interface Consumption {
  /** The consumer is there. Rejects where the stream is not. */
  readonly begun: Promise<void>
  /** No further message is taken; the one in hand is stored and acknowledged first. */
  end(): Promise<void>
}

/** Asked for at once; the rest of them come again after `ackWaitMs` if we die. */
const AHEAD = 64
/** One asking lasts so long, and so long it takes to find out that a server which was started again has forgotten it. */
const ASKING_MS = 3000
const RETRY_MS = 1000
const LONGEST_PAUSE_MS = 30_000

/** Takes messages until it is ended, also after the stream, the consumer or the connection were away. */
export function consumeStream(connection: NatsConnection, options: StreamOptions): Consumption {
  const { stream, settings, scope } = options
  const ending = new AbortController()
  const begun = Promise.withResolvers<void>()
  let messages: ConsumerMessages | undefined

  async function once(): Promise<void> {
    const opened = await open(connection, stream, settings)
    messages = opened
    begun.resolve()
    if (ending.signal.aborted) opened.stop()
    for await (const message of opened) {
      if (ending.signal.aborted) message.nak()
      else await take(message, options)
    }
  }

  async function run(): Promise<void> {
    while (!ending.signal.aborted && !connection.isClosed()) {
      try {
        await once()
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        const problem = `stream "${stream}", consumer "${settings.consumer}": ${why}`
        begun.reject(new GatewayError('BACKEND_FAILED', problem, { cause: error }))
        if (!ending.signal.aborted) scope.log.warn(problem)
      }
      await pause(RETRY_MS, undefined, { signal: ending.signal }).catch(() => undefined) // ended meanwhile
    }
  }

  begun.promise.catch(() => undefined) // whoever waits for it hears of it
  const running = run()
  return {
    begun: begun.promise,
    async end() {
      ending.abort()
      messages?.stop()
      await running
    },
  }
}

async function open(
  connection: NatsConnection,
  stream: string,
  { consumer: name, filter, subjects, ackWaitMs }: StreamConfig,
): Promise<ConsumerMessages> {
  const manager = await jetstreamManager(connection)
  const only = Object.keys(subjects)
  const wanted = filter ?? (only.length === 1 && only[0] !== undefined ? filterOf(only[0]) : undefined)
  await manager.consumers.add(stream, {
    durable_name: name,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    ...(wanted !== undefined && { filter_subject: wanted }),
  })
  const consumer = await manager.jetstream().consumers.get(stream, name)
  return consumer.consume({
    max_messages: AHEAD,
    expires: ASKING_MS,
    abort_on_missing_resource: true,
  })
}

/** One at a time, so that what one sender wrote is stored in the order of the stream. */
async function take(message: JsMsg, { stream, host, scope, draft }: StreamOptions): Promise<void> {
  const { seq, timestampNanos, headers, subject, info } = message
  const id = headers?.get('Nats-Msg-Id') ?? ''
  try {
    // The moment it was stored there belongs to its name: a stream that is made anew counts from 1 again.
    const externalId = id === '' ? `${stream}:${seq}@${timestampNanos}` : `${stream}/${id}`
    const metadata = { 'nats:stream': stream, 'nats:sequence': String(seq) }
    const occurredAt = message.time.toISOString()
    await host.accept(await draft(message, { externalId, metadata, occurredAt }), { acknowledges: true })
    message.ack()
  } catch (error) {
    const refusal = GatewayError.from(error)
    const what = `${subject}, message ${seq} of stream "${stream}"`
    scope.metrics.count('nats_refused_total', { code: refusal.code })
    if (refusal.side === 'caller' && !refusal.retry) {
      scope.log.error(`${what} is refused for good: ${refusal.message}`)
      message.term() // with a reason, servers before 2.10 do not take it
      return
    }
    scope.log.warn(`${what} is refused for now: ${refusal.message}`, { error: refusal.cause })
    const grown = Math.min(RETRY_MS * 2 ** Math.min(info.deliveryCount - 1, 10), LONGEST_PAUSE_MS)
    message.nak(Math.max(refusal.retryAfterMs ?? 0, grown))
  }
}
