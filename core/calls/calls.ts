// Stage 7: one call to an agent or to a business system, under its protection (DESIGN §7).
import { GatewayError } from '../api.ts'
import type {
  Agent,
  Backend,
  Channel,
  Conversation,
  Handoff,
  Json,
  Message,
  Operation,
  Priority,
  Reply,
} from '../api.ts'
import { agentAnswerOf, replyOf } from './answers.ts'
import type { Asked, Fallback } from '../guard/fallback.ts'
import { TELLING } from '../guard/deadline.ts'
import { withRetry } from '../guard/retry.ts'
import type { RetryOptions } from '../guard/retry.ts'
import { maskedError } from '../log/masked.ts'
import { provesNothingDone } from '../deliver/settling.ts'
import type { WriteQueue } from './writes.ts'

/**
 * Runs a call under bulkhead, breaker and deadline. `ms`: all that is left for it; `waits`: for a place too, up to half of it;
 * `shortened`: asked when the call was too slow, with what it had when it had waited for its place; true where that says nothing
 * to the breaker. With its outcome it goes on when it is the turn of its priority.
 */
export type Protect = <T>(
  options: {
    readonly ms: number
    readonly priority: Priority
    readonly signal?: AbortSignal | undefined
    readonly waits?: boolean
    readonly shortened?: ((givenMs: number) => boolean) | undefined
  },
  call: (signal: AbortSignal) => Promise<T>,
) => Promise<T>

export interface AgentInUse {
  readonly id: string
  readonly agent: Agent
  readonly timeoutMs: number
  /** How long a taken message may stay without the answer that was promised. */
  readonly callbackWithinMs: number
  readonly protect: Protect
}

export interface OperationInUse extends Operation {
  readonly timeoutMs: number
  readonly protect: Protect
  /** How a failed call is made again. Absent: it is not, or not within the call. */
  readonly retry?: Pick<RetryOptions, 'policy' | 'budget' | 'onRetry'>
  /** What stands in for the call (DESIGN §7). Absent: nothing. */
  readonly standIn?: StandIn
  /** What may be done later is queued while the system is down. Absent: it is not. */
  readonly queue?: WriteQueue
  /** After a call that may have changed something: what the cache knows of these operations is no longer good. Never rejects. */
  readonly invalidate?: () => Promise<void>
}

export interface StandIn extends Fallback {
  /** Under which the answer of this call is kept. */
  key(call: {
    operation: string
    params: Json
    message: Message
    caller: string
  }): Pick<Asked, 'key' | 'params'>
}

export interface BackendInUse {
  readonly id: string
  readonly backend: Backend
  /** What config and adapter together say of an operation; undefined: there is none of that name. */
  operation(name: string): OperationInUse | undefined
}

export interface ChannelInUse {
  readonly id: string
  readonly adapter: string
  readonly channel: Channel
  readonly inDoubt: 'repeat' | 'park'
}

/** The set an attempt begins and ends in. */
export interface Components {
  agent(id: string): AgentInUse | undefined
  backend(id: string): BackendInUse | undefined
  channel(id: string): ChannelInUse | undefined
}

export interface AgentCall {
  readonly message: Message
  readonly conversation: Conversation
  readonly ms: number
  /** Nobody stands at the door: it may wait for its turn. */
  readonly waits: boolean
}

/** Calls an agent once. Undefined: taken. Throws `GatewayError`. */
export async function callAgent(
  { id, agent, protect, timeoutMs }: AgentInUse,
  { message, conversation, ms, waits }: AgentCall,
): Promise<Reply | Handoff | undefined> {
  const priority = message.priority ?? 'normal'
  const shortened = (givenMs: number): boolean => givenMs < timeoutMs * TELLING
  const answer = await protect({ ms, shortened, waits, priority }, async (signal) => {
    try {
      return await agent.answer(message, conversation, signal)
    } catch (error) {
      throw failure(error, 'AGENT_FAILED', `agent "${id}"`)
    }
  })
  return agentAnswerOf(answer, `agent "${id}"`)
}

export interface BackendInvocation {
  readonly operation: string
  readonly params: Json
  readonly message: Message
  readonly key: string
  readonly attempt: number
  readonly ms: number
  readonly signal?: AbortSignal | undefined
  /** Whether being too slow says nothing about the operation, though `ms` were about half of its time, or more. */
  readonly shortened?: () => boolean
  /** It is made again where that can help; what stands in a lane waits for its turn and is made again by the lane. */
  readonly retries: boolean
  /** The credential and the home it is made for: whose answers of the cache it may get. */
  readonly caller: string
}

/** Calls an operation, or gives what stands in for its answer. A business fault is in the reply. Throws `GatewayError`. */
export function callBackend(
  backend: BackendInUse,
  operation: OperationInUse,
  invocation: BackendInvocation,
): Promise<Reply> {
  const { standIn, invalidate } = operation
  const { ms, signal } = invocation
  if (standIn !== undefined)
    return standIn.run({ ...standIn.key(invocation), ms, signal }, (left) =>
      // By name: the cache has a `key` and `params` of its own.
      callOften(backend, operation, {
        ...invocation,
        ms: left.ms,
        signal: left.signal,
        shortened: left.shortened,
      }),
    )
  const call = (): Promise<Reply> => callOften(backend, operation, invocation)
  return invalidate === undefined ? call() : invalidating(invalidate, call)
}

async function invalidating(invalidate: () => Promise<void>, call: () => Promise<Reply>): Promise<Reply> {
  let isUntouched = false
  try {
    return await call()
  } catch (error) {
    isUntouched = provesNothingDone(GatewayError.from(error))
    throw error
  } finally {
    if (!isUntouched) await invalidate()
  }
}

function callOften(
  backend: BackendInUse,
  operation: OperationInUse,
  invocation: BackendInvocation,
): Promise<Reply> {
  const { retry } = operation
  if (retry === undefined || !invocation.retries) return callOnce(backend, operation, invocation)
  const { ms, signal, attempt } = invocation
  return withRetry({ ...retry, ms, signal }, (number, left) =>
    callOnce(backend, operation, { ...invocation, attempt: attempt + number - 1, ms: left }),
  )
}

async function callOnce(
  { id, backend }: BackendInUse,
  { protect, timeoutMs }: OperationInUse,
  {
    operation,
    params,
    message,
    key,
    attempt,
    ms,
    signal,
    shortened: isShortened,
    retries,
  }: BackendInvocation,
): Promise<Reply> {
  const call = { operation, params, message, key, attempt }
  const who = `backend "${id}", operation "${call.operation}"`
  const priority = message.priority ?? 'normal'
  // By its route, the hold of its lane, the attempts before it, or its wait for a place: others may be given more.
  const shortened = (givenMs: number): boolean => givenMs < timeoutMs * TELLING || isShortened?.() === true
  const answer = await protect({ ms, shortened, signal, waits: !retries, priority }, async (inner) => {
    try {
      return await backend.call(call, inner)
    } catch (error) {
      throw failure(error, 'BACKEND_FAILED', who)
    }
  })
  return replyOf(answer, 'backend', who)
}

// What an adapter throws beside GatewayErrors is its breakage; the caller learns who failed, the log learns why.
function failure(thrown: unknown, code: 'AGENT_FAILED' | 'BACKEND_FAILED', who: string): GatewayError {
  if (thrown instanceof GatewayError) return maskedError(thrown)
  return new GatewayError(code, `${who} failed`, { cause: thrown })
}
