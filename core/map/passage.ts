// What is seen of one request on its way through the gateway, stage by stage.
import type { Draft, GatewayError, HttpResponse, Json, Message, Reply } from '../api.ts'
import type { RouteConfig } from '../router.ts'
import type { Recorded, Told } from './recorder.ts'

export type Stage = 'decode' | 'draft' | 'route' | 'call' | 'encode'

/** The answer an outbound request was given. */
export interface Given {
  readonly told: Told
  /** Where it comes from, in words: `answer.json`, `a sample by the WSDL`. */
  readonly from: string
  /** What would make it better. */
  readonly hint?: string
}

/** Whom the route sends to, and with what. */
export type Target =
  | {
      readonly kind: 'backend'
      readonly id: string
      readonly adapter: string
      readonly operation: string
      readonly params: Json
    }
  | { readonly kind: 'agent'; readonly id: string; readonly adapter: string }

export interface Said {
  readonly component: string
  readonly level: 'warn' | 'error'
  readonly message: string
  /** Of the error that was logged with it. */
  readonly reason?: string
}

/** Filled while the request goes; what is missing was not reached. */
export interface Passage {
  stage: Stage
  operation?: string
  decoded?: Json
  draft?: Draft
  message?: Message
  route?: { readonly number: number; readonly config: RouteConfig }
  target?: Target
  /** In order, each with the answer it was given. */
  readonly outbound: { readonly request: Recorded; given?: Given }[]
  reply?: Reply
  /** Of the text for the customer that an event's route has. */
  said?: string
  /** Why an agent gave the conversation away. */
  handoff?: string
  /** The caller's answer carries the reply; otherwise it is pushed, or waits in the log. */
  returned: boolean
  /** What the channel would send to its platform. */
  readonly pushed: Recorded[]
  failure?: { readonly stage: Stage; readonly error: GatewayError }
  response?: HttpResponse
  /** Warnings and errors of the components. */
  readonly log: Said[]
}

/** What a way that is gone again has otherwise. */
export interface Changes {
  /** Instead of the decoded body. */
  readonly decoded?: Json
  /** Instead of the body of the given answer. */
  readonly answer?: Uint8Array
  /** Nobody is called: this is the reply. */
  readonly reply?: Reply
  /** It ends where backend or agent would be called. */
  readonly untilCall?: boolean
}

export function newPassage(): Passage {
  return { stage: 'decode', outbound: [], returned: false, pushed: [], log: [] }
}
