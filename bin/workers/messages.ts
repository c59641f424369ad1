// What a supervisor and its workers say to each other.
import type { PeerAnswer, PeerQuestion } from '../../core/http/peers.ts'
import type { Begin, Fixed } from './fixed.ts'

/** What a worker listens at, and what may be pasted to try it. */
export interface Ready {
  /** The config. */
  readonly file: string
  readonly origin: string
  readonly http: number
  readonly mqtt?: number
  readonly hints: readonly { readonly channel: string; readonly command: string }[]
}

export type FromWorker =
  | ({ readonly kind: 'ready'; readonly fixed: Fixed } & Ready)
  | { readonly kind: 'pong' }
  /** It has closed its ports; when this is answered, no connection is on its way to it any more. */
  | { readonly kind: 'farewell' }
  | { readonly kind: 'ask'; readonly id: number; readonly question: PeerQuestion }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: PeerAnswer }

export type ToWorker =
  /** The first, and once. */
  | ({ readonly kind: 'begin' } & Begin)
  | { readonly kind: 'ping' }
  /** Another one is there in its place: it sends its apps away, finishes, and ends. */
  | { readonly kind: 'leave' }
  | { readonly kind: 'farewell' }
  | { readonly kind: 'asked'; readonly id: number; readonly question: PeerQuestion }
  | { readonly kind: 'answers'; readonly id: number; readonly answers: readonly PeerAnswer[] }

/** Tells a worker's process which one it is. */
export const WORKER = 'DRAGOMAN_WORKER'
/** How a worker ends that has said why it cannot start: it would say the same again. */
export const REFUSED = 78
