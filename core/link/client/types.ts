// What an app gives the client and gets from it. Nothing here runs.
import type { DownFrame, HelloFrame, Json, MsgFrame, SendFrame, UpFrame } from '../../api.ts'
import type { Box } from './box.ts'

/** DESIGN §12: three links, one conversation. */
export type LinkKind = 'websocket' | 'mqtt' | 'http'

/** `text`, `parts`, `data`, `conversation`, …: as the frame `send` has it. */
export type Outgoing = SendFrame['message']

/**
 * How far an own message has come; it only goes up, or ends in `refused`. `queued`: durable here. `sent`: on its way. `stored`:
 * durable at the gateway. `delivered`: an agent has it, or it was given up and a later one has been answered. `read`: an agent has answered it, or says that he has read it.
 */
export type Mark = 'queued' | 'sent' | 'stored' | 'delivered' | 'read' | 'refused'

/** One message of the conversation as this device keeps it. */
export interface Said {
  /** Of an own message the id it was sent under, of any other the gateway's. */
  readonly id: string
  readonly from: 'me' | 'them'
  /** Where it stands in its conversation; an own one has neither before it is stored. */
  readonly conversation?: string
  readonly sequence?: number
  /** RFC 3339: when it was sent here, or received by the gateway. */
  readonly at: string
  /** Its parts as text. */
  readonly text: string
  readonly message: Outgoing | MsgFrame['message']
  /** Of own messages; and why one was refused. */
  readonly mark?: Mark
  readonly code?: string
}

/** What a UI shows beside the messages. */
export type StateEvent =
  /**
   * `waiting`: another tab has the box; what is sent waits too, and is not kept before this one has it. `elsewhere`: another process of this device has taken over; the next `send` comes back. `refused`: the token is no good;
   * tried again with what `token` gives then. `failed`: what is to be kept cannot be kept, or the box is another customer's; nothing more is sent or taken.
   */
  | {
      readonly what: 'link'
      readonly status: 'waiting' | 'connecting' | 'online' | 'elsewhere' | 'refused' | 'failed' | 'closed'
      readonly link?: LinkKind
      readonly reason?: string
    }
  /** So many own messages are not stored at the gateway yet. */
  | { readonly what: 'outbox'; readonly waiting: number }
  | { readonly what: 'mark'; readonly id: string; readonly mark: Mark; readonly code?: string }
  /** The gateway no longer has everything since this device was last here; `all`: the conversations' logs had what was missing. */
  | { readonly what: 'missed'; readonly all: boolean; readonly why: string }

export interface ConnectOptions {
  /** The gateway: `https://chat.example.com`. The links' addresses follow from it. */
  readonly url: string | URL
  /** The customer's bearer token; a function is asked at each new link. */
  readonly token: string | (() => string | Promise<string>)
  /** Other addresses than `/v1/ws`, `/v1/link` and the WebSocket at `/mqtt`; `mqtt://` and `mqtts://` are for Node alone. */
  readonly addresses?: Partial<Readonly<Record<LinkKind, string>>>
  /** The links, the best one first; a function is asked each time links are looked for. Default: websocket, mqtt, http. */
  readonly links?: readonly LinkKind[] | (() => readonly LinkKind[])
  /** Where outbox, cursor and messages of one customer are kept: a name in a browser, a file in Node; or a box of your own. */
  readonly box?: string | Box
  /** Messages kept on this device, and given to `onMessage` after a restart. Default 1,000. */
  readonly history?: number
  /** Brings MQTT.js when it is needed for the first time. Default: `import('mqtt')`. */
  readonly loadMqtt?: () => Promise<Mqtt>
}

/** The four calls: this is what `connect` gives. */
export interface Client extends AsyncDisposable {
  /**
   * Resolves when it is durable on this device, before anything is on its way. Rejects where that fails, it is no message or no JSON (`TypeError`),
   * it is more than a frame holds, 64 KiB (`RangeError`), the client is closed, or has failed: then with that failure.
   */
  send(message: Outgoing | string): Promise<Said>
  /**
   * Every message once and in order, own ones too (`from`), those kept from before first. It is durable on this device before
   * the handler is called. Returns what ends it.
   */
  onMessage(handler: (said: Said) => void): () => void
  /** Begins with how things stand. Returns what ends it. */
  onState(handler: (event: StateEvent) => void): () => void
  /** Closes the links and the box, also of a client that has failed; what waits in the outbox stays there. Every call resolves when that is done. */
  close(): Promise<void>
}

/** The part of MQTT.js that is used. */
export interface Mqtt {
  connect(url: string, options: Readonly<Record<string, unknown>>): MqttConnection
}
export interface MqttConnection {
  on(event: 'connect' | 'close', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'message', listener: (topic: string, payload: Uint8Array) => void): unknown
  subscribe(topic: string, options: { readonly qos: 0 }): unknown
  publish(topic: string, payload: string, options: { readonly qos: 1 }): unknown
  end(force: boolean): unknown
}

// ─── Between the parts ───────────────────────────────────────────────────────────────────────────────────────────────

/** One link at work. After `close`, and after `onGone`, nothing is called any more. */
export interface Transport {
  send(frames: readonly UpFrame[]): void
  close(): void
}

export interface TransportOptions {
  readonly address: string
  readonly token: string
  readonly device: string
  /** Said first on every link, and in every request over HTTP. */
  readonly hello: () => HelloFrame
  /** Resolves when what it brought is durable here. */
  readonly onFrames: (frames: readonly DownFrame[]) => Promise<void>
  readonly onGone: (gone: { readonly reason: string; readonly isRefused?: boolean }) => void
  /** How long an answer may take, in milliseconds. */
  readonly patienceMs: () => number
}

export type OpenTransport = (options: TransportOptions) => Transport

/** What is kept under a key. */
export type Kept = Json
