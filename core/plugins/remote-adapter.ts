// A plugin's adapter as the gateway uses it: the public interface here, the plugin in its worker.
import { GatewayError } from '../api.ts'
import type {
  Adapter,
  Agent,
  Answer,
  Backend,
  Channel,
  ChannelHost,
  Component,
  Delivery,
  Handoff,
  Scope,
} from '../api.ts'
import { agentAnswerOf, replyOf } from '../calls/answers.ts'
import { deliveryOf } from '../deliver/delivery-shape.ts'
import { channelService } from './channel-service.ts'
import { HINT_HOST, HINT_ORIGIN } from './contract.ts'
import type { Beginning, ComponentRole, DescribedAdapter, Validated } from './contract.ts'
import { Hosted } from './hosted.ts'
import type { Home, Refusal } from './hosted.ts'
import { inputOf, remoteSchema } from './remote-schema.ts'
import type { Questions } from './remote-schema.ts'
import { scopeService } from './scope-service.ts'
import { withOwnBytes } from './wire.ts'

export interface RemoteAdapter {
  readonly described: DescribedAdapter
  readonly home: Home
  readonly ask: (role: ComponentRole, config: string) => Promise<Validated>
  readonly questions: Questions
}

const RETRY_AFTER_MS = 1000
/** Not 409: platforms resend after a 5xx. Not 503, which asks to be tried again. */
const BAD_GATEWAY = 502

export function remoteAdapter(from: RemoteAdapter): Adapter {
  const { described, home } = from
  const { roles } = described
  return Object.freeze<Adapter>({
    name: described.name,
    apiVersion: 1,
    ...(roles.channel !== undefined && {
      channel: component(from, 'channel', (config, scope) => remoteChannel(home, config, scope)),
    }),
    ...(roles.backend !== undefined && {
      backend: component(from, 'backend', (config, scope) => remoteBackend(home, config, scope)),
    }),
    ...(roles.agent !== undefined && {
      agent: component(from, 'agent', (config, scope) => remoteAgent(home, config, scope)),
    }),
  })
}

function component<T>(
  { described, ask, questions }: RemoteAdapter,
  role: ComponentRole,
  create: (config: string, scope: Scope) => T,
): Component<T> {
  const jsonSchema = described.roles[role]?.jsonSchema
  return {
    config: remoteSchema({ role, jsonSchema, questions, ask: (config) => ask(role, config) }),
    create: (config, scope) => create(inputOf(config), scope),
  }
}

function remoteChannel(home: Home, config: string, scope: Scope): Channel {
  let hosted: Hosted | undefined
  const refusal: Refusal = (why, isBegun) =>
    new GatewayError('CHANNEL_GONE', `the plugin "${home.name}" is not there; try again in a moment`, {
      cause: new Error(why),
      retryAfterMs: RETRY_AFTER_MS,
      notExecuted: !isBegun,
    })
  /** A handler that had begun may have done its work: to ask again is for the caller to decide. */
  const handlerRefusal: Refusal = (why, isBegun) =>
    isBegun
      ? new GatewayError('OUTCOME_UNKNOWN', `the plugin "${home.name}" ended over the request`, {
          cause: new Error(why),
          status: BAD_GATEWAY,
        })
      : refusal(why, false)
  // A throw after it was begun counts as unknown, as for any channel; before it, the push waits for the channel.
  const judge = (delivery: unknown): void => void deliveryOf(delivery, scope.id)
  const send: NonNullable<Channel['send']> = async (message, key, signal) =>
    (await running(hosted).call('send', [withOwnBytes(message), key], { signal, refusal, judge })) as Delivery // push.ts reads it as anybody's
  return {
    async start(host: ChannelHost, signal) {
      const service = channelService(host, {
        hosted: () => running(hosted),
        refusal,
        handlerRefusal,
      })
      hosted = new Hosted(home, {
        beginning: { ...whatBegins(config, scope), role: 'channel', operations: host.operations },
        services: { ...scopeService(scope), ...service.services },
        onLost: (isDead) => service.onLost(isDead),
        paths: () => service.paths(),
      })
      signal.addEventListener('abort', () => hosted?.close(), { once: true })
      await hosted.start()
    },
    get send() {
      return hosted?.begun?.sends === true ? send : undefined
    },
    get pushesWhole() {
      return hosted?.begun?.pushesWhole === true
    },
    get refusable() {
      return hosted?.begun?.refusable === true
    },
    hint(origin: string) {
      const { hint } = hosted?.begun ?? {}
      const host = URL.parse(origin)?.host ?? HINT_HOST
      return hint?.replaceAll(HINT_ORIGIN, origin).replaceAll(HINT_HOST, host)
    },
    async [Symbol.asyncDispose]() {
      await hosted?.end()
    },
  } as Channel // `send` is there or not, which an optional member written as a getter cannot say
}

function remoteBackend(home: Home, config: string, scope: Scope): Backend {
  let hosted: Hosted | undefined
  const refusal = calledRefusal(home, 'BACKEND_FAILED')
  return {
    get operations() {
      return hosted?.operations ?? {}
    },
    async start() {
      hosted = begun(home, 'backend', { config, scope })
      await hosted.start()
    },
    async call(call, signal) {
      const args = [{ ...call, message: withOwnBytes(call.message) }]
      const judge = (answer: unknown): void =>
        void replyOf(answer, 'backend', `operation ${JSON.stringify(call.operation)}`)
      return (await running(hosted).call('call', args, { signal, refusal, judge })) as Answer // answers.ts reads it as anybody's
    },
    async probe(signal) {
      if (hosted?.begun?.probes === true) await hosted.call('probe', [], { signal, refusal })
    },
    async [Symbol.asyncDispose]() {
      await hosted?.end()
    },
  }
}

function remoteAgent(home: Home, config: string, scope: Scope): Agent {
  let hosted: Hosted | undefined
  const refusal = calledRefusal(home, 'AGENT_FAILED')
  const judge = (answer: unknown): void => void agentAnswerOf(answer, `agent "${scope.id}"`)
  return {
    async start() {
      hosted = begun(home, 'agent', { config, scope })
      await hosted.start()
    },
    async answer(message, conversation, signal) {
      const { id, customer, callback } = conversation // read here: the clone that crosses takes longer over an accessor
      const args = [withOwnBytes(message), { id, customer, callback }]
      return (await running(hosted).call('answer', args, { signal, refusal, judge })) as
        | Answer
        | Handoff
        | undefined // as above
    },
    async [Symbol.asyncDispose]() {
      await hosted?.end()
    },
  }
}

function whatBegins(
  config: string,
  { id, responseLimitBytes }: Scope,
): Omit<Beginning, 'role' | 'operations'> {
  return { id, config, responseLimitBytes }
}

function begun(
  home: Home,
  role: 'backend' | 'agent',
  { config, scope }: { readonly config: string; readonly scope: Scope },
): Hosted {
  return new Hosted(home, {
    beginning: { ...whatBegins(config, scope), role, operations: {} },
    services: scopeService(scope),
  })
}

/** SEMANTICS 22: a call that was on its way when its worker died may have been executed; one that was not begun was not. */
function calledRefusal({ name }: Home, code: 'BACKEND_FAILED' | 'AGENT_FAILED'): Refusal {
  return (why, isBegun) =>
    isBegun
      ? new GatewayError(code, `the plugin "${name}" died over the call`, { cause: new Error(why) })
      : new GatewayError('BREAKER_OPEN', `the plugin "${name}" is not running`, {
          cause: new Error(why),
          notExecuted: true,
          retryAfterMs: RETRY_AFTER_MS,
        })
}

function running(hosted: Hosted | undefined): Hosted {
  if (hosted === undefined) throw new GatewayError('INTERNAL', 'the component has not been started')
  return hosted
}
