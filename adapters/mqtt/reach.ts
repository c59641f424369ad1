// Devices are reached wherever they are connected: here, or on another instance of the gateway, which is told the message whole.
import { z } from 'zod'

import { GatewayError } from 'dragoman'
import type { ChannelHost, Identity, Log } from 'dragoman'

import { Away } from './away.ts'
import { best, bestOf } from './hub.ts'
import type { Outcome } from './hub.ts'
import type { Owner } from './mapping.ts'

export interface PublishOptions {
  readonly qos: 0 | 1
  readonly signal: AbortSignal
  /** For whom it is: other customers who subscribe are passed over. Absent: for all who do. */
  readonly owner?: Owner | undefined
  /** Somebody has acknowledged it, but after the signal's end. */
  readonly onLate?: () => void
}

/** What is connected to this process. */
export interface Local {
  /** Undefined: nobody here subscribes whom it is for. */
  publish(topic: string, payload: string, options: PublishOptions): Promise<Outcome> | undefined
  /** The client is connected to another instance by now (takeover, [MQTT-3.1.4-2]): one that was here before is closed. */
  movedAway(client: string, who: Pick<Identity, 'role' | 'id'>): void
}

export interface ReachOptions {
  readonly host: Pick<ChannelHost, 'arrived' | 'tell' | 'onTold'>
  readonly local: Local
  readonly log: Log
}

export interface Reach {
  /** `nobody`: on no instance, as far as they have answered. Rejects with `TOO_LARGE` what cannot be told to another instance. */
  publish(
    topic: string,
    payload: string,
    options: PublishOptions & { readonly key?: string },
  ): Promise<Outcome>
  /** The same for a reply, which from here on is found by who subscribes to its topic, until it is sent. */
  reply(key: string, topic: string, payload: string, options: PublishOptions): Promise<Outcome>
  /** A client here may be sent what goes to this filter: what waits for it is sent. The others are told of one that is new. */
  subscribed(
    subscriber: { readonly client: string; readonly who: Identity },
    filter: string,
    isNew: boolean,
  ): void
  /** The channel has ended: nobody is waited for any more. */
  close(): void
}

/** Who has the device says so at once; how long its PUBACK takes is another matter. */
const FIRST_SIGN_MS = 500
/** As long as the core waits for a push. */
const PUBACK_MS = 15_000

const whoever = z.strictObject({ role: z.enum(['customer', 'agent', 'program']), id: z.string() })

const said = z.discriminatedUnion('t', [
  z.strictObject({
    t: z.literal('publish'),
    id: z.string(),
    from: z.string(),
    topic: z.string(),
    payload: z.string(),
    qos: z.union([z.literal(0), z.literal(1)]),
    key: z.string().optional(),
    owner: whoever.optional(),
  }),
  z.strictObject({
    t: z.literal('published'),
    id: z.string(),
    to: z.string(),
    outcome: z.enum(['begun', 'sent', 'gone', 'unknown', 'full', 'nobody']),
    key: z.string().optional(),
  }),
  z.strictObject({
    t: z.literal('here'),
    client: z.string(),
    who: whoever,
    filter: z.string(),
  }),
])
type Said = z.output<typeof said>
type Publishing = Parameters<Reach['publish']>

/** Answers of the other instances to one question; several of them may have a subscriber. */
class Question {
  readonly answer: Promise<Outcome>
  readonly #resolve: (outcome: Outcome) => void
  readonly #firstSign: NodeJS.Timeout
  readonly #heard: Outcome[] = []
  #open = 0

  constructor() {
    const { promise, resolve } = Promise.withResolvers<Outcome>()
    this.answer = promise
    this.#resolve = resolve
    this.#firstSign = setTimeout(() => this.end('nobody'), FIRST_SIGN_MS)
  }

  heard(outcome: Outcome | 'begun'): void {
    clearTimeout(this.#firstSign)
    if (outcome === 'begun') this.#open += 1
    else {
      this.#open -= 1
      this.#heard.push(outcome)
      if (outcome === 'sent' || this.#open <= 0) this.end(best(this.#heard))
    }
  }

  giveUp(): void {
    this.end(this.#open > 0 ? 'unknown' : 'nobody')
  }

  end(outcome: Outcome): void {
    clearTimeout(this.#firstSign)
    this.#resolve(outcome)
  }
}

export function createReach({ host, local, log }: ReachOptions): Reach {
  const self = crypto.randomUUID()
  const away = new Away()
  const questions = new Map<string, Question>()
  let isClosed = false

  async function elsewhere(
    question: Question,
    [topic, payload, { qos, signal, key, owner }]: Publishing,
  ): Promise<Outcome> {
    const id = crypto.randomUUID()
    const onAbort = (): void => question.giveUp()
    questions.set(id, question)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      const more = {
        ...(key !== undefined && { key }),
        ...(owner !== undefined && { owner: { role: owner.role, id: owner.id } }),
      }
      if (!(await host.tell({ t: 'publish', id, from: self, topic, payload, qos, ...more })))
        question.end('nobody')
      return await question.answer
    } finally {
      signal.removeEventListener('abort', onAbort)
      question.end('nobody')
      questions.delete(id)
    }
  }

  async function asked({
    id,
    from,
    topic,
    payload,
    qos,
    key,
    owner,
  }: Said & { readonly t: 'publish' }): Promise<void> {
    const answer = { t: 'published', id, to: from, ...(key !== undefined && { key }) }
    const publishing = local.publish(topic, payload, {
      qos,
      signal: AbortSignal.timeout(PUBACK_MS),
      owner,
      ...(key !== undefined && { onLate: () => tell({ ...answer, outcome: 'sent' }) }),
    })
    if (publishing === undefined) return
    tell({ ...answer, outcome: 'begun' })
    tell({ ...answer, outcome: await publishing })
  }

  function answered({ id, to, outcome, key }: Said & { readonly t: 'published' }): void {
    if (to !== self) return
    const question = questions.get(id)
    if (question !== undefined) question.heard(outcome)
    else if (outcome === 'sent' && key !== undefined) acknowledged(key)
  }

  /** Later than it was waited for: the next try publishes nothing. */
  function acknowledged(key: string): void {
    if (away.acknowledged(key)) host.arrived(key)
  }

  function came(filter: string): void {
    for (const key of away.waitingFor(filter)) host.arrived(key)
  }

  /** What is lost is asked again, or found when it is looked for. */
  function tell(what: Parameters<ChannelHost['tell']>[0]): void {
    host
      .tell(what)
      .catch((error: unknown) =>
        log.debug('the other instances were not told', { reason: GatewayError.from(error).message }),
      )
  }

  host.onTold((arrived) => {
    const { data } = said.safeParse(arrived)
    switch (data?.t) {
      case 'publish':
        void asked(data)
        return
      case 'published':
        answered(data)
        return
      case 'here':
        local.movedAway(data.client, data.who)
        came(data.filter)
        return
      case undefined:
        log.warn('another instance said what is not understood: is it of another version?')
    }
  })

  /** Who else subscribes on other instances has it too; that one has it, wherever, is enough for it to count as sent. */
  async function publish(...publishing: Publishing): Promise<Outcome> {
    const here = local.publish(...publishing)
    if (isClosed) return here ?? 'nobody'
    const question = new Question()
    const there = elsewhere(question, publishing)
    if (here === undefined) return there
    const others = there.catch((error: unknown): Outcome => {
      log.debug('the other instances were not told', { reason: GatewayError.from(error).message })
      return 'nobody'
    })
    try {
      return await bestOf([here, others])
    } finally {
      question.end('nobody')
    }
  }

  return {
    publish,
    async reply(key, topic, payload, options) {
      const isSent = away.isAcknowledged(key)
      if (!isSent) away.wait(key, topic)
      try {
        const onLate = (): void => acknowledged(key)
        const outcome = isSent ? 'sent' : await publish(topic, payload, { ...options, key, onLate })
        if (outcome === 'sent') away.forget(key)
        return outcome
      } catch (error) {
        away.forget(key)
        throw error
      }
    },
    subscribed({ client, who: { role, id } }, filter, isNew) {
      came(filter)
      if (isNew) tell({ t: 'here', client, who: { role, id }, filter })
    },
    close() {
      isClosed = true
      for (const question of questions.values()) question.giveUp()
    },
  }
}
