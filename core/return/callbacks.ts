// `POST /v1/callbacks/{id}`: the later answer of an agent that had only taken a message (SEMANTICS 7, 17).
import { GatewayError } from '../api.ts'
import type { Answer, Conversation, Handoff, HttpRequest, HttpResponse, Message, Reply } from '../api.ts'
import { parseAnswer } from '../agents/webhook/answer.ts'
import { isHandoff, outbound, replyOf } from '../calls/answers.ts'
import type { Components } from '../calls/calls.ts'
import { idFrom, moment } from '../ids.ts'
import { canonical, freezePlain } from '../json.ts'
import { mayPush, pushesOf } from '../deliver/push.ts'
import type { Failure, Row, Settle, SettleResult, Store, Unnumbered } from '../store/store.ts'
import { epochIn, handedOffId, isPromiseOf, timerId } from '../deliver/settling.ts'
import type { Offer } from '../deliver/settling.ts'
import type { Signer } from './callback-secret.ts'
import type { Ended } from './waiters.ts'

export interface CallbacksOptions {
  readonly store: Store
  /** Somebody may still wait for it. */
  readonly resolve: (id: string, ended: Ended) => void
  readonly now: () => number
  /** Our own base address, as agents reach it. */
  readonly origin: () => string
  readonly components: () => Components
  readonly poke: (home: string) => void
}

export interface Callbacks {
  /** What an agent is given with a message. The token names the term (`termOf`) it is good for, and the agent. */
  offer(message: Message, offer: Offer): Conversation['callback']
  /** Whether the body of such a request is to be read: its method and its token. Throws `GatewayError`. */
  admit(head: Pick<HttpRequest, 'method' | 'path' | 'headers'>): void
  /** Serves `/v1/callbacks/{id}`. Throws `GatewayError`. */
  handle(request: HttpRequest): Promise<HttpResponse>
}

/** What a callback is about: an answer that was offered, and mostly is waited for. */
interface Promised extends Offer {
  readonly question: Message
  readonly id: string
  readonly rows: readonly Row[]
}

/** What a token says. */
interface Told extends Pick<Offer, 'term'> {
  readonly agent: string | undefined
}

interface Written<R> {
  readonly result: R
  readonly home: string
  /** The conversation is somebody else's by now (SEMANTICS 7). */
  readonly hasPassed: boolean
}

export const CALLBACK_PATH = '/v1/callbacks'
const TRIES = 3
const TAKEN_WITHIN_MS = 2000
/** Of its time: a bot may wait for its callback before it says 202. */
const TAKEN_WITHIN_SHARE = 0.25
const LOOK_AGAIN_MS = 20

export function createCallbacks(secret: Signer, options: CallbacksOptions): Callbacks {
  const { store, now } = options

  /** A promise may be older than this version: the tokens of those before name the term alone. */
  function offerIn(token: string | undefined, id: string): Told {
    const parts = token?.split('.') ?? []
    const named = parts.slice(0, -1)
    const [term = '', agent, ...more] = named
    if (more.length > 0 || !secret.isSigned([id, ...named].join('.'), parts.at(-1) ?? ''))
      throw new GatewayError(
        'AUTH_FAILED',
        'the callback token is missing or is not the one given with this message',
      )
    return { term, agent }
  }

  function promiseIn({
    method,
    path,
    headers,
  }: Pick<HttpRequest, 'method' | 'path' | 'headers'>): Told & Pick<Promised, 'id'> {
    if (method !== 'POST')
      throw new GatewayError('METHOD_NOT_ALLOWED', `a callback is a POST, not a ${method}`, {
        detail: { allow: 'POST' },
      })
    const id = path.slice(CALLBACK_PATH.length + 1)
    return { id, ...offerIn(bearer(headers['authorization']), id) }
  }

  return {
    admit: (head) => void promiseIn(head),
    offer(message, { term, agent }) {
      return {
        url: `${options.origin()}${CALLBACK_PATH}/${message.id}`,
        token: `${term}.${agent}.${secret.sign([message.id, term, agent].join('.'))}`,
      }
    },

    async handle(request) {
      const { id, term, agent: told } = promiseIn(request)
      const answer = parse(request)
      const timer = timerId(id, term)
      const rows = await rowsOfTaken(id, timer, told)
      const question = questionOf(rows, id)
      const agent = told ?? agentOf(rows, id, timer)
      const promise = { question, id, term, rows, agent }
      if (isHandoff(answer)) return handOff(promise, answer)
      const reply = replyOf(answer, 'agent', 'the callback')
      const spoken = outbound(question, reply, { id: agent, now: now() })
      if (spoken === undefined && !isResult(question, reply)) throw saysNothing()
      if (spoken?.type === 'mark') return mark(promise, spoken, reply)
      const channel = options.components().channel(question.channel)
      // The same body is the same answer, also where it is kept as a note: the row does not end by that and remembers none.
      const under = (ownerEpoch: number): Unnumbered | undefined =>
        spoken && { ...spoken, id: idFrom(id, `${timer} ${ownerEpoch} ${canonical(reply)}`) }
      const { result, home, hasPassed } = await settled(promise, (ownerEpoch) => {
        const said = under(ownerEpoch)
        return {
          conversation: question.conversation,
          outcome: 'answered',
          reply,
          replies: said === undefined ? [] : [said],
          inbox: true,
          pushes: pushesOf(channel, said),
        }
      })
      // The same body again is the same call again; another one comes too late.
      const isSame = result.status === 'already' && canonical(result.reply) === canonical(reply)
      if (result.status === 'settled' || isSame) {
        options.resolve(id, { outcome: 'answered', reply })
        if (mayPush(channel)) options.poke(home)
        return accepted(id)
      }
      const note = under(epochIn(term))
      const isLate = result.status === 'already' && hasPassed && note !== undefined
      if (isLate) await keep(note, home)
      if (isLate || result.status !== 'already')
        throw new GatewayError(
          'NOT_OWNER',
          'the conversation has passed to somebody else; the answer was kept as an internal note',
        )
      // Of what was never promised the store knows no outcome.
      const outcome = rows.some((row) => 'id' in row && row.id === timer) ? ` (${result.outcome})` : ''
      throw new GatewayError('NOT_OWNER', `no answer to the message ${id} is waited for any more${outcome}`)
    },
  }

  /** SEMANTICS 7: its promise has ended already, or there was none, and the conversation is somebody else's. Once: the id is its body's. */
  async function keep(note: Unnumbered, home: string): Promise<void> {
    const message: Unnumbered = { ...note, direction: 'internal' }
    await store.accept({ home, conversation: note.conversation, message, inbox: false })
  }

  /** How far a question has come is no answer to it: the log has it once, and the promise stands. */
  async function mark(promise: Promised, spoken: Unnumbered, reply: Reply): Promise<HttpResponse> {
    const { id, term, rows, question } = promise
    const timer = timerId(id, term)
    const message = { ...spoken, id: idFrom(id, `${timer} ${canonical(reply)}`) }
    const isAwaited = rows.some((row) => row.row === 'work' && row.id === timer)
    if (!isAwaited && (await store.find({ by: 'id', id: message.id })).length === 0)
      throw new GatewayError('NOT_OWNER', `no answer to the message ${id} is waited for any more`)
    const { result } = await underEpoch(promise, (home, ownerEpoch) =>
      store.accept({
        home,
        conversation: question.conversation,
        message,
        expect: { ownerEpoch },
        inbox: true,
      }),
    )
    if (result.status === 'notOwner')
      throw new GatewayError('NOT_OWNER', 'the conversation has passed to somebody else')
    return accepted(id)
  }

  /** The promise will not be kept: another one takes its place that is missed already, so the route's fallback gets the message. */
  async function handOff(promise: Promised, { handoff }: Handoff): Promise<HttpResponse> {
    const { id, term, rows, agent } = promise
    const handedOff = handedOffId(id, term)
    const { result, home } = await settled(promise, () => ({
      outcome: 'taken',
      tried: {
        target: `agent ${agent}`,
        startedAt: moment(now()),
        durationMs: 0,
        failure: handingOff(handoff),
      },
      timer: { id: handedOff, delayMs: 0, target: `agent ${agent}` },
      replies: [],
      inbox: false,
      pushes: [],
    }))
    const isSame = rows.some((row) => 'id' in row && row.id === handedOff)
    if (result.status !== 'settled' && !isSame)
      throw new GatewayError(
        'NOT_OWNER',
        result.status === 'notOwner'
          ? 'the conversation has passed to somebody else'
          : `no answer to the message ${id} is waited for any more`,
      )
    options.poke(home)
    return accepted(id)
  }

  async function settled(
    promise: Promised,
    what: (ownerEpoch: number) => Omit<Settle, 'home' | 'kind' | 'id' | 'attempt' | 'expect'>,
  ): Promise<Written<SettleResult>> {
    const timer = { kind: 'timer', id: timerId(promise.id, promise.term), attempt: 0 } as const
    return underEpoch(promise, (home, ownerEpoch) =>
      store.settle({ home, ...timer, expect: { ownerEpoch }, ...what(ownerEpoch) }),
    )
  }

  /**
   * Writes under the epoch of the promise. Who has the conversation by now may say what he likes of all that he was asked, however often it was
   * handed to him since: that is written under the present one, and tried again where that is over in this very moment.
   */
  async function underEpoch<R extends { readonly status: string }>(
    { question, term, agent }: Promised,
    write: (home: string, ownerEpoch: number) => Promise<R>,
  ): Promise<Written<R>> {
    for (let tries = 1; ; tries++) {
      const { home, agent: owner, ownerEpoch: present } = await conversationOf(question)
      const result = await write(home, owner === agent ? present : epochIn(term))
      const hasPassed = owner !== agent && present > epochIn(term)
      if (result.status !== 'notOwner' || owner !== agent || tries === TRIES)
        return { result, home, hasPassed }
    }
  }

  /** A quick bot calls back before its 202 is stored: the step has its moment to end. Throws `OVERLOADED` where it does not. */
  async function rowsOfTaken(id: string, timer: string, agent?: string): Promise<readonly Row[]> {
    const { timeoutMs = Infinity } =
      (agent === undefined ? undefined : options.components().agent(agent)) ?? {}
    const deadline = performance.now() + Math.min(TAKEN_WITHIN_MS, timeoutMs * TAKEN_WITHIN_SHARE)
    let rows = await store.find({ by: 'id', id })
    while (isBeingTaken(rows, id, timer)) {
      if (performance.now() > deadline)
        throw new GatewayError(
          'OVERLOADED',
          `the message ${id} is not handed over yet; send the callback again`,
          { retryAfterMs: TAKEN_WITHIN_MS },
        )
      await new Promise((again) => setTimeout(again, LOOK_AGAIN_MS))
      rows = await store.find({ by: 'id', id })
    }
    return rows
  }

  async function conversationOf(question: Message) {
    const rows = await store.find({ by: 'conversation', conversation: question.conversation })
    for (const row of rows) if (row.row === 'conversation') return row
    throw new GatewayError('NOT_FOUND', `the conversation of the message ${question.id} is gone`)
  }
}

/** The promise is not stored yet, and a step that may bring it has not ended: the message's own, or that of an earlier promise which was missed. */
function isBeingTaken(rows: readonly Row[], id: string, timer: string): boolean {
  if (rows.some((row) => (row.row === 'work' || row.row === 'settled') && row.id === timer)) return false
  return rows.some(
    (row) =>
      row.row === 'work' &&
      ((row.kind === 'message' && row.id === id) ||
        (row.kind === 'timer' && row.state === 'flight' && isPromiseOf(row.id, id))),
  )
}

function questionOf(rows: readonly Row[], id: string): Message {
  for (const row of rows) if (row.row === 'message' && row.message.id === id) return row.message
  throw new GatewayError('NOT_FOUND', `there is no message ${id} (any more)`)
}

/** Who promised it, where the token does not say: whose attempt ended the row before this one, the message's own or an earlier promise. */
function agentOf(rows: readonly Row[], id: string, timer: string): string {
  let agent = 'agent'
  for (const row of rows) {
    if ((row.row === 'work' || row.row === 'settled') && row.id === timer) return agent
    if (row.row === 'settled' && (row.id === id || isPromiseOf(row.id, id)))
      agent = row.attempts.at(-1)?.target.replace(/^agent /u, '') ?? agent
  }
  return agent
}

function handingOff(reason: string): Failure {
  return { code: 'AGENT_FAILED', message: `hands off ("${reason}")` }
}

function accepted(id: string): HttpResponse {
  const headers = { 'content-type': 'application/json' }
  return { status: 200, headers, body: JSON.stringify({ id, accepted: true }) }
}

function bearer(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/iu.exec(authorization ?? '')?.[1]
}

/** A callback says what a 200 would have said. Here the bot is the caller: its mistake is `DECODE_FAILED`. */
function parse({ headers, body }: HttpRequest): Answer | Handoff {
  const type = headers['content-type'] ?? ''
  if (!JSON_TYPE.test(type))
    throw new GatewayError('UNSUPPORTED_MEDIA', `a callback is application/json in UTF-8, not "${type}"`)
  let answer: Answer | Handoff
  try {
    answer = parseAnswer(body)
    freezePlain(answer, 'it')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('DECODE_FAILED', `the callback came ${why}`, { cause: error })
  }
  if (Object.keys(answer).length === 0) throw saysNothing()
  return answer
}

/** Null may well be what a request results in; to a message it says nothing. */
function isResult({ kind }: Message, { data }: Reply): boolean {
  return kind === 'request' && data !== undefined
}

function saysNothing(): GatewayError {
  return new GatewayError('DECODE_FAILED', 'the callback says nothing: { "text": … } is the shortest answer')
}
const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/iu
