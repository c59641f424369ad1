// A channel with a `url`: a client of somebody else's broker. At least once there, exactly once here for what has an id.
import { setTimeout as pause } from 'node:timers/promises'

import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, Message, Scope } from 'dragoman'

import type { Arrived, Turn } from './arrivals.ts'
import { openClient } from './client.ts'
import type { BrokerClient } from './client.ts'
import type { ChannelConfig } from './config.ts'
import { claim } from './handover.ts'
import { hubOf } from './hub.ts'
import type { Outlet } from './hub.ts'
import { takeIn } from './intake.ts'
import { compileMapping } from './mapping.ts'
import { createOutbox } from './outbox.ts'
import { createOwn } from './own.ts'
import { encodeMessage } from './payload.ts'
import { createReplyTopics } from './reply-topics.ts'
import { Turns } from './turns.ts'

const DEFAULT_KEEP_ALIVE_SECONDS = 30
/** Among several instances one is the bridge. */
const LEASE = 'bridge'
const LEASE_MS = 15_000
const RENEW_MS = 5000
/** Whoever is not the bridge looks this often whether it may be. */
const LOOK_MS = 1000
const FULL_MS = 30_000
/** Requests at once. */
const MAX_REQUESTS = 16

/** `url` is the config's; everything else as there. */
export function createBridge(config: ChannelConfig & { readonly url: string }, scope: Scope): Channel {
  const mapping = compileMapping(config.topics)
  const own = createOwn(scope)
  const { state, log, metrics } = scope
  const outbox = createOutbox({
    state,
    log,
    metrics,
    // Not when it is said: filters may have changed, and notes have ended, by the time it is published.
    before: async ({ topic, payload }) => (mapping.has(topic) ? own.note(topic, payload) : undefined),
  })
  // Nobody behind another broker speaks frames.
  const replyTopics = createReplyTopics(scope, () => false)
  const hub = hubOf(scope.id)
  const clientId = config.clientId ?? `dragoman-${scope.id}`
  const stack = new AsyncDisposableStack()
  let client: BrokerClient | undefined
  const requests = new Turns(MAX_REQUESTS)

  async function take(host: ChannelHost, message: Arrived, { goOn, signal }: Turn): Promise<void> {
    const { topic } = message
    const isMapped = mapping.has(topic)
    if (hub.isAwaited(topic)) {
      const isAnswer = !isMapped && !message.retain
      if (hub.deliver(topic, message.payload, { isAnswer }) || !isMapped) return
    }
    // A filter that the config no longer has may still be in the broker's session.
    if (!isMapped) return scope.log.debug('a message on a topic that is not mapped', { topic })
    // A broker shows what it retains at every subscription: that is no news.
    if (message.retain) return
    if (await own.isBack(topic, message.payload)) return
    // Messages are stored one after another. A request lasts as long as its call: none but those of its sender wait for it (SEMANTICS 18).
    const accept: ChannelHost['accept'] = (draft, options) => {
      if (draft.kind !== 'request') return host.accept(draft, options)
      goOn()
      return requests.run(draft.sender.id, () => host.accept(draft, options), signal)
    }
    await takeIn(
      { ...message, will: false },
      {
        host: { accept },
        mapping,
        scope,
        replyTopics,
        answer: ({ topic: at, qos }, payload) => outbox.append({ topic: at, payload, qos }),
        tell() {}, // on somebody else's broker nobody has asked for it
      },
    )
  }

  /** What is mapped, and what backends wait for. */
  function wanted(): ReadonlyMap<string, 0 | 1> {
    const filters = new Map(mapping.filters.map(({ filter, qos }) => [filter, qos]))
    for (const filter of hub.awaited()) filters.set(filter, 1)
    return filters
  }

  function connect(host: ChannelHost): BrokerClient {
    return openClient({
      url: config.url,
      clientId,
      clean: false,
      keepAliveSeconds: config.keepAlive ?? DEFAULT_KEEP_ALIVE_SECONDS,
      log: scope.log,
      wanted,
      onMessage: (message, turn) => take(host, message, turn),
      onConnected(sessionPresent) {
        scope.log.info('the bridge is connected', { sessionPresent })
        outbox.wake()
      },
    })
  }

  /** The bridge of this process, as long as it holds the lease and nothing newer of its name runs. */
  async function serve(host: ChannelHost, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const lease = await scope.state.lease(LEASE, LEASE_MS).catch(() => undefined)
      if (lease === undefined) {
        await rest(LOOK_MS, signal)
        continue
      }
      const ending = new AbortController()
      const either = AbortSignal.any([signal, ending.signal])
      const opened = connect(host)
      client = opened
      const publishing = outbox.run(
        ({ topic, payload, qos }) => opened.publish(topic, payload, { qos }),
        either,
      )
      while (!either.aborted) {
        await rest(RENEW_MS, either)
        // A store that is away for a moment takes the lease from nobody else either.
        const renewed = await scope.state.lease(LEASE, LEASE_MS).catch(() => lease)
        if (renewed === undefined) ending.abort()
      }
      client = undefined
      await opened.close()
      await publishing
      await lease.release().catch(() => undefined)
    }
  }

  const outlet: Outlet = {
    async publish(topic, payload, options) {
      if (client?.connected !== true) return 'nobody'
      return client.publish(topic, payload, options).then(
        () => 'sent' as const,
        (error: unknown) => (GatewayError.from(error).notExecuted ? 'nobody' : 'unknown'),
      )
    },
    get connected() {
      return client?.connected !== false
    },
    get missing() {
      return client?.missing ?? []
    },
    // Not connected: it is among those that are subscribed to then.
    look: () => client?.look(),
  }

  return {
    async start(host) {
      let running: { readonly stop: AbortController; readonly ended: Promise<void> } | undefined
      const ended: Promise<void>[] = []
      const release = claim(`bridge ${scope.id}`, {
        take() {
          const stop = new AbortController()
          running = { stop, ended: serve(host, stop.signal) }
          ended.push(running.ended)
        },
        yield() {
          running?.stop.abort()
          running = undefined
        },
      })
      const detach = hub.attach(outlet)
      stack.defer(async () => {
        detach()
        release()
        await Promise.all(ended)
      })
    },
    // Also where no topic has a reply now: one may have had it when what waits was said (SEMANTICS 21).
    async send(message: Message, key: string) {
      const at = await replyTopics.find(message)
      if ('status' in at) return at
      try {
        const { topic, qos } = at
        await outbox.append({ topic, qos, payload: encodeMessage(message, key) })
        return { status: 'sent' }
      } catch (error) {
        const { retry, message: reason } = GatewayError.from(error)
        return { status: 'refused', retry, afterMs: FULL_MS, reason }
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  }
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal, ref: false }).catch(() => undefined)
}
