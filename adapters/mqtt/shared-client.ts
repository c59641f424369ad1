// A client id is one connection at its broker: all backends of this process that have the same one share it, those of a reload too.
import type { Log } from 'dragoman'

import { openClient } from './client.ts'
import type { BrokerClient, ClientOptions } from './client.ts'
import { createHub } from './hub.ts'
import type { Hub, Listener } from './hub.ts'

export interface JoinOptions extends Pick<ClientOptions, 'url' | 'clientId' | 'keepAliveSeconds'> {
  readonly log: Log
  /** Where questions go. */
  readonly questions: readonly string[]
  /** Where answers come. */
  readonly filters: readonly string[]
  readonly to: Listener
  /** Everything that somebody wants on this connection is subscribed to. */
  readonly onListening: () => void
}

/** Leaving closes the connection once nobody else has it. */
export interface Joined extends Pick<BrokerClient, 'connected' | 'missing' | 'publish'>, AsyncDisposable {}

interface Shared {
  readonly client: BrokerClient
  readonly hub: Hub
  readonly onListening: Set<() => void>
  users: number
}

const shared = new Map<string, Shared>()

/** Joins the connection, or opens it: then with this keep-alive and log, until it is closed. */
export function joinClient(options: JoinOptions): Joined {
  const { url, clientId, questions, filters, to, onListening } = options
  const name = `${clientId} ${url}`
  const used = shared.get(name) ?? open(options)
  shared.set(name, used)
  const { client, hub } = used
  used.users += 1
  used.onListening.add(onListening)
  const unhear = hub.open({ out: questions, in: filters, to })
  client.look()
  return {
    get connected() {
      return client.connected
    },
    get missing() {
      return client.missing.filter((filter) => filters.includes(filter))
    },
    publish: (...message) => client.publish(...message),
    async [Symbol.asyncDispose]() {
      unhear()
      used.onListening.delete(onListening)
      used.users -= 1
      if (used.users > 0) return
      shared.delete(name)
      await client.close()
    },
  }
}

function open({ url, clientId, keepAliveSeconds, log }: JoinOptions): Shared {
  const hub = createHub()
  const onListening = new Set<() => void>()
  const client = openClient({
    url,
    clientId,
    // An answer that nobody waits for any more is of no use.
    clean: true,
    keepAliveSeconds,
    log,
    wanted: () => new Map([...hub.awaited()].map((filter) => [filter, 1])),
    async onMessage({ topic, payload, retain }) {
      hub.deliver(topic, payload, { isAnswer: !retain })
    },
    onListening() {
      for (const listener of onListening) listener()
    },
  })
  return { client, hub, onListening, users: 0 }
}
