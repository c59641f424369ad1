// The contract between the channel (what the platform pushes) and the platform's API (what is called).
import type { Answer, ChannelHost, Delivery, Draft, Json, Message, Operation } from 'dragoman'

/** What opens the customer-service window, and for how many messages (message 5, menu, scan and subscribe 3, enter 2). */
export type Contact = 'message' | 'menu' | 'scan' | 'subscribe' | 'enter'

export interface Inbound {
  readonly openId: string
  /** component: appid of the account the customer wrote to. */
  readonly authorizer?: string
  readonly contact: Contact
  /** Its own, among what this customer does: the platform's repeat has the same. */
  readonly id: string
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** The platform's secrets that arrive as pushes: kept in `scope.state`, never a message, never logged. */
export type PlatformTicket =
  | { readonly type: 'component_verify_ticket'; readonly appId: string; readonly ticket: string }
  | { readonly type: 'suite_ticket'; readonly suiteId: string; readonly ticket: string }
  /** A code that is changed for a refresh token: an account has authorised us. */
  | { readonly type: 'authorized'; readonly authorizer: string; readonly code: string }
  | { readonly type: 'unauthorized'; readonly authorizer: string }

export interface KfReader {
  /**
   * 微信客服 says that something is there: read with this token until nothing is left. Resolves once the account is noted, so
   * that the next life reads it too: only then is the push acknowledged. Throws `STORE_UNAVAILABLE`.
   */
  onKfEvent(token: string, openKfId: string): Promise<void>
  /** Ends after the page in hand. */
  close(): Promise<void>
}

/** Makes a draft of one item of `sync_msg`; undefined: nothing for anybody (an echo of what we sent). */
export type KfDrafts = (item: { readonly [field: string]: Json }) => Promise<Draft | undefined>

/** The platform's API on behalf of one account. Created without I/O. */
export interface Platform extends AsyncDisposable {
  /** Pushes one part of an answer to whom `message.replyContext` names (SEMANTICS 6). `key` is stable over tries. */
  send(message: Message, key: string, signal: AbortSignal): Promise<Delivery>
  /** Carries out one of `operations`. A business fault is a value; a breakage is thrown. */
  call(operation: string, params: Json, key: string, signal: AbortSignal): Promise<Answer>
  readonly operations: Readonly<Record<string, Operation>>
  /** The customer did something: the window is open again and its quota full, unless it is a repeat. Returns at once; never throws. */
  noteInbound(inbound: Inbound): void
  /** Resolves once it is stored: only then is the push acknowledged. Throws `STORE_UNAVAILABLE`. */
  noteTicket(ticket: PlatformTicket): Promise<void>
  /** 微信客服: reads what customers wrote and hands it to `host.accept`, in order, one reader per account in all instances. */
  startKfReader(host: ChannelHost, drafts: KfDrafts, signal: AbortSignal): KfReader
}
