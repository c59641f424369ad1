// A request: no lane, no conversation; where it goes, and what a call of that target is (SEMANTICS 18).
import { GatewayError } from '../api.ts'
import type { Accepted, Json, Message, Reply } from '../api.ts'
import { callAgent, callBackend } from './calls.ts'
import type { AgentInUse, BackendInUse, OperationInUse } from './calls.ts'
import { createClaims } from './claims.ts'
import type { Call } from './claims.ts'
import { handsOff } from '../deliver/agents.ts'
import { isExpired } from '../deliver/deliver.ts'
import type { Verdict } from '../deliver/deliver.ts'
import type { Lanes } from '../lanes/lanes.ts'
import type { Normalised } from '../normalise.ts'
import type { InForce, Pinned, PipelineOptions } from '../pipeline.ts'
import { withPriority, type Route } from '../router.ts'
import type { Work } from '../store/store.ts'
import type { Traced } from '../tracing.ts'
import type { Waiters } from '../return/waiters.ts'
import { writeLane } from './writes.ts'

export interface RequestsOptions extends PipelineOptions {
  readonly lanes: Lanes
  readonly waiters: Waiters
  readonly stopped: AbortSignal
  readonly onDoubt: (id: string, home: string) => void
}

export type RequestResult =
  | { readonly status: 'answered'; readonly accepted: Accepted }
  /** Its route says `record: true`, its channel acknowledges before the end, or its key is stored: it is stored and does its work in a lane. */
  | {
      readonly status: 'record'
      readonly lane: string
      readonly waitMs: number
      /** It is queued where its system is down. */
      readonly isWrite: boolean
    }

export interface Requests {
  /** Disposes `pinned` when the call has ended, which may be after the caller has gone. Throws `GatewayError`. */
  answer(
    normalised: Normalised,
    held: {
      readonly pinned: Pinned
      readonly signal?: AbortSignal | undefined
      readonly traced?: Traced | undefined
      readonly acknowledges?: boolean
    },
  ): Promise<RequestResult>
  /** Where a recorded request stands in line. Throws `NO_ROUTE`. */
  laneOf(message: Message, home: string, pinned: InForce): Promise<string>
  /** A claimed call whose owner is gone. Never rejects. */
  recover(work: Work, pinned: InForce): Promise<Verdict>
  isRunning(id: string): boolean
  /** Resolves when no claimed call is in flight. */
  ended(): Promise<void>
}

interface Prepared {
  readonly call: Call
  readonly route: Route
  /** `backend orders`, `agent helper`. */
  readonly target: string
  /** Of a write that may be queued. */
  readonly lane?: (home: string) => Promise<string>
}

/** How long a repeat waits for what is at work, where nothing says any more how long that may take. */
const REPEAT_MS = 10_000

export function createRequests(options: RequestsOptions): Requests {
  const claims = createClaims({ ...options, telemetry: { ended: told } })

  function told(
    message: Message,
    call: Call,
    end: { outcome: string; durationMs: number; error?: unknown; reply?: Reply | undefined },
  ): void {
    const { outcome, durationMs, error, reply } = end
    const { id, channel, kind, direction, type } = message
    options.telemetry.settled({ channel, kind, direction, outcome, durationMs })
    const stale = reply?.stale === true
    const target = call.what
    const fields = { id, channel, operation: type, outcome, target, durationMs, ...(stale && { stale }) }
    if (error === undefined) options.log.info('request', fields)
    else options.log.warn('request', { ...fields, error })
  }

  /** A safe call nobody else can join: a client who goes takes it along (SEMANTICS 37). */
  async function unclaimed(message: Message, call: Call, signal: AbortSignal | undefined): Promise<Reply> {
    const begun = performance.now()
    try {
      const reply = await call.make(message.id, 1, signal)
      told(message, call, { outcome: 'answered', durationMs: performance.now() - begun, reply })
      return reply
    } catch (error) {
      const durationMs = performance.now() - begun
      // A caller who has gone is nobody's failure.
      if (signal?.aborted === true) told(message, call, { outcome: 'gone', durationMs })
      else told(message, call, { outcome: 'failed', durationMs, error })
      throw error
    }
  }

  async function prepare(asked: Message, caller: string, pinned: InForce): Promise<Prepared> {
    const route = await pinned.router.route(asked)
    if (route === undefined)
      throw new GatewayError('NO_ROUTE', `no route takes a request of the operation "${asked.type}"`)
    const message = withPriority(asked, route.priority)
    if (route.target.kind !== 'backend') return agentCall(message, route, pinned)
    const backend = pinned.components.backend(route.target.backend)
    // Awaiting only what is a promise keeps most requests out of the microtask queue.
    const named = route.operation(message)
    const name = typeof named === 'string' ? named : await named
    const operation = backend?.operation(name)
    if (backend === undefined || operation === undefined)
      throw new GatewayError('NO_ROUTE', `backend "${route.target.backend}" has no operation "${name}"`)
    const given = route.params(message)
    const params = given instanceof Promise ? await given : given
    const call = backendCall({ message, route, backend, operation, name, params, caller })
    const { queue } = operation
    const prepared = { call, route, target: `backend ${backend.id}` }
    if (queue === undefined) return prepared
    return { ...prepared, lane: (home) => writeLane(queue, { backend: backend.id, params, message, home }) }
  }

  async function laneOf({ route, target, lane }: Prepared, message: Message, home: string): Promise<string> {
    if (lane !== undefined) return lane(home)
    const order = await route.order(message)
    if (order === undefined) return `request:${message.id}`
    // By its target, not by its place in the table: a reload that shifts the place must not open a second lane beside the first.
    return `ordered:${target}:${order}`
  }

  function agentCall(message: Message, route: Route, { components }: InForce): Prepared {
    if (route.target.kind !== 'agent')
      throw new GatewayError('NO_ROUTE', `route ${route.number} only notifies: it cannot answer a request`)
    const { agent, fallback } = route.target
    const inTurn = [agent, ...(fallback === undefined ? [] : [fallback])].flatMap(
      (id) => components.agent(id) ?? [],
    )
    const [first, second] = inTurn
    if (first === undefined) throw new GatewayError('NO_ROUTE', `agent "${agent}" is not running`)
    const msOf = ({ timeoutMs }: AgentInUse): number => route.timeoutMs ?? timeoutMs
    // SEMANTICS 7, 15: a repeat of its key is the same question to whoever is asked.
    const ask = async (asked: AgentInUse, key: string): Promise<Reply> => {
      const same = Object.freeze({ ...message, id: key, correlationId: key })
      return answerOf(asked, { message: same, ms: msOf(asked) })
    }
    const call: Call = {
      what: `agent "${first.id}"`,
      safe: true,
      repeatable: true,
      ms: inTurn.reduce((ms, asked) => ms + msOf(asked), 0),
      async make(key, _attempt, signal) {
        if (second === undefined) return ask(first, key)
        try {
          return await ask(first, key)
        } catch (error) {
          if (signal?.aborted === true) throw error
          options.log.warn('request: the fallback is asked', { id: message.id, agent: second.id, error })
          return ask(second, key)
        }
      },
    }
    return { call, route, target: `agent ${agent}` }
  }

  async function claimed(
    normalised: Normalised,
    call: Call,
    lane: () => string | Promise<string>,
  ): Promise<RequestResult> {
    const { id, conversation } = normalised.message
    const claim = await claims.call(normalised, call)
    if (claim.status === 'stored')
      return { status: 'record', lane: await lane(), waitMs: call.ms, isWrite: claim.isWrite }
    const { reply, first } = claim
    const accepted = { id: first, conversation, sequence: 0, duplicate: first !== id, reply }
    return { status: 'answered', accepted }
  }

  /** SEMANTICS 1: where its route or operation is gone, an id that is known gets what became of it all the same. Nothing is begun. */
  async function repeated(
    normalised: Normalised,
    { failure, acknowledges }: { readonly failure: GatewayError; readonly acknowledges: boolean | undefined },
  ): Promise<RequestResult> {
    const { message, dedupe } = normalised
    if (failure.code !== 'NO_ROUTE' || dedupe === undefined) throw failure
    const [known] = await options.store.find({ by: 'key', key: dedupe.key })
    if (known?.row !== 'claim') throw failure
    const lane = `request:${message.id}`
    // Stored in the place of a call that came to nothing it would be a dead letter, and its id would be used up.
    if (acknowledges === true && !(await isReleased(known.id)))
      return { status: 'record', lane, waitMs: REPEAT_MS, isWrite: false }
    const call: Call = {
      what: `operation "${message.type}"`,
      safe: false,
      repeatable: false,
      ms: REPEAT_MS,
      make: () => Promise.reject(failure),
    }
    return claimed(normalised, call, () => lane)
  }

  async function isReleased(id: string): Promise<boolean> {
    const rows = await options.store.find({ by: 'id', id })
    return rows.some((row) => row.row === 'work' && row.kind === 'claim' && row.state === 'waiting')
  }

  return {
    async answer(normalised, { pinned, signal, traced, acknowledges }) {
      using held = pinned
      const message: Message = Object.freeze({ ...normalised.message, sequence: 0 })
      const { id, conversation } = message
      if (isExpired(message.expiresAt, options.now()))
        throw new GatewayError('EXPIRED', `the request expired at ${message.expiresAt}, before it was begun`)
      traced?.stage('route')
      let prepared: Prepared
      try {
        prepared = await prepare(message, normalised.caller, held)
      } catch (error) {
        return await repeated(normalised, { failure: GatewayError.from(error), acknowledges })
      }
      traced?.stage('deliver')
      const { call, route } = prepared
      const isWrite = prepared.lane !== undefined
      if (route.record || isWrite || acknowledges === true) {
        const lane = await laneOf(prepared, message, normalised.home)
        return { status: 'record', lane, waitMs: call.ms, isWrite }
      }
      const isClaimed = normalised.dedupe !== undefined || !call.safe
      if (!isClaimed) {
        const reply = await unclaimed(message, call, signal)
        return { status: 'answered', accepted: { id, conversation, sequence: 0, duplicate: false, reply } }
      }
      // Awaited: its generation is held until it has ended.
      return await claimed(normalised, call, () => laneOf(prepared, message, normalised.home))
    },

    laneOf: async (message, home, pinned) => laneOf(await prepare(message, home, pinned), message, home),
    recover: (work, pinned) =>
      claims.recover(work, async () => (await prepare(work.message, work.home, pinned)).call),
    isRunning: (id) => claims.isRunning(id),
    ended: () => claims.ended(),
  }
}

/** What an agent answers here and now: nobody would hear it later. Throws as `callAgent`, and `AGENT_FAILED` where there is no answer. */
async function answerOf(
  agent: AgentInUse,
  { message, ms }: { readonly message: Message; readonly ms: number },
): Promise<Reply> {
  const conversation = { id: message.conversation, customer: message.sender }
  const answer = await callAgent(agent, { message, conversation, ms, waits: false })
  const who = `agent "${agent.id}"`
  if (answer === undefined)
    throw new GatewayError(
      'AGENT_FAILED',
      `${who} only took the request "${message.type}", which is to be answered at once`,
    )
  if ('handoff' in answer) throw new GatewayError('AGENT_FAILED', `${who} ${handsOff(answer)}`)
  return answer
}

function backendCall(to: {
  message: Message
  route: Route
  backend: BackendInUse
  operation: OperationInUse
  name: string
  params: Json
  caller: string
}): Call {
  const { message, route, backend, operation, name, params, caller } = to
  const ms = Math.min(route.timeoutMs ?? Infinity, operation.timeoutMs)
  return {
    what: `backend "${backend.id}", operation "${name}"`,
    safe: operation.safe,
    repeatable: operation.safe || operation.idempotent === true,
    ms,
    invalidate: operation.invalidate,
    make: (key, attempt, signal) =>
      callBackend(backend, operation, {
        operation: name,
        params,
        message,
        key,
        attempt,
        ms,
        signal,
        caller,
        retries: true,
      }),
  }
}
