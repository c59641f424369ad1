// What aedes is given in the place of its emitter and its persistence: both forget. State belongs to the store, never to a connection.
import { Readable } from 'node:stream'

/** The identifiers of a connection's packets, for the two handshakes that need them. */
export interface Packeted {
  readonly messageId?: number | undefined
}

export interface Hooks<Client> {
  /** The client has acknowledged what was sent to it with this identifier. */
  onAcknowledged(client: Client, messageId: number): void
  /** The will of a client that connects. */
  onWill(will: object): void
  /** The QoS 2 messages of a client whose handshake is under way (MQTT 3.1.1 §4.3.3). */
  receiving(client: Client): Set<number> | undefined
}

/**
 * An emitter for the `mq` option that delivers to nobody: nothing that one client publishes reaches another, retained or not, and
 * `$SYS` is silent. Messages go out by `client.publish` alone, which orders them.
 */
export function silentEmitter(): object {
  type Done = (() => void) | undefined
  const later = (done: Done): void => void (done !== undefined && setImmediate(done))
  return {
    on: (_topic: string, _listener: unknown, done: Done) => later(done),
    removeListener: (_topic: string, _listener: unknown, done: Done) => later(done),
    emit: (_packet: unknown, done: Done) => later(done),
    close: later,
  }
}

/**
 * A persistence for the `persistence` option that keeps no session, no retained message, no will and no queue.
 */
export function nothingKept<Client extends object>(hooks: Hooks<Client>): object {
  const nothing = async (): Promise<void> => undefined
  const none = (): Readable => Readable.from([])
  const unknown = (): never => {
    throw new Error('no such packet')
  }
  return {
    setup: nothing,
    destroy: nothing,
    storeRetained: nothing,
    createRetainedStream: none,
    createRetainedStreamCombi: none,
    addSubscriptions: nothing,
    removeSubscriptions: nothing,
    cleanSubscriptions: nothing,
    subscriptionsByClient: async () => [],
    subscriptionsByTopic: async () => [],
    countOffline: async () => ({ subsCount: 0, clientsCount: 0 }),
    outgoingEnqueue: nothing,
    outgoingEnqueueCombi: nothing,
    outgoingUpdate: nothing,
    outgoingStream: none,
    async outgoingClearMessageId(client: Client, { messageId }: Packeted) {
      if (messageId !== undefined) hooks.onAcknowledged(client, messageId)
    },
    async incomingStorePacket(client: Client, { messageId = 0 }: Packeted) {
      hooks.receiving(client)?.add(messageId)
    },
    async incomingGetPacket(client: Client, { messageId = 0 }: Packeted) {
      return hooks.receiving(client)?.has(messageId) === true ? { messageId } : unknown()
    },
    async incomingDelPacket(client: Client, { messageId = 0 }: Packeted) {
      if (hooks.receiving(client)?.delete(messageId) !== true) unknown()
    },
    cleanIncoming: nothing,
    async putWill(_client: Client, will: object) {
      hooks.onWill(will)
    },
    getWill: nothing,
    delWill: nothing,
    streamWill: none,
    getClientList: none,
  }
}
