// The NATS channel: requests on subjects are answered, what streams hold is acknowledged when it is stored.
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, Draft, Json, Scope } from 'dragoman'

import type { ChannelConfig } from './config.ts'
import { openBus, soon } from './connection.ts'
import type { Bus } from './connection.ts'
import { encodeFailure, encodeReply, isObject, parseJson } from './payload.ts'
import { consumeStream } from './stream.ts'
import { filterOf, readSubject } from './subject.ts'

const FIRST_CONNECT_MS = 2000
/** Of one subject: messages that wait for the store, requests that wait for their answers. NATS itself would bring them without end. */
const MOST_RUNNING = 1000
const AGAIN_MS = 1000

export function createChannel(config: ChannelConfig, scope: Scope): Channel {
  let bus: Bus | undefined
  const ends: (() => Promise<void>)[] = []

  async function listen(connection: NatsConnection, host: ChannelHost): Promise<void> {
    for (const [template, operation] of Object.entries(config.subjects))
      ends.push(listenTo(connection, { template, operation, host, config, scope }))
    for (const [stream, settings] of Object.entries(config.streams)) {
      const draft = async (message: Arrived, base: Partial<Draft>): Promise<Draft> => {
        const template = templateOf(Object.keys(settings.subjects), message.subject)
        const operation = settings.subjects[template] ?? ''
        return draftOf(message, { template, operation, host, base: { ...base, kind: 'event' } })
      }
      const consumption = consumeStream(connection, { stream, settings, host, scope, draft })
      ends.push(() => consumption.end())
      await consumption.begun
    }
    await connection.flush() // callers can be answered when the server has heard of all of it
  }

  return {
    async start(host, signal) {
      checkOperations(config, host)
      bus = openBus({
        config,
        name: `dragoman ${scope.id}`,
        log: scope.log,
        onFirst: (connection) => listen(connection, host),
      })
      await soon(bus, FIRST_CONNECT_MS, signal)
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(ends.map((end) => end()))
      await bus?.[Symbol.asyncDispose]()
    },
  }
}

interface Subject {
  readonly template: string
  readonly operation: string
  readonly host: ChannelHost
  readonly config: ChannelConfig
  readonly scope: Scope
}

/**
 * Requests are answered beside each other; messages and events are stored in the order they came in. Gives back how it ends: no
 * more is heard, and what has begun is answered.
 */
function listenTo(connection: NatsConnection, subject: Subject): () => Promise<void> {
  const { template, operation, host, config, scope } = subject
  const isRequest = (host.operations[operation]?.kind ?? 'request') === 'request'
  const running = new Set<Promise<void>>()
  let last: Promise<void> = Promise.resolve()

  async function take(message: Msg): Promise<void> {
    try {
      const id = message.headers?.get('Nats-Msg-Id') ?? ''
      const base = { kind: 'request' as const, ...(id !== '' && { externalId: id }) }
      const draft = await draftOf(message, { template, operation, host, base })
      const waitMs = message.reply === undefined ? 0 : config.waitMs
      const accepted = await host.accept(draft, { waitMs })
      const { id: messageId, conversation, sequence, duplicate, reply } = accepted
      if (draft.kind === 'request') return respond(message, encodeReply(reply ?? { origin: 'backend' }))
      const answer: Json = { id: messageId, conversation, sequence, duplicate }
      const said = reply === undefined ? undefined : encodeReply(reply)
      const payload = JSON.stringify({
        ...answer,
        ...(said !== undefined && { reply: JSON.parse(said.payload) }),
      })
      respond(message, { payload, ...(said !== undefined && { headers: said.headers }) })
    } catch (error) {
      const { code, message: why } = GatewayError.from(error)
      if (!(error instanceof GatewayError))
        scope.log.error(`a message on ${message.subject} failed`, { error })
      else if (message.reply === undefined) scope.log.warn(`a message on ${message.subject} was lost: ${why}`)
      scope.metrics.count('nats_refused_total', { code })
      respond(message, encodeFailure(error))
    }
  }

  const takeAfter = async (before: Promise<void>, message: Msg): Promise<void> => {
    await before
    await take(message)
  }
  const begin = (work: Promise<void>): void => {
    const done = work.finally(() => running.delete(done))
    running.add(done)
  }

  const subscription = connection.subscribe(filterOf(template), {
    queue: config.queue,
    callback: (error, message) => {
      if (error !== null) return scope.log.error(`${filterOf(template)} cannot be heard: ${error.message}`)
      if (running.size >= MOST_RUNNING) {
        scope.metrics.count('nats_refused_total', { code: 'OVERLOADED' })
        const full = `${MOST_RUNNING} of this subject are under way already`
        respond(message, encodeFailure(new GatewayError('OVERLOADED', full, { retryAfterMs: AGAIN_MS })))
        return
      }
      if (isRequest) return begin(take(message))
      last = takeAfter(last, message)
      begin(last)
    },
  })
  return async () => {
    if (!subscription.isClosed()) subscription.unsubscribe()
    await Promise.all(running)
  }
}

/** Nobody is told where nobody asked. */
function respond(message: Msg, { payload, ...options }: Partial<ReturnType<typeof encodeReply>>): void {
  if (message.reply === undefined) return
  try {
    message.respond(payload, options)
  } catch (error) {
    // More than the server takes in one message.
    const problem = new GatewayError('ENCODE_FAILED', 'the answer is too large for NATS', { cause: error })
    const { payload: short, ...marks } = encodeFailure(problem)
    message.respond(short, marks)
  }
}

type Arrived = Pick<Msg, 'subject' | 'data'>

interface Drafting {
  readonly template: string
  readonly operation: string
  readonly host: ChannelHost
  readonly base: Parameters<ChannelHost['draft']>[2]
}

/** The payload's members, and beside them the names of the subject, which nobody can write over. Throws `DECODE_FAILED`. */
async function draftOf(message: Arrived, { template, operation, host, base }: Drafting): Promise<Draft> {
  const names = readSubject(template, message.subject)
  if (names === undefined)
    throw new GatewayError('DECODE_FAILED', `no operation stands for the subject ${message.subject}`)
  const hasNames = Object.keys(names).length > 0
  let body: Json
  try {
    body = hasNames && message.data.byteLength === 0 ? {} : parseJson(message.data)
  } catch (error) {
    throw new GatewayError('DECODE_FAILED', 'the payload is not JSON', { cause: error })
  }
  if (hasNames && !isObject(body))
    throw new GatewayError(
      'DECODE_FAILED',
      'the payload is no JSON object, which the subject adds members to',
    )
  const draft = await host.draft(operation, hasNames && isObject(body) ? { ...body, ...names } : body, {
    ...base,
    metadata: { ...base.metadata, 'nats:subject': message.subject },
    raw: { mediaType: 'application/json', bytes: new Uint8Array(message.data) },
  })
  if (draft === undefined) throw new GatewayError('NO_ROUTE', `there is no operation "${operation}"`)
  return draft
}

function templateOf(templates: readonly string[], subject: string): string {
  return templates.find((template) => readSubject(template, subject) !== undefined) ?? ''
}

/** What the config names must be there, and what a stream holds cannot be answered. */
function checkOperations({ subjects, streams }: ChannelConfig, { operations }: ChannelHost): void {
  const inStreams = Object.values(streams).flatMap((each) => Object.values(each.subjects))
  const isOpen = Object.keys(operations).length === 0
  for (const operation of [...Object.values(subjects), ...inStreams])
    if (!isOpen && !Object.hasOwn(operations, operation))
      throw new GatewayError('INTERNAL', `no operation "${operation}": add it to the channel's operations`)
  for (const operation of inStreams)
    if (operations[operation]?.kind === 'request')
      throw new GatewayError(
        'INTERNAL',
        `operation "${operation}" is a request, and a stream has nobody to answer: make it a message or an event`,
      )
}
