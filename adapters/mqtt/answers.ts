// The answers to one client's requests: given while more is taken of it, so many at once, and none is lost without a word.
import { GatewayError } from 'dragoman'
import type { Scope } from 'dragoman'

import type { Outcome } from './hub.ts'
import type { ReplyTopic } from './mapping.ts'
import { encodeError } from './payload.ts'
import type { Reach } from './reach.ts'
import type { Session } from './session.ts'

/** The request, for who is told that its answer did not reach him. */
export interface Asked {
  readonly topic: string
  /** The client's own: asked again with it, he gets the same answer. */
  readonly id?: string
}

export interface AnswersOptions {
  readonly session: Session
  readonly reach: Pick<Reach, 'publish'>
  readonly scope: Pick<Scope, 'log' | 'metrics'>
  /** Says something to the client, where it listens. */
  readonly tell: (payload: string) => void
}

const ANSWER_MS = 10_000
/** Answers to one client's requests that nobody has yet; beyond them its next request waits for its PUBACK. */
const MAX_ANSWERS = 16
/** The same where more of what it has published waits behind that request. */
const MOST_ANSWERS = 4096

export class Answers {
  readonly #options: AnswersOptions
  #open = 0

  constructor(options: AnswersOptions) {
    this.#options = options
  }

  /** The request is stored, which is what its PUBACK says: it does not wait until somebody has the answer. Never rejects. */
  async give(to: ReplyTopic, payload: string, asked: Asked): Promise<void> {
    this.#open += 1
    const giving = this.#send(to, payload, asked).finally(() => (this.#open -= 1))
    if (this.#open > MOST_ANSWERS) await giving
    else if (this.#open > MAX_ANSWERS) await this.#options.session.unlessBehind(giving)
  }

  async #send({ topic, qos, owner }: ReplyTopic, payload: string, asked: Asked): Promise<void> {
    const { reach } = this.#options
    try {
      const outcome = await reach.publish(topic, payload, {
        qos,
        owner,
        signal: AbortSignal.timeout(ANSWER_MS),
      })
      if (outcome !== 'sent') this.#lost(outcome, problemOf(outcome, topic, asked), asked)
    } catch (error) {
      this.#lost('failed', GatewayError.from(error), asked)
    }
  }

  #lost(reason: string, error: GatewayError, asked: Asked): void {
    const { scope, tell } = this.#options
    scope.metrics.count('mqtt_answers_lost', { reason })
    scope.log.warn('an answer was not sent', { topic: asked.topic, id: asked.id, reason: error.message })
    tell(encodeError(error, asked))
  }
}

/** Who asked without an id cannot ask for the same answer again: for him it stays unknown, and asking again is another request. */
function problemOf(outcome: Exclude<Outcome, 'sent'>, topic: string, { id }: Asked): GatewayError {
  const why = {
    nobody: `nobody subscribes to ${topic}`,
    full: `too much waits for PUBACK at ${topic}, the answer was not sent`,
    gone: `the connection ended before PUBACK from ${topic}`,
    unknown: `no PUBACK from ${topic}`,
  }
  if (id === undefined) return new GatewayError('OUTCOME_UNKNOWN', why[outcome])
  return new GatewayError(
    outcome === 'full' ? 'OVERLOADED' : 'CHANNEL_GONE',
    `${why[outcome]}; ask again with the same id`,
  )
}
