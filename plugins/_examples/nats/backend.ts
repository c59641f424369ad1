// The NATS backend: an operation is a request on a subject, or a message published into a stream, once.
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { createInbox, headers } from '@nats-io/transport-node'
import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node'
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Operation, Scope } from 'dragoman'

import type { BackendConfig, OperationConfig } from './config.ts'
import { openBus, placeOf, soon } from './connection.ts'
import type { Bus } from './connection.ts'
import { readAnswer } from './payload.ts'
import { SubjectError, writeSubject } from './subject.ts'

const FIRST_CONNECT_MS = 2000
/** For the acknowledgement of a stream; the call's own deadline is usually sooner. */
const PUBLISH_MS = 30_000

export function createBackend(config: BackendConfig, scope: Scope): Backend {
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  for (const [name, { stream }] of Object.entries(config.operations))
    operations[name] = { safe: false, idempotent: stream !== undefined }
  let bus: Bus | undefined

  function connected(): NatsConnection {
    const connection = bus?.connection
    if (connection === undefined)
      throw new GatewayError('BACKEND_FAILED', `${placeOf(config)} is not connected`, { notExecuted: true })
    return connection
  }

  return {
    operations,
    async start(signal) {
      bus = openBus({ config, name: `dragoman ${scope.id}`, log: scope.log })
      await soon(bus, FIRST_CONNECT_MS, signal)
    },
    async call(call, signal) {
      const operation = Object.hasOwn(operations, call.operation)
        ? config.operations[call.operation]
        : undefined
      if (operation === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${call.operation}": it has ${Object.keys(operations).join(', ')}`,
          { notExecuted: true },
        )
      try {
        const subject = writeSubject(operation.subject, call.params)
        const asked = { operation, subject, payload: JSON.stringify(call.params), call, signal }
        return operation.stream === undefined
          ? await request(connected(), asked)
          : await publish(connected(), asked, operation.stream)
      } catch (error) {
        if (error instanceof SubjectError)
          return { fault: { code: 'InvalidParameters', message: error.message } }
        throw error
      }
    },
    async probe(signal) {
      const connection = connected()
      await within(connection.flush(), signal)
      const streams = new Set(Object.values(config.operations).flatMap(({ stream }) => stream ?? []))
      if (streams.size === 0) return
      const manager = await within(jetstreamManager(connection), signal)
      for (const stream of streams)
        await within(manager.streams.info(stream), signal).catch((error: unknown) => {
          throw new GatewayError('BACKEND_FAILED', `stream "${stream}": ${textOf(error)}`, { cause: error })
        })
    },
    async [Symbol.asyncDispose]() {
      await bus?.[Symbol.asyncDispose]()
    },
  }
}

interface Asked {
  readonly operation: OperationConfig
  readonly subject: string
  readonly payload: string
  readonly call: BackendCall
  readonly signal: AbortSignal
}

/** By an inbox of its own: it ends with the call's signal and leaves no timer. */
async function request(
  connection: NatsConnection,
  { operation, subject, payload, call, signal }: Asked,
): Promise<Answer> {
  const answered = Promise.withResolvers<Msg>()
  const inbox = createInbox()
  const subscription = connection.subscribe(inbox, {
    max: 1,
    callback: (error, message) => (error === null ? answered.resolve(message) : answered.reject(error)),
  })
  try {
    const marks = headersOf(operation, call)
    marks.set('Idempotency-Key', call.key)
    send(() => connection.publish(subject, payload, { reply: inbox, headers: marks }), subject)
    const message = await within(answered.promise, signal)
    // The server itself says that nobody listens: nothing was done.
    if (message.data.byteLength === 0 && message.headers?.code === 503)
      throw new GatewayError('BACKEND_FAILED', `nobody answers on ${subject}`, { notExecuted: true })
    return readAnswer(message, operation.answer, subject)
  } finally {
    if (!subscription.isClosed()) subscription.unsubscribe()
  }
}

/** The stream keeps what has one `Nats-Msg-Id` once, within its `duplicate_window`. */
async function publish(
  connection: NatsConnection,
  { operation, subject, payload, call, signal }: Asked,
  streamName: string,
): Promise<Answer> {
  const options = {
    msgID: call.key,
    headers: headersOf(operation, call),
    expect: { streamName },
    timeout: PUBLISH_MS,
  }
  try {
    const { seq, stream, duplicate } = await within(
      jetstream(connection).publish(subject, payload, options),
      signal,
    )
    return { data: { stream, sequence: String(seq), duplicate } }
  } catch (error) {
    if (signal.aborted || error instanceof GatewayError) throw error
    const name = error instanceof Error ? error.name : ''
    // No stream takes the subject, or this one is another: the server says so, and keeps nothing.
    const notExecuted = /^(?:JetStreamNotEnabled|JetStreamApiError|InvalidArgumentError)$/.test(name)
    throw new GatewayError(
      'BACKEND_FAILED',
      notExecuted && name === 'JetStreamNotEnabled'
        ? `no stream takes ${subject}`
        : `${subject} was not acknowledged by stream "${streamName}": ${textOf(error)}`,
      { cause: error, notExecuted },
    )
  }
}

/** Refused by the client itself: too large, or no subject. */
function send(work: () => void, subject: string): void {
  try {
    work()
  } catch (error) {
    throw new GatewayError('BACKEND_FAILED', `${subject}: ${textOf(error)}`, {
      cause: error,
      notExecuted: true,
    })
  }
}

function headersOf({ headers: own }: OperationConfig, { message }: BackendCall): MsgHdrs {
  const marks = headers()
  for (const [name, value] of Object.entries(own)) marks.set(name, value)
  marks.set('traceparent', message.traceparent)
  return marks
}

/** What comes first: the result, or the end of the call. */
async function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const ended = Promise.withResolvers<never>()
  const onEnd = (): void => ended.reject(signal.reason)
  signal.addEventListener('abort', onEnd)
  try {
    return await Promise.race([work, ended.promise])
  } finally {
    signal.removeEventListener('abort', onEnd)
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
