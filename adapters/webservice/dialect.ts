// What a backend's dialects have in common: a request out of a call, an answer out of a response.
import type { Answer, BackendCall } from 'dragoman'
import type { OperationConfig } from './config.ts'

/** A call as a dialect says it. */
export interface Outbound {
  readonly method: 'GET' | 'POST'
  /** Below the address. */
  readonly path?: string
  readonly query?: string
  readonly contentType?: string
  readonly body?: Uint8Array
}

/** One way to speak. What `request` throws is `notExecuted`; what `answer` throws is a breakage. */
export interface Dialect {
  request(call: BackendCall, operation: OperationConfig): Outbound
  /** Undefined: the answer is none of this dialect, its HTTP status says all there is. */
  answer(response: Response, bytes: Uint8Array, call: BackendCall): Answer | undefined
}
