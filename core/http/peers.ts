// The other processes behind the same ports: what one of them is asked for by HTTP is asked of all.
import type { Json } from '../api.ts'

/** A request for one of the pages of `/admin/v1`, or for the figures. */
export interface PeerQuestion {
  readonly method: string
  /** With its query; `/metrics` yields the figures as JSON. */
  readonly path: string
  /** JSON text. */
  readonly body?: string
}

export interface PeerAnswer {
  /** Of the process that says it. */
  readonly worker: number
  readonly status: number
  readonly body: Json
}

export interface Peers {
  /** Asks all others at once. Who does not answer within some seconds is not among the answers. Never rejects. */
  ask(question: PeerQuestion): Promise<readonly PeerAnswer[]>
  /** How this process answers from now on. */
  onAsked(answer: (question: PeerQuestion) => Promise<Pick<PeerAnswer, 'status' | 'body'>>): void
}
