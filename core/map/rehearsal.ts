// One request's way through channel, route, backend and back, as the gateway goes it, without store, listener and network.
import { outbound, replyOf } from '../calls/answers.ts'
import { GatewayError } from '../api.ts'
import type {
  Accepted,
  AcceptOptions,
  Adapter,
  ChannelHost,
  Conversation,
  Draft,
  HttpRequest,
  Identity,
  Json,
  Message,
  Reply,
} from '../api.ts'
import { callAgent, callBackend } from '../calls/calls.ts'
import type { ChannelParts } from '../components/components.ts'
import { freezePlain } from '../json.ts'
import { normalise } from '../normalise.ts'
import { onePart, pushesOf } from '../deliver/push.ts'
import { createRouter } from '../router.ts'
import type { Route, Router } from '../router.ts'
import type { AgentSettings, BackendSettings, ChannelSettings, GenerationSettings } from '../settings.ts'
import { Cast } from './cast.ts'
import type { Opened } from './cast.ts'
import { newPassage } from './passage.ts'
import type { Changes, Given, Passage, Target } from './passage.ts'
import type { Recorded } from './recorder.ts'
import { silentHost } from './stand-ins.ts'

/** What asks for an answer, and what it belongs to. */
export interface Asked {
  readonly request: Recorded
  readonly target: Target
  readonly settings: BackendSettings | AgentSettings
  readonly channel: ChannelSettings
  /** The operation as the caller named it. */
  readonly operation: string
}

export interface RehearsalOptions {
  readonly settings: GenerationSettings
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly dedupeMs: number
  /** The moment of it all: milliseconds since the epoch. */
  readonly now: number
  /** Answers an outbound request. */
  readonly answer: (asked: Asked) => Promise<Given>
  /** Instead of what a backend answers by itself, without asking anybody over HTTP. */
  readonly ownAnswer?: { readonly data: Json; readonly from: string }
  /** Whom the credential of the request names. */
  readonly identify: (request: Unidentified, channel: ChannelSettings) => Promise<Identity>
}
export type Unidentified = Omit<HttpRequest, 'identity'>

export class Rehearsal implements AsyncDisposable {
  readonly #options: RehearsalOptions
  readonly #router: Router
  readonly #cast: Cast
  #opened: Opened | undefined
  #passage: Passage = newPassage()
  #changes: Changes = {}
  /** Of the first way: the others carry the same, so that nothing differs but what was changed. */
  #stamp: Pick<Message, 'id' | 'correlationId' | 'traceparent' | 'receivedAt'> | undefined

  constructor(options: RehearsalOptions) {
    const { settings, adapters, now } = options
    this.#options = options
    this.#router = createRouter(settings.routes)
    this.#cast = new Cast({
      settings,
      adapters,
      now,
      host: (parts) => this.#host(parts),
      said: (line) => void this.#passage.log.push(line),
    })
  }

  /** Opens the channel that serves a path. Throws as `Cast.open`. */
  async open(path: string): Promise<ChannelSettings> {
    this.#opened = await this.#cast.open(path)
    return this.#opened.settings
  }

  /** Goes the whole way once. Never rejects: what stopped it is its `failure`, and what the caller gets its `response`. */
  async go(request: Unidentified, changes: Changes = {}): Promise<Passage> {
    const { settings, running, mount } = this.#channel()
    const passage = newPassage()
    this.#passage = passage
    this.#changes = changes
    this.#cast.forget()
    try {
      const identity = await this.#options.identify(request, settings)
      passage.response = await mount.handler({ ...request, identity }, new AbortController().signal)
    } catch (error) {
      passage.failure ??= { stage: passage.stage, error: GatewayError.from(error) }
    }
    if (running.inUse.channel.send !== undefined && changes.untilCall !== true) await this.#push(passage)
    return passage
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cast[Symbol.asyncDispose]()
  }

  #channel(): Opened {
    if (this.#opened === undefined) throw new GatewayError('INTERNAL', 'no channel is open')
    return this.#opened
  }

  #host(parts: ChannelParts): ChannelHost {
    return {
      ...silentHost(parts),
      accept: (draft, options) => this.#accept(draft, options),
      draft: async (operation, body, base) => {
        const passage = this.#passage
        const decoded = this.#changes.decoded ?? body
        passage.operation = operation
        passage.decoded = decoded
        passage.stage = 'draft'
        return parts.operations.draft(operation, decoded, base)
      },
    }
  }

  async #accept(draft: Draft, options: AcceptOptions = {}): Promise<Accepted> {
    const passage = this.#passage
    passage.draft = draft
    passage.stage = 'draft'
    try {
      const { now, dedupeMs, settings } = this.#options
      const { identity } = options
      const normalised = normalise(draft, {
        channel: this.#channel().settings,
        identity,
        now,
        dedupeMs,
        isChannel: (name) => Object.hasOwn(settings.channels, name),
      })
      const { id, correlationId, traceparent, receivedAt } = normalised.message
      this.#stamp ??= { id, correlationId, traceparent, receivedAt }
      const sequence = draft.kind === 'request' ? 0 : 1
      const message: Message = Object.freeze({ ...normalised.message, ...this.#stamp, sequence })
      passage.message = message
      const reply = this.#changes.reply ?? (await this.#deliver(message))
      passage.stage = 'encode'
      const accepted = { id: message.id, conversation: message.conversation, sequence, duplicate: false }
      if (reply === undefined) return accepted
      passage.reply = reply
      passage.returned = draft.kind === 'request' || (options.waitMs ?? 0) > 0
      return passage.returned ? { ...accepted, reply } : accepted
    } catch (error) {
      const failure = GatewayError.from(error)
      passage.failure = { stage: passage.stage, error: failure }
      throw failure
    }
  }

  async #deliver(message: Message): Promise<Reply | undefined> {
    const passage = this.#passage
    passage.stage = 'route'
    const route = await this.#router.route(message)
    if (route === undefined)
      throw new GatewayError('NO_ROUTE', `no route takes this ${message.kind} of type "${message.type}"`)
    const { settings } = this.#options
    passage.route = { number: route.number, config: settings.routes[route.number - 1] ?? {} }
    const said = await route.reply?.(message)
    if (said !== undefined) passage.said = said
    if (route.target.kind === 'reply') return undefined
    if (route.target.kind === 'backend')
      return this.#callBackend(route, message, known(settings.backends, 'backend', route.target.backend))
    return this.#callAgent(message, known(settings.agents, 'agent', route.target.agent))
  }

  async #callBackend(route: Route, message: Message, settings: BackendSettings): Promise<Reply> {
    const passage = this.#passage
    const { id, adapter } = settings
    const { inUse } = await this.#cast.backend(settings)
    const name = await route.operation(message)
    const operation = inUse.operation(name)
    if (operation === undefined)
      throw new GatewayError('NO_ROUTE', `backend "${id}" has no operation "${name}"`)
    const params = freezePlain(structuredClone(await route.params(message)), 'the parameters')
    const target: Target = { kind: 'backend', id, adapter, operation: name, params }
    passage.target = target
    const call = {
      operation: name,
      params,
      message,
      key: message.id,
      attempt: 1,
      ms: operation.timeoutMs,
      caller: '',
      retries: false,
    }
    const reply = await this.#calling({ settings, target }, () => callBackend(inUse, operation, call))
    const { ownAnswer } = this.#options
    return ownAnswer === undefined || passage.outbound.length > 0
      ? reply
      : replyOf({ data: ownAnswer.data }, 'backend', ownAnswer.from)
  }

  async #callAgent(message: Message, settings: AgentSettings): Promise<Reply | undefined> {
    const { id, adapter, timeoutMs: ms } = settings
    const { inUse } = await this.#cast.agent(settings)
    const target: Target = { kind: 'agent', id, adapter }
    this.#passage.target = target
    const conversation: Conversation = {
      id: message.conversation,
      customer: message.sender,
      callback: { url: `http://localhost/v1/callbacks/${message.id}`, token: '(one for each message)' },
    }
    const answer = await this.#calling({ settings, target }, () =>
      callAgent(inUse, { message, conversation, ms, waits: false }),
    )
    if (answer === undefined || !('handoff' in answer)) return answer
    this.#passage.handoff = answer.handoff
    return undefined
  }

  /** Makes a call; every request that goes out for it is written down and answered. */
  async #calling<T>(whose: Pick<Asked, 'settings' | 'target'>, call: () => Promise<T>): Promise<T> {
    const passage = this.#passage
    passage.stage = 'call'
    if (this.#changes.untilCall === true) throw new GatewayError('INTERNAL', 'nobody is called this time')
    const channel = this.#channel().settings
    const operation = passage.operation ?? passage.draft?.type ?? ''
    const { answer: other } = this.#changes
    const charset = charsetOf(whose.settings.config)
    this.#cast.answering = async (sent) => {
      const request: Recorded = { ...sent, ...(charset !== undefined && { charset }) }
      const one: Passage['outbound'][number] = { request }
      passage.outbound.push(one)
      const given = await this.#options.answer({ ...whose, request, channel, operation })
      one.given = other === undefined ? given : { ...given, told: { ...given.told, body: other } }
      return one.given.told
    }
    try {
      return await call()
    } finally {
      this.#cast.answering = undefined
    }
  }

  /** What the caller's answer does not carry goes to a platform part by part (SEMANTICS 30). */
  async #push(passage: Passage): Promise<void> {
    const { message, reply, returned } = passage
    const { inUse } = this.#channel().running
    const { channel } = inUse
    const said =
      message === undefined || reply === undefined || returned
        ? undefined
        : outbound(message, reply, { id: 'gateway', now: this.#options.now })
    if (said === undefined) return
    this.#cast.answering = async (request) => {
      passage.pushed.push(request)
      return { status: 200, headers: { 'content-type': 'application/json' }, body: Buffer.from('{}') }
    }
    try {
      const whole: Message = { ...said, sequence: 2 }
      for (const { key, part } of pushesOf(inUse, said))
        await channel.send?.(onePart(whole, part), key, new AbortController().signal)
    } catch (error) {
      passage.failure ??= { stage: 'encode', error: GatewayError.from(error) }
    } finally {
      this.#cast.answering = undefined
    }
  }
}

/** The key every adapter with a charset has it under (DESIGN §10). */
function charsetOf(config: unknown): string | undefined {
  if (typeof config !== 'object' || config === null || !('charset' in config)) return undefined
  return typeof config.charset === 'string' ? config.charset : undefined
}

function known<T>(table: Readonly<Record<string, T>>, role: string, id: string): T {
  const found = Object.hasOwn(table, id) ? table[id] : undefined
  if (found === undefined) throw new GatewayError('NO_ROUTE', `${role} "${id}" is not in the config`)
  return found
}
