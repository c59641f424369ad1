// The MQTT backend: a request on one topic, its answer on another, told apart by a correlation, ended by the call's deadline.
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Component, Operation, Scope } from 'dragoman'

import { readsMessage } from '../data/expression.ts'
import { backendConfig, hearsItself } from './config.ts'
import type { BackendConfig } from './config.ts'
import { createCorrelation } from './correlation.ts'
import { hubOf } from './hub.ts'
import { compileRequest } from './request.ts'
import type { CompiledRequest } from './request.ts'
import { joinClient } from './shared-client.ts'

export const backend: Component<Backend, BackendConfig> = {
  config: backendConfig,
  create: (config, scope) => createBackend(config, scope),
}

const DEFAULT_KEEP_ALIVE_SECONDS = 30

/** The way to the broker: a connection of its own, or the devices of a channel. */
interface Way {
  /** Resolves when the message is with the broker. Throws `BACKEND_FAILED`. */
  publish(
    topic: string,
    payload: string,
    options: { readonly qos: 0 | 1; readonly signal: AbortSignal },
  ): Promise<void>
  readonly connected: boolean
  /** Where answers come, and the broker refuses that we hear them, or has not been asked. */
  readonly missing: readonly string[]
}

function createBackend(config: BackendConfig, scope: Scope): Backend {
  const requests = new Map<string, CompiledRequest>()
  const operations: Record<string, Operation> = Object.create(null) // null prototype: names come from the config
  for (const [name, operation] of Object.entries(config.operations)) {
    requests.set(name, compileRequest(operation, scope.id))
    operations[name] = { safe: false, readsMessage: readsMessage(operation) }
  }
  const correlation = createCorrelation(requests.values(), scope)
  const questions = [...requests.values()].map(({ filter }) => filter)
  const stack = new AsyncDisposableStack()
  let way: Way | undefined

  async function throughUrl(url: string, signal: AbortSignal): Promise<Way> {
    const listening = Promise.withResolvers<void>()
    const client = joinClient({
      url,
      clientId: config.clientId ?? `dragoman-${scope.id}-${crypto.randomUUID().slice(0, 8)}`,
      keepAliveSeconds: config.keepAlive ?? DEFAULT_KEEP_ALIVE_SECONDS,
      log: scope.log,
      questions,
      filters: correlation.filters,
      to: correlation,
      onListening: () => listening.resolve(),
    })
    stack.use(client)
    // A broker that is away now does not keep the gateway from starting; calls say so until it is there.
    const soon = AbortSignal.any([signal, AbortSignal.timeout(FIRST_CONNECT_MS)])
    await Promise.race([listening.promise, new Promise((resolve) => soon.addEventListener('abort', resolve))])
    return client
  }

  function throughChannel(channel: string): Way {
    const hub = hubOf(channel)
    const close = hub.open({
      out: questions,
      in: correlation.filters,
      to: correlation,
    })
    stack.defer(close)
    return {
      get connected() {
        return hub.outlet !== undefined && hub.outlet.connected !== false
      },
      get missing() {
        return hub.outlet?.missing?.filter((filter) => correlation.filters.includes(filter)) ?? []
      },
      async publish(topic, payload, options) {
        const outcome = (await hub.outlet?.publish(topic, payload, options)) ?? 'nobody'
        if (outcome === 'nobody')
          throw new GatewayError(
            'BACKEND_FAILED',
            `no device of channel "${channel}" subscribes to ${topic}`,
            {
              notExecuted: true,
            },
          )
        if (outcome === 'full')
          throw new GatewayError('BACKEND_FAILED', `not sent to ${topic}: too much there waits for PUBACK`, {
            notExecuted: true,
          })
        if (outcome !== 'sent') throw new GatewayError('BACKEND_FAILED', `no PUBACK for ${topic}`)
      },
    }
  }

  /** Throws `BACKEND_FAILED` where nothing can be asked, or no answer heard; nothing was done then. */
  function ready(answers: (filter: string) => boolean): Way {
    if (way?.connected !== true) {
      const { channel } = config
      const what = channel === undefined ? `the broker of backend "${scope.id}"` : `channel "${channel.id}"`
      throw notDone(`${what} is not connected`)
    }
    const deaf = way.missing.filter(answers)
    if (deaf.length > 0)
      throw notDone(`the broker of backend "${scope.id}" does not let us hear answers on ${deaf.join(', ')}`)
    return way
  }

  return {
    operations,
    async start(signal) {
      if (config.url !== undefined) way = await throughUrl(config.url, signal)
      else if (config.channel !== undefined) way = throughChannel(config.channel.id)
    },
    async call(call: BackendCall, signal: AbortSignal): Promise<Answer> {
      const request = requests.get(call.operation) ?? requests.get('*')
      if (request === undefined)
        throw new GatewayError(
          'NO_ROUTE',
          `backend "${scope.id}" has no operation "${call.operation}": it has ${[...requests.keys()].join(', ')}`,
          { notExecuted: true },
        )
      const through = ready((filter) => filter === request.replyFilter)
      const { topic, payload, replyTopic, correlationId } = await request.build(call)
      if (replyTopic === undefined) {
        await through.publish(topic, payload, { qos: request.qos, signal })
        return {}
      }
      if (topic === replyTopic && hearsItself(config))
        throw new GatewayError('DECODE_FAILED', `${topic} is to bear both the question and its answer`, {
          notExecuted: true,
        })
      // Registered first: an answer may overtake the PUBACK.
      using waiting = correlation.wait(correlationId, replyTopic, signal)
      await Promise.race([through.publish(topic, payload, { qos: request.qos, signal }), waiting.answer])
      return request.read(await waiting.answer, call)
    },
    async probe() {
      ready(() => true)
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

function notDone(message: string): GatewayError {
  return new GatewayError('BACKEND_FAILED', message, { notExecuted: true })
}

const FIRST_CONNECT_MS = 3000
