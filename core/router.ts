// Stage 6: where a message goes. A pure function of the message, the table and presence; the first match wins.
import { GatewayError } from './api.ts'
import type { Json, Message, Priority } from './api.ts'
import { compileExpression, compileTemplate } from './expression.ts'
import type { Expression } from './expression.ts'
import type { Unnumbered } from './store/store.ts'

export interface RouteConfig {
  readonly when?: string | undefined
  readonly agent?: string | undefined
  readonly backend?: string | undefined
  readonly operation?: string | undefined
  readonly params?: string | undefined
  readonly notify?: string | undefined
  readonly fallback?: string | undefined
  readonly reply?: string | undefined
  readonly priority?: Priority | undefined
  readonly timeoutMs?: number | undefined
  readonly record?: boolean | undefined
  readonly ordered?: string | undefined
}

export interface Route {
  /** Its place in the config, from 1. */
  readonly number: number
  readonly target:
    | { readonly kind: 'agent' | 'notify'; readonly agent: string; readonly fallback?: string | undefined }
    | { readonly kind: 'backend'; readonly backend: string }
    | { readonly kind: 'reply' }
  readonly priority?: Priority | undefined
  readonly timeoutMs?: number | undefined
  readonly record: boolean
  /** The operation's name in the business system. */
  operation(message: Routable): string | Promise<string>
  /** The operation's parameters. */
  params(message: Routable): Json | Promise<Json>
  /** The key that orders recorded requests; undefined: unordered. */
  order(message: Routable): Promise<string | undefined>
  /** The text for the customer, for an event with `reply`. */
  reply?(message: Routable): Promise<string>
}
/** A message before or after it got its number. */
export type Routable = Message | Unnumbered

export interface Router {
  /** Some route says a priority. */
  readonly ranks: boolean
  /**
   * Undefined: no route takes it. Throws `NO_ROUTE` where a predicate before the first match cannot be evaluated for this message: whoever wrote
   * it may have meant the message, so those below do not get it (DESIGN §5, stage 6).
   */
  route(message: Routable): Promise<Route | undefined>
}

/** Whether the app of the customer who speaks has a link, here or at another instance; asked only where a route says `$present()`. */
export type IsPresent = (message: Routable) => Promise<boolean>

/** Compiles the table. Throws `SyntaxError` for an expression that is none. */
export function createRouter(
  configs: readonly RouteConfig[],
  isPresent: IsPresent = async () => false,
): Router {
  const table = configs.map((config, index) => ({
    when: config.when === undefined ? undefined : compileIn(index + 1, 'when', config.when),
    route: compileRoute(config, index + 1),
  }))
  return {
    ranks: configs.some(({ priority }) => priority !== undefined),
    async route(message) {
      const bindings = { present: () => isPresent(message) }
      for (const { when, route } of table) {
        if (when === undefined) return route
        const said = when(message, bindings)
        // Awaiting only what is a promise keeps simple predicates out of the microtask queue.
        const verdict = said instanceof Promise ? await said : said
        if (isStructure(verdict) ? await asBoolean(verdict) : Boolean(verdict)) return route
      }
      return undefined
    },
  }
}

/** JSONata's own truth, by which `{}`, `[]` and `[false]` are false. */
const asBoolean = compileExpression('$boolean($)')

function isStructure(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** With the priority that the message's route says (SEMANTICS 27). Whose route cannot be found is taken in as it is: its step fails, and says why. */
export async function ranked<N extends { readonly message: Routable }>(
  given: N,
  pin: () => { readonly router: Router } & Disposable,
): Promise<N> {
  using pinned = pin()
  if (!pinned.router.ranks) return given
  const route = await pinned.router.route(given.message).catch(() => undefined)
  const priority = route?.priority
  return priority === undefined ? given : { ...given, message: withPriority(given.message, priority) }
}

/** Instead of its own, if there is one. */
export function withPriority<M extends Routable>(message: M, priority: Priority | undefined): M {
  if (priority === undefined) return message
  const given: M = { ...message, priority }
  Object.freeze(given)
  return given
}

function compileRoute(config: RouteConfig, number: number): Route {
  const params = config.params === undefined ? undefined : compileIn(number, 'params', config.params)
  const ordered = config.ordered === undefined ? undefined : compileIn(number, 'ordered', config.ordered)
  const template = config.reply === undefined ? undefined : compileTemplate(config.reply)
  const operation = compileOperation(config.operation, number)
  const named = (name: unknown): string => {
    if (typeof name === 'string' && name !== '') return name
    throw new GatewayError('NO_ROUTE', 'no operation can be chosen for this', {
      cause: new GatewayError('NO_ROUTE', `route ${number}: operation yields no name`),
    })
  }
  return {
    number,
    target: targetOf(config),
    priority: config.priority,
    timeoutMs: config.timeoutMs,
    record: config.record ?? false,
    operation(message) {
      const name = operation(message)
      return name instanceof Promise ? name.then(named) : named(name)
    },
    params(message) {
      const given = parameters(message)
      return params === undefined ? given : evaluated(params, given, message)
    },
    async order(message) {
      const key = await ordered?.(message)
      return key === undefined || key === null
        ? undefined
        : typeof key === 'string'
          ? key
          : JSON.stringify(key)
    },
    ...(template !== undefined && {
      reply: (message: Routable) => template(message).catch(inRoute(number, 'reply')),
    }),
  }
}

/** An expression that fails as its route's (`inRoute`). Throws `SyntaxError` for one that is none. */
function compileIn(number: number, key: keyof RouteConfig, source: string): Expression {
  const expression = compileExpression(source)
  const failed = inRoute(number, key)
  return (input, bindings) => {
    const value = expression(input, bindings)
    return value instanceof Promise ? value.catch(failed) : value
  }
}

/** Throws `NO_ROUTE` with the route's number and JSONata's reason, or what hindered `$present()` as it is. */
function inRoute(number: number, key: keyof RouteConfig): (error: unknown) => never {
  return (error) => {
    for (let cause = error; cause instanceof Error; cause = cause.cause)
      if (cause instanceof GatewayError) throw cause
    const why = error instanceof Error ? error.message : String(error)
    const short = why.length > LONGEST_REASON ? `${why.slice(0, LONGEST_REASON)}…` : why
    throw new GatewayError('NO_ROUTE', `route ${number}: ${key} cannot be evaluated: ${short}`, {
      cause: error,
    })
  }
}
/** JSONata's reasons may hold the whole value. */
const LONGEST_REASON = 200

async function evaluated(params: Expression, given: Json, message: Routable): Promise<Json> {
  return ((await params(given, { message })) ?? null) as Json // compileExpression yields plain data
}

function targetOf(config: RouteConfig): Route['target'] {
  if (config.backend !== undefined) return { kind: 'backend', backend: config.backend }
  if (config.agent !== undefined) return { kind: 'agent', agent: config.agent, fallback: config.fallback }
  if (config.notify !== undefined) return { kind: 'notify', agent: config.notify, fallback: config.fallback }
  return { kind: 'reply' }
}

/** A plain name is the name, unless it begins with a field of the message; anything else is JSONata over the message. */
function compileOperation(source: string | undefined, number: number): Expression {
  if (source === undefined) return (message) => (message as Routable).type
  if (/^(?!(?:data|sender|metadata)\.)[\w.:-]+$/u.test(source)) return () => source
  return compileIn(number, 'operation', source)
}

/** A request's and an event's data; of a message what was said. */
function parameters(message: Routable): Json {
  if (message.data !== undefined) return message.data
  if (message.kind !== 'message') return {}
  const text = (message.parts ?? []).map((part) => part.text).join('\n')
  return { sender: message.sender.id, conversation: message.conversation, text }
}
