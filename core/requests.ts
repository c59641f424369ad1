// A request: no lane, no conversation; an unsafe or identified call is claimed before it begins (SEMANTICS 2, 18, 35).
import { GatewayError } from './api.ts'
import type { Accepted, Log, Message, Reply } from './api.ts'
import { callAgent, callBackend } from './calls.ts'
import type { BackendInUse, OperationInUse } from './calls.ts'
import type { Lanes } from './lanes.ts'
import type { Normalised } from './normalise.ts'
import type { Pinned, PipelineOptions } from './pipeline.ts'
import { claimedEnd } from './return-right.ts'
import type { Route } from './router.ts'
import { errorOf, failureOf, outcomeUnknown, settleDurably } from './settling.ts'
import type { ClaimResult, Settle, Store } from './store/store.ts'
import type { Ended, Waiters } from './waiters.ts'

export interface RequestContext extends PipelineOptions {
  readonly store: Store
  readonly log: Log
  readonly lanes: Lanes
  readonly waiters: Waiters
  readonly stopped: AbortSignal
}

export type RequestResult =
  | { readonly status: 'answered'; readonly accepted: Accepted }
  /** Its route says `record: true`: it is stored and does its work in a lane. */
  | { readonly status: 'record'; readonly lane: string; readonly waitMs: number }

/** One call of a route's target, and whether it may be made again. */
interface Call {
  readonly what: string
  readonly repeatable: boolean
  readonly ms: number
  readonly claimed: boolean
  make(key: string, attempt: number, signal?: AbortSignal): Promise<Reply>
}

/** Answers a request. Disposes `pinned` when the call has ended, which may be after the caller has gone. Throws `GatewayError`. */
export async function answerRequest(
  context: RequestContext,
  normalised: Normalised,
  { pinned, signal }: { readonly pinned: Pinned; readonly signal: AbortSignal | undefined },
): Promise<RequestResult> {
  using held = pinned
  const message: Message = Object.freeze({ ...normalised.message, sequence: 0 })
  const route = await held.router.route(message)
  if (route === undefined)
    throw new GatewayError('NO_ROUTE', `no route takes a request of the operation "${message.type}"`)
  const call = await prepare(context, {
    message,
    route,
    pinned: held,
    identified: normalised.dedupe !== undefined,
  })
  if (route.record) {
    const order = await route.order(message)
    const lane = order === undefined ? `request:${message.id}` : `ordered:${route.number}:${order}`
    return { status: 'record', lane, waitMs: call.ms }
  }
  const { id, conversation } = message
  const begun = performance.now()
  let outcome = 'failed'
  try {
    const { reply, first } = call.claimed
      ? await claimedCall(context, normalised, call)
      : { reply: await call.make(id, 1, signal), first: id }
    outcome = 'answered'
    return {
      status: 'answered',
      accepted: { id: first, conversation, sequence: 0, duplicate: first !== id, reply },
    }
  } finally {
    const durationMs = performance.now() - begun
    const { channel, kind, direction } = message
    context.telemetry.settled({ channel, kind, direction, outcome, durationMs })
  }
}

async function prepare(
  context: RequestContext,
  request: { message: Message; route: Route; pinned: Pinned; identified: boolean },
): Promise<Call> {
  const { message, route, pinned, identified } = request
  if (route.target.kind === 'backend') {
    const backend = pinned.components.backend(route.target.backend)
    const name = await route.operation(message)
    const operation = backend?.operation(name)
    if (backend === undefined || operation === undefined)
      throw new GatewayError('NO_ROUTE', `backend "${route.target.backend}" has no operation "${name}"`)
    return backendCall(await route.params(message), { message, route, backend, operation, name, identified })
  }
  if (route.target.kind !== 'agent')
    throw new GatewayError('NO_ROUTE', `route ${route.number} only notifies: it cannot answer a request`)
  const agent = pinned.components.agent(route.target.agent)
  if (agent === undefined) throw new GatewayError('NO_ROUTE', `agent "${route.target.agent}" is not running`)
  const ms = route.timeoutMs ?? agent.timeoutMs
  return {
    what: `agent "${agent.id}"`,
    repeatable: true,
    ms,
    claimed: identified,
    async make() {
      const conversation = {
        id: message.conversation,
        customer: message.sender,
        callback: context.callback(message, 0),
      }
      const answer = await callAgent(agent, { message, conversation, ms })
      if (answer !== undefined && !('handoff' in answer)) return answer
      throw new GatewayError(
        'AGENT_FAILED',
        `agent "${agent.id}" gave the request "${message.type}" no answer`,
      )
    },
  }
}

function backendCall(
  params: Parameters<typeof callBackend>[2]['params'],
  to: {
    message: Message
    route: Route
    backend: BackendInUse
    operation: OperationInUse
    name: string
    identified: boolean
  },
): Call {
  const { message, route, backend, operation, name, identified } = to
  const ms = Math.min(route.timeoutMs ?? Infinity, operation.timeoutMs)
  return {
    what: `backend "${backend.id}", operation "${name}"`,
    repeatable: operation.safe || operation.idempotent === true,
    ms,
    claimed: identified || !operation.safe,
    make: (key, attempt, signal) =>
      callBackend(backend, operation, { operation: name, params, message, key, attempt, ms, signal }),
  }
}

interface Answered {
  readonly reply: Reply
  /** The id of the message that was answered first. */
  readonly first: string
}

async function claimedCall(context: RequestContext, normalised: Normalised, call: Call): Promise<Answered> {
  const { store, lanes, waiters, dedupeMs } = context
  const { message, raw, home, dedupe } = normalised
  const fence = lanes.ownFence(home)
  const claim = await store.claim({
    home,
    key: dedupe?.key ?? `request:${message.id}`,
    fingerprint: dedupe?.fingerprint ?? message.id,
    id: message.id,
    ttlMs: dedupe?.ttlMs ?? dedupeMs,
    idempotent: call.repeatable,
    fence,
    message,
    ...(raw !== undefined && { raw }),
  })
  switch (claim.status) {
    case 'run': {
      const reply = await begunCall(context, call, { claim, settle: { home, fence } })
      return { reply, first: claim.id }
    }
    case 'running': {
      const waiter = waiters.register(claim.id, { ms: call.ms })
      const ended = (await endOf(store, claim.id)) ?? (await waiter.ended)
      waiter.cancel()
      return { reply: replyOrThrow(ended, call), first: claim.id }
    }
    case 'done':
      return { reply: replyOrThrow(claim, call), first: claim.id }
    case 'unknown':
      throw new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(call.what))
    case 'mismatch':
      throw new GatewayError(
        'IDEMPOTENCY_MISMATCH',
        `the id "${message.externalId}" was used before for another request; use a new id`,
      )
  }
}

/** Makes the call and completes its claim before anybody gets the answer. */
async function begunCall(
  context: RequestContext,
  call: Call,
  {
    claim,
    settle,
  }: { claim: Extract<ClaimResult, { status: 'run' }>; settle: Pick<Settle, 'home' | 'fence'> },
): Promise<Reply> {
  const { store, log, waiters, stopped, now } = context
  const begun = performance.now()
  const startedAt = new Date(now()).toISOString()
  const end = async (ending: Pick<Settle, 'outcome'> & Partial<Settle>): Promise<void> => {
    const tried = { target: call.what, startedAt, durationMs: performance.now() - begun }
    const { failure } = ending
    await settleDurably(
      store,
      {
        ...settle,
        kind: 'claim',
        id: claim.id,
        attempt: claim.attempt,
        replies: [],
        inbox: false,
        pushes: [],
        tried: { ...tried, ...(failure !== undefined && { failure }) },
        ...ending,
      },
      { log, stopped },
    )
    const { outcome, reply } = ending
    // A failed attempt that may be made again still is the outcome of those who joined it.
    waiters.resolve(claim.id, { outcome: outcome === 'retry' ? 'failed' : outcome, reply, failure })
  }
  try {
    const reply = await call.make(claim.id, claim.attempt)
    await end({ outcome: 'answered', reply })
    return reply
  } catch (error) {
    const failure = GatewayError.from(error)
    if (call.repeatable || failure.notExecuted || failure.side !== 'backend') {
      await end({ outcome: 'retry', failure: failureOf(failure) })
      throw failure
    }
    const unknown = new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(call.what), { cause: failure })
    await end({ outcome: 'unknown', failure: failureOf(unknown), dead: failureOf(unknown) })
    throw unknown
  }
}

async function endOf(store: Store, id: string): Promise<Ended | undefined> {
  for (const row of await store.find({ by: 'id', id }))
    if (row.row === 'claim' && row.id === id) return claimedEnd(row)
  return undefined
}

function replyOrThrow(ended: Ended | undefined, call: Call): Reply {
  if (ended === undefined)
    throw new GatewayError(
      'DEADLINE_EXCEEDED',
      `${call.what} is still at work on the same id; ask again with it`,
    )
  const error = errorOf(ended)
  if (error !== undefined) throw error
  if (ended.reply === undefined) throw new GatewayError('INTERNAL', 'a claim was answered without an answer')
  return ended.reply
}
